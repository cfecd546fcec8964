/**
 * Where a server session stands, and which command is legal there. The table is the rule; the core asks it, and the
 * documentation's diagram is drawn from it.
 */
import type { Verb } from "../command-parser.ts";
import type { MailParameters } from "../envelope.ts";
import type { Reply } from "../reply.ts";
import type { ContentReceiver } from "./content.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { serverReplies } from "./replies.ts";

/** What MAIL opened. Content exists from DATA or the first BDAT on. */
export interface Transaction {
  readonly parameters: MailParameters;
  recipients: number;
  content: ContentReceiver | undefined;
}

export type ServerPhase =
  /** Nothing was written yet. */
  | { readonly kind: "greeting" }
  | { readonly kind: "connected" }
  | { readonly kind: "greeted" }
  | { readonly kind: "transaction"; readonly transaction: Transaction }
  /** Octets of DATA or of a chunk are read. */
  | { readonly kind: "content"; readonly transaction: Transaction; readonly content: ContentReceiver }
  /** A chunk without a home is read away, then answered; `back` is where that leaves the session. */
  | SwallowPhase
  /** The next line answers a challenge. */
  | { readonly kind: "auth" }
  | { readonly kind: "tls-handshake" }
  /** Everything but QUIT gets this reply (RFC 5321 §3.1, RFC 3207 §4.1). */
  | { readonly kind: "refused"; readonly refusal: Reply }
  | { readonly kind: "closed" };

export interface SwallowPhase {
  readonly kind: "swallow";
  bytesLeft: number;
  readonly refusal: Reply;
  readonly byDriver: boolean;
  readonly back: ServerPhase;
}

/** `connected` before HELO; `greeted` after it; `transaction` after MAIL; `recipients` after RCPT; `chunks` after BDAT. */
export const commandPhases = ["connected", "greeted", "transaction", "recipients", "chunks"] as const;
export type CommandPhase = (typeof commandPhases)[number];

type Legality = Readonly<Record<CommandPhase, "legal" | Reply>>;

const always: Legality = {
  connected: "legal",
  greeted: "legal",
  transaction: "legal",
  recipients: "legal",
  chunks: "legal",
};

/** Between transactions, after HELO. */
const greetedOnly: Legality = {
  connected: serverReplies.helloFirst,
  greeted: "legal",
  transaction: serverReplies.notInTransaction,
  recipients: serverReplies.notInTransaction,
  chunks: serverReplies.notInTransaction,
};

/** For each verb and phase: legal, or the 503 it gets (RFC 5321 §4.1.4). A 503 leaves everything as it was. */
export const commandTable: Readonly<Record<Verb, Legality>> = {
  HELO: always,
  EHLO: always,
  LHLO: always,
  RSET: always,
  NOOP: always,
  QUIT: always,
  VRFY: always,
  EXPN: always,
  HELP: always,
  STARTTLS: greetedOnly,
  AUTH: greetedOnly,
  MAIL: {
    connected: serverReplies.helloFirst,
    greeted: "legal",
    transaction: serverReplies.nestedMail,
    recipients: serverReplies.nestedMail,
    chunks: serverReplies.nestedMail,
  },
  RCPT: {
    connected: serverReplies.helloFirst,
    greeted: serverReplies.mailFirst,
    transaction: "legal",
    recipients: "legal",
    chunks: serverReplies.chunksBegun,
  },
  DATA: {
    connected: serverReplies.helloFirst,
    greeted: serverReplies.mailFirst,
    transaction: serverReplies.recipientFirst,
    recipients: "legal",
    chunks: serverReplies.chunksBegun,
  },
  BDAT: {
    connected: serverReplies.helloFirst,
    greeted: serverReplies.mailFirst,
    transaction: serverReplies.recipientFirst,
    recipients: "legal",
    chunks: "legal",
  },
};

export function commandPhaseOf(phase: ServerPhase): CommandPhase {
  if (phase.kind !== "transaction") return phase.kind === "greeted" ? "greeted" : "connected";
  if (phase.transaction.content !== undefined) return "chunks";
  return phase.transaction.recipients > 0 ? "recipients" : "transaction";
}

/** The reply that refuses a command in this phase, before its argument is read; undefined if the phase allows it. */
export function phaseRefusal(
  verb: Verb,
  phase: ServerPhase,
  session: { readonly settings: ServerProtocolSettings; readonly tlsActive: boolean; readonly authenticated: boolean },
): Reply | undefined {
  const { tlsRequired, authRequired } = session.settings;
  if (tlsRequired && !session.tlsActive && !beforeTls.has(verb)) return serverReplies.tlsFirst;
  if (authRequired && !session.authenticated && afterLogin.has(verb)) return serverReplies.loginFirst;
  const legality = commandTable[verb][commandPhaseOf(phase)];
  return legality === "legal" ? undefined : legality;
}

/** RFC 3207 §4; LHLO is the EHLO of LMTP. */
const beforeTls: ReadonlySet<Verb> = new Set<Verb>(["NOOP", "EHLO", "LHLO", "STARTTLS", "QUIT"]);

/** RFC 4954 §6 spares AUTH, EHLO, HELO, NOOP, RSET and QUIT; STARTTLS comes before a login, and HELP tells how. */
const afterLogin: ReadonlySet<Verb> = new Set<Verb>(["MAIL", "RCPT", "DATA", "BDAT", "VRFY", "EXPN"]);
