/**
 * Slows down guessing: attempts are counted per account and per network before the password is checked, so that a
 * hundred connections at once gain nothing. Waits double with each failure, end by themselves, and a network from which
 * the account's owner came before is counted apart, so that strangers cannot lock the owner out.
 *
 * An interface, because several threads will share one counter; the implementation here keeps it in memory.
 */
import type { Instant } from "../lib/instant.ts";

export interface SignInAttempt {
  readonly account: string;
  readonly network: string;
}

export interface SignInLimits {
  /** Counts an attempt as failed until {@link succeeded}. Above 0: refused without being counted, wait so long. */
  begin(attempt: SignInAttempt, now: Instant): Promise<number>;
  succeeded(attempt: SignInAttempt, now: Instant): Promise<void>;
}

export interface SignInLimitNumbers {
  /** Failures of an account before the first wait: a person who has forgotten which password it was tries so many. */
  readonly accountFailures: number;
  /** The same for a network, where several people and devices with an old password may sit. */
  readonly networkFailures: number;
  /** First wait; each further failure doubles it. */
  readonly firstWaitMs: number;
  /** 15 minutes: with it an account stands at most about 100 guesses a day. */
  readonly longestWaitMs: number;
  /** Failures are forgotten so long after the last one. */
  readonly memoryMs: number;
}

export const defaultSignInLimits: SignInLimitNumbers = {
  accountFailures: 5,
  networkFailures: 20,
  firstWaitMs: 1000,
  longestWaitMs: 15 * 60_000,
  memoryMs: 60 * 60_000,
};

interface Counter {
  failures: number;
  blockedUntil: Instant;
  forgottenAt: Instant;
}

/** About 200 octets each: 4 MB when an attacker fills it. The oldest go first. */
const countersMax = 20_000;
/** Networks remembered as an owner's. */
const knownMax = 20_000;

export class MemorySignInLimits implements SignInLimits {
  readonly #numbers: SignInLimitNumbers;
  readonly #counters = new Map<string, Counter>();
  readonly #known = new Set<string>();

  constructor(numbers: SignInLimitNumbers = defaultSignInLimits) {
    this.#numbers = numbers;
  }

  async begin(attempt: SignInAttempt, now: Instant): Promise<number> {
    const { accountFailures, networkFailures } = this.#numbers;
    const [accountKey, networkKey] = this.#keys(attempt);
    const wait = Math.max(this.#wait(accountKey, now), this.#wait(networkKey, now));
    if (wait > 0) return wait;
    this.#count(accountKey, accountFailures, now);
    this.#count(networkKey, networkFailures, now);
    return 0;
  }

  async succeeded(attempt: SignInAttempt): Promise<void> {
    const [accountKey, networkKey] = this.#keys(attempt);
    this.#counters.delete(accountKey);
    // One good login takes back its own count, not the guesses that others made from the same network.
    const network = this.#counters.get(networkKey);
    if (network !== undefined) {
      network.failures--;
      if (network.failures <= this.#numbers.networkFailures) network.blockedUntil = 0;
      if (network.failures <= 0) this.#counters.delete(networkKey);
    }
    remember(this.#known, `${attempt.network} ${attempt.account}`, knownMax);
  }

  /** How many counters are held; a test checks the bound with it. */
  get size(): number {
    return this.#counters.size;
  }

  #keys({ account, network }: SignInAttempt): [string, string] {
    const pair = `${network} ${account}`;
    return [this.#known.has(pair) ? `known ${pair}` : `account ${account}`, `network ${network}`];
  }

  #wait(key: string, now: Instant): number {
    const counter = this.#counters.get(key);
    if (counter === undefined) return 0;
    if (counter.forgottenAt <= now) {
      this.#counters.delete(key);
      return 0;
    }
    return Math.max(0, counter.blockedUntil - now);
  }

  #count(key: string, free: number, now: Instant): void {
    const { firstWaitMs, longestWaitMs, memoryMs } = this.#numbers;
    const failures = (this.#counters.get(key)?.failures ?? 0) + 1;
    const excess = failures - free;
    const waitMs = excess < 0 ? 0 : Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(excess, 30));
    // Deleted first, so that the map's order is that of the last failure.
    this.#counters.delete(key);
    this.#counters.set(key, { failures, blockedUntil: now + waitMs, forgottenAt: now + waitMs + memoryMs });
    dropOldest(this.#counters, countersMax);
  }
}

function remember(set: Set<string>, key: string, max: number): void {
  set.delete(key);
  set.add(key);
  dropOldest(set, max);
}

function dropOldest(collection: Map<string, unknown> | Set<string>, max: number): void {
  if (collection.size <= max) return;
  for (const oldest of collection.keys()) {
    collection.delete(oldest);
    break;
  }
}
