/**
 * The driver of one session: the only place in receiving that sees socket events. Octets go to the protocol core, its
 * events to the session, actions and replies back; all replies of a turn leave in one write. There is one timer, armed
 * again only when it fires, since most deadlines move before they are reached.
 *
 * Memory is bounded on both sides: the socket is not read while the session decides and octets wait already, and no
 * event is taken while the client does not read its replies.
 */
import type { Instant } from "../lib/instant.ts";
import type { Entry } from "../policy/admission.ts";
import type { Timer } from "../ports/clock.ts";
import type { Connection, ConnectionHandler } from "../ports/network.ts";
import { refuse } from "../policy/decision.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { ServerProtocol } from "../smtp/server/protocol.ts";
import { serverReplies } from "../smtp/server/replies.ts";
import type { CloseCause, ServerEvent } from "../smtp/server/event.ts";
import { handshakeHintFor } from "./refusals.ts";
import { tlsOptionsOf } from "./listener-options.ts";
import type { Peer } from "./proxy-headers.ts";
import type { Session } from "./session.ts";
import { namedPeer, sessionOf, type SessionPlace } from "./session-of-peer.ts";
import type { SessionAction } from "./session-action.ts";

/** Octets received and not consumed above which the socket is not read: what a socket gives at once, so two reads are held. */
const inputHighWater = 64 * 1024;
/** One read may hold thousands of commands: after so many events, some milliseconds of work, other sessions have their turn. */
const eventsPerTurnMax = 200;
/** After our end of the connection is closed, the client gets so long to close its own. */
const lingerMs = 10_000;
/**
 * If the session takes longer to decide, the connection is dropped without a reply, because nobody can say whether the
 * message is stored. Clients wait 10 minutes for the reply to content (RFC 5321 §4.5.3.2.6), submitters 2 (RFC 6409 §5.3).
 */
const decisionMs = 120_000;

export interface ConnectionOptions extends SessionPlace {
  /** Another client is behind the connection, and takes the place of the first; undefined: there is none for it. */
  readonly passOn: (peer: Peer) => Promise<Entry | undefined>;
  /** Called when the client has introduced itself, with its name. */
  readonly spoke: (name: string) => void;
  /** Called once, when everything is over. */
  readonly closed: (connection: InboundConnection) => void;
}

export class InboundConnection implements ConnectionHandler {
  readonly #options: ConnectionOptions;
  readonly #stream: Connection;
  readonly #protocol: ServerProtocol;
  #peer: Peer;
  #session: Session;
  readonly #openedAt: Instant;
  /** The client has not introduced itself. */
  #silent = true;
  /** When octets of the client came last, in monotonic milliseconds. */
  #heardAtMs: number;
  #timer: Timer | undefined;
  #timerAt: Instant = 0;
  /** Runs while other sessions have their turn. */
  #turn: Timer | undefined;
  /** Since when the session decides, or a handshake is under way. */
  #awaitingSince: Instant | undefined;
  #handshaking = false;
  #paused = false;
  #outputBlocked = false;
  /** A stop was asked for; `told`: the core knows. */
  #stopping: "no" | "asked" | "told" = "no";
  /** The core is done, or the connection is gone. */
  #over: CloseCause | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.#openedAt = options.services.clock.monotonicMs();
    this.#heardAtMs = this.#openedAt;
    this.#peer = options.peer;
    const { session, protocol } = sessionOf(options);
    this.#session = session;
    this.#protocol = new ServerProtocol(protocol, this.#openedAt);
  }

  /** In the turn in which the stream was accepted. */
  start(): void {
    this.#stream.start(this);
    this.#run();
  }

  /** Ends an idle session with 421; content under way is finished first (RFC 5321 §3.8). */
  shutdown(): void {
    if (this.#stopping === "no") this.#stopping = "asked";
    this.#session.endDelay();
    this.#run();
  }

  /**
   * Since when the client has done nothing, in monotonic milliseconds: also in a handshake, which only it can go on with.
   * Undefined while the session decides or the client sends content; a reply that is kept back is neither.
   */
  get idleSinceMs(): number | undefined {
    const waits = this.#handshaking || this.#session.isDelayed;
    const busy = (this.#awaitingSince !== undefined && !waits) || this.#session.receivesContent;
    return busy ? undefined : this.#heardAtMs;
  }

  /** Others need its place: 421 where it can be said at once. */
  makeRoom(): void {
    if (this.#awaitingSince !== undefined) return this.#stream.destroy();
    this.#protocol.shutdown(this.#now(), serverReplies.makingRoom);
    this.#run();
  }

  /** Without another word. */
  destroy(): void {
    this.#stream.destroy();
  }

  data(bytes: Uint8Array): void {
    if (this.#over !== undefined) return;
    this.#heardAtMs = this.#now();
    this.#protocol.receive(bytes, this.#heardAtMs);
    this.#run();
  }

  end(): void {
    if (this.#over !== undefined) return;
    this.#protocol.endOfStream(this.#now());
    this.#run();
  }

  drained(): void {
    this.#outputBlocked = false;
    this.#run();
  }

  closed(error?: Error): void {
    if (this.#over === undefined) {
      this.#protocol.connectionLost(this.#now());
      this.#finish("lost", error);
    }
    this.#turn?.cancel();
    // There is nothing left to linger for.
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#session.abandon();
    this.#options.closed(this);
  }

  /** Continues when the session has decided, or with new input. An internal error ends only this session. */
  #run(awaited?: SessionAction): void {
    try {
      if (awaited !== undefined) this.#carryOut(awaited);
      this.#takeEvents();
    } catch (error) {
      logTrouble(this.#session.log, "conducting a session", error);
      return this.#stream.destroy();
    }
    this.#flush();
    this.#steerInput();
    this.#armTimer();
    if (!this.#session.memory.holdInput(this.#protocol.bufferedBytes)) this.#shed();
  }

  /** Until there are none, the session takes time to decide, the client does not read, or it is the turn of others. */
  #takeEvents(): void {
    for (let taken = 0; this.#mayTakeEvent; taken++) {
      if (taken === eventsPerTurnMax) return this.#passTurn();
      if (this.#stopping === "asked" && !this.#session.receivesContent) {
        this.#stopping = "told";
        this.#protocol.shutdown(this.#now());
      }
      const event = this.#protocol.nextEvent();
      if (event === "need-data" || event === "paused") break;
      if (event === "output-full") {
        this.#flush();
        return this.#passTurn();
      }
      this.#handle(event);
    }
  }

  get #mayTakeEvent(): boolean {
    const isFree = this.#awaitingSince === undefined && this.#turn === undefined;
    return isFree && !this.#outputBlocked && this.#over === undefined;
  }

  #passTurn(): void {
    this.#turn = this.#options.services.clock.setTimer(0, () => {
      this.#turn = undefined;
      this.#run();
    });
  }

  #handle(event: ServerEvent): void {
    if (this.#silent && event.kind === "hello") {
      this.#silent = false;
      this.#options.spoke(event.name);
    }
    const action = this.#session.handle(event);
    if (event.kind === "closed") this.#finish(event.cause);
    else if (action instanceof Promise) {
      this.#awaitingSince = this.#now();
      // The session turns its faults into actions, so this never rejects.
      action.then(
        (value) => this.#resume(value),
        () => this.#stream.destroy(),
      );
    } else {
      this.#carryOut(action);
    }
  }

  #resume(action: SessionAction): void {
    this.#awaitingSince = undefined;
    if (this.#over === undefined) this.#run(action);
    // The client is gone, the message is not: it was accepted, and goes its way.
    else if (action.kind === "answer") action.afterwards?.();
  }

  #carryOut(action: SessionAction): void {
    const now = this.#now();
    switch (action.kind) {
      case "none":
        return;
      case "proceed":
        this.#protocol.proceed(now);
        return;
      case "answer":
        this.#protocol.answer(action.reply, now);
        if (action.afterwards !== undefined) {
          this.#flush();
          action.afterwards();
        }
        return;
      case "challenge":
        this.#protocol.challenge(action.data, now);
        return;
      case "refuse-content":
        this.#protocol.refuseContent(action.reply);
        return;
      case "pass-on":
        return this.#passOn(namedPeer(this.#peer, action.named));
      case "start-tls":
        this.#protocol.proceed(now);
        this.#startTls();
        return;
      default:
        action satisfies never;
    }
  }

  /** The client that was named takes a place of its own, where it is judged as every client is. */
  #passOn(peer: Peer): void {
    this.#awaitingSince = this.#now();
    const takenOver = this.#options.passOn(peer).then((entry) => this.#takeOver(peer, entry));
    takenOver.catch(() => this.#stream.destroy());
  }

  #takeOver(peer: Peer, entry: Entry | undefined): void {
    this.#awaitingSince = undefined;
    if (this.#over !== undefined) return;
    if (entry === undefined) return this.#stream.destroy();
    this.#session.abandon();
    const { session, protocol } = sessionOf({ ...this.#options, peer, refusal: entry.refusal, id: this.#session.id });
    [this.#peer, this.#session, this.#silent] = [peer, session, true];
    this.#protocol.beginAgain(protocol, this.#now());
    this.#run();
  }

  #startTls(): void {
    const { certificates } = this.#options.services;
    if (certificates === undefined) return this.#stream.destroy();
    this.#awaitingSince = this.#now();
    this.#handshaking = true;
    this.#flush();
    // The port bounds the handshake in time, and closes the connection when it fails.
    const { listener, settings } = this.#options;
    this.#stream.startTls({ side: "server", ...tlsOptionsOf(listener, settings, certificates) }).then(
      (facts) => {
        this.#awaitingSince = undefined;
        this.#handshaking = false;
        if (this.#over !== undefined) return;
        this.#session.tlsEstablished(facts);
        this.#protocol.tlsEstablished(this.#now(), { mechanisms: this.#session.authMechanisms.tls });
        this.#run();
      },
      (error: unknown) => {
        this.#awaitingSince = undefined;
        const client = this.#peer.address;
        const hint = handshakeHintFor(this.#options.listener);
        this.#session.log.event("session-tls-failed", { client, error: String(error), hint });
        this.#stream.destroy();
      },
    );
  }

  #flush(): void {
    const output = this.#protocol.takeOutput();
    if (output !== undefined && !this.#stream.write(output)) this.#outputBlocked = true;
  }

  #steerInput(): void {
    const full = this.#protocol.bufferedBytes > inputHighWater && this.#over === undefined;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#stream.pause();
    else this.#stream.resume();
  }

  /** It holds more input than there is room for: the client is told where that can be done, and sends it again. */
  #shed(): void {
    if (this.#over !== undefined) return;
    const { reason, setting } = refuse("memory-short", {});
    this.#session.log.event("session-shed", { client: this.#peer.address, reason, setting });
    if (this.#awaitingSince === undefined && !this.#outputBlocked) {
      this.#protocol.shutdown(this.#now(), serverReplies.memoryShort);
      this.#run();
    } else {
      this.#stream.destroy();
    }
  }

  #finish(cause: CloseCause, error?: Error): void {
    this.#over = cause;
    this.#flush();
    const { clock } = this.#options.services;
    this.#session.log.event("session-closed", {
      cause,
      client: this.#peer.address,
      duration_ms: Math.round(clock.monotonicMs() - this.#openedAt),
      messages: this.#session.messages,
      error: error?.message,
    });
    this.#timer?.cancel();
    this.#timer = undefined;
    if (cause === "lost" && error !== undefined) return;
    this.#stream.end();
    this.#timer = clock.setTimer(lingerMs, () => this.#stream.destroy());
  }

  #armTimer(): void {
    if (this.#over !== undefined) return;
    const deadline = this.#deadline();
    if (deadline === undefined || (this.#timer !== undefined && this.#timerAt <= deadline)) return;
    this.#timer?.cancel();
    this.#timerAt = deadline;
    this.#timer = this.#options.services.clock.setTimer(Math.max(0, deadline - this.#now()), () => this.#onTimer());
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = this.#now();
    if (this.#awaitingSince !== undefined) {
      if (now >= this.#awaitingSince + decisionMs) return this.#stream.destroy();
      return this.#armTimer();
    }
    const deadline = this.#protocol.deadline();
    if (deadline !== undefined && now >= deadline) this.#protocol.handleDeadline(now);
    this.#run();
  }

  #deadline(): Instant | undefined {
    return this.#awaitingSince === undefined ? this.#protocol.deadline() : this.#awaitingSince + decisionMs;
  }

  #now(): Instant {
    return this.#options.services.clock.monotonicMs();
  }
}
