/**
 * Answers by question, for as long as they say and within a fixed amount of memory; the longest unused goes first, to within
 * a second: popular answers are asked for thousands of times a second, and need not be put in order each time.
 */
import type { DnsAnswer, RecordType } from "../../ports/resolver.ts";

interface Entry {
  /** With the seconds that were left to it when it was given last. */
  answer: DnsAnswer<RecordType>;
  /** Since when it stands where it does in the order of use. */
  placedAtMs: number;
  readonly expiresAtMs: number;
  readonly cost: number;
}

/** What an entry takes beside its records: key, objects, map slots. */
const overheadBytes = 500;
const placeKeptMs = 1000;

export class DnsCache {
  readonly #entries = new Map<string, Entry>();
  readonly #costMax: number;
  #cost = 0;

  /** `costMax` in octets, roughly. */
  constructor(costMax: number) {
    this.#costMax = costMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** With the seconds that are left to it. */
  get<T extends RecordType>(name: string, type: T, nowMs: number): DnsAnswer<T> | undefined {
    const key = keyOf(name, type);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAtMs <= nowMs) {
      this.#entries.delete(key);
      this.#cost -= entry.cost;
      return undefined;
    }
    if (nowMs - entry.placedAtMs >= placeKeptMs) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      entry.placedAtMs = nowMs;
    }
    const { answer } = entry;
    if (answer.kind === "records") {
      const ttlSeconds = Math.ceil((entry.expiresAtMs - nowMs) / 1000);
      if (ttlSeconds !== answer.ttlSeconds) entry.answer = { ...answer, ttlSeconds };
    }
    // Stored under this very type.
    return entry.answer as DnsAnswer<T>;
  }

  set<T extends RecordType>(
    name: string,
    type: T,
    answer: DnsAnswer<T>,
    { nowMs, ttlMs, octets }: { readonly nowMs: number; readonly ttlMs: number; readonly octets: number },
  ): void {
    const key = keyOf(name, type);
    // Also by one that may not be kept: what it says differs from what is known.
    this.#cost -= this.#entries.get(key)?.cost ?? 0;
    this.#entries.delete(key);
    if (ttlMs <= 0) return;
    const cost = overheadBytes + 2 * octets;
    this.#cost += cost;
    this.#entries.set(key, {
      answer: answer as DnsAnswer<RecordType>,
      placedAtMs: nowMs,
      expiresAtMs: nowMs + ttlMs,
      cost,
    });
    for (const [oldest, entry] of this.#entries) {
      if (this.#cost <= this.#costMax) return;
      this.#entries.delete(oldest);
      this.#cost -= entry.cost;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#cost = 0;
  }
}

function keyOf(name: string, type: RecordType): string {
  return `${type} ${name}`;
}
