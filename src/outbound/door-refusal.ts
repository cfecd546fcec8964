/**
 * What becomes of mail when every host of a site refuses us at its greeting or EHLO with 5yz.
 *
 * Such a refusal is about our address, not about the message: a new listing, a mistake in someone's filter, a block that
 * is lifted within the hour. To believe it at once would bounce everything that waits for the site, and everything that
 * comes until someone notices. So it is a deferral while the message is young. Once the message is as old as a warning
 * to its sender would be, it bounces with the server's own words, as a sender wants to know now and not in five days.
 *
 * Two replies are no listing: 521 says that the host never takes mail, 556 that the domain does not (RFC 7504 §3, §4).
 */
import type { Instant } from "../lib/instant.ts";
import { forNow, type Setback } from "./delivery-verdict.ts";

/** Where the sender is not to be warned, the patience is that of the setting's default. */
const defaultPatienceMs = 4 * 3_600_000;

/** `warnAfterMs`: `queue.warn_after`, where 0 turns the warning off. */
export function refusalPatienceMs(warnAfterMs: number): number {
  return warnAfterMs > 0 ? warnAfterMs : defaultPatienceMs;
}

/** The setback of an attempt that no host let in; `believedFrom`: when the message is old enough for its refusal. */
export function withPatience(
  setback: Setback,
  { now, believedFrom }: { readonly now: Instant; readonly believedFrom: Instant },
): Setback {
  if (setback.kind !== "bounced" || now >= believedFrom) return setback;
  const { diagnostic } = setback;
  if (!isAtTheDoor(diagnostic?.command) || diagnostic?.code === 521 || diagnostic?.code === 556) return setback;
  return {
    ...forNow(setback),
    reason: `${setback.reason}; the server may be blocking our address, so delivery will be retried`,
  };
}

function isAtTheDoor(command: string | undefined): boolean {
  return command === "greeting" || command === "EHLO" || command === "HELO" || command === "LHLO";
}
