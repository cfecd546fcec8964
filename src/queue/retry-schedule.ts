/**
 * When a deferred recipient is tried again (RFC 5321 §4.5.4.1): by the configured waits, spread so that mail which
 * failed together does not return together; at the time the server asked for, where it named one (retry-wish.ts); and
 * never later than the age at which the recipient is given up, so that the last attempt is made at that age.
 */
import type { Instant } from "../lib/instant.ts";
import type { Random } from "../ports/random.ts";
import { wishedDelayMs } from "./retry-wish.ts";

/** ±20 %: enough to spread a burst, little enough that the schedule stays recognisable. */
const spread = 0.2;
/** Whatever a server asks for: sooner would only cost both sides a connection. */
const shortestWishMs = 20_000;
/** For a schedule without entries. */
const emptyScheduleMs = 3_600_000;

/** The wait after attempt number `attempts` (from 1); the last one repeats. */
export function retryDelayMs(retryDelaysMs: readonly number[], attempts: number): number {
  return retryDelaysMs[Math.min(Math.max(attempts, 1), retryDelaysMs.length) - 1] ?? emptyScheduleMs;
}

/** How many attempts a recipient of this age has had, where each wait was as configured; at least one. */
export function attemptsWithin(ageMs: number, retryDelaysMs: readonly number[]): number {
  let attempts = 1;
  for (let at = retryDelaysMs[0] ?? 0; at <= ageMs && attempts < retryDelaysMs.length; attempts++) {
    at += retryDelaysMs[attempts] ?? 0;
  }
  return attempts;
}

export interface RetryQuestion {
  readonly now: Instant;
  /** Attempts begun, the one that just failed included. */
  readonly attempts: number;
  readonly retryDelaysMs: readonly number[];
  readonly expireAt: Instant;
  /** The server's words. */
  readonly text?: string;
}

/** The time of the next attempt: after `now`, at most `expireAt` (which is after `now`, or the recipient has expired). */
export function nextAttemptAt(question: RetryQuestion, random: Random): Instant {
  const { now, retryDelaysMs } = question;
  const wish = question.text === undefined ? undefined : wishedDelayMs(question.text);
  const delayMs =
    wish === undefined
      ? retryDelayMs(retryDelaysMs, question.attempts) * (1 - spread + 2 * spread * random.next())
      : // A little later than asked, never earlier: the other side's clock decides.
        Math.max(wish, shortestWishMs) * (1 + 0.05 * random.next());
  return Math.max(now + 1, Math.min(Math.ceil(now + delayMs), question.expireAt));
}

/**
 * For a recipient that only did not fit its transaction: 1 to 5 seconds, so that the rest of a long list follows while
 * the connection may still be open.
 */
export function soonAt(now: Instant, random: Random): Instant {
  return Math.ceil(now + 1_000 + 4_000 * random.next());
}
