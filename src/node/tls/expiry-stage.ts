/** How near the end of a certificate is, in steps at which someone should be told. */
import type { Instant } from "../../lib/instant.ts";

/** Days before the end; 0: it has come. */
export type ExpiryStage = 21 | 7 | 1 | 0;

const dayMs = 86_400_000;
const stages = [1, 7, 21] as const;
/** A certificate of ninety days is renewed thirty days before its end. Shorter ones are told of in proportion. */
const usualLifetimeMs = 84 * dayMs;

/** Undefined: there is time. */
export function stageOf(
  { validFrom, validTo }: { readonly validFrom: Instant; readonly validTo: Instant },
  now: Instant,
): ExpiryStage | undefined {
  if (now >= validTo) return 0;
  const scale = Math.min(1, (validTo - validFrom) / usualLifetimeMs);
  return stages.find((days) => validTo - now <= days * dayMs * scale);
}
