/**
 * To how many addresses an account may write in a day to which it did not write before: a thief of a password writes to
 * strangers. Kept in memory, so that a restart forgets both the addresses and the count.
 */
import { createHash } from "node:crypto";
import type { Instant } from "../lib/instant.ts";
import { keepNewest } from "../lib/newest.ts";
import { type Refusal, refuse } from "./decision.ts";

/** What is remembered of an account. */
interface Account {
  /** Hashes of addresses, in the order of the last message to each. */
  readonly known: Map<number, true>;
  /** When the first new address of the day came, in monotonic milliseconds. */
  since: Instant;
  /** New ones since then. */
  count: number;
}

const dayMs = 86_400_000;
/** Addresses remembered of one account: more than people write to in years. */
export const knownMax = 10_000;
/** Of all accounts together, 50 octets each: 25 MB. Above it, accounts that wrote longest ago are forgotten. */
export const knownInAllMax = 500_000;

export class NewRecipients {
  readonly #accounts = new Map<string, Account>();
  #knownInAll = 0;
  /** 0: no limit. */
  perDay: number;

  constructor(perDay: number) {
    this.perDay = perDay;
  }

  /** Counts a recipient of a message of `login`, as text. `undefined`: it is known, or not one too many. */
  check(login: string, recipient: string, now: Instant): Refusal | undefined {
    if (this.perDay === 0) return undefined;
    const account = this.#accounts.get(login) ?? { known: new Map<number, true>(), since: now, count: 0 };
    if (now - account.since >= dayMs) account.count = 0;
    const hash = hashOf(recipient);
    if (!account.known.has(hash)) {
      if (account.count >= this.perDay) {
        return refuse("too-many-new-recipients", { login, limit: this.perDay }, "limits.new_recipients");
      }
      if (account.count === 0) account.since = now;
      account.count++;
    }
    this.#knownInAll -= account.known.size;
    keepNewest(account.known, hash, true, knownMax);
    this.#knownInAll += account.known.size;
    this.#accounts.delete(login);
    this.#accounts.set(login, account);
    this.#forget();
    return undefined;
  }

  /** Addresses remembered; a test checks the bound with it. */
  get size(): number {
    return this.#knownInAll;
  }

  #forget(): void {
    for (const [login, { known }] of this.#accounts) {
      if (this.#knownInAll <= knownInAllMax) return;
      this.#accounts.delete(login);
      this.#knownInAll -= known.size;
    }
  }
}

/** 48 bits: among 10,000 addresses of an account, a new one looks known once in 28 billion. */
function hashOf(recipient: string): number {
  return createHash("sha256").update(recipient).digest().readUIntBE(0, 6);
}
