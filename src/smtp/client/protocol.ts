/**
 * The client's side of an SMTP or LMTP session, without I/O: bytes and time in; events, output and the next deadline out.
 *
 * Owns greeting, EHLO with HELO as fall-back, STARTTLS, AUTH, one transaction at a time, QUIT, and the wait for each
 * reply (RFC 5321 §4.5.3.2). Promises that every call of `greet`, `hello`, `startTls`, `authenticate`, `transact` and
 * `quit` is answered by exactly one event: its own, or `failed`; that octets which arrive ahead of what they answer end
 * the session instead of answering the next command (RFC 3207 §4.2, RFC 2920 §3.1); that each state takes a bounded
 * number of replies; and that a server which refuses us at its greeting or EHLO can still be told QUIT (RFC 5321 §3.1).
 *
 * Leaves to the driver: sockets, the TLS handshake, one timer, and whether TLS or a login is wanted. Times are
 * milliseconds of one monotonic clock.
 */
import type { Instant } from "../../lib/instant.ts";
import { beginLogin, type ClientCredentials, type ClientLogin, type LoginOptions } from "./authentication.ts";
import { noCapabilities, parseCapabilities, type Capabilities } from "./capabilities.ts";
import type { ClientFailure } from "./failure.ts";
import { ClientOutput } from "./output.ts";
import type { ClientTimeouts } from "./timeouts.ts";
import { ClientTransaction, type OutgoingTransaction, type RecipientResult } from "./transaction.ts";
import {
  isIntermediate,
  quotedReply,
  replyText,
  ReplyReader,
  ReplySyntaxError,
  type ReceivedReply,
} from "../reply-reader.ts";

export interface ClientProtocolOptions {
  readonly dialect: "smtp" | "lmtp";
  /** Our host name, or an address literal where there is none (RFC 5321 §4.1.1.1). */
  readonly heloName: string;
  readonly timeouts: ClientTimeouts;
  /** Told each line of the dialogue; passwords and content are left out. */
  readonly observe?: (direction: "in" | "out", text: string) => void;
}

export type ClientEvent =
  | { readonly kind: "greeted"; readonly reply: ReceivedReply }
  | { readonly kind: "hello-done"; readonly capabilities: Capabilities }
  /** 220 to STARTTLS: the driver makes the handshake and then calls {@link ClientProtocol.tlsEstablished}. */
  | { readonly kind: "start-tls" }
  /** STARTTLS was refused; the session goes on in clear, if the caller wants that. */
  | { readonly kind: "tls-refused"; readonly reply: ReceivedReply }
  | { readonly kind: "authenticated" }
  /** `reply` is absent where the peer offers no mechanism that we have. */
  | { readonly kind: "authentication-failed"; readonly reply: ReceivedReply | undefined }
  /** Call {@link ClientProtocol.content} while {@link ClientProtocol.wantsContent}. */
  | { readonly kind: "send-content" }
  | { readonly kind: "transaction-done"; readonly results: readonly RecipientResult[] }
  | { readonly kind: "quit-done" }
  /** The session is over. Inside a transaction, `transaction-done` comes first. */
  | { readonly kind: "failed"; readonly failure: ClientFailure };

type ClientPhase =
  | { readonly kind: "new" }
  | { readonly kind: "greeting" }
  | { readonly kind: "greeted" }
  | { readonly kind: "hello"; readonly verb: "EHLO" | "HELO" | "LHLO" }
  | { readonly kind: "starttls" }
  /** 220 was read; nothing but the handshake may happen. */
  | { readonly kind: "handshake" }
  | { readonly kind: "authentication"; readonly login: ClientLogin }
  | { readonly kind: "ready" }
  | { readonly kind: "transaction"; readonly transaction: ClientTransaction }
  /** The greeting or EHLO was refused and `failed` was told. The server waits for QUIT (RFC 5321 §3.1); nothing else follows. */
  | { readonly kind: "refused" }
  | { readonly kind: "quitting" }
  | { readonly kind: "closed" };

export class ClientProtocol {
  readonly #options: ClientProtocolOptions;
  readonly #reader = new ReplyReader();
  readonly #output = new ClientOutput();
  readonly #events: ClientEvent[] = [];
  #phase: ClientPhase = { kind: "new" };
  #capabilities: Capabilities = noCapabilities;
  #authenticated = false;
  #resetFirst = false;
  #outputHeld = false;
  #transactions = 0;
  #deadline: Instant | undefined;
  #transactionEnd = Number.POSITIVE_INFINITY;

  constructor(options: ClientProtocolOptions) {
    this.#options = options;
  }

  /** Of the current EHLO answer. */
  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  get authenticated(): boolean {
    return this.#authenticated;
  }

  /** Nothing is under way, and another transaction may begin. */
  get ready(): boolean {
    return this.#phase.kind === "ready" && this.#events.length === 0;
  }

  get closed(): boolean {
    return this.#phase.kind === "closed";
  }

  /** The server can read a QUIT now: no command is under way, no handshake, no content. */
  get mayQuit(): boolean {
    const { kind } = this.#phase;
    return kind === "ready" || kind === "greeted" || kind === "refused";
  }

  /** Transactions begun in this session. */
  get transactions(): number {
    return this.#transactions;
  }

  get wantsContent(): boolean {
    return this.#phase.kind === "transaction" && this.#phase.transaction.wantsContent;
  }

  /** Connected: waits for the greeting. */
  greet(now: Instant): void {
    this.#expect("new");
    this.#enter({ kind: "greeting" }, now);
  }

  /**
   * EHLO, and HELO where that is refused for good; LHLO for LMTP. Again after TLS was established. `plain`: HELO at once,
   * for a server that is known to hang up on EHLO.
   */
  hello(now: Instant, options: { readonly plain?: boolean } = {}): void {
    this.#expect("greeted");
    if (this.#failIfAhead()) return;
    const verb = this.#options.dialect === "lmtp" ? "LHLO" : options.plain === true ? "HELO" : "EHLO";
    this.#sayHello(verb, now);
  }

  startTls(now: Instant): void {
    this.#expect("ready");
    if (this.#failIfAhead()) return;
    this.#send("STARTTLS");
    this.#enter({ kind: "starttls" }, now);
  }

  /** The handshake is done: what the peer said before is forgotten (RFC 3207 §4.2); `hello` is next. */
  tlsEstablished(now: Instant): void {
    this.#expect("handshake");
    this.#capabilities = noCapabilities;
    this.#outputHeld = false;
    this.#enter({ kind: "greeted" }, now);
  }

  /** The caller has made sure that this connection may carry the credentials. */
  authenticate(credentials: ClientCredentials, now: Instant, options: LoginOptions = {}): void {
    this.#expect("ready");
    if (this.#failIfAhead()) return;
    const login = beginLogin(credentials, this.#capabilities.auth, options);
    if (login === undefined) {
      this.#events.push({ kind: "authentication-failed", reply: undefined });
      return;
    }
    this.#output.push(login.command);
    this.#options.observe?.("out", `AUTH ${login.mechanism} (credentials)`);
    this.#enter({ kind: "authentication", login }, now);
  }

  transact(transaction: OutgoingTransaction, now: Instant): void {
    this.#expect("ready");
    const { observe, dialect, timeouts } = this.#options;
    const begun = new ClientTransaction(transaction, {
      peer: this.#capabilities,
      dialect,
      authenticated: this.#authenticated,
      resetFirst: this.#resetFirst,
      output: this.#output,
      observe: observe === undefined ? undefined : (text) => observe("out", text),
    });
    this.#transactions++;
    this.#resetFirst = false;
    this.#transactionEnd = now + timeouts.transactionMs;
    this.#enter({ kind: "transaction", transaction: begun }, now);
    if (!this.#failIfAhead()) begun.begin();
  }

  /** The next piece of a streamed content. */
  content(bytes: Uint8Array, now: Instant): void {
    if (this.#phase.kind !== "transaction") throw new Error("no transaction is under way");
    const { transaction } = this.#phase;
    transaction.content(bytes, this.#reader.hasBytes);
    if (transaction.done) this.#finishTransaction(transaction, now);
    else this.#restartWait(now);
  }

  quit(now: Instant): void {
    this.#send("QUIT");
    this.#enter({ kind: "quitting" }, now);
  }

  /** Stores only; parsing happens in {@link ClientProtocol.nextEvent}. */
  receive(bytes: Uint8Array): void {
    if (this.#phase.kind !== "closed") this.#reader.receive(bytes);
  }

  /** `reason` in the network's words, when the connection was lost rather than ended. */
  endOfStream(reason: string | undefined, now: Instant): void {
    if (this.#phase.kind === "quitting") {
      this.#events.push({ kind: "quit-done" });
      this.#enter({ kind: "closed" }, now);
      return;
    }
    const cut = this.#reader.insideReply
      ? `within a reply to ${this.#awaitedName()}: "${this.#reader.unfinishedText}"`
      : `while ${this.#awaitedName()} was unanswered`;
    const detail = `the connection ${reason === undefined ? "was closed" : `was lost (${reason})`} ${cut}`;
    this.#fail({ kind: "lost", command: this.#awaitedName(), detail });
  }

  /** The handshake, or something else that only the driver sees, failed. */
  abandon(failure: ClientFailure): void {
    this.#fail(failure);
  }

  nextEvent(now: Instant): ClientEvent | undefined {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      // A greeting may be here before anybody waits for it.
      if (this.#phase.kind === "closed" || this.#phase.kind === "new") return undefined;
      if (this.#phase.kind === "handshake" && this.#reader.hasBytes) this.#failUnasked();
      else if (!this.#readReply(now)) return undefined;
    }
  }

  takeOutput(): Uint8Array | undefined {
    return this.#output.take();
  }

  /** When {@link ClientProtocol.handleDeadline} is due; undefined while nothing is awaited. */
  get deadline(): Instant | undefined {
    return this.#deadline;
  }

  /** For the driver, when the network has not taken all of the output yet: the peer cannot have read it. */
  outputHeld(): void {
    this.#outputHeld = true;
  }

  /** For the driver, when octets it had to hold back went out: that is progress. */
  outputDrained(now: Instant): void {
    this.#outputHeld = false;
    this.#restartWait(now);
  }

  handleDeadline(now: Instant): void {
    if (this.#deadline === undefined || now < this.#deadline) return;
    if (this.#phase.kind === "quitting") return this.endOfStream(undefined, now);
    const command = this.#awaitedName();
    this.#fail({ kind: "timed-out", command, detail: `no answer to ${command} in time` });
  }

  /** false: no whole reply is here. */
  #readReply(now: Instant): boolean {
    const reply = this.#nextReply();
    if (reply === undefined) return this.closed;
    this.#onReply(reply, now);
    return true;
  }

  /** undefined: no whole reply is here, or what is here is none, which ends the session. */
  #nextReply(): ReceivedReply | undefined {
    try {
      const reply = this.#reader.next();
      if (reply !== undefined) this.#observeReply(reply);
      return reply;
    } catch (error) {
      if (!(error instanceof ReplySyntaxError)) throw error;
      this.#fail({ kind: "protocol-error", command: this.#awaitedName(), detail: error.message });
      return undefined;
    }
  }

  #onReply(reply: ReceivedReply, now: Instant): void {
    const phase = this.#phase;
    switch (phase.kind) {
      case "greeting":
        if (isIntermediate(reply)) return this.#failUnexpected(reply);
        if (reply.code >= 300) return this.#refused("greeting", reply);
        this.#events.push({ kind: "greeted", reply });
        return this.#enter({ kind: "greeted" }, now);
      case "hello":
        return this.#onHello(phase.verb, reply, now);
      case "starttls":
        return this.#onStartTls(reply, now);
      case "authentication":
        return this.#onAuthentication(phase.login, reply, now);
      case "transaction":
        phase.transaction.onReply(reply, { hasBytes: this.#reader.hasBytes, outputHeld: this.#outputHeld });
        if (phase.transaction.done) return this.#finishTransaction(phase.transaction, now);
        if (phase.transaction.wantsContent) this.#events.push({ kind: "send-content" });
        return this.#restartWait(now);
      case "quitting":
        this.#events.push({ kind: "quit-done" });
        return this.#enter({ kind: "closed" }, now);
      case "refused":
        return;
      case "ready":
      case "greeted":
        // A kept connection is told "421, closing" like this; anything else unasked for is no conversation.
        return reply.code === 421 ? this.#refused("idle", reply) : this.#failUnasked(reply);
      case "new":
      case "handshake":
        return this.#failUnasked(reply);
      case "closed":
        return;
      default:
        phase satisfies never;
    }
  }

  #onHello(verb: "EHLO" | "HELO" | "LHLO", reply: ReceivedReply, now: Instant): void {
    if (isIntermediate(reply)) return this.#failUnexpected(reply);
    // RFC 5321 §4.1.4: a server that does not know EHLO is greeted with HELO; then no extension exists.
    if (verb === "EHLO" && reply.code >= 500) {
      if (!this.#failIfAhead()) this.#sayHello("HELO", now);
      return;
    }
    if (reply.code >= 300) return this.#refused(verb, reply);
    this.#capabilities = verb === "HELO" ? noCapabilities : parseCapabilities(reply.lines);
    this.#events.push({ kind: "hello-done", capabilities: this.#capabilities });
    this.#enter({ kind: "ready" }, now);
  }

  #onStartTls(reply: ReceivedReply, now: Instant): void {
    if (reply.code === 421) return this.#refused("STARTTLS", reply);
    if (isIntermediate(reply)) return this.#failUnexpected(reply);
    if (reply.code >= 300) {
      this.#events.push({ kind: "tls-refused", reply });
      return this.#enter({ kind: "ready" }, now);
    }
    // Replies sent along with this one in clear would be believed under TLS (RFC 3207 §4.2).
    if (this.#reader.hasBytes) return this.#failUnasked();
    this.#events.push({ kind: "start-tls" });
    this.#enter({ kind: "handshake" }, now);
  }

  #onAuthentication(login: ClientLogin, reply: ReceivedReply, now: Instant): void {
    if (reply.code === 421) return this.#refused("AUTH", reply);
    if (isIntermediate(reply)) {
      const response = login.respond(reply.lines.join(""));
      // The mechanism and its cancellation have a fixed number of turns; a peer that goes on asking has none (RFC 4954 §4).
      if (response === undefined) return this.#failUnexpected(reply);
      if (this.#failIfAhead()) return;
      this.#output.push(response);
      this.#options.observe?.("out", "(credentials)");
      return this.#enter(this.#phase, now);
    }
    if (reply.code < 300 && !login.complete) return this.#failUnexpected(reply);
    this.#authenticated = reply.code < 300;
    this.#events.push(this.#authenticated ? { kind: "authenticated" } : { kind: "authentication-failed", reply });
    this.#enter({ kind: "ready" }, now);
  }

  #finishTransaction(transaction: ClientTransaction, now: Instant): void {
    this.#events.push({ kind: "transaction-done", results: transaction.results });
    this.#resetFirst = transaction.aftermath === "reset";
    this.#enter({ kind: transaction.aftermath === "close" ? "closed" : "ready" }, now);
  }

  #sayHello(verb: "EHLO" | "HELO" | "LHLO", now: Instant): void {
    this.#send(`${verb} ${this.#options.heloName}`);
    this.#enter({ kind: "hello", verb }, now);
  }

  #send(command: string): void {
    this.#output.push(`${command}\r\n`);
    this.#options.observe?.("out", command);
  }

  #observeReply(reply: ReceivedReply): void {
    const { observe } = this.#options;
    if (observe === undefined) return;
    reply.lines.forEach((line, index) => {
      const more = index < reply.lines.length - 1;
      observe("in", `${reply.code}${more ? "-" : line === "" ? "" : " "}${line}`);
    });
  }

  #refused(command: string, reply: ReceivedReply): void {
    const { kind } = this.#phase;
    const awaitsQuit = (kind === "greeting" || kind === "hello") && reply.code !== 421;
    this.#fail({ kind: "refused", command, reply });
    if (awaitsQuit) this.#phase = { kind: "refused" };
  }

  /**
   * Before something is sent while no reply is owed: octets that are here already cannot answer it. Only 421 may come at
   * any time (RFC 5321 §3.8).
   */
  #failIfAhead(): boolean {
    if (!this.#reader.hasBytes) return false;
    const reply = this.#nextReply();
    if (reply?.code === 421) this.#refused(this.#awaitedName(), reply);
    else this.#failUnasked(reply);
    return true;
  }

  #failUnexpected(reply: ReceivedReply): void {
    const command = this.#awaitedName();
    this.#fail({ kind: "protocol-error", command, detail: `${quotedReply(reply)} is no answer to ${command}` });
  }

  /** `reply`: what was read of it; else what is here, whole or not. */
  #failUnasked(reply?: ReceivedReply): void {
    const said = reply === undefined ? `"${this.#reader.unfinishedText}"` : quotedReply(reply);
    const detail = `the server sent ${said} although nothing was asked of it`;
    this.#fail({ kind: "protocol-error", command: this.#awaitedName(), detail });
  }

  #fail(failure: ClientFailure): void {
    if (this.#phase.kind === "closed") return;
    if (this.#phase.kind === "refused") {
      // Told already.
      this.#phase = { kind: "closed" };
      return;
    }
    if (this.#phase.kind === "transaction") {
      const { transaction } = this.#phase;
      transaction.fail(failure);
      this.#events.push({ kind: "transaction-done", results: transaction.results });
    }
    this.#events.push({ kind: "failed", failure });
    this.#phase = { kind: "closed" };
    this.#deadline = undefined;
  }

  #enter(phase: ClientPhase, now: Instant): void {
    this.#phase = phase;
    this.#restartWait(now);
  }

  #restartWait(now: Instant): void {
    const { timeout } = awaitedIn(this.#phase);
    const end = this.#phase.kind === "transaction" ? this.#transactionEnd : Number.POSITIVE_INFINITY;
    this.#deadline = timeout === undefined ? undefined : Math.min(now + this.#options.timeouts[timeout], end);
  }

  #awaitedName(): string {
    return awaitedIn(this.#phase).command;
  }

  #expect(kind: ClientPhase["kind"]): void {
    if (this.#phase.kind !== kind) throw new Error(`not possible while ${this.#phase.kind}`);
  }
}

/** What the peer owes us, as reports name it, and how long it has; no time-out: nothing is awaited. */
function awaitedIn(phase: ClientPhase): { readonly command: string; readonly timeout?: keyof ClientTimeouts } {
  switch (phase.kind) {
    case "greeting":
      return { command: "greeting", timeout: "greetingMs" };
    case "hello":
      return { command: phase.verb, timeout: "helloMs" };
    case "starttls":
      return { command: "STARTTLS", timeout: "startTlsMs" };
    case "handshake":
      return { command: "STARTTLS" };
    case "authentication":
      return { command: "AUTH", timeout: "authenticationMs" };
    case "transaction":
      return phase.transaction.awaited;
    case "quitting":
      return { command: "QUIT", timeout: "quitMs" };
    case "new":
    case "greeted":
    case "ready":
    case "refused":
    case "closed":
      return { command: "idle" };
    default:
      return phase satisfies never;
  }
}

/** One line that tells a failure to people, the peer's own words included. */
export function failureText(failure: ClientFailure): string {
  return failure.kind === "refused" ? `${failure.command}: ${replyText(failure.reply)}` : failure.detail;
}
