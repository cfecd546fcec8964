/**
 * The rules about recipients that every implementation of the spool shares: which states are final, when an attempt
 * that was lost is made again, what a filter selects.
 */
import { sameIgnoringCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import type { ClaimTerms, NewRecipient, RecipientFilter, RecipientState } from "./spool.ts";

/** Not final, in the order in which the stored format numbers them. */
export const openStates = ["scheduled", "claimed", "held"] as const satisfies readonly RecipientState[];
export const finalStates = [
  "delivered",
  "relayed",
  "failed",
  "expired",
  "removed",
] as const satisfies readonly RecipientState[];

export type OpenState = (typeof openStates)[number];

export function isOpen(state: RecipientState): state is OpenState {
  return state === "scheduled" || state === "claimed" || state === "held";
}

/** The delay from the start of attempt number `attempts` to the next one; the last of the schedule repeats. */
export function retryDelayMs(terms: ClaimTerms, attempts: number): number {
  const delays = terms.retryDelaysMs;
  const delay = delays[Math.min(attempts, delays.length) - 1];
  // Without a delay a crash could make attempts follow each other without a pause.
  if (delay === undefined) throw new RangeError("A claim needs at least one retry delay");
  return delay;
}

/**
 * When a recipient is due again whose claim was lost to a crash or to the end of its lease. The first attempt may be
 * repeated at once, and counts; later ones wait for the time that the claim recorded, so that no crash loop hammers a peer.
 */
export function dueAfterLostClaim(attempts: number, recordedDue: Instant, now: Instant): Instant {
  return attempts <= 1 ? now : recordedDue;
}

/** The states a filter selects: those it names, otherwise all that are not final. */
export function selectedStates(filter: RecipientFilter): readonly RecipientState[] {
  return filter.states ?? openStates;
}

/** Whether a filter means this recipient, whatever state the recipient is in. */
export function isMeant(
  filter: RecipientFilter,
  message: { readonly id: string; readonly reversePath: string },
  { address, acceptedAs, domain }: Pick<NewRecipient, "address" | "acceptedAs" | "domain">,
): boolean {
  return (
    (filter.message === undefined || filter.message === message.id) &&
    (filter.from === undefined || sameIgnoringCase(filter.from, message.reversePath)) &&
    (filter.domain === undefined || sameIgnoringCase(filter.domain, domain)) &&
    (filter.to === undefined ||
      sameIgnoringCase(filter.to, address) ||
      (acceptedAs !== undefined && sameIgnoringCase(filter.to, acceptedAs)))
  );
}
