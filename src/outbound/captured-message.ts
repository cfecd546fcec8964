/** The listing of a captured message: a record of the spool, and a row of `GET /api/v1/inbox` as it is. */
export interface CapturedMessage {
  readonly id: string;
  /** The reverse-path; "" is the null one. */
  readonly from: string;
  /** The recipients as given in RCPT. */
  readonly to: readonly string[];
  /** As in the header; the API decodes encoded words. */
  readonly subject: string;
  /** ISO 8601, UTC. */
  readonly received_at: string;
  /** Octets. */
  readonly size: number;
  /** A mailbox would put it into Junk. */
  readonly junk?: true;
}

/** Keys are queue ids, which rise with time. */
export const capturedNamespace = "captured";
