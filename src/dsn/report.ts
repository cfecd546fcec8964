/**
 * What a delivery status notification (RFC 3464) is made from, as plain data. Whether one is owed, and to whom, is
 * decided in `reporting/`; this folder only writes what it is told.
 */
import type { Instant } from "../lib/instant.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";

export type ReportAction = "failed" | "delayed" | "relayed" | "delivered" | "expanded";

/** Who has to act: decides which advice the reader gets. Only faults of the recipient may ever suppress an address. */
export type FaultOwner =
  "recipient" | "our-reputation" | "our-authentication" | "remote-trouble" | "content" | "policy" | "local-trouble";

export interface ReportedRecipient {
  /** Where it went: `local@domain` ready for the wire. */
  readonly address: string;
  /** The address that the sender used, where an alias led elsewhere. */
  readonly acceptedAs?: string;
  /** ORCPT as received: `rfc822;xtext` or `utf-8;…`. */
  readonly originalRecipient?: string;
  readonly status: EnhancedStatus;
  readonly fault?: FaultOwner;
  /** Our own words, one sentence, where nobody else's are there. */
  readonly reason?: string;
  readonly diagnostic?: ReportedDiagnostic;
  /** Absent where nothing was attempted. */
  readonly lastAttemptAt?: Instant;
  /** Of delayed recipients only: attempts go on until then. */
  readonly willRetryUntil?: Instant;
  /** Every attempt failed for now, and the time for attempts is over. */
  readonly expired?: boolean;
}

/** What the other side said, or what we found, for reports and for people. */
export interface ReportedDiagnostic {
  /** RFC 3464 §2.3.6: `smtp` (also for LMTP) carries a reply, `x-posthaste` our own finding. */
  readonly type: "smtp" | "x-posthaste";
  /** For `smtp`: code, status and text as received, multi-line replies joined with spaces. */
  readonly text: string;
  /** Which command the reply answered: "MAIL", "RCPT", "DATA", "end of data", "EHLO", … */
  readonly command?: string;
  /** Name and address of the host that was contacted, if one was. */
  readonly remoteHost?: string;
  readonly remoteAddress?: string;
}

/** The message that is reported on. */
export interface ReportedMessage {
  /** Queue id. */
  readonly id: string;
  readonly receivedAt: Instant;
  /** ENVID, xtext as received. */
  readonly envelopeId?: string;
  /** Decoded, for people. */
  readonly subject?: string;
  readonly messageId?: string;
  /** Its header section, ours on top: whole fields. */
  readonly header: Buffer;
  /** All that follows, from the empty line on; absent: only the header is returned. */
  readonly body?: Buffer;
  /** As in the facts of a message. */
  readonly utf8Header: boolean;
  readonly eightBit: boolean;
  readonly binary: boolean;
}

export interface ReportInput {
  readonly action: ReportAction;
  /** Our name, in A-labels. */
  readonly host: string;
  /** Whom the reader may ask. */
  readonly postmaster: string;
  /** The reverse-path of the original: `local@domain` ready for the wire. */
  readonly to: string;
  readonly at: Instant;
  /** With its angle brackets. */
  readonly messageId: string;
  readonly original: ReportedMessage;
  /** At least one. */
  readonly recipients: readonly ReportedRecipient[];
}

export interface Report {
  /** A whole message: CRLF, no line over 998 octets, no NUL. */
  readonly bytes: Buffer;
  readonly subject: string;
  readonly from: string;
  /** Needs 8BITMIME. */
  readonly eightBit: boolean;
  /** Needs SMTPUTF8: only where the address it goes to does so too. */
  readonly utf8Header: boolean;
}
