/** Where a session stands between its greeting and its end, and the table along which that changes. */
import type { LoginResult } from "../accounts/account-directory.ts";
import type { Envelope } from "../intake/envelope.ts";
import type { Submission } from "../intake/submission.ts";
import { StateMachine, type TransitionRows, TransitionTable } from "../lib/transition-table.ts";
import type { ServerMechanism } from "../sasl/server-mechanism.ts";

/** Who tried to sign in, and what became of it. */
export interface SignInDecision {
  /** As the client gave it; "": it gave none. */
  readonly username: string;
  readonly result: LoginResult;
}

/** Where a session stands between its greeting and its end. */
export type SessionPhase =
  | { readonly kind: "idle" }
  /** An AUTH exchange is under way. */
  | {
      readonly kind: "exchange";
      readonly mechanism: string;
      readonly server: ServerMechanism;
      /** Made, and not told yet: the mechanism has a last word. */
      readonly decision?: SignInDecision;
    }
  /** MAIL was accepted. */
  | { readonly kind: "transaction"; readonly envelope: Envelope }
  /** From DATA or the first BDAT to the reply to the content. */
  | { readonly kind: "receiving"; readonly envelope: Envelope; readonly submission: Submission }
  | { readonly kind: "over" };

export const idle = { kind: "idle" } as const satisfies SessionPhase;

const events = {
  login: "The client has sent AUTH: the exchange of its mechanism begins.",
  decided: "The login is decided, and the mechanism has one more challenge.",
  mail: "The policy accepts MAIL.",
  content: "The policy accepts DATA or the first BDAT: a submission begins.",
  leave: "The login or the message was answered or cancelled, or RSET, EHLO, TLS or a fault ended it.",
  close: "The session has ended, or the connection is lost.",
} as const;

const rows = {
  idle: { login: "exchange", mail: "transaction", leave: "ignored", close: "over" },
  exchange: { decided: "exchange", leave: "idle", close: "over" },
  transaction: { content: "receiving", leave: "idle", close: "over" },
  receiving: { leave: "idle", close: "over" },
  // What accounts, policies and the spool answer after the client is gone.
  over: { decided: "ignored", mail: "ignored", leave: "ignored", close: "ignored" },
} as const satisfies TransitionRows<SessionPhase["kind"], keyof typeof events>;

export const sessionTransitions = new TransitionTable({ initial: "idle", events, rows });

export class SessionPhases extends StateMachine<SessionPhase, typeof rows> {
  constructor() {
    super(sessionTransitions, idle);
  }
}
