/**
 * Mail and operators for a simulation: letters of every kind at random times, each with a marker that its copies and
 * reports bear, and a book of what was handed over and what we were told.
 */
import { crc32 } from "node:zlib";
import type { Chance } from "./chance.ts";
import type { Machine } from "./machine.ts";
import { handOver, type HandOver, type Letter } from "./mail-client.ts";
import type { Receiver } from "./receivers.ts";
import { aliasTargets, insideAddress, laptopAddress, password, serverAddress, strangerAddress } from "./world.ts";

export interface Sent {
  readonly marker: string;
  readonly letter: Letter;
  /** Where an address leads, if not to itself. */
  readonly leadsTo: Readonly<Record<string, readonly string[]>>;
  /** In monotonic time. */
  at: number;
  outcome: HandOver | undefined;
}

/** One burst of small letters to one receiver, and a few to another that must not suffer from it. */
export interface Flood {
  readonly atMs: number;
  readonly receiver: Receiver;
  readonly letters: number;
}

/** A letter that somebody writes for a purpose. */
export interface Errand {
  readonly from: string;
  readonly to: readonly string[];
  /** Default: a machine that may relay. */
  readonly by?: "inside" | "submitter" | "stranger";
  /** Default: 200 octets. */
  readonly length?: number;
  /** Fields on top of the others, each with its CRLF. */
  readonly header?: string;
  /** Parameters of MAIL besides BODY. */
  readonly parameters?: string;
  /** The program ends lines with LF, as many do that submit. */
  readonly bareLf?: boolean;
}

/** A verb of an operator that the server has carried out, between those times; without a domain, on everything. */
export interface CarriedOut {
  readonly verb: "retry" | "hold" | "release" | "remove";
  readonly domain: string | undefined;
  readonly from: number;
  readonly to: number;
}

/** Who sends, in which way. */
interface Sender {
  readonly from: string;
  readonly isInside: boolean;
  readonly by: Pick<Letter, "client" | "login">;
}

const inside = { client: insideAddress } as const;
const stranger = { client: strangerAddress } as const;
const submitter = { client: laptopAddress, login: { user: "ann@example.org", password } } as const;

export class Workload {
  readonly sent: Sent[] = [];
  /** Times at which an operator had recipients held, tried again, released or removed, in monotonic time. */
  readonly operations: number[] = [];
  /** The same, where the server answered; in its own time. */
  readonly verbs: CarriedOut[] = [];
  /** When somebody asked for recipients to be tried, whether it was answered or not; in the server's time. */
  readonly wishes: { readonly domain: string | undefined; readonly at: number }[] = [];
  readonly #machine: Machine;
  readonly #receivers: readonly Receiver[];
  readonly #chance: Chance;
  readonly #bytesMax: number;
  #count = 0;

  constructor(machine: Machine, receivers: readonly Receiver[], chance: Chance, bytesMax: number) {
    this.#machine = machine;
    this.#receivers = receivers;
    this.#chance = chance;
    this.#bytesMax = bytesMax;
  }

  /** So many letters, and some acts of an operator, at times within `withinMs`; gives the times of bursts. */
  schedule(letters: number, withinMs: number): void {
    const chance = this.#chance;
    for (let count = 0; count < letters; count++) {
      const sent = this.#letter();
      // Some come in a burst.
      const atMs = chance.is(0.2) ? chance.pick(burstsWithin(withinMs)) : Math.floor(chance.next() * withinMs);
      this.#later(atMs, sent);
    }
    for (let count = chance.below(6); count > 0; count--) {
      const verb = chance.pick(["retry", "hold", "release", "remove"] as const);
      const domain = chance.pick(this.#receivers).domain;
      this.#machine.clock.setTimer(Math.floor(chance.next() * withinMs), () => void this.operate(verb, { domain }));
    }
  }

  flood({ atMs, receiver, letters }: Flood): void {
    const small = (to: string) => this.#made({ from: "lists@d0.test", isInside: true, by: inside }, [`<${to}>`], 200);
    const everyMs = this.#chance.pick([20, 500, 500]);
    for (let count = 0; count < letters; count++) {
      this.#later(atMs + count * everyMs, small(`user${count % 40}@${receiver.domain}`));
    }
    for (let count = 0; count < 4; count++) this.#later(atMs + 20_000 + count * 25_000, small("user7@d0.test"));
  }

  /** One letter, from now; what is given back is filled in when it is handed over. */
  send(afterMs: number, errand: Errand): Sent {
    const { from, to, by = "inside", length = 200, header = "", parameters = "", bareLf = false } = errand;
    const marker = `M${++this.#count}`;
    const ways = { inside, submitter, stranger };
    const content = this.#content(marker, from, { length, header, bareLf });
    const letter: Letter = {
      from,
      to: to.map((address) => `<${address}>`),
      mailParameters: `${parameters} BODY=8BITMIME`,
      content,
      ...ways[by],
    };
    const sent: Sent = { marker, letter, leadsTo: aliasTargets, at: 0, outcome: undefined };
    this.#later(afterMs, sent);
    return sent;
  }

  /** Some letters at once, now. */
  burst(): void {
    for (let count = 0; count < 6; count++) this.#later(count * 10, this.#letter());
  }

  /** The failure of a forwarded message comes back, to the address that we gave its sender. */
  bounce(reversePath: string, marker: string): void {
    if (!this.#chance.is(0.4)) return;
    const original = this.sent.find((sent) => sent.marker === marker)?.letter.from;
    if (original === undefined) return;
    const bounce = this.#made({ from: "", isInside: false, by: stranger }, [`<${reversePath}>`], 300, {
      [reversePath]: [original],
    });
    this.#later(Math.floor(this.#chance.between(1_000, 600_000)), bounce);
  }

  /** While mail for one receiver waits in memory, an operator holds it and lets it go, or wants it tried. */
  operateOn({ atMs, receiver: { domain } }: Flood, chance: Chance): void {
    const { clock } = this.#machine;
    const at = atMs + chance.below(25_000);
    const act = (afterMs: number, verb: CarriedOut["verb"]) =>
      clock.setTimer(at + afterMs, () => void this.operate(verb, { domain }));
    if (chance.is(0.6)) {
      act(0, chance.pick(["hold", "hold", "remove"]));
      act(chance.below(1_000_000), "release");
    }
    act(120_000 + chance.below(600_000), "retry");
  }

  async operate(verb: CarriedOut["verb"], filter: { readonly domain?: string }): Promise<void> {
    const { clock } = this.#machine;
    this.operations.push(clock.monotonicMs());
    const from = clock.now();
    if (verb === "retry" || verb === "release") this.wishes.push({ domain: filter.domain, at: from });
    const life = this.#machine.lives.at(-1);
    const answer = await this.#machine.api(`/api/v1/queue/${verb}`, { ...filter, all: true }).catch(() => undefined);
    const isDone = typeof answer === "object" && answer !== null && "count" in answer;
    // What a server answers that died meanwhile reaches nobody.
    if (isDone && this.#machine.isUp && life === this.#machine.lives.at(-1))
      this.verbs.push({ verb, domain: filter.domain, from, to: clock.now() });
  }

  #later(delayMs: number, sent: Sent): void {
    const { network, clock } = this.#machine;
    const port = sent.letter.login === undefined ? 25 : 465;
    const act = async () => {
      sent.at = clock.monotonicMs();
      this.sent.push(sent);
      sent.outcome = await handOver(network, clock, { kind: "ip", address: serverAddress, port }, sent.letter);
    };
    clock.setTimer(delayMs, () => void act());
  }

  #letter(): Sent {
    const chance = this.#chance;
    const sender = this.#sender();
    const to = new Set(sender.isInside && chance.is(0.02) ? this.#list() : this.#fewOf(sender));
    const length = Math.min(this.#bytesMax, chance.is(0.03) ? 300_000 : Math.floor(chance.next() ** 3 * 20_000));
    return this.#made(
      sender,
      [...to].map((address) => `<${address}>${this.#parameters()}`),
      length,
    );
  }

  #sender(): Sender {
    const chance = this.#chance;
    const there = chance.pick(this.#receivers).domain;
    if (chance.is(0.3)) {
      return { from: chance.pick([`sender@${there}`, "nobody@unknown.test", ""]), isInside: false, by: stranger };
    }
    if (chance.is(0.25)) return { from: "ann@example.org", isInside: true, by: submitter };
    const from = chance.pick(["ann@example.org", "bob@example.org", "", `lists@${there}`]);
    return { from, isInside: true, by: inside };
  }

  #made(sender: Sender, to: readonly string[], length: number, leadsTo: Sent["leadsTo"] = aliasTargets): Sent {
    const chance = this.#chance;
    const marker = `M${++this.#count}`;
    const ret = chance.is(0.1) ? " RET=HDRS" : "";
    const silentAfter = chance.is(0.02) ? { silentAfter: chance.pick(["connect", "MAIL", "DATA"] as const) } : {};
    const letter: Letter = {
      from: sender.from,
      to,
      mailParameters: `${ret}${chance.is(0.1) ? " ENVID=e1" : ""} BODY=8BITMIME`,
      content: this.#content(marker, sender.from, { length }),
      ...sender.by,
      ...silentAfter,
    };
    return { marker, letter, leadsTo, at: 0, outcome: undefined };
  }

  #fewOf({ isInside }: Sender): readonly string[] {
    const chance = this.#chance;
    const count = chance.is(0.7) ? 1 : 1 + chance.below(12);
    return Array.from({ length: count }, () => (isInside ? this.#anywhere() : this.#ofOurs()));
  }

  /** More at one domain than some worlds have room for in memory. */
  #list(): readonly string[] {
    const { domain } = this.#chance.pick(this.#receivers);
    return Array.from({ length: 60 }, (_, index) => `user${index}@${domain}`);
  }

  #anywhere(): string {
    const chance = this.#chance;
    if (chance.is(0.2)) return this.#ofOurs();
    const name = chance.is(0.1) ? `no-${chance.below(5)}` : `user${chance.below(40)}`;
    return `${name}@${chance.pick(this.#receivers).domain}`;
  }

  #ofOurs(): string {
    return this.#chance.pick(["ann@example.org", "bob@example.org", "info@example.org", "away@example.org"]);
  }

  #parameters(): string {
    const chance = this.#chance;
    if (!chance.is(0.25)) return "";
    return ` NOTIFY=${chance.pick(["NEVER", "SUCCESS", "FAILURE", "SUCCESS,FAILURE", "DELAY,FAILURE", "SUCCESS,FAILURE,DELAY"])}`;
  }

  #content(
    marker: string,
    from: string,
    { length, header, bareLf }: { readonly length: number; readonly header?: string; readonly bareLf?: boolean },
  ): Buffer {
    const line = `${this.#chance.is(0.3) ? "." : ""}${"haste post haste ".repeat(4)}é\r\n`;
    const body = line.repeat(1 + Math.floor(length / line.length)) + (bareLf === true ? smuggled : "");
    const subject = `${marker}${header === undefined && this.#chance.is(0.1) ? " grün" : ""}`;
    const fields =
      `${header ?? ""}From: <${from === "" ? "daemon@unknown.test" : from}>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n` +
      `Message-ID: <${marker}@simulation.test>\r\nSubject: ${subject}\r\nX-Simulation: ${marker} ${crc32(body)}\r\n\r\n`;
    const stuffed = `${fields}${body.replaceAll(/(^|\r\n)\./g, "$1..")}`;
    // Such programs double a dot at the start of a line or not; LF "." CRLF is what smugglers try.
    if (bareLf !== true) return Buffer.from(`${stuffed}.\r\n`);
    const sent = stuffed.slice(0, -2).replaceAll("\r\n", "\n").replaceAll("\n..\nMAIL", "\n.\r\nMAIL");
    return Buffer.from(`${sent}\r\n.\r\n`);
  }
}

/** What would be a second message, if anything but CRLF "." CRLF ended content. */
const smuggled = ".\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\n";

/** When letters come together. */
export function burstsWithin(withinMs: number): readonly number[] {
  return [0, 1, 2, 3, 4].map((fifth) => fifth * (withinMs / 5));
}
