/**
 * Which senders have shown that they try again. A sender is a key: its SPF domain, or its network with the domain of the
 * reverse-path. Its first mail waits; once it has come back after the wait it is known, and stays so while it keeps
 * sending. Knows no message and no client.
 */
import type { Instant } from "../../lib/instant.ts";
import { keepNewest } from "../../lib/newest.ts";
import type { Clock } from "../../ports/clock.ts";

const hourMs = 3_600_000;
/** RFC 5321 §4.5.4.1: senders try again for days, and most within hours. */
const retryWithinMs = 24 * hourMs;
/** A sender that writes once a month stays known. */
export const knownMs = 35 * 24 * hourMs;
/** The last mail of a known sender is written down at most so often. */
const notedEveryMs = 24 * hourMs;
/** Keys of at most 300 characters: 12 MB. Beyond it the oldest waits anew, which costs it one more retry. */
const waitingMax = 20_000;
/** 30 MB at most, and a tenth of it with usual names. */
const knownMax = 50_000;

export interface GreylistOptions {
  readonly waitMs: number;
  readonly clock: Pick<Clock, "now" | "monotonicMs">;
  /** Told of a sender that has become known, and then once a day while it sends. */
  readonly known: (key: string, at: Instant) => void;
}

export class Greylist {
  readonly #options: GreylistOptions;
  /** When each came first, monotonic. */
  readonly #waiting = new Map<string, Instant>();
  /** When mail of each came last, as it was noted; wall-clock time. */
  readonly #known = new Map<string, Instant>();
  #waitMs: number;

  constructor(options: GreylistOptions) {
    this.#options = options;
    this.#waitMs = options.waitMs;
  }

  reconfigure(waitMs: number): void {
    this.#waitMs = waitMs;
  }

  restore(known: readonly (readonly [key: string, at: Instant])[]): void {
    for (const [key, at] of known.toSorted(([, a], [, b]) => a - b)) keepNewest(this.#known, key, at, knownMax);
  }

  /** How long its mail has to wait, in milliseconds; 0: it is accepted. */
  waitOf(key: string): number {
    const { clock } = this.#options;
    if (this.isKnown(key)) {
      this.#note(key);
      return 0;
    }
    const now = clock.monotonicMs();
    const before = this.#waiting.get(key);
    if (before === undefined || now >= before + retryWithinMs) {
      keepNewest(this.#waiting, key, now, waitingMax);
      return this.#waitMs;
    }
    const leftMs = before + this.#waitMs - now;
    if (leftMs > 0) return leftMs;
    this.#waiting.delete(key);
    this.#note(key);
    return 0;
  }

  isKnown(key: string): boolean {
    const at = this.#known.get(key);
    return at !== undefined && this.#options.clock.now() < at + knownMs;
  }

  #note(key: string): void {
    const now = this.#options.clock.now();
    const before = this.#known.get(key);
    if (before !== undefined && Math.abs(now - before) < notedEveryMs) return;
    keepNewest(this.#known, key, now, knownMax);
    this.#options.known(key, now);
  }
}
