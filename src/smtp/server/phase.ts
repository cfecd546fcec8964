/**
 * Where a server session stands, and the table along which that changes; `docs/states.md` has the diagram of it. What waits
 * for a verdict of the driver, or for the end of a chunk that is read away, has changed no phase.
 */
import { StateMachine, type TransitionRows, TransitionTable } from "../../lib/transition-table.ts";
import type { MailParameters } from "../envelope.ts";
import type { Reply } from "../reply.ts";
import type { ContentReceiver } from "./content.ts";

/** What MAIL opened. */
export interface Transaction {
  readonly parameters: MailParameters;
  /** Accepted so far, repetitions included. */
  recipients: number;
}

export type ServerPhase =
  /** Nothing was written yet. */
  | { readonly kind: "greeting" }
  /** Before HELO or EHLO, and again after a TLS handshake. */
  | { readonly kind: "connected" }
  /** Between transactions. */
  | { readonly kind: "greeted" }
  /** After MAIL, no recipient being accepted. */
  | { readonly kind: "transaction"; readonly transaction: Transaction }
  | { readonly kind: "recipients"; readonly transaction: Transaction }
  /** Octets of DATA or of a chunk are read, or the whole content waits for its verdict. */
  | { readonly kind: "content"; readonly transaction: Transaction; readonly content: ContentReceiver }
  /** Between the chunks of one message. */
  | { readonly kind: "chunks"; readonly transaction: Transaction; readonly content: ContentReceiver }
  /** The next line answers a challenge. */
  | { readonly kind: "auth" }
  | { readonly kind: "tls-handshake" }
  /** Everything but QUIT gets this reply (RFC 5321 §3.1, RFC 3207 §4.1). */
  | { readonly kind: "refused"; readonly refusal: Reply }
  | { readonly kind: "closed" };

/** What changes a phase, said as the conversation shows it. */
const events = {
  connect: "The client is served: it was greeted with 220.",
  "refuse-service": "The client is not served (554 instead of the greeting), or its TLS is too weak.",
  hello: "EHLO, HELO or LHLO was accepted.",
  mail: "MAIL was accepted.",
  recipient: "RCPT was accepted.",
  reset: "RSET was accepted.",
  "begin-content": "DATA, or the first BDAT, was accepted.",
  "refuse-content":
    "DATA or the first BDAT was refused, or the content for its form, its size or a reason of the driver.",
  "end-chunk": "A chunk that is not the last has arrived completely.",
  "next-chunk": "Another BDAT has come.",
  "end-content": "The content was accepted or refused after its end.",
  challenge: "A challenge was sent to a client that logs in.",
  response: "The client has answered the challenge, or has cancelled the login.",
  starttls: "STARTTLS was accepted: 220 was written.",
  tls: "The TLS handshake succeeded.",
  xclient: "XCLIENT was accepted: the session begins again for the client that it names.",
  close: "QUIT, a limit, an error or the end of the connection ended the session.",
} as const;

const rows = {
  greeting: { connect: "connected", "refuse-service": "refused", close: "closed" },
  connected: { hello: "greeted", reset: "ignored", xclient: "greeting", close: "closed" },
  greeted: {
    hello: "greeted",
    mail: "transaction",
    reset: "ignored",
    challenge: "auth",
    starttls: "tls-handshake",
    xclient: "greeting",
    close: "closed",
  },
  // A second EHLO is an RSET, too (RFC 5321 §4.1.4).
  transaction: { hello: "greeted", recipient: "recipients", reset: "greeted", close: "closed" },
  recipients: {
    hello: "greeted",
    recipient: "recipients",
    reset: "greeted",
    "begin-content": "content",
    "refuse-content": "greeted",
    close: "closed",
  },
  content: { "end-chunk": "chunks", "end-content": "greeted", "refuse-content": "greeted", close: "closed" },
  chunks: { hello: "greeted", reset: "greeted", "next-chunk": "content", close: "closed" },
  auth: { response: "greeted", close: "closed" },
  // Nothing that was said before TLS counts after it (RFC 3207 §4.2).
  "tls-handshake": { tls: "connected", "refuse-service": "refused", close: "closed" },
  refused: { close: "closed" },
  closed: { close: "ignored" },
} as const satisfies TransitionRows<ServerPhase["kind"], keyof typeof events>;

export type PhaseEvent = keyof typeof events;

export const serverTransitions = new TransitionTable({ initial: "greeting", events, rows });

/** Holds the phase of one session; the only way to change it. `observe` is told of each change. */
export class PhaseMachine extends StateMachine<ServerPhase, typeof rows> {
  constructor(observe?: (from: ServerPhase["kind"], event: PhaseEvent, to: ServerPhase["kind"]) => void) {
    super(
      serverTransitions,
      { kind: "greeting" },
      observe && ((before, event, after) => observe(before.kind, event, after.kind)),
    );
  }
}

/** Phases without data, made once. */
export const greeting = { kind: "greeting" } as const satisfies ServerPhase;
export const connected = { kind: "connected" } as const satisfies ServerPhase;
export const greeted = { kind: "greeted" } as const satisfies ServerPhase;
