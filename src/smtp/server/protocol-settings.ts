/** What a server protocol core is told once, at the start of its session. Limits say why they are so. */
import type { PhaseEvent, ServerPhase } from "./phase.ts";

export type ServerKind = "mx" | "submission" | "submissions" | "lmtp";

export interface ServerProtocolSettings {
  /** First word of the greeting and of the EHLO answer; A-labels. */
  readonly hostname: string;
  readonly kind: ServerKind;
  /** STARTTLS may be offered. */
  readonly tlsAvailable: boolean;
  /** The connection began with TLS (port 465). */
  readonly tlsActive: boolean;
  /** Before TLS, everything but NOOP, EHLO, STARTTLS and QUIT gets `530 5.7.0` (RFC 3207 §4). */
  readonly tlsRequired: boolean;
  /** MAIL before a login gets `530 5.7.0` (RFC 6409 §4.3). */
  readonly authRequired: boolean;
  /** Names in upper case, in the order in which EHLO lists them. A mechanism under `tls` only gets 538 in clear. */
  readonly authMechanisms: { readonly clear: readonly string[]; readonly tls: readonly string[] };
  /** Octets of content; 0 is no limit (RFC 1870 §4). */
  readonly messageBytesMax: number;
  /** Per transaction; at least 100 (RFC 5321 §4.5.3.1.8). */
  readonly recipientsMax: number;
  /** Transactions per session, announced as MAILMAX; absent is no limit. */
  readonly transactionsMax?: number;
  readonly bareLineEnds: "refuse" | "repair";
  /**
   * The client is one of our own: an address needs no angle brackets, and one without a domain gets our hostname. Other
   * servers hear 501.
   */
  readonly completesAddresses: boolean;
  /** Close a session whose client sends before the greeting, or right after EHLO or DATA, without waiting. */
  readonly earlyTalk: "allow" | "refuse";
  /** The client may say by XCLIENT whose session it passes on. */
  readonly xclient: boolean;
  /** VRFY and EXPN become events; otherwise VRFY is answered 252 and EXPN 502 by the core. */
  readonly verifyEnabled: boolean;
  /** Lines of the HELP answer. */
  readonly helpText: readonly string[];
  /** Errors of the client before 421; driver's 5yz to MAIL, AUTH, VRFY count too. */
  readonly errorsMax: number;
  /** Refused recipients before 421, counted apart: a mailing list with many dead members is no attack. */
  readonly refusedRecipientsMax: number;
  /** From the last reply to the next whole command (RFC 5321 §4.5.3.2.7: at least 5 minutes). */
  readonly idleTimeoutMs: number;
  /** Between two pieces of content (RFC 5321 §4.5.3.2.5 gives the sender 3 minutes for each). */
  readonly contentTimeoutMs: number;
  /** Whole session, so that a slow trickle cannot hold it for ever. */
  readonly sessionTimeoutMs: number;
  /** Octets of a command line with CRLF. RFC 5321 asks 512, extensions add; RFC 3461 §5.4 alone needs 1,036. */
  readonly commandLineBytesMax: number;
  /** Told of each change of phase, for a log or a test; `docs/states.md` has all that can come. */
  readonly observePhase?: (from: ServerPhase["kind"], event: PhaseEvent, to: ServerPhase["kind"]) => void;
}

/** Everything but name and kind; a driver spreads its own over it. */
export const defaultServerProtocolSettings = {
  tlsAvailable: false,
  tlsActive: false,
  tlsRequired: false,
  authRequired: false,
  authMechanisms: { clear: [], tls: [] },
  messageBytesMax: 50_000_000,
  recipientsMax: 1000,
  bareLineEnds: "refuse",
  completesAddresses: false,
  earlyTalk: "allow",
  xclient: false,
  verifyEnabled: false,
  helpText: ["Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT", "See RFC 5321"],
  errorsMax: 20,
  refusedRecipientsMax: 100,
  idleTimeoutMs: 300_000,
  contentTimeoutMs: 300_000,
  sessionTimeoutMs: 7_200_000,
  // 2,048 holds MAIL and RCPT with every parameter at its own limit: path 256, ORCPT 500, ENVID 100, AUTH 500, and the rest.
  commandLineBytesMax: 2048,
} as const satisfies Omit<ServerProtocolSettings, "hostname" | "kind">;
