/** Which command is legal in which phase. The table is the rule; the core asks it, and `docs/states.md` shows it. */
import type { Verb } from "../command-parser.ts";
import type { Reply } from "../reply.ts";
import type { ServerPhase } from "./phase.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { serverReplies } from "./replies.ts";

/** The phases in which commands are read; in "refused", all but QUIT get the reply that the phase has. */
export const commandPhases = [
  "connected",
  "greeted",
  "transaction",
  "recipients",
  "chunks",
] as const satisfies readonly ServerPhase["kind"][];
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
  // A proxy may name its client before it says EHLO.
  XCLIENT: { ...greetedOnly, connected: "legal" },
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

function commandPhaseOf({ kind }: ServerPhase): CommandPhase {
  switch (kind) {
    case "connected":
    case "greeted":
    case "transaction":
    case "recipients":
    case "chunks":
      return kind;
    case "refused":
      // Only QUIT is looked up here; it is legal everywhere.
      return "connected";
    default:
      throw new Error(`No command is read in the phase "${kind}"`);
  }
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
