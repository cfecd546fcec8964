/**
 * What the server side of an SMTP or LMTP session tells its driver. Plain data; the protocol core
 * (protocol.ts) makes it, the driver decides and answers.
 *
 * Two kinds: events that say "needs a verdict" stop the core (`nextEvent()` gives "paused") until the driver calls
 * `proceed`, `answer` or `challenge`; all others only inform.
 */
import type { BodyType, ForwardPath, MailParameters, RecipientParameters, ReversePath } from "../envelope.ts";
import type { Reply } from "../reply.ts";
import type { XclientAttributes } from "../xclient.ts";

export type ServerEvent =
  | ConnectEvent
  | HelloEvent
  | MailEvent
  | RecipientEvent
  | ContentBeginEvent
  | ContentEvent
  | ContentEndEvent
  | ContentRefusedEvent
  | AuthEvent
  | AuthResponseEvent
  | AuthCancelledEvent
  | StartTlsEvent
  | XclientEvent
  | VerifyEvent
  | ResetEvent
  | RefusedEvent
  | ClosedEvent;

/** Events that stop the core until the driver has given its verdict. */
export type VerdictEvent =
  | ConnectEvent
  | HelloEvent
  | MailEvent
  | RecipientEvent
  | ContentBeginEvent
  | ContentEndEvent
  | AuthEvent
  | AuthResponseEvent
  | StartTlsEvent
  | XclientEvent
  | VerifyEvent;

export function needsVerdict(event: ServerEvent): event is VerdictEvent {
  return verdictKinds.has(event.kind);
}

/**
 * Always the first event; needs a verdict. `proceed` greets with 220. `answer` with 554 refuses the client but keeps the
 * session until QUIT, everything else getting 503 (RFC 5321 §3.1); `answer` with 421 closes.
 */
export interface ConnectEvent {
  readonly kind: "connect";
}

/**
 * HELO, EHLO or LHLO; needs a verdict. `proceed` writes the core's own answer with the extensions. An open transaction is
 * dropped by acceptance only; a "reset" then follows.
 */
export interface HelloEvent {
  readonly kind: "hello";
  readonly verb: "HELO" | "EHLO" | "LHLO";
  /** As given, the first 255 characters; what cannot be shown is `?`. Anything may stand there, blanks and UTF-8 too. */
  readonly name: string;
}

/** MAIL, in sequence and well-formed; needs a verdict. `proceed` answers `250 2.1.0`. */
export interface MailEvent {
  readonly kind: "mail";
  readonly reversePath: ReversePath;
  readonly parameters: MailParameters;
}

/** RCPT, in sequence, well-formed and within the limit of recipients; needs a verdict. `proceed` answers `250 2.1.5`. */
export interface RecipientEvent {
  readonly kind: "recipient";
  readonly forwardPath: ForwardPath;
  readonly parameters: RecipientParameters;
}

/**
 * DATA, or the first BDAT of a transaction, with at least one accepted recipient; needs a verdict. `proceed` answers 354
 * to DATA, or starts reading the chunk. A 4yz or 5yz `answer` ends the transaction; a BDAT chunk is swallowed first.
 */
export interface ContentBeginEvent {
  readonly kind: "content-begin";
  readonly via: "DATA" | "BDAT";
  readonly body: BodyType;
  /** SIZE= of MAIL, where given. */
  readonly declaredSize?: number;
  /** Accepted recipients, repetitions included: so many replies does LMTP want at the end. */
  readonly recipients: number;
}

/**
 * The next piece of content, dots unstuffed. The slices are views of what `receive` was given, never touched again by the
 * core. A driver that must wait does not call `nextEvent` (and stops reading the socket).
 */
export interface ContentEvent {
  readonly kind: "content";
  readonly slices: readonly Uint8Array[];
}

/**
 * The content is complete and within the limits; needs a verdict. Whatever is answered, the transaction is over.
 * LMTP: `answer` with one reply per accepted recipient, in order; a single reply is repeated for each.
 */
export interface ContentEndEvent {
  readonly kind: "content-end";
  /** Octets of all slices. */
  readonly size: number;
  /** The first bare line end that was repaired (only with `bareLineEnds: "repair"`). */
  readonly bareLineEnd?: "CR" | "LF";
  /** Where in the content the first repaired CR stands. */
  readonly firstBareCr?: number;
}

/** The core drained and refused the content, or the driver asked for it (`refuseContent`); the transaction is over. */
export interface ContentRefusedEvent {
  readonly kind: "content-refused";
  readonly reason: "too-large" | "bare-cr" | "bare-lf" | "driver";
  readonly size: number;
  readonly reply: Reply;
}

/** AUTH with a mechanism that is on offer; needs a verdict: `challenge`, `proceed` (235), or `answer` with a refusal. */
export interface AuthEvent {
  readonly kind: "auth";
  /** Upper case, one of those on offer. */
  readonly mechanism: string;
  /** Decoded; empty for `=`, absent when none was sent (RFC 4954 §4). */
  readonly initialResponse?: Uint8Array;
}

/** The answer to a challenge, decoded; needs a verdict like "auth". */
export interface AuthResponseEvent {
  readonly kind: "auth-response";
  readonly response: Uint8Array;
}

/** The exchange ended without a verdict; the core has answered (501, or 500 for a line too long). */
export interface AuthCancelledEvent {
  readonly kind: "auth-cancelled";
  readonly cause: "client" | "syntax" | "too-long";
}

/**
 * STARTTLS; needs a verdict. `proceed` writes 220: the driver sends it, does the handshake, and calls `tlsEstablished`.
 * `answer` with `454 4.7.0` when TLS is not to be had for now.
 */
export interface StartTlsEvent {
  readonly kind: "starttls";
}

/**
 * XCLIENT of a client that may say it; needs a verdict. With `proceed` the session begins again: the next event is
 * "connect". The driver calls `beginAgain` in its place, with what holds for the client that was named.
 */
export interface XclientEvent extends XclientAttributes {
  readonly kind: "xclient";
}

/** VRFY or EXPN, while enabled; needs a verdict. `proceed` answers the non-committal 252. */
export interface VerifyEvent {
  readonly kind: "vrfy" | "expn";
  /** As given: printable ASCII, or UTF-8 if `smtpUtf8`. */
  readonly text: string;
  readonly smtpUtf8: boolean;
}

/** An open transaction was dropped; what was gathered for it is void. */
export interface ResetEvent {
  readonly kind: "reset";
  readonly cause: "rset" | "hello";
}

/** The core refused a command by itself; for the log. */
export interface RefusedEvent {
  readonly kind: "refused";
  /** Upper case, or "" when no verb was recognised. */
  readonly verb: string;
  readonly reply: Reply;
  /** Of MAIL and RCPT as given, the first 320 characters: whose address it was. */
  readonly argument?: string;
}

/** Always the last event. The driver sends what `takeOutput` still gives and closes the connection. */
export interface ClosedEvent {
  readonly kind: "closed";
  readonly cause: CloseCause;
}

export type CloseCause =
  | "quit"
  /** The peer closed without QUIT. */
  | "lost"
  /** A time limit passed (421 4.4.2 was written). */
  | "deadline"
  /** Too many errors or refused recipients (421 4.7.0). */
  | "errors"
  /** {@link shutdown} (421 4.3.2). */
  | "shutdown"
  /** More transactions than announced (421 4.7.0). */
  | "transactions"
  /** The driver answered 421. */
  | "refused"
  /** Clear text followed STARTTLS; none of it was executed. */
  | "plaintext-after-starttls"
  /** The client sent before it was its turn, and that is refused. */
  | "early-talk"
  /** More input followed XCLIENT; none of it was executed. */
  | "sent-behind-xclient"
  /** More input followed content that was refused for its line ends; none of it was executed. */
  | "sent-ahead"
  /** A message followed a DATA that was refused; none of it was executed. */
  | "unasked-content"
  /** A BDAT whose chunk cannot be measured: what follows could be content. */
  | "lost-chunk"
  /** HTTP or a TLS handshake on a clear-text SMTP port. */
  | "not-smtp";

const verdictKinds: ReadonlySet<ServerEvent["kind"]> = new Set<VerdictEvent["kind"]>([
  "connect",
  "hello",
  "mail",
  "recipient",
  "content-begin",
  "content-end",
  "auth",
  "auth-response",
  "starttls",
  "xclient",
  "vrfy",
  "expn",
]);
