/**
 * What is known in the middle of a session: who the client is, what it has said, the message in the making. The commands
 * read and change it; which command is legal when is the protocol core's.
 */
import type { Client } from "../policy/client.ts";
import type { ClientFacts } from "../policy/stage.ts";
import type { Log } from "../ports/log.ts";
import type { SignInFacts } from "../events/history-event.ts";
import type { TlsFacts } from "../ports/network.ts";
import type { ListenerOptions } from "./listener-options.ts";
import type { InboundServices, InboundSettings } from "./services.ts";
import type { SessionMemory } from "./session-memory.ts";
import { idle, type SessionPhase, type SessionPhases } from "./session-phase.ts";

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
  readonly phases: SessionPhases;
  /** How the login came about. */
  signedIn: SignInFacts | undefined;
  /** Messages accepted so far. */
  messages: number;
  /** A reply is kept back; `end` gives it at once. */
  delay: { readonly end: () => void } | undefined;
  /** The last refusal that the protocol core gave by itself. */
  refusal: string | undefined;
}

/** The phase in which alone an event can come; the protocol core knows the order of commands. */
export function phaseOf<K extends SessionPhase["kind"]>(
  { phases: { state: phase } }: SessionState,
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
  const before = state.phases.state;
  if (state.phases.change("leave", idle)) release(before, state);
}

/** The session has ended. Answers that arrive later change nothing. */
export function closePhase(state: SessionState): void {
  const before = state.phases.state;
  state.delay?.end();
  if (state.phases.change("close", { kind: "over" })) release(before, state);
}

function release(left: SessionPhase, { memory }: SessionState): void {
  if (left.kind === "transaction") memory.dropMessage();
  if (left.kind === "receiving") left.submission.abandon();
}
