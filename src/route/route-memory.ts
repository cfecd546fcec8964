/**
 * What routing found, kept briefly by key: one look-up serves all who ask at the same time, and most questions cost none.
 * Holds so many octets and no more; the oldest goes first.
 */
import type { Clock } from "../ports/clock.ts";
import type { RouteResult } from "./router.ts";

/** Short, because a changed MX should be seen soon; the resolver keeps the records themselves for longer. */
export const keptMsMax = 60_000;
/** Most have two hosts and take some 500 octets; twenty hosts with all addresses that are kept take 50 KB. */
const keptOctetsMax = 16 * 1024 * 1024;

/** What a look-up gives: the answer is made anew for each that asks, since equals are shuffled. */
export interface Found {
  readonly answer: () => RouteResult;
  /** 0: not to be kept. */
  readonly ttlSeconds: number;
  readonly octets: number;
}

interface Kept {
  readonly expiresAtMs: number;
  readonly answer: () => RouteResult;
  readonly octets: number;
}

export class RouteMemory {
  readonly #clock: Clock;
  #kept = new Map<string, Kept>();
  #inFlight = new Map<string, Promise<RouteResult>>();
  #octets = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get octets(): number {
    return this.#octets;
  }

  /** Forgets everything; what is still being looked up is answered and not kept. */
  clear(): void {
    this.#kept = new Map();
    this.#inFlight = new Map();
    this.#octets = 0;
  }

  /** From memory, or by `lookUp`, which never rejects; `settle` sees the answer of each look-up once. */
  recall(
    key: string,
    lookUp: () => Promise<Found>,
    settle: (result: RouteResult) => RouteResult,
  ): Promise<RouteResult> {
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.expiresAtMs > this.#clock.monotonicMs()) return Promise.resolve(kept.answer());
    const running = this.#inFlight.get(key);
    if (running !== undefined) return running;
    const inFlight = this.#inFlight;
    const started = lookUp().then((found) => {
      if (inFlight === this.#inFlight) {
        inFlight.delete(key);
        if (found.ttlSeconds > 0) this.#keep(key, found);
      }
      return settle(found.answer());
    });
    inFlight.set(key, started);
    return started;
  }

  #keep(key: string, { answer, ttlSeconds, octets }: Found): void {
    this.#drop(key);
    const expiresAtMs = this.#clock.monotonicMs() + Math.min(keptMsMax, ttlSeconds * 1000);
    const kept: Kept = { expiresAtMs, answer, octets: octets + 2 * key.length };
    this.#kept.set(key, kept);
    this.#octets += kept.octets;
    for (const oldest of this.#kept.keys()) {
      if (this.#octets <= keptOctetsMax) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#octets -= this.#kept.get(key)?.octets ?? 0;
    this.#kept.delete(key);
  }
}
