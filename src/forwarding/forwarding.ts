/**
 * What `inbound/`, `intake/` and reports to senders ask of forwarding. Mail that a local address forwards to another domain
 * leaves with a reverse-path of ours (SRS), so that SPF passes and bounces come back to us, and with an ARC set that records
 * what we found on receipt (RFC 8617).
 */
import type { Mailbox } from "../address/mailbox.ts";
import type { ReversedRecipient } from "../address/srs.ts";
import type { ArcOutcome } from "../arc/arc-outcome.ts";
import type { BodyHashes } from "../dkim/body-hashes.ts";
import type { UnsealedReason } from "../events/unsealed-reason.ts";
import type { HeaderSection } from "../message/header-section.ts";
import type { ForwardedForm } from "../spool/spool.ts";

export interface ForwardedMessage {
  /** As received, ready for the wire; "" is the null reverse-path and stays that. */
  readonly reversePath: string;
  /** Domain of our address that was written to. */
  readonly domain: string;
  /** What we found: value of our Authentication-Results field behind the authserv-id, beginning with its `;`. */
  readonly results: string;
  /** Absent: nobody looked, since its client's mail is not checked. */
  readonly arc?: ArcOutcome;
}

export interface ForwardedCopy {
  readonly form: ForwardedForm;
  /** Why `form` has no ARC set; absent: it has one. */
  readonly unsealed?: UnsealedReason;
}

export interface Forwarding {
  /** Called when the header section (as it will be stored) is complete, before the first octet of the body goes into `bodies`. */
  begin(header: HeaderSection, bodies: BodyHashes): PendingForward;
  /**
   * For RCPT: where mail to one of our SRS addresses really goes. `undefined`: not an address of that form at our
   * forwarding domain, so whatever else it may be. A promise only where the original had to be kept in the spool.
   */
  reverse(recipient: Mailbox): ReversedRecipient | undefined | Promise<ReversedRecipient | undefined>;
}

export interface PendingForward {
  /** After `bodies.end()`. */
  finish(message: ForwardedMessage): Promise<ForwardedCopy>;
}
