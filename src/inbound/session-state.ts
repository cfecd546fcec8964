/**
 * What is known in the middle of a session: who the client is, what it has said, the message in the making. The commands
 * read and change it; which command is legal when is the protocol core's.
 */
import type { Envelope } from "../intake/envelope.ts";
import type { Submission } from "../intake/submission.ts";
import type { Client } from "../policy/client.ts";
import type { ClientFacts } from "../policy/stage.ts";
import type { Log } from "../ports/log.ts";
import type { SignInFacts } from "../events/history-event.ts";
import type { TlsFacts } from "../ports/network.ts";
import type { ServerMechanism } from "../sasl/server-mechanism.ts";
import type { LoginResult } from "../accounts/account-directory.ts";
import type { ListenerOptions } from "./listener-options.ts";
import type { InboundServices, InboundSettings } from "./services.ts";
import type { SessionMemory } from "./session-memory.ts";

export interface Hello {
  readonly verb: "HELO" | "EHLO" | "LHLO";
  readonly name: string;
}

/** What the connection below can tell; asked for only when needed. */
export interface SessionChannel {
  readonly tls: TlsFacts | undefined;
  /** Address the client connected to; `undefined` for a unix socket. */
  readonly ourAddress: string | undefined;
  /** Of the TLS layer; undefined: there is none, or it has no data of this type. */
  channelBinding(type: string): Uint8Array | undefined;
}

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
  | { readonly kind: "receiving"; readonly envelope: Envelope; readonly submission: Submission };

export interface SessionState {
  readonly id: string;
  readonly services: InboundServices;
  /** As they were when the session began. */
  readonly settings: InboundSettings;
  readonly listener: ListenerOptions;
  readonly channel: SessionChannel;
  /** Bears the session's id. */
  readonly log: Log;
  readonly memory: SessionMemory;
  /** Replaced when a login succeeds. */
  client: Client;
  hello: Hello | undefined;
  phase: SessionPhase;
  /** How the login came about. */
  signedIn: SignInFacts | undefined;
  /** Messages accepted so far. */
  messages: number;
  /** The last refusal that the protocol core gave by itself. */
  refusal: string | undefined;
}

export const idle: SessionPhase = { kind: "idle" };

/** The phase in which alone an event can come; the protocol core knows the order of commands. */
export function phaseOf<K extends SessionPhase["kind"]>(
  { phase }: SessionState,
  kind: K,
): Extract<SessionPhase, { readonly kind: K }> {
  if (phase.kind !== kind) throw new Error(`an event of the phase ${kind} came while the session was ${phase.kind}`);
  return phase as Extract<SessionPhase, { readonly kind: K }>;
}

/** What policies are told of the client. */
export function clientFacts({ client, listener }: SessionState): ClientFacts {
  return { client, development: listener.development === true };
}

/** The phase is over, and with it the open transaction and the message that came, save one that the spool has by now. */
export function leavePhase(state: SessionState): void {
  const { phase, memory } = state;
  state.phase = idle;
  if (phase.kind === "transaction") memory.dropMessage();
  if (phase.kind === "receiving") phase.submission.abandon();
}
