/** A claimed message in memory, from the claim until its last recipient is settled. */
import type { Instant } from "../lib/instant.ts";
import type { ClaimedMessage, StoredMessage, StoredRecipient } from "../spool/spool.ts";

/** A claimed message until each of its recipients is settled. */
export interface Claim {
  readonly message: StoredMessage;
  readonly token: number;
  /** When it was claimed; renewals move it. */
  readonly leaseEnd: Instant;
  /** Claimed by its own commit, not read from the schedule. */
  readonly fresh: boolean;
  /** Recipients that were claimed. */
  readonly size: number;
  /** Of them, those not yet settled. */
  open: number;
  /** Recipients whose route is still being looked up. */
  routing: readonly StoredRecipient[];
  /** The lease ended before it could be renewed: somebody else may have it now. */
  lost: boolean;
}

export function newClaim(claimed: ClaimedMessage, fresh: boolean): Claim {
  return {
    message: claimed.message,
    token: claimed.token,
    leaseEnd: claimed.leaseEnd,
    fresh,
    size: claimed.recipients.length,
    open: claimed.recipients.length,
    routing: claimed.recipients,
    lost: false,
  };
}
