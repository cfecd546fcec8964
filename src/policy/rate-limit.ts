/**
 * Events per key in a time, a minute by default, as token buckets: a burst of a whole window's worth is allowed, then the
 * steady rate. Idle keys cost nothing, since a bucket that is full again is dropped.
 */
import type { Instant } from "../lib/instant.ts";

interface Bucket {
  tokens: number;
  readonly at: Instant;
}

const minuteMs = 60_000;
/** Distinct clients tracked, about 150 octets each; above it the oldest are forgotten, in their favour. */
const bucketsMax = 50_000;

export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  readonly #windowMs: number;
  /** 0: no limit. */
  perWindow: number;

  constructor(perWindow: number, windowMs = minuteMs) {
    this.perWindow = perWindow;
    this.#windowMs = windowMs;
  }

  /** Counts one event; false: too many, and it was not counted. */
  take(key: string, now: Instant): boolean {
    const limit = this.perWindow;
    if (limit === 0) return true;
    const tokens = this.#tokens(this.#buckets.get(key), now);
    this.#buckets.delete(key);
    const allowed = tokens >= 1;
    this.#buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, at: now });
    this.#forget(now);
    return allowed;
  }

  /** Takes one event back. */
  giveBack(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.perWindow, bucket.tokens + 1);
  }

  /** Events that are allowed at once, maybe a fraction; undefined: there is no limit. */
  left(key: string, now: Instant): number | undefined {
    return this.perWindow === 0 ? undefined : this.#tokens(this.#buckets.get(key), now);
  }

  forget(key: string): void {
    this.#buckets.delete(key);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #tokens(bucket: Bucket | undefined, now: Instant): number {
    const limit = this.perWindow;
    if (bucket === undefined) return limit;
    // A clock that was set back gives nothing, and takes nothing.
    return Math.min(limit, bucket.tokens + (Math.max(0, now - bucket.at) * limit) / this.#windowMs);
  }

  /** Looks at the two oldest each time: buckets unused for a whole window are full, so forgetting them changes nothing. */
  #forget(now: Instant): void {
    let looked = 0;
    for (const [key, { at }] of this.#buckets) {
      if (looked++ === 2) break;
      if (now - at < this.#windowMs && this.#buckets.size <= bucketsMax) break;
      this.#buckets.delete(key);
    }
  }
}
