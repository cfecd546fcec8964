/**
 * Slows down guessing: attempts under way and failures are counted per account and per network before the password is
 * checked, so that a hundred connections at once gain nothing. Waits double with each failure, end by themselves, and a
 * network from which the account's owner came before is counted apart, so that neither strangers nor a neighbour's old
 * phone can lock the owner out.
 * What was not checked is no failure.
 *
 * An interface, because several threads will share one counter; the implementation here keeps it in memory.
 */
import type { Instant } from "../lib/instant.ts";
import { FailureTable } from "./failure-table.ts";
import { KnownNetworks } from "./known-networks.ts";

export interface SignInAttempt {
  readonly account: string;
  /** "": it is not known, or stands for many clients, so nothing is counted of it. */
  readonly network: string;
}

export interface SignInLimits {
  /** `now` is of the monotonic clock: no wait ends, or lasts longer, because someone set the time. */
  begin(attempt: SignInAttempt, now: Instant): Promise<SignInStart>;
  /** Failures and waits of an account, or of a network. */
  standing(of: SignInSubject, now: Instant): Promise<SignInStanding>;
  /** An operator's order: its failures are forgotten. */
  forget(of: SignInSubject): Promise<void>;
}

export type SignInSubject =
  { readonly kind: "account"; readonly account: string } | { readonly kind: "network"; readonly network: string };

export interface SignInStanding {
  readonly failures: number;
  /** Before the next attempt; 0: none. */
  readonly waitMs: number;
}

export type SignInStart =
  /** Refused without being counted. */
  | { readonly kind: "wait"; readonly waitMs: number }
  /** The password may be checked; whatever becomes of that, `end` is called once. */
  | { readonly kind: "begun"; readonly end: (outcome: SignInOutcome, now: Instant) => Promise<void> };

/** `unchecked`: the password was not looked at, so it was not wrong. */
export type SignInOutcome = "succeeded" | "failed" | "unchecked";

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

export class MemorySignInLimits implements SignInLimits {
  readonly #accounts: FailureTable;
  /** Accounts together with a network of their owner's. Strangers cannot add any. */
  readonly #owners: FailureTable;
  readonly #networks: FailureTable;
  readonly #known = new KnownNetworks();

  constructor(numbers: SignInLimitNumbers = defaultSignInLimits) {
    this.#accounts = new FailureTable({ ...numbers, free: numbers.accountFailures });
    this.#owners = new FailureTable({ ...numbers, free: numbers.accountFailures });
    this.#networks = new FailureTable({ ...numbers, free: numbers.networkFailures });
  }

  async begin(attempt: SignInAttempt, now: Instant): Promise<SignInStart> {
    const { account, network } = attempt;
    const named = network !== "";
    const owner = named && this.#known.has(attempt);
    const [table, name] = owner ? [this.#owners, `${network} ${account}`] : [this.#accounts, account];
    const waitMs = Math.max(table.waitMs(name, now), owner || !named ? 0 : this.#networks.waitMs(network, now));
    if (waitMs > 0) return { kind: "wait", waitMs };
    table.begin(name);
    if (named) this.#networks.begin(network);
    const end = async (outcome: SignInOutcome, endedAt: Instant): Promise<void> => {
      table.end(name);
      if (named) this.#networks.end(network);
      if (outcome === "failed") {
        table.count(name, endedAt);
        if (named) this.#networks.count(network, endedAt);
      } else if (outcome === "succeeded") {
        // The failures of the network stay: others may have made them.
        table.forget(name);
        if (named) this.#known.add(attempt);
      }
    };
    return { kind: "begun", end };
  }

  async standing(of: SignInSubject, now: Instant): Promise<SignInStanding> {
    const [table, name] = this.#tableOf(of);
    return { failures: table.failures(name, now), waitMs: table.waitMs(name, now) };
  }

  async forget(of: SignInSubject): Promise<void> {
    const [table, name] = this.#tableOf(of);
    table.forget(name);
  }

  #tableOf(of: SignInSubject): readonly [FailureTable, string] {
    return of.kind === "account" ? [this.#accounts, of.account] : [this.#networks, of.network];
  }

  /** How many names are held; a test checks the bound with it. */
  get size(): number {
    return this.#accounts.size + this.#owners.size + this.#networks.size;
  }
}
