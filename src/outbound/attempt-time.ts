/** How long one attempt may take, and its parts, in milliseconds. */

/** How long a transaction under way may go on after we were asked to stop: its verdict spares a duplicate. */
export const stopGraceMs = 5_000;
/** After so long no further address is asked. */
export const setupMs = 10 * 60_000;
/** All that a patient client allows a server is far more than any honest one needs (RFC 5321 §4.5.3.2). */
const transactionsMs = 30 * 60_000;
const perRecipientMs = 5 * 60_000;
const octetsPerMs = 1;
const longestMs = 5.5 * 3_600_000;

/** Of the whole attempt, for a message of so many octets to so many recipients. */
export function longestAttemptMs(size: number, recipients: number): number {
  return Math.min(longestMs, transactionsMs + size / octetsPerMs + perRecipientMs * recipients);
}
