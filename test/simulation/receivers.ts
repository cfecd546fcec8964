/**
 * Servers that our mail goes to, each of a character: what they answer, how they fail, and a book of what they were given.
 * From the book the checkers see who got what, how often, and whether we can have known.
 */
import { crc32 } from "node:zlib";
import type { Network } from "../../src/ports/network.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { CLOSE, type PeerAnswer, type PeerCommand, ScriptedPeer, STALL } from "../../src/testing/scripted-peer.ts";
import type { SimulatedResolver } from "../../src/testing/simulated-resolver.ts";
import type { Chance } from "./chance.ts";

export const characters = [
  "healthy",
  "greylister",
  "rate-limiter",
  "refuses-some",
  "busy-421",
  "drops-connections",
  "loses-replies",
  "slow-to-answer",
  "moves",
  "lies",
] as const;
export type Character = (typeof characters)[number];

/** One copy of a message for one recipient, whole. */
export interface Copy {
  /** `M17`, from the message's own header. */
  readonly marker: string;
  readonly recipient: string;
  readonly at: number;
  /** What was answered; "" for nothing. */
  readonly answer: string;
  /** Queue id in our Received field. */
  readonly id: string;
  /** The body is that of the letter, to the octet. */
  readonly whole: boolean;
}

export class Receiver {
  readonly domain: string;
  readonly address: string;
  readonly character: Character;
  readonly copies: Copy[] = [];
  mostSessions = 0;
  /** From when on it is an ordinary server. */
  healed = false;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #seen = new Map<string, number>();
  #peer: ScriptedPeer | undefined;
  #moved = 0;
  #hourStart = 0;
  #thisHour = 0;

  constructor(domain: string, address: string, character: Character, parts: { clock: Clock; chance: Chance }) {
    this.domain = domain;
    this.address = address;
    this.character = character;
    this.#clock = parts.clock;
    this.#chance = parts.chance;
  }

  async listen(network: Network, { records }: SimulatedResolver): Promise<void> {
    records.addMx(this.domain, `10 mx.${this.domain}`).add(`mx.${this.domain}`, "A", this.address);
    this.#peer = await ScriptedPeer.listen(
      network,
      { kind: "ip", address: this.address, port: 25 },
      { keywords: ["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8"], answer: (command) => this.#answer(command) },
    );
  }

  get openSessions(): number {
    return this.#peer?.openSessions ?? 0;
  }

  /** Its MX now has another name, of the same machine. */
  move({ records }: SimulatedResolver): void {
    const name = `mx${++this.#moved}.${this.domain}`;
    records.remove(this.domain);
    records.addMx(this.domain, `10 ${name}`, `20 mx.${this.domain}`).add(name, "A", this.address);
  }

  #answer(command: PeerCommand): PeerAnswer | undefined {
    this.mostSessions = Math.max(this.mostSessions, this.openSessions);
    const answer = this.healed ? undefined : this.#inCharacter(command);
    if (command.verb === ".") this.#book(answer);
    return answer;
  }

  #book(answer: PeerAnswer | undefined): void {
    const message = this.#peer?.messages.at(-1);
    if (message === undefined) return;
    const text = message.content.toString("latin1");
    const [, marker = "report", sum] = /^X-Simulation: (\S+) (\d+)\r$/m.exec(text) ?? [];
    const body = message.content.subarray(message.content.indexOf("\r\n\r\n") + 4);
    // Reports are ours, and held to the letter elsewhere.
    const whole = sum === undefined || /^From: Mail Delivery System/m.test(text) || crc32(body) === Number(sum);
    const id = /^Received: [\s\S]*?\bid (\w{12})\b/m.exec(text)?.[1] ?? "";
    const said = answer === undefined ? "250 2.0.0 Ok" : typeof answer === "string" ? answer : "";
    for (const line of message.recipients) {
      const recipient = /<([^>]*)>/.exec(line)?.[1] ?? line;
      this.copies.push({ marker, recipient, at: this.#clock.now(), answer: said, id, whole });
    }
    // The content is booked; a long run must not keep it.
    this.#peer?.messages.splice(0);
    this.#peer?.lines.splice(0);
  }

  #inCharacter(command: PeerCommand): PeerAnswer | undefined {
    const { verb, line } = command;
    const chance = this.#chance;
    if (verb === "RCPT" && line.includes("<no-")) return "550 5.1.1 No such user";
    switch (this.character) {
      case "healthy":
        return undefined;
      case "greylister": {
        if (verb !== "RCPT") return undefined;
        const first = this.#seen.get(line) ?? this.#clock.now();
        this.#seen.set(line, first);
        return this.#clock.now() - first < 280_000 ? "451 4.7.1 Greylisted, try again in 300 seconds" : undefined;
      }
      case "rate-limiter": {
        if (verb !== "MAIL") return undefined;
        const hour = Math.floor(this.#clock.now() / 3_600_000);
        if (hour !== this.#hourStart) this.#thisHour = 0;
        this.#hourStart = hour;
        return ++this.#thisHour > 8 ? "421 4.7.28 Our system has detected an unusual rate of mail" : undefined;
      }
      case "refuses-some":
        if (verb === "RCPT" && chance.is(0.2)) return chance.is(0.5) ? "550 5.7.1 Not today" : "450 4.2.1 Mailbox busy";
        if (verb === "." && chance.is(0.1)) return chance.is(0.5) ? "554 5.6.0 Content refused" : "451 4.3.0 Try again";
        return undefined;
      case "busy-421":
        return chance.is(0.15) ? { reply: "421 4.3.2 Too busy", close: true } : undefined;
      case "drops-connections":
        return chance.is(0.12) ? CLOSE : undefined;
      case "loses-replies":
        if (verb !== ".") return undefined;
        return chance.is(0.2) ? CLOSE : chance.is(0.1) ? STALL : undefined;
      case "slow-to-answer":
        return chance.is(0.03) ? STALL : undefined;
      case "moves":
        return undefined;
      case "lies":
        // Wrong classes, codes that nobody knows, status of another class.
        if (!chance.is(0.1)) return undefined;
        return chance.pick(["299 5.0.0 hm", "250", "399 go on", "599 4.1.1 odd", "xyz", "250-never\r\n250 ended"]);
      default:
        return this.character satisfies never;
    }
  }
}
