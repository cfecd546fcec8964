/**
 * The server side of an SMTP or LMTP session as a value: octets and the time go in; events, octets and the next deadline
 * come out. It owns the input buffer, the order of commands, the replies that need no decision, and every limit of the
 * wire. Sockets, TLS, timers and every decision about mail are the driver's.
 *
 * A driver calls `receive`, then `nextEvent` until it gives a word and no event, then sends `takeOutput`. After an
 * event that needs a verdict it calls `proceed`, `answer` or `challenge` and goes on. Once the session is closed, verdicts
 * that come late are ignored.
 */
import type { Instant } from "../../lib/instant.ts";
import type { Reply } from "../reply.ts";
import { needsVerdict, type ServerEvent, type VerdictEvent } from "./event.ts";
import { connected } from "./phase.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { advance } from "./reading.ts";
import { serverReplies } from "./replies.ts";
import { ServerSession } from "./session.ts";
import { acceptEvent, finishContent, refuseEvent } from "./verdicts.ts";

/**
 * Octets of replies above which the driver must send them before more commands are read: a peer that sends commands and
 * reads no replies is then held to this and not to what a whole input buffer of commands would be answered.
 */
const outputHighWater = 16 * 1024;

export class ServerProtocol {
  readonly #session: ServerSession;
  #inputEnded = false;
  #shuttingDown = false;

  constructor(settings: ServerProtocolSettings, now: Instant) {
    this.#session = new ServerSession(settings, now);
  }

  /** Stores only; parsing happens in {@link nextEvent}. The array belongs to the core, and to content slices, from here on. */
  receive(bytes: Uint8Array, now: Instant): void {
    this.#session.now = now;
    if (this.#session.phase.kind === "closed") return;
    // A line must become whole in time, however its octets trickle; content only has to go on coming.
    if (this.#session.readsContent) this.#session.idleSince = now;
    this.#session.input.push(bytes);
  }

  /** The peer finished sending; what it sent before is still worked off. */
  endOfStream(now: Instant): void {
    this.#session.now = now;
    this.#inputEnded = true;
  }

  /** The connection is gone: nothing more is worked off, and a verdict still owed will be ignored. */
  connectionLost(now: Instant): void {
    this.#session.now = now;
    this.#session.close("lost");
  }

  /**
   * "paused": a verdict is owed, a TLS handshake is under way, or the session is closed. "output-full": replies must be
   * sent first; there may be more to do after them.
   */
  nextEvent(): ServerEvent | "need-data" | "paused" | "output-full" {
    for (;;) {
      const event = this.#session.events.shift();
      if (event !== undefined) {
        if (needsVerdict(event)) this.#session.awaiting = event;
        return event;
      }
      if (this.#session.awaiting !== undefined || this.#session.phase.kind === "closed") return "paused";
      if (this.#session.output.length >= outputHighWater) return "output-full";
      if (advance(this.#session)) continue;
      if (this.#inputEnded) this.#session.close("lost");
      else return this.#session.phase.kind === "tls-handshake" ? "paused" : "need-data";
    }
  }

  /** The verdict "yes" with the core's own reply; which one is told at each event. */
  proceed(now: Instant): void {
    this.#settle(undefined, now);
  }

  /**
   * The verdict in the driver's words: 2yz accepts, 4yz and 5yz refuse, 421 closes the session. Several replies only for
   * "content-end" of LMTP: one for each accepted recipient.
   */
  answer(replies: Reply | readonly Reply[], now: Instant): void {
    this.#settle("code" in replies ? [replies] : replies, now);
  }

  /** The verdict on "auth" and "auth-response": go on with this challenge. */
  challenge(bytes: Uint8Array, now: Instant): void {
    if (this.#session.phase.kind === "closed") return;
    this.#takeAwaiting(now);
    // Written by hand: base64 needs no cleaning, and a reply's lines would be cut at 512 octets.
    this.#session.output += `334 ${Buffer.from(bytes).toString("base64")}\r\n`;
    this.#session.phases.change("challenge", { kind: "auth" });
    this.#afterVerdict();
  }

  /** While content arrives: the rest is drained unseen, then answered with this; a "content-refused" follows. */
  refuseContent(refusal: Reply): void {
    const { phase } = this.#session;
    if ("content" in phase) phase.content.refuse(refusal);
  }

  /**
   * The handshake that followed "starttls" succeeded; the session starts anew (RFC 3207 §4.2). With `refusal`, a 554, TLS
   * is too weak and everything but QUIT gets it (§4.1). `mechanisms`: those to offer from now on, where that depends on
   * the handshake. A handshake that failed is a {@link connectionLost}.
   */
  tlsEstablished(
    now: Instant,
    { refusal, mechanisms }: { readonly refusal?: Reply; readonly mechanisms?: readonly string[] } = {},
  ): void {
    this.#session.now = now;
    this.#session.idleSince = now;
    if (this.#session.phase.kind !== "tls-handshake") return;
    if (this.#session.input.length > 0) return this.#session.close("plaintext-after-starttls");
    this.#session.tlsActive = true;
    if (mechanisms !== undefined) {
      const { settings } = this.#session;
      this.#session.settings = { ...settings, authMechanisms: { ...settings.authMechanisms, tls: mechanisms } };
    }
    this.#session.authenticated = false;
    if (refusal === undefined) this.#session.phases.change("tls", connected);
    else this.#session.phases.change("refuse-service", { kind: "refused", refusal });
  }

  /** The verdict "yes" on "xclient": from here on these settings hold, which are those of the client that was named. */
  beginAgain(settings: ServerProtocolSettings, now: Instant): void {
    if (this.#session.phase.kind === "closed") return;
    this.#session.settings = settings;
    this.#settle(undefined, now);
  }

  /** Everything to be sent by now in one piece; undefined when there is nothing. */
  takeOutput(): Buffer | undefined {
    if (this.#session.output === "") return undefined;
    const output = Buffer.from(this.#session.output, "latin1");
    this.#session.output = "";
    return output;
  }

  /** Octets received and not yet consumed; a driver stops reading the socket while this is high. */
  get bufferedBytes(): number {
    return this.#session.input.length;
  }

  /** When {@link handleDeadline} must be called; undefined while the driver owes a verdict. */
  deadline(): Instant | undefined {
    if (this.#session.awaiting !== undefined || this.#session.phase.kind === "closed") return undefined;
    const { idleTimeoutMs, contentTimeoutMs, sessionTimeoutMs } = this.#session.settings;
    const idle = this.#session.readsContent ? contentTimeoutMs : idleTimeoutMs;
    return Math.min(this.#session.idleSince + idle, this.#session.startedAt + sessionTimeoutMs);
  }

  handleDeadline(now: Instant): void {
    this.#session.now = now;
    const deadline = this.deadline();
    if (deadline === undefined || now < deadline) return;
    // Content that lies here waits for the driver, not for the peer.
    if (
      this.#session.readsContent &&
      this.#session.input.length > 0 &&
      now < this.#session.startedAt + this.#session.settings.sessionTimeoutMs
    ) {
      this.#session.idleSince = now;
      return;
    }
    this.#session.closeWith(serverReplies.timeout, "deadline");
  }

  /** Writes 421 and closes: at once or, if the driver owes a verdict, right after it (RFC 5321 §3.8). */
  shutdown(now: Instant, farewell: Reply = serverReplies.shuttingDown): void {
    this.#session.now = now;
    if (this.#session.awaiting === undefined) this.#session.closeWith(farewell, "shutdown");
    else this.#shuttingDown = true;
  }

  #settle(replies: readonly Reply[] | undefined, now: Instant): void {
    if (this.#session.phase.kind === "closed") return;
    const event = this.#takeAwaiting(now);
    const given = replies?.[0];
    if (given?.code === 421) return this.#session.closeWith(given, "refused");
    if (event.kind === "content-end") finishContent(this.#session, replies ?? [serverReplies.messageOk]);
    else if (given !== undefined && given.code >= 400) refuseEvent(this.#session, event, given);
    else acceptEvent(this.#session, event, given);
    this.#afterVerdict();
  }

  #takeAwaiting(now: Instant): VerdictEvent {
    const event = this.#session.awaiting;
    if (event === undefined) throw new Error("No event waits for a verdict");
    this.#session.awaiting = undefined;
    this.#session.now = now;
    this.#session.idleSince = now;
    return event;
  }

  #afterVerdict(): void {
    this.#session.awaitingChunk = undefined;
    if (this.#shuttingDown) this.#session.closeWith(serverReplies.shuttingDown, "shutdown");
  }
}
