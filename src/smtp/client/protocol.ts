/**
 * The client's side of an SMTP or LMTP session, without I/O: bytes and time in; events, output and the next deadline out.
 *
 * Owns greeting, EHLO with HELO as fall-back, STARTTLS, AUTH, one transaction at a time, QUIT, and the wait for each
 * reply (RFC 5321 §4.5.3.2). Promises that every call of `greet`, `hello`, `startTls`, `authenticate`, `transact` and
 * `quit` is answered by exactly one event: its own, or `failed`; that octets which arrive ahead of what they answer end
 * the session instead of answering the next command (RFC 3207 §4.2, RFC 2920 §3.1); that each phase takes a bounded
 * number of replies; and that a server which refuses us at its greeting or EHLO can still be told QUIT (RFC 5321 §3.1).
 *
 * Leaves to the driver: sockets, the TLS handshake, one timer, and whether TLS or a login is wanted. Times are
 * milliseconds of one monotonic clock. A call that the phase does not allow throws and changes nothing.
 */
import type { Instant } from "../../lib/instant.ts";
import { beginLogin, type ClientCredentials, type LoginOptions } from "./authentication.ts";
import { noCapabilities, type Capabilities } from "./capabilities.ts";
import type { ClientEvent } from "./event.ts";
import type { ClientFailure } from "./failure.ts";
import { clientTransitions } from "./phase.ts";
import { onReply, sayFarewell, sayHello } from "./session-replies.ts";
import { ClientSession, type ClientProtocolOptions } from "./session.ts";
import { ClientTransaction, type MailObject } from "./transaction.ts";

export class ClientProtocol {
  readonly #session: ClientSession;

  constructor(options: ClientProtocolOptions) {
    this.#session = new ClientSession(options);
  }

  /** Of the current EHLO answer. */
  get capabilities(): Capabilities {
    return this.#session.capabilities;
  }

  /** Nothing is under way, and another transaction may begin. */
  get ready(): boolean {
    return this.#session.phase.kind === "ready" && this.#session.events.length === 0;
  }

  get closed(): boolean {
    return this.#session.phase.kind === "closed";
  }

  /** The server can read a QUIT now: no command is under way, no handshake, no content. */
  get mayQuit(): boolean {
    return this.#allows("quit");
  }

  /** Transactions begun in this session. */
  get transactions(): number {
    return this.#session.transactions;
  }

  get wantsContent(): boolean {
    const { phase } = this.#session;
    return "transaction" in phase && phase.transaction.wantsContent;
  }

  /** Connected: waits for the greeting. */
  greet(now: Instant): void {
    this.#begin("greet", now);
    this.#session.enter("greet", { kind: "greeting" });
  }

  /**
   * EHLO, and HELO where that is refused permanently; LHLO for LMTP. Again after TLS was established. `plain`: HELO at once,
   * for a server that is known to hang up on EHLO.
   */
  hello(now: Instant, options: { readonly plain?: boolean } = {}): void {
    this.#begin("hello", now);
    if (this.#session.failIfAhead()) return;
    const esmtp = options.plain === true ? "HELO" : "EHLO";
    sayHello(this.#session, "hello", this.#session.options.dialect === "lmtp" ? "LHLO" : esmtp);
  }

  startTls(now: Instant): void {
    this.#begin("starttls", now);
    if (this.#session.failIfAhead()) return;
    this.#session.enter("starttls", { kind: "starttls" });
    this.#session.send("STARTTLS");
  }

  /** The handshake is done: what the peer said before is forgotten (RFC 3207 §4.2); `hello` is next. */
  tlsEstablished(now: Instant): void {
    this.#begin("tls-established", now);
    this.#session.capabilities = noCapabilities;
    this.#session.outputHeld = false;
    this.#session.enter("tls-established", { kind: "greeted" });
  }

  /** The caller has made sure that this connection may carry the credentials. */
  authenticate(credentials: ClientCredentials, now: Instant, options: LoginOptions = {}): void {
    this.#begin("authenticate", now);
    if (this.#session.failIfAhead()) return;
    const login = beginLogin(credentials, this.#session.capabilities.auth, options);
    if (login === undefined) {
      this.#session.events.push({ kind: "authentication-failed", reply: undefined });
      return;
    }
    this.#session.enter("authenticate", { kind: "authentication", login });
    this.#session.send(login.command, `AUTH ${login.mechanism} (credentials)`);
  }

  /** Throws where a whole content has another size than the envelope says. */
  transact(mail: MailObject, now: Instant): void {
    this.#begin("transact", now);
    const transaction = new ClientTransaction(mail, this.#session);
    this.#session.transactions++;
    if (this.#session.resetFirst) this.#session.enter("transact-after-reset", { kind: "reset", transaction });
    else this.#session.enter("transact", { kind: "mail", transaction });
    if (!this.#session.failIfAhead()) transaction.begin();
  }

  /** The next piece of a streamed content. Throws when the pieces exceed the size that was announced. */
  content(bytes: Uint8Array, now: Instant): void {
    const { phase } = this.#session;
    if (phase.kind !== "content") throw new Error(`no content is wanted while ${phase.kind}`);
    this.#session.now = now;
    this.#session.waitingSince = now;
    phase.transaction.content(bytes);
  }

  quit(now: Instant): void {
    this.#begin("quit", now);
    this.#session.enter("quit", { kind: "quitting" });
    this.#session.send("QUIT");
  }

  /** Stores only; parsing happens in {@link ClientProtocol.nextEvent}. */
  receive(bytes: Uint8Array, now: Instant): void {
    this.#session.now = now;
    if (!this.closed) this.#session.reader.receive(bytes);
  }

  /** `reason` in the network's words, when the connection was lost rather than ended. */
  endOfStream(reason: string | undefined, now: Instant): void {
    const { reader, awaited, phase } = this.#session;
    this.#session.now = now;
    if (phase.kind === "quitting") return sayFarewell(this.#session);
    const cut = reader.hasBytes
      ? `within a reply to ${awaited}: "${reader.unfinishedText}"`
      : `while ${awaited} was unanswered`;
    const detail = `the connection ${reason === undefined ? "was closed" : `was lost (${reason})`} ${cut}`;
    this.#session.fail({ kind: "lost", command: awaited, detail });
  }

  /** The handshake, or something else that only the driver sees, failed. */
  abandon(failure: ClientFailure): void {
    this.#session.fail(failure);
  }

  nextEvent(): ClientEvent | undefined {
    const { events, reader } = this.#session;
    for (;;) {
      const event = events.shift();
      if (event !== undefined) return event;
      const { kind } = this.#session.phase;
      // A greeting may be here before anyone waits for it.
      if (kind === "closed" || kind === "new") return undefined;
      if (kind === "handshake" && reader.hasBytes) {
        this.#session.failUnasked();
        continue;
      }
      const reply = this.#session.nextReply();
      if (reply !== undefined) onReply(this.#session, reply);
      // What is here may have been no reply, and ended the session.
      else if (!this.closed) return undefined;
    }
  }

  takeOutput(): Uint8Array | undefined {
    return this.#session.output.take();
  }

  /** When {@link ClientProtocol.handleDeadline} is due; undefined while nothing is awaited. */
  deadline(): Instant | undefined {
    return this.#session.deadline;
  }

  /** For the driver, when the network has not taken all of the output yet: the peer cannot have read it. */
  outputHeld(): void {
    this.#session.outputHeld = true;
  }

  /** For the driver, when octets it had to hold back went out: that is progress. */
  outputDrained(now: Instant): void {
    this.#session.now = now;
    this.#session.waitingSince = now;
    this.#session.outputHeld = false;
  }

  handleDeadline(now: Instant): void {
    const { deadline, awaited, phase } = this.#session;
    if (deadline === undefined || now < deadline) return;
    this.#session.now = now;
    if (phase.kind === "quitting") return sayFarewell(this.#session);
    this.#session.fail({ kind: "timed-out", command: awaited, detail: `no answer to ${awaited} in time` });
  }

  #begin(event: CallEvent, now: Instant): void {
    if (!this.#allows(event)) throw new Error(`not possible while ${this.#session.phase.kind}`);
    this.#session.now = now;
  }

  #allows(event: CallEvent): boolean {
    return clientTransitions.transition(this.#session.phase.kind, event) !== "fault";
  }
}

/** The events of the table that are calls of the driver. */
type CallEvent = "greet" | "hello" | "starttls" | "tls-established" | "authenticate" | "transact" | "quit";
