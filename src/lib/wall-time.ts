/** What a time of the monotonic clock is on the wall clock just now: for people, who are told when a rest ends. */
import type { Instant } from "./instant.ts";

export function wallTimeOf(
  monotonicMs: number,
  clock: { readonly now: () => Instant; readonly monotonicMs: () => number },
): Instant {
  return Math.round(clock.now() + (monotonicMs - clock.monotonicMs()));
}
