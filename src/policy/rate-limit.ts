/**
 * Events a minute per key, as token buckets: a burst of a minute's worth is allowed, then the steady rate. Idle keys cost
 * nothing, since a bucket that is full again is dropped.
 */
import type { Instant } from "../lib/instant.ts";

interface Bucket {
  tokens: number;
  at: Instant;
}

const minuteMs = 60_000;
/** Distinct clients tracked, about 150 octets each; above it the oldest are forgotten, in their favour. */
const bucketsMax = 50_000;

export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  /** 0: no limit. */
  perMinute: number;

  constructor(perMinute: number) {
    this.perMinute = perMinute;
  }

  /** Counts one event; false: too many, and it was not counted. */
  take(key: string, now: Instant): boolean {
    const limit = this.perMinute;
    if (limit === 0) return true;
    const bucket = this.#buckets.get(key) ?? { tokens: limit, at: now };
    // A clock that was set back gives nothing, and takes nothing.
    bucket.tokens = Math.min(limit, bucket.tokens + (Math.max(0, now - bucket.at) * limit) / minuteMs);
    bucket.at = now;
    this.#buckets.delete(key);
    const allowed = bucket.tokens >= 1;
    if (allowed) bucket.tokens--;
    this.#buckets.set(key, bucket);
    this.#forget(now);
    return allowed;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Looks at the two oldest each time: buckets unused for a minute are full, so forgetting them changes nothing. */
  #forget(now: Instant): void {
    let looked = 0;
    for (const [key, { at }] of this.#buckets) {
      if (looked++ === 2) break;
      if (now - at < minuteMs && this.#buckets.size <= bucketsMax) break;
      this.#buckets.delete(key);
    }
  }
}
