/**
 * Servers that our mail goes to, each of a character: what they answer, how they fail, and a book of what they were given.
 * From the book the checkers see who got what, how often, and whether we can have known.
 */
import { crc32 } from "node:zlib";
import type { Clock } from "../../src/ports/clock.ts";
import type { Network, NetworkListener } from "../../src/ports/network.ts";
import { close, type PeerAnswer, type PeerCommand, ScriptedPeer, stall } from "../../src/testing/scripted-peer.ts";
import type { SimulatedDns } from "../../src/testing/simulated-dns.ts";
import type { Chance } from "./chance.ts";
import { ReceiverNames } from "./receiver-names.ts";
import { SlowLine } from "./slow-line.ts";
import { manyDeliveries, type WorldNumbers } from "./world.ts";

export const characters = [
  "healthy",
  "greylister",
  "rate-limiter",
  "refuses-some",
  "busy-421",
  "drops-connections",
  "loses-replies",
  "suppresses-duplicates",
  "slow-to-answer",
  "leisurely",
  "tarpit",
  "goes-silent",
  "moves",
  "lies",
  "lists-us",
] as const;

/** Those that only a scene has: never chosen at random. */
export const sceneCharacters = [
  /** In order, but no site that everybody's mail is to reach at once. */
  "ordinary",
  /** Takes a connection and never says a word. */
  "never-greets",
  /** Without 8BITMIME. */
  "seven-bit",
  /** Each message of `poison@…` breaks its connection after MAIL was accepted. */
  "poisoned",
  /** Answers each message by one of its own, whatever it is. */
  "auto-responder",
  /** Nobody's mailbox takes anything before a scene says so. */
  "opens-late",
] as const;
export type Character = (typeof characters)[number] | (typeof sceneCharacters)[number];

/** With them mail waits when there is much of it, or they say that it is too much. */
export const soonBusy: readonly Character[] = [
  "leisurely",
  "leisurely",
  "leisurely",
  "rate-limiter",
  "busy-421",
  "tarpit",
];

/** The seven-bit one does not, but lacks what some mail needs. */
const maySay5yz: ReadonlySet<Character> = new Set(["refuses-some", "lies", "lists-us", "seven-bit"]);
/** Of these no recipient fails, but one that does not exist. */
export const neverRefuses: ReadonlySet<Character> = new Set(
  [...characters, ...sceneCharacters].filter((character) => !maySay5yz.has(character)),
);
/** They take what they are given within seconds, though perhaps not the first time. */
export const answersSoon: ReadonlySet<Character> = new Set(["healthy", "greylister", "moves", "opens-late"]);

/** All ask for five minutes. */
const greylistings = [
  "451 4.7.1 Greylisted, try again in 300 seconds",
  "451 4.7.1 Greylisting in action, please come back in 00:05:00",
  "450 4.7.1 Greylisted for 5 min",
];
const listed = "554 5.7.1 Your address is listed, see https://bl.test/";
const tooBusy = { reply: "421 4.3.2 Too busy", close: true } as const;

/** They keep a delivery for minutes. */
export const takesMinutes: ReadonlySet<Character> = new Set([
  "tarpit",
  "slow-to-answer",
  "loses-replies",
  "suppresses-duplicates",
  "goes-silent",
  "never-greets",
]);

/** Where peers that take minutes may have every delivery there is, all others wait for their turns. */
export function mayBeCrowded({
  receivers,
  numbers,
}: {
  readonly receivers: readonly Receiver[];
  readonly numbers: WorldNumbers;
}): boolean {
  return numbers.deliveries < manyDeliveries && receivers.some(({ character }) => takesMinutes.has(character));
}

/** One copy of a message for one recipient, whole. */
export interface Copy {
  /** `M17`, from the message's own header. */
  readonly marker: string;
  readonly recipient: string;
  /** In monotonic time. */
  readonly at: number;
  /** What was answered; "" for nothing. */
  readonly answer: string;
  /** Queue id in our Received field. */
  readonly id: string;
  /** The body is that of the letter, to the octet. */
  readonly whole: boolean;
  /** A domain of ours signed it. */
  readonly signed: boolean;
  /** It has octets beyond ASCII, or MAIL announced them. */
  readonly eightBit: boolean;
  /** It says that no person wrote it. */
  readonly automatic: boolean;
  readonly author: string;
  /** The receiver knew it by its queue id, and threw it away. */
  readonly repeated: boolean;
}

export interface ReceiverParts {
  readonly clock: Clock;
  readonly chance: Chance;
  /** A message came whose reverse-path is an address that we made of its sender's. */
  readonly forwarded: (reversePath: string, marker: string) => void;
  /** An auto-responder writes: from its mailbox, to the author. */
  readonly replies?: (from: string, to: string) => void;
  /** EHLO keywords as they are now, in place of those that the seed chooses. */
  readonly keywords?: () => readonly string[];
  /** The network hands over a reply in one piece. */
  readonly repliesWhole: boolean;
}

/** How often one that moves does so, at least and at most. */
const moveMs = [20 * 60_000, 10 * 3_600_000] as const;

export class Receiver {
  readonly domain: string;
  /** Its first; {@link Receiver.addresses} has those that came later, too. */
  readonly address: string;
  readonly addresses: { readonly address: string; readonly since: number }[] = [];
  readonly character: Character;
  /** It offers DSN, and so reports itself. */
  readonly offersDsn: boolean;
  readonly copies: Copy[] = [];
  readonly line: SlowLine;
  /** From when on it is an ordinary server. */
  #healed = false;
  /** Of one that opens late. */
  #isOpen = false;
  readonly #parts: ReceiverParts;
  readonly #seen = new Map<string, number>();
  /** Sessions that a message is about to break. */
  readonly #poisoned = new Set<number>();
  /** Of a receiver that suppresses duplicates: what it has. */
  readonly #known = new Set<string>();
  readonly #listeners = new Map<string, NetworkListener>();
  #names: ReceiverNames | undefined;
  #peer: ScriptedPeer | undefined;
  #hourStart = 0;
  #thisHour = 0;

  constructor(domain: string, address: string, character: Character, parts: ReceiverParts) {
    this.domain = domain;
    this.address = address;
    this.character = character;
    this.#parts = parts;
    this.offersDsn = parts.chance.is(0.3);
    this.line = new SlowLine(parts.clock, () => {
      if (character === "tarpit" && !this.#healed) this.line.delayMs = parts.chance.between(200_000, 290_000);
    });
  }

  async listen(network: Network, dns: SimulatedDns): Promise<void> {
    const { domain, address } = this;
    const { clock, chance } = this.#parts;
    let accept: Parameters<Network["listen"]>[1] | undefined;
    const listenAt = async (place: string) => {
      if (accept === undefined) throw new Error("it takes no connections yet");
      this.addresses.push({ address: place, since: clock.monotonicMs() });
      const listener = await network.listen({ kind: "ip", address: place, port: 25 }, accept);
      this.#listeners.set(place, listener);
      return listener;
    };
    /** The machine has one server, whichever of its addresses is asked. */
    const anyAddress: Network = {
      connect: (...given) => network.connect(...given),
      listen: async (_, options) => {
        accept = options;
        return await listenAt(address);
      },
    };
    const own = this.#parts.keywords === undefined ? this.#keywords() : [];
    const keywords = this.#parts.keywords ?? (() => own);
    const greeting = () => this.#greeting();
    this.#peer = await ScriptedPeer.listen(
      this.line.over(anyAddress),
      { kind: "ip", address, port: 25 },
      {
        get keywords() {
          return keywords();
        },
        get greeting() {
          return greeting();
        },
        answer: (command) => this.#answer(command),
      },
    );
    const takeAddress = (place: string) => void listenAt(place);
    const leaveAddress = (place: string) => void this.#listeners.get(place)?.close();
    this.#names = new ReceiverNames({ domain, address, dns, clock, chance, takeAddress, leaveAddress });
    if (this.character === "moves") this.#moveOnAndOn();
  }

  #keywords(): readonly string[] {
    const keywords = ["SIZE 1000000"];
    if (this.character !== "seven-bit") keywords.push("8BITMIME");
    // Half of the servers in the field lack it, and take 8-bit headers none the less.
    if (this.#parts.chance.is(0.5)) keywords.push("SMTPUTF8");
    if (this.character !== "tarpit") keywords.push("PIPELINING");
    if (this.offersDsn) keywords.push("DSN");
    return keywords;
  }

  /** What DNS says of it. */
  get names(): ReceiverNames {
    if (this.#names === undefined) throw new Error("it takes no connections yet");
    return this.#names;
  }

  heal(): void {
    this.#healed = true;
    this.line.delayMs = 0;
  }

  /** From here on one that opens late takes what it is given. */
  open(): void {
    this.#isOpen = true;
  }

  #moveOnAndOn(): void {
    const { chance, clock } = this.#parts;
    clock.setTimer(chance.between(...moveMs), () => {
      if (this.#healed) return;
      this.names.move();
      this.#moveOnAndOn();
    });
  }

  #greeting(): PeerAnswer {
    const { chance } = this.#parts;
    const ordinary = `220 mx.${this.domain} ready`;
    if (this.#healed) return ordinary;
    if (this.character === "never-greets") return stall;
    if (this.character === "busy-421" && chance.is(0.1)) return tooBusy;
    if (this.character === "drops-connections" && chance.is(0.1)) return close;
    // A listing of an hour, every five hours.
    if (this.character === "lists-us" && this.#parts.clock.now() % (5 * 3_600_000) < 3_600_000) return listed;
    return this.character === "slow-to-answer" && chance.is(0.03) ? stall : ordinary;
  }

  #answer(command: PeerCommand): PeerAnswer | undefined {
    let answer = this.#healed ? undefined : this.#inCharacter(command);
    if (!this.#healed) this.line.delayMs = this.#delayOf(command.verb);
    if (command.verb === ".") answer = this.#book(answer);
    return answer;
  }

  #book(given: PeerAnswer | undefined): PeerAnswer | undefined {
    let answer = given;
    const message = this.#peer?.messages.at(-1);
    // A dot and no content: the way out where DATA was answered as if a recipient had been taken.
    if (message === undefined || message.content.length === 0) return answer;
    const header = message.content.toString("latin1", 0, message.content.indexOf("\r\n\r\n") + 2);
    const [, marker = "report", sum] = /^X-Simulation: (\S+) (\d+)\r$/m.exec(header) ?? [];
    const body = decoded(header, message.content.subarray(header.length + 2));
    const whole = sum === undefined || crc32(body) === Number(sum);
    const id = /^Received: [\s\S]*?\bid (\w{12})\b/m.exec(header)?.[1] ?? "";
    const author = /^From: .*?([^\s<>]+@[^\s<>]+)/m.exec(header)?.[1] ?? "";
    const signed = /^DKIM-Signature:/m.test(header);
    const eightBit = / BODY=8BITMIME/i.test(message.mail) || message.content.some((octet) => octet > 127);
    const automatic = /^Auto-Submitted: auto/m.test(header);
    const recipients = message.recipients.map((line) => /<([^>]*)>/.exec(line)?.[1] ?? line);
    const known = (recipient: string) => this.#known.has(`${id} ${recipient}`);
    if (this.character === "suppresses-duplicates" && recipients.every(known)) answer = undefined;
    const said = answer === undefined ? "250 2.0.0 Ok" : typeof answer === "string" ? answer : "";
    const at = this.#parts.clock.monotonicMs();
    for (const recipient of recipients) {
      const repeated = known(recipient);
      const sort = { whole, signed, eightBit, automatic };
      this.copies.push({ marker, recipient, at, answer: said, id, ...sort, author, repeated });
      // What it took counts as taken, heard or not.
      if (this.character === "suppresses-duplicates") this.#known.add(`${id} ${recipient}`);
    }
    const reversePath = /<([^>]*)>/.exec(message.mail)?.[1] ?? "";
    if (/^srs[01]=/i.test(reversePath) && said.startsWith("2")) this.#parts.forwarded(reversePath, marker);
    if (this.character === "auto-responder" && said.startsWith("2") && !this.#healed) {
      for (const recipient of recipients) this.#parts.replies?.(recipient, author);
    }
    // The content is booked; a long run must not keep it.
    this.#peer?.messages.splice(0);
    this.#peer?.lines.splice(0);
    return answer;
  }

  #delayOf(verb: string): number {
    const { chance } = this.#parts;
    switch (this.character) {
      case "leisurely":
        return chance.between(500, 4_000);
      case "tarpit":
        // As long as the standard lets it take (RFC 5321 §4.5.3.2): longer than a lease, taken together.
        return verb === "."
          ? chance.between(400_000, 580_000)
          : chance.between(60_000, verb === "DATA" ? 110_000 : 290_000);
      default:
        return 0;
    }
  }

  #inCharacter(command: PeerCommand): PeerAnswer | undefined {
    const { verb, line } = command;
    const { chance, clock } = this.#parts;
    if (verb === "RCPT" && line.includes("<no-")) return "550 5.1.1 No such user";
    switch (this.character) {
      case "healthy":
      case "leisurely":
      case "tarpit":
      case "moves":
      case "lists-us":
      case "ordinary":
      case "never-greets":
      case "seven-bit":
      case "auto-responder":
        return undefined;
      case "opens-late":
        return verb === "RCPT" && !this.#isOpen ? "450 4.2.1 Mailbox busy" : undefined;
      case "poisoned":
        if (verb === "MAIL" && line.includes("<poison@")) this.#poisoned.add(command.session);
        return verb === "RCPT" && this.#poisoned.has(command.session) ? close : undefined;
      case "greylister": {
        if (verb !== "RCPT") return undefined;
        const first = this.#seen.get(line) ?? clock.now();
        this.#seen.set(line, first);
        return clock.now() - first < 280_000 ? chance.pick(greylistings) : undefined;
      }
      case "rate-limiter": {
        if (verb !== "MAIL") return undefined;
        const hour = Math.floor(clock.now() / 3_600_000);
        if (hour !== this.#hourStart) this.#thisHour = 0;
        this.#hourStart = hour;
        return ++this.#thisHour > 8 ? "421 4.7.28 Our system has detected an unusual rate of mail" : undefined;
      }
      case "refuses-some":
        if (verb === "RCPT" && chance.is(0.2)) return chance.is(0.5) ? "550 5.7.1 Not today" : "450 4.2.1 Mailbox busy";
        if (verb === "." && chance.is(0.1)) return chance.is(0.5) ? "554 5.6.0 Content refused" : "451 4.3.0 Try again";
        return undefined;
      case "busy-421":
        return chance.is(0.15) ? tooBusy : undefined;
      case "drops-connections":
        return chance.is(0.12) ? close : undefined;
      case "loses-replies":
      case "suppresses-duplicates":
        if (verb !== ".") return undefined;
        return chance.is(0.2) ? close : chance.is(0.1) ? stall : undefined;
      case "slow-to-answer":
        return chance.is(0.03) ? stall : undefined;
      case "goes-silent":
        if (chance.is(0.04)) this.line.goSilent();
        return undefined;
      case "lies":
        // Takes over what it never read. Where the 250 comes in a later piece than the 354, the content has left before it,
        // and nobody could tell this lie from an acceptance.
        if (verb === "DATA" && this.#parts.repliesWhole && chance.is(0.1))
          return { reply: "354 go\r\n250 2.0.0 Ok", close: true };
        // Wrong classes, codes that nobody knows, status of another class.
        if (!chance.is(0.1)) return undefined;
        return chance.pick(["299 5.0.0 hm", "250", "399 go on", "599 4.1.1 odd", "xyz", "250-never\r\n250 ended"]);
      default:
        return this.character satisfies never;
    }
  }
}

/** As a reader sees it: a server greeted with HELO gets 8-bit content converted. */
function decoded(header: string, body: Buffer): Buffer {
  const [, encoding] = /^Content-Transfer-Encoding: (quoted-printable|base64)\r$/m.exec(header) ?? [];
  if (encoding === "base64") return Buffer.from(body.toString("latin1"), "base64");
  if (encoding !== "quoted-printable") return body;
  const text = body.toString("latin1").replaceAll("=\r\n", "");
  return Buffer.from(
    text.replaceAll(/=([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    "latin1",
  );
}
