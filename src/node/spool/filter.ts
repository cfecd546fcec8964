/** A recipient filter as SQL: one condition with fixed parameters, so that each statement is prepared once. */
import type { RecipientFilter, RecipientState } from "../../spool/spool.ts";
import { isOpen, selectedStates } from "../../spool/recipient-state.ts";
import { stateNumber } from "./protocol.ts";

/** Over `messages m` and `recipients r`; its parameters are ?1 to ?4, given by {@link filterValues}. */
export const filterCondition = `(1 << r.state) & ?1
  AND (?2 IS NULL OR m.reverse_path = ?2 COLLATE NOCASE)
  AND (?3 IS NULL OR r.address = ?3 COLLATE NOCASE OR r.accepted_as = ?3 COLLATE NOCASE)
  AND (?4 IS NULL OR r.domain = ?4 COLLATE NOCASE)`;

export type FilterValues = readonly [states: number, from: string | null, to: string | null, domain: string | null];

/** `among`: only these states can be meant. */
export function filterValues(filter: RecipientFilter, among?: readonly RecipientState[]): FilterValues {
  let states = 0;
  for (const state of selectedStates(filter)) {
    if (among === undefined || among.includes(state)) states |= 1 << stateNumber(state);
  }
  return [states, filter.from ?? null, filter.to ?? null, filter.domain ?? null];
}

/** Whether only messages with a recipient that is not final need to be looked at. */
export function wantsOnlyOpen(filter: RecipientFilter): boolean {
  return selectedStates(filter).every(isOpen);
}
