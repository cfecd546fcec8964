/**
 * One session, greeting to close: hands each event of the protocol core to the command that decides about it. Knows no
 * socket; the connection carries out the actions.
 */
import type { IpNetworkList } from "../lib/ip-network.ts";
import type { Refusal } from "../policy/decision.ts";
import type { Client } from "../policy/client.ts";
import type { TlsFacts } from "../ports/network.ts";
import { reply } from "../smtp/reply.ts";
import type { ServerEvent } from "../smtp/server/event.ts";
import { beginAuth, continueAuth } from "./commands/auth.ts";
import { checkConnect } from "./commands/connect.ts";
import { beginContent, endContent, noteContentRefused, receiveContent } from "./commands/data.ts";
import { acceptHello } from "./commands/ehlo.ts";
import { checkMail } from "./commands/mail.ts";
import { checkRecipient } from "./commands/rcpt.ts";
import { checkStartTls, proceedStartTls, recogniseKey, tellTls } from "./commands/starttls.ts";
import type { ListenerOptions } from "./listener-options.ts";
import type { Peer } from "./proxy-headers.ts";
import { noteNotSmtp, noteRefused } from "./refusals.ts";
import type { InboundServices, InboundSettings } from "./services.ts";
import { SessionMemory } from "./session-memory.ts";
import { mechanismsOf } from "./sign-in.ts";
import { SessionPhases } from "./session-phase.ts";
import { closePhase, leavePhase, type SessionChannel, type SessionState } from "./session-state.ts";
import { answer, noAction, proceed, type SessionAction } from "./session-action.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

export interface SessionOptions {
  readonly services: InboundServices;
  readonly settings: InboundSettings;
  readonly listener: ListenerOptions;
  readonly channel: SessionChannel;
  readonly peer: Peer;
  /** Absent: the client is served. */
  readonly refusal?: Refusal;
  /** Of the session that this one goes on with, after XCLIENT. */
  readonly id?: string;
}

const internalError = reply(421, "4.3.0", "Internal error, closing connection");
const contentLost = reply(451, "4.3.0", "Internal error, try again later");
/** Events that are told, not asked. */
const informing: ReadonlySet<ServerEvent["kind"]> = new Set([
  "content-refused",
  "auth-cancelled",
  "reset",
  "refused",
  "closed",
]);

export class Session {
  readonly #state: SessionState;
  readonly #refusal: Refusal | undefined;

  constructor(options: SessionOptions) {
    const { services, settings, listener, channel, peer } = options;
    const id = options.id ?? services.ids.next();
    this.#refusal = options.refusal;
    this.#state = {
      id,
      services,
      settings,
      listener,
      channel,
      log: services.log.with({ session: id }),
      memory: new SessionMemory(services.memory),
      client: clientOf(listener, peer, settings.relayNetworks),
      hello: undefined,
      phases: new SessionPhases(),
      signedIn: undefined,
      messages: 0,
      delay: undefined,
      refusal: undefined,
    };
    recogniseKey(this.#state);
    const { address, proxy } = peer;
    this.#state.log.event("session-opened", {
      listener: listener.kind,
      client: address,
      proxy: proxy?.address,
      proxy_tls: proxy?.tls && [proxy.tls.protocol, proxy.tls.cipher].filter(Boolean).join(" "),
      server_name: proxy?.serverName,
    });
    if (channel.tls !== undefined) tellTls(this.#state, channel.tls);
  }

  /** Content is being received, or its commit is awaited: a stop waits for the end of it. */
  get receivesContent(): boolean {
    return this.#state.phases.state.kind === "receiving";
  }

  /** A reply to the client is kept back. */
  get isDelayed(): boolean {
    return this.#state.delay !== undefined;
  }

  /** Gives a reply that is kept back. */
  endDelay(): void {
    this.#state.delay?.end();
  }

  get id(): string {
    return this.#state.id;
  }

  get messages(): number {
    return this.#state.messages;
  }

  get client(): Client {
    return this.#state.client;
  }

  /** SASL mechanisms that can succeed in this session as it stands. */
  get authMechanisms(): { readonly clear: readonly string[]; readonly tls: readonly string[] } {
    return mechanismsOf(this.#state);
  }

  get memory(): SessionMemory {
    return this.#state.memory;
  }

  get log(): SessionState["log"] {
    return this.#state.log;
  }

  /** A fault of ours costs this session, and nothing of what was accepted. */
  handle(event: ServerEvent): SessionAction | Promise<SessionAction> {
    try {
      const action = this.#dispatch(event);
      return action instanceof Promise ? action.catch((error: unknown) => this.#fault(event, error)) : action;
    } catch (error) {
      return this.#fault(event, error);
    }
  }

  tlsEstablished(tls: TlsFacts): void {
    proceedStartTls(this.#state, tls);
  }

  /** The session is over; what was gathered is void. */
  abandon(): void {
    closePhase(this.#state);
    this.#state.memory.close();
  }

  #dispatch(event: ServerEvent): SessionAction | Promise<SessionAction> {
    const state = this.#state;
    switch (event.kind) {
      case "connect":
        return checkConnect(state, this.#refusal);
      case "hello":
        return acceptHello(state, event);
      case "mail":
        return checkMail(state, event);
      case "recipient":
        return checkRecipient(state, event);
      case "content-begin":
        return beginContent(state, event);
      case "content":
        return receiveContent(state, event);
      case "content-end":
        return endContent(state, event);
      case "content-refused":
        return noteContentRefused(state, event);
      case "auth":
        return beginAuth(state, event);
      case "auth-response":
        return continueAuth(state, event);
      case "auth-cancelled":
        leavePhase(state);
        return noAction;
      case "starttls":
        return checkStartTls(state);
      case "xclient":
        return { kind: "pass-on", named: event };
      case "vrfy":
      case "expn":
        return proceed;
      case "reset":
        leavePhase(state);
        return noAction;
      case "refused":
        return noteRefused(state, event);
      case "closed":
        if (event.cause === "not-smtp") noteNotSmtp(state);
        closePhase(state);
        return noAction;
      default:
        return event satisfies never;
    }
  }

  #fault(event: ServerEvent, error: unknown): SessionAction {
    logTrouble(this.#state.log, `answering ${event.kind}`, error);
    leavePhase(this.#state);
    if (event.kind === "content") return { kind: "refuse-content", reply: contentLost };
    return informing.has(event.kind) ? noAction : answer(internalError);
  }
}

function clientOf(listener: ListenerOptions, { address, hidden }: Peer, networks: IpNetworkList): Client {
  if (hidden === true) return { listener: listener.kind, address, relayNetwork: false, hidden };
  // A unix socket's file permissions have decided who may connect; it relays no more than others do.
  return { listener: listener.kind, address, relayNetwork: address !== "" && networks.contains(address) };
}
