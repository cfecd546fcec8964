/**
 * Failed sign-ins of many names of one kind (accounts, or networks), with the wait that each has earned. The table is itself
 * a target: strangers fill it with names, to have a name forgotten that they are guessing at. So it is bounded in octets, and
 * when it is full the name goes that has earned least: unblocked before blocked, few failures before many, and of equal
 * ones the oldest.
 */
import { createHash } from "node:crypto";
import type { Instant } from "../lib/instant.ts";

export interface FailureNumbers {
  /** Failures before the first wait. */
  readonly free: number;
  /** First wait; each further failure doubles it. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Failures are forgotten so long after the last wait has ended. */
  readonly memoryMs: number;
}

interface Entry {
  readonly failures: number;
  readonly failedAt: Instant;
}

/** About 200 octets each, whatever the names are, since they are hashed: 4 MB when an attacker fills it. */
export const entriesMax = 20_000;
/** More failures are not told apart: 1 s doubled 40 times is longer than any longest wait. */
const levelMax = 64;

export class FailureTable {
  readonly #numbers: FailureNumbers;
  /** By number of failures. Within a level all waits are equal, so the first entry is the first whose wait ends. */
  readonly #levels: Map<string, Entry>[] = Array.from({ length: levelMax + 1 }, () => new Map<string, Entry>());
  readonly #levelOf = new Map<string, number>();
  /** Attempts that have begun and not ended, by name: at most one for each session. */
  readonly #pending = new Map<string, number>();

  constructor(numbers: FailureNumbers) {
    this.#numbers = numbers;
  }

  get size(): number {
    return this.#levelOf.size;
  }

  /**
   * How long a new attempt has to wait; 0: not at all. Attempts under way may all fail: together they get no more than the
   * free failures, and after those one goes at a time.
   */
  waitMs(name: string, now: Instant): number {
    const key = keyOf(name);
    const entry = this.#entry(key, now);
    const wait = entry === undefined ? 0 : Math.max(0, this.#waitEnd(entry) - now);
    const pending = this.#pending.get(key) ?? 0;
    return wait > 0 || pending === 0 ? wait : this.#waitAfter((entry?.failures ?? 0) + pending);
  }

  /** Failures that are remembered. */
  failures(name: string, now: Instant): number {
    return this.#entry(keyOf(name), now)?.failures ?? 0;
  }

  begin(name: string): void {
    const key = keyOf(name);
    this.#pending.set(key, (this.#pending.get(key) ?? 0) + 1);
  }

  end(name: string): void {
    const key = keyOf(name);
    const left = (this.#pending.get(key) ?? 0) - 1;
    if (left > 0) this.#pending.set(key, left);
    else this.#pending.delete(key);
  }

  /** Counts a failure. */
  count(name: string, now: Instant): void {
    const key = keyOf(name);
    const failures = Math.min(levelMax, (this.#entry(key, now)?.failures ?? 0) + 1);
    this.#delete(key);
    if (this.#levelOf.size >= entriesMax) this.#dropOne(now);
    this.#levels[failures]?.set(key, { failures, failedAt: now });
    this.#levelOf.set(key, failures);
  }

  forget(name: string): void {
    this.#delete(keyOf(name));
  }

  #entry(key: string, now: Instant): Entry | undefined {
    const level = this.#levelOf.get(key);
    const entry = level === undefined ? undefined : this.#levels[level]?.get(key);
    if (entry === undefined || now < this.#waitEnd(entry) + this.#numbers.memoryMs) return entry;
    this.#delete(key);
    return undefined;
  }

  #waitAfter(failures: number): number {
    const { free, firstWaitMs, longestWaitMs } = this.#numbers;
    const excess = failures - free;
    return excess < 0 ? 0 : Math.min(longestWaitMs, firstWaitMs * 2 ** excess);
  }

  #waitEnd({ failures, failedAt }: Entry): Instant {
    return failedAt + this.#waitAfter(failures);
  }

  #delete(key: string): void {
    const level = this.#levelOf.get(key);
    if (level === undefined) return;
    this.#levels[level]?.delete(key);
    this.#levelOf.delete(key);
  }

  /** Looks at one entry of each level. */
  #dropOne(now: Instant): void {
    let firstToEnd: string | undefined;
    let end = Number.POSITIVE_INFINITY;
    for (const level of this.#levels) {
      const [oldest] = level;
      if (oldest === undefined) continue;
      const waitEnd = this.#waitEnd(oldest[1]);
      if (waitEnd <= now) return this.#delete(oldest[0]);
      if (waitEnd < end) [firstToEnd, end] = [oldest[0], waitEnd];
    }
    if (firstToEnd !== undefined) this.#delete(firstToEnd);
  }
}

/** Clients choose the names, up to the length of a command; what is kept of each is equally long. */
function keyOf(name: string): string {
  return createHash("sha256").update(name).digest("base64");
}
