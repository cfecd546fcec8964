/**
 * Which key the next certificate is for. A key whose TLSA record is published is kept, since a new one would make every server that
 * does DANE refuse this host. A roll-over waits until DNS shows the records of both keys for long enough (RFC 7671 §8.1).
 */
import type { Instant } from "../lib/instant.ts";
import { type PublishedTlsa, pins } from "./tlsa.ts";

/** Also where the records say less: not every server of a domain has them at once. */
const waitMinMs = 3_600_000;

export type KeyChoice =
  | { readonly kind: "new" }
  /** `why`: its record is published, or nobody knows. */
  | { readonly kind: "keep"; readonly why: "published" | "unknown" }
  | { readonly kind: "next" };

export interface RollOver {
  readonly keyPem: string | undefined;
  readonly nextKeyPem: string | undefined;
  /** What DNS shows, and since when it shows both. */
  readonly published: PublishedTlsa;
  readonly bothShown: BothShown | undefined;
}

export interface BothShown {
  readonly since: Instant;
  readonly waitMs: number;
}

/** A record set without the new record may be in caches for its TTL, and so may what was made of it. */
export function bothShownNow(
  { keyPem, nextKeyPem, published, bothShown }: RollOver,
  now: Instant,
): BothShown | undefined {
  if (published.kind === "failed") return bothShown;
  if (published.kind === "none" || keyPem === undefined || nextKeyPem === undefined) return undefined;
  if (!pins(published.records, keyPem) || !pins(published.records, nextKeyPem)) return undefined;
  return bothShown ?? { since: now, waitMs: Math.max(waitMinMs, 2 * published.ttlMs) };
}

export function chooseKey(rollOver: RollOver, now: Instant): KeyChoice {
  const { keyPem, nextKeyPem, published, bothShown } = rollOver;
  if (nextKeyPem !== undefined) {
    const nothingPinned = published.kind === "none" || keyPem === undefined;
    const waited = bothShown !== undefined && now - bothShown.since >= bothShown.waitMs;
    if (nothingPinned || waited) return { kind: "next" };
  }
  if (keyPem === undefined) return { kind: "new" };
  if (published.kind === "failed") return { kind: "keep", why: "unknown" };
  const isPinned = published.kind === "records" && pins(published.records, keyPem);
  return isPinned || nextKeyPem !== undefined ? { kind: "keep", why: "published" } : { kind: "new" };
}
