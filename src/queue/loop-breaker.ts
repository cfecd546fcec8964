/**
 * The last line against loops and floods: a rate per pair of sender and recipient. Mail that has been here before, and
 * keeps coming, is a loop, and held. Automatic mail (two auto-responders that answer each other, a monitor that cries
 * each second) makes a new message each time; it is only slowed down, and what is honest among it arrives nevertheless.
 * Ordinary mail never counts, however much of it there is.
 *
 * Strangers must not have another's mail held, so what they only claim is not counted: an automatic message counts where
 * we know who sent it. That a message has been here before can be written by anyone, so it counts against the network
 * that it came from.
 */
import { clientNetwork } from "../accounts/client-network.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { StoredMessage } from "../spool/spool.ts";
import type { QueueSettings } from "./settings.ts";

/** Pairs remembered: some 200 octets each, 3 KB if strangers make them long. The one that was quiet longest goes first. */
const pairsMax = 10_000;

interface Pair {
  /** Messages within the window: falls by the limit per window as time passes, rises by one per message. */
  level: number;
  /** On the monotonic clock, as every time here. */
  atMs: number;
  /** A message that is attempted again counts once. */
  lastMessage: string;
}

/** Forty messages of cron and sixty bounces of a mailing are no flood: automatic mail may be so many times more. */
const automaticFactor = 5;

export interface LoopVerdict {
  /** Held for a person, or deferred once, by the schedule. */
  readonly kind: "hold" | "delay";
  readonly reason: string;
}

export class LoopBreaker {
  readonly #pairs = new Map<string, Pair>();

  /** Why this recipient must not be attempted now, or undefined. Called once per claimed recipient. */
  check(
    message: StoredMessage,
    address: string,
    settings: Pick<QueueSettings, "loop_limit" | "loop_window">,
    nowMs: number,
  ): LoopVerdict | undefined {
    if (settings.loop_limit === 0 || settings.loop_window === 0 || !mayBePartOfLoop(message)) return undefined;
    const kind = message.facts.ownReceived ? "hold" : "delay";
    const limit = settings.loop_limit * (kind === "hold" ? 1 : automaticFactor);
    const from = sendersProof(message);
    if (from === undefined) return undefined;
    // Reports have no reverse-path; their author keeps those of different servers apart.
    const sender = message.reversePath === "" ? `<> ${message.facts.from ?? ""}` : message.reversePath;
    const key = asciiLowerCase(`${kind}\n${from}\n${sender}\n${address}`);
    const pair = this.#pairs.get(key) ?? { level: 0, atMs: nowMs, lastMessage: "" };
    this.#pairs.delete(key);
    this.#pairs.set(key, pair);
    if (pair.lastMessage !== message.id) {
      const drained = ((nowMs - pair.atMs) / settings.loop_window) * limit;
      pair.level = Math.max(0, pair.level - drained) + 1;
      pair.atMs = nowMs;
      pair.lastMessage = message.id;
    }
    this.#forgetQuietPairs();
    if (pair.level <= limit) return undefined;
    // What is stopped piles up no debt: when it ends, the pair is free again within one window.
    pair.level = limit + 1;
    const named = `from ${message.reversePath === "" ? "<>" : message.reversePath} to ${address}`;
    const within = `within ${Math.round(settings.loop_window / 1_000)} seconds`;
    const reason =
      kind === "hold"
        ? `Possible mail loop: more than ${limit} messages ${named} that had passed through this server before arrived ${within}`
        : `Slowed down: more than ${limit} automatic messages ${named} arrived ${within} (${evidence(message)})`;
    return { kind, reason };
  }

  /** For tests and statistics. */
  get size(): number {
    return this.#pairs.size;
  }

  #forgetQuietPairs(): void {
    for (const key of this.#pairs.keys()) {
      if (this.#pairs.size <= pairsMax) return;
      this.#pairs.delete(key);
    }
  }
}

/**
 * Our own reports do not count: a thousand mistyped addresses deserve a thousand reports. Whatever answers a report
 * comes back from outside and counts then.
 */
function mayBePartOfLoop(message: StoredMessage): boolean {
  if (message.reportOn !== undefined) return false;
  return message.facts.ownReceived || message.facts.autoSubmitted || message.reversePath === "";
}

/** Under whose name it counts besides its sender's; undefined: under nobody's. */
function sendersProof({ stranger, facts, origin }: StoredMessage): string | undefined {
  if (stranger === undefined || stranger === "verified") return "";
  return facts.ownReceived ? clientNetwork(origin.clientAddress ?? "") : undefined;
}

function evidence(message: StoredMessage): string {
  return message.facts.autoSubmitted ? "it has an Auto-Submitted field" : "it has the null reverse-path";
}
