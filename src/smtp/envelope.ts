/** The envelope as the protocol carries it: paths and their parameters (RFC 5321 §4.1.1, RFC 3461, RFC 6531). */
import type { Mailbox } from "../address/mailbox.ts";

export type BodyType = "7BIT" | "8BITMIME" | "BINARYMIME";
export type NotifyCondition = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";

/** Parameters of MAIL. Texts are kept as received (xtext not decoded), so that they travel on unchanged (RFC 3461 §5.2.1). */
export interface MailParameters {
  readonly size?: number;
  readonly body?: BodyType;
  readonly smtpUtf8?: true;
  readonly ret?: "FULL" | "HDRS";
  /** ENVID, xtext as received. */
  readonly envelopeId?: string;
  /** REQUIRETLS: the message may only go over TLS to verified servers that promise the same (RFC 8689 §2). */
  readonly requireTls?: true;
  /** AUTH=, xtext as received; "<>" for unknown. */
  readonly auth?: string;
}

/** Parameters of RCPT. */
export interface RecipientParameters {
  /** Absent: not given (failure and perhaps delay are reported). NEVER stands alone. */
  readonly notify?: readonly NotifyCondition[];
  /** ORCPT as received: `rfc822;xtext` or `utf-8;…`. */
  readonly originalRecipient?: string;
}

/** `null` is the null reverse-path `<>`. */
export type ReversePath = Mailbox | null;
/** A recipient; `<postmaster>` without a domain has the empty domain. */
export type ForwardPath = Mailbox;
