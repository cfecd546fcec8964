/**
 * Where a client session stands, which event leads where, and what the server owes us meanwhile. The table is the rule: a
 * session changes its phase only along it, and the documentation's diagram is drawn from it.
 */
import { type TransitionRows, TransitionTable } from "../../lib/transition-table.ts";
import type { Instant } from "../../lib/instant.ts";
import type { ReceivedReply } from "../reply-reader.ts";
import type { ClientLogin } from "./authentication.ts";
import type { ClientFailure } from "./failure.ts";
import type { RecipientResult, TransactionCommand } from "./recipient-results.ts";
import type { ClientTimeouts } from "./timeouts.ts";

export type HelloVerb = "EHLO" | "HELO" | "LHLO";

export type ClientPhase =
  | { readonly kind: "new" }
  | { readonly kind: "greeting" }
  /** The greeting was read, or TLS is established: EHLO is next. */
  | { readonly kind: "greeted" }
  | { readonly kind: "hello"; readonly verb: HelloVerb }
  | { readonly kind: "starttls" }
  /** 220 was read; nothing but the handshake may happen. */
  | { readonly kind: "handshake" }
  | { readonly kind: "authentication"; readonly login: ClientLogin }
  | { readonly kind: "ready" }
  | TransactionPhase
  /** The greeting or EHLO was refused and `failed` was told. The server waits for QUIT (RFC 5321 §3.1); nothing else follows. */
  | { readonly kind: "refused" }
  | { readonly kind: "quitting" }
  | { readonly kind: "closed" };

/** Named for what the next reply answers. With PIPELINING, commands of later phases have left already. */
export type TransactionPhase =
  | { readonly kind: "reset"; readonly transaction: OpenTransaction }
  | { readonly kind: "mail"; readonly transaction: OpenTransaction }
  | { readonly kind: "recipient"; readonly transaction: OpenTransaction }
  | { readonly kind: "data"; readonly transaction: OpenTransaction }
  /** The content leaves; its BDAT chunks are answered meanwhile. */
  | { readonly kind: "content"; readonly transaction: OpenTransaction; readonly command: "DATA" | "BDAT" }
  | { readonly kind: "final"; readonly transaction: OpenTransaction }
  /** The server said 354 although nobody was accepted, and got the end of data alone. */
  | { readonly kind: "no-content"; readonly transaction: OpenTransaction };

/** The transaction that is under way, as the session sees it. */
export interface OpenTransaction {
  /** When it ends, whatever progress it makes. */
  readonly endsAt: Instant;
  readonly wantsContent: boolean;
  content(bytes: Uint8Array): void;
  onReply(reply: ReceivedReply): void;
  /** The session fails: what has no verdict yet gets this one. The results of all recipients. */
  breakOff(failure: ClientFailure): readonly RecipientResult[];
}

const events = {
  greet: "The connection is open: the server speaks first.",
  hello: "The client says EHLO, HELO or LHLO.",
  starttls: "The client says STARTTLS.",
  "tls-established": "The TLS handshake is done: what the server said before it is forgotten.",
  authenticate: "The client says AUTH.",
  transact: "The client begins a transaction with MAIL.",
  "transact-after-reset": "The client begins a transaction with RSET, because the one before failed midway.",
  quit: "The client says QUIT.",
  accepted: "The server accepts the command with 2yz.",
  refused: "The server refuses the command with 4yz or 5yz.",
  "hello-unknown": "The server does not know EHLO (5yz): the client says HELO.",
  challenged: "The server asks for the next response of the login (334).",
  answered: "The server answers RSET, MAIL, RCPT, a chunk, or (LMTP) for a recipient, and more answers follow.",
  "data-unanswered": "All recipients are answered, and DATA has left: its reply is next.",
  "content-due": "The server says 354, or has accepted recipients of content that goes in chunks.",
  "nobody-accepted": "The server says 354, but has accepted no recipient.",
  "content-sent": "The whole content has left, and everything before its end is answered.",
  "transaction-over": "Every recipient has its result, and both sides agree where they are.",
  farewell: "The server answers QUIT or closes, or its time is up.",
  failed: "The session is of no more use: 421, a lost connection, a time-out, or a reply that cannot be right.",
} as const;

const rows = {
  new: { greet: "greeting", failed: "closed" },
  greeting: { accepted: "greeted", refused: "refused", failed: "closed" },
  greeted: { hello: "hello", quit: "quitting", failed: "closed" },
  hello: { accepted: "ready", "hello-unknown": "hello", refused: "refused", failed: "closed" },
  starttls: { accepted: "handshake", refused: "ready", failed: "closed" },
  handshake: { "tls-established": "greeted", failed: "closed" },
  authentication: { challenged: "authentication", accepted: "ready", refused: "ready", failed: "closed" },
  ready: {
    starttls: "starttls",
    authenticate: "authentication",
    transact: "mail",
    "transact-after-reset": "reset",
    quit: "quitting",
    failed: "closed",
  },
  reset: { answered: "mail", failed: "closed" },
  // MAIL that was refused ends the transaction, unless commands that left with it are still to be answered.
  mail: { answered: "recipient", "transaction-over": "ready", failed: "closed" },
  recipient: {
    answered: "recipient",
    "data-unanswered": "data",
    "content-due": "content",
    "content-sent": "final",
    "transaction-over": "ready",
    failed: "closed",
  },
  data: { "content-due": "content", "nobody-accepted": "no-content", "transaction-over": "ready", failed: "closed" },
  content: { answered: "content", "content-sent": "final", "transaction-over": "ready", failed: "closed" },
  final: { answered: "final", "transaction-over": "ready", failed: "closed" },
  "no-content": { "transaction-over": "ready", failed: "closed" },
  refused: { quit: "quitting", failed: "closed" },
  quitting: { farewell: "closed", failed: "closed" },
  closed: { failed: "ignored" },
} as const satisfies TransitionRows<ClientPhase["kind"], keyof typeof events>;

export const clientTransitions = new TransitionTable({ initial: "new", events, rows });

export type ClientRows = typeof rows;

/** What the server owes us, as reports name it, and how long it has; no time-out: nothing is awaited. */
export interface Awaited<Command extends string = string> {
  readonly command: Command;
  readonly timeout?: keyof ClientTimeouts;
}

const nothing: Awaited = { command: "idle" };
const finalReply: Awaited = { command: "end of data", timeout: "dataTerminationMs" };

const awaited: Readonly<Record<Exclude<ClientPhase["kind"], "hello" | "content">, Awaited>> = {
  new: nothing,
  greeting: { command: "greeting", timeout: "greetingMs" },
  greeted: nothing,
  starttls: { command: "STARTTLS", timeout: "startTlsMs" },
  // The driver bounds the handshake.
  handshake: { command: "STARTTLS" },
  authentication: { command: "AUTH", timeout: "authenticationMs" },
  ready: nothing,
  reset: { command: "RSET", timeout: "mailMs" },
  mail: { command: "MAIL", timeout: "mailMs" },
  recipient: { command: "RCPT", timeout: "recipientMs" },
  data: { command: "DATA", timeout: "dataInitiationMs" },
  final: finalReply,
  "no-content": finalReply,
  refused: nothing,
  quitting: { command: "QUIT", timeout: "quitMs" },
  closed: nothing,
};

export function awaitedIn(phase: TransactionPhase): Awaited<TransactionCommand>;
export function awaitedIn(phase: ClientPhase): Awaited;
export function awaitedIn(phase: ClientPhase): Awaited {
  switch (phase.kind) {
    case "hello":
      return { command: phase.verb, timeout: "helloMs" };
    case "content":
      return { command: phase.command, timeout: "dataBlockMs" };
    default:
      return awaited[phase.kind];
  }
}
