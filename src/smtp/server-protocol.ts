/**
 * The server side of an SMTP or LMTP session as a value: octets and the time go in; events, octets and the next deadline
 * come out. It owns the input buffer, the order of commands, the replies that need no decision, and every limit of the
 * wire. Sockets, TLS, timers and every decision about mail are the driver's.
 *
 * A driver calls `receive`, then `nextEvent` until it gives "need-data" or "paused", then sends `takeOutput`. After an
 * event that needs a verdict it calls `proceed`, `answer` or `challenge` and goes on. Once the session is closed, verdicts
 * that come late are ignored.
 */
import type { Instant } from "../lib/instant.ts";
import { hasControlCharacter, parseChunk, parseCommand, type Chunk, type Verb } from "./command-parser.ts";
import { ErrorBudget } from "./error-budget.ts";
import { formatReply } from "./reply-writer.ts";
import { reply, type Reply } from "./reply.ts";
import {
  decodeBase64,
  isReply,
  parseAuth,
  parseHello,
  parseMail,
  parseRecipient,
  parseVerify,
} from "./server-commands.ts";
import { IncomingContent } from "./server-content.ts";
import {
  needsVerdict,
  type CloseCause,
  type ContentBeginEvent,
  type ContentEndEvent,
  type HelloEvent,
  type ServerEvent,
  type VerdictEvent,
} from "./server-event.ts";
import { extendedHelloReply, offeredMechanisms, plainHelloReply } from "./server-extensions.ts";
import { ServerInput, type LineFault } from "./server-input.ts";
import { objectionTo, type ServerPhase, type SwallowPhase, type Transaction } from "./server-phase.ts";
import type { ServerProtocolSettings } from "./server-protocol-settings.ts";
import { serverReplies } from "./server-replies.ts";

/** Octets of AUTH and of a response, CRLF included (RFC 4954 §4). */
const authLineBytesMax = 12_288 + 2;

export class ServerProtocol {
  readonly #settings: ServerProtocolSettings;
  readonly #budget: ErrorBudget;
  readonly #input = new ServerInput();
  readonly #startedAt: Instant;
  #now: Instant;
  /** When the last command was answered or the last content came. */
  #idleSince: Instant;
  #output = "";
  #events: ServerEvent[] = [];
  /** The event whose verdict the driver owes, and the chunk that waits with it. */
  #awaiting: VerdictEvent | undefined;
  #awaitingChunk: Chunk | undefined;
  #phase: ServerPhase = { kind: "greeting" };
  #tlsActive: boolean;
  #authenticated = false;
  #inputEnded = false;
  #shuttingDown = false;
  #transactions = 0;

  constructor(settings: ServerProtocolSettings, now: Instant) {
    this.#settings = settings;
    this.#budget = new ErrorBudget(settings);
    this.#tlsActive = settings.tlsActive;
    this.#startedAt = now;
    this.#now = now;
    this.#idleSince = now;
  }

  /** Stores only; parsing happens in {@link nextEvent}. The array belongs to the core, and to content slices, from here on. */
  receive(bytes: Uint8Array, now: Instant): void {
    this.#now = now;
    if (this.#phase.kind === "closed") return;
    // A line must become whole in time, however its octets trickle; content only has to go on coming.
    if (this.#phase.kind === "content") this.#idleSince = now;
    this.#input.push(bytes);
  }

  /** The peer finished sending; what it sent before is still worked off. */
  endOfStream(now: Instant): void {
    this.#now = now;
    this.#inputEnded = true;
  }

  /** The connection is gone: nothing more is worked off, and a verdict still owed will be ignored. */
  connectionLost(now: Instant): void {
    this.#now = now;
    this.#close("lost");
  }

  /** "paused": a verdict is owed, a TLS handshake is under way, or the session is closed. */
  nextEvent(): ServerEvent | "need-data" | "paused" {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        if (needsVerdict(event)) this.#awaiting = event;
        return event;
      }
      if (this.#awaiting !== undefined || this.#phase.kind === "closed") return "paused";
      if (this.#advance()) continue;
      if (this.#inputEnded) this.#close("lost");
      else return this.#phase.kind === "tls-handshake" ? "paused" : "need-data";
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
    if (this.#phase.kind === "closed") return;
    this.#takeAwaiting(now);
    // Written by hand: base64 needs no cleaning, and a reply's lines would be cut at 512 octets.
    this.#output += `334 ${Buffer.from(bytes).toString("base64")}\r\n`;
    this.#phase = { kind: "auth" };
    this.#afterVerdict();
  }

  /** While content arrives: the rest is drained unseen, then answered with this; a "content-refused" follows. */
  refuseContent(refusal: Reply): void {
    if (this.#phase.kind === "content" || this.#phase.kind === "transaction") {
      this.#phase.transaction.content?.refuse(refusal);
    }
  }

  /**
   * The handshake that followed "starttls" succeeded; the session starts anew (RFC 3207 §4.2). With `refusal`, a 554, TLS
   * is too weak and everything but QUIT gets it (§4.1). A handshake that failed is a {@link connectionLost}.
   */
  tlsEstablished(now: Instant, refusal?: Reply): void {
    this.#now = now;
    this.#idleSince = now;
    if (this.#phase.kind !== "tls-handshake") return;
    if (this.#input.length > 0) return this.#close("plaintext-after-starttls");
    this.#tlsActive = true;
    this.#authenticated = false;
    this.#phase = refusal === undefined ? { kind: "connected" } : { kind: "refused", refusal };
  }

  /** Everything to be sent by now in one piece; undefined when there is nothing. */
  takeOutput(): Buffer | undefined {
    if (this.#output === "") return undefined;
    const output = Buffer.from(this.#output, "latin1");
    this.#output = "";
    return output;
  }

  /** Octets received and not yet consumed; a driver stops reading the socket while this is high. */
  get bufferedBytes(): number {
    return this.#input.length;
  }

  /** When {@link handleDeadline} must be called; undefined while the driver owes a verdict. */
  deadline(): Instant | undefined {
    if (this.#awaiting !== undefined || this.#phase.kind === "closed") return undefined;
    const { idleTimeoutMs, contentTimeoutMs, sessionTimeoutMs } = this.#settings;
    const idle = this.#phase.kind === "content" ? contentTimeoutMs : idleTimeoutMs;
    return Math.min(this.#idleSince + idle, this.#startedAt + sessionTimeoutMs);
  }

  handleDeadline(now: Instant): void {
    this.#now = now;
    const deadline = this.deadline();
    if (deadline === undefined || now < deadline) return;
    // Content that lies here waits for the driver, not for the peer.
    if (
      this.#phase.kind === "content" &&
      this.#input.length > 0 &&
      now < this.#startedAt + this.#settings.sessionTimeoutMs
    ) {
      this.#idleSince = now;
      return;
    }
    this.#closeWith(serverReplies.timeout, "deadline");
  }

  /** Writes 421 and closes: at once or, where a verdict is owed, right behind it (RFC 5321 §3.8). */
  shutdown(now: Instant): void {
    this.#now = now;
    if (this.#awaiting === undefined) this.#closeWith(serverReplies.shuttingDown, "shutdown");
    else this.#shuttingDown = true;
  }

  /** One step in the present phase; false when it needs more input. */
  #advance(): boolean {
    const phase = this.#phase;
    switch (phase.kind) {
      case "greeting":
        this.#events.push({ kind: "connect" });
        return true;
      case "connected":
      case "greeted":
      case "transaction":
      case "refused":
        return this.#readCommand();
      case "content":
        return this.#readContent(phase.transaction, phase.content);
      case "swallow":
        return this.#swallow(phase);
      case "auth":
        return this.#readAuthResponse();
      case "tls-handshake":
        if (this.#input.length === 0) return false;
        this.#close("plaintext-after-starttls");
        return true;
      case "closed":
        return false;
      default:
        return phase satisfies never;
    }
  }

  #readCommand(): boolean {
    if (this.#phase.kind === "connected" && this.#input.startsWith(0x16, 0x03)) {
      // The record type and version of a TLS handshake: the client meant the other port.
      this.#closeWith(serverReplies.notSmtp, "not-smtp");
      return true;
    }
    const line = this.#input.readLine(this.#limitOf);
    if (line === undefined) return false;
    this.#idleSince = this.#now;
    if (typeof line === "string") this.#command(line);
    else this.#refuse("", lineFaultReplies[line.fault]);
    return true;
  }

  #command(line: string): void {
    const { verb, argument } = parseCommand(line);
    if (this.#phase.kind === "refused" && verb !== "QUIT") return this.#refuse(verb ?? "", this.#phase.refusal);
    if (verb === undefined || !this.#speaks(verb)) return this.#unknownCommand(line);
    if (hasControlCharacter(argument)) return this.#refuse(verb, serverReplies.controlCharacter);
    this.#budget.countCommand(verb);
    const objection = this.#objectionTo(verb);
    if (verb === "BDAT") return this.#beginChunk(argument, objection);
    if (objection !== undefined) return this.#refuse(verb, objection);
    switch (verb) {
      case "HELO":
      case "EHLO":
      case "LHLO":
        return this.#ask(verb, parseHello(verb, argument));
      case "MAIL":
        return this.#mail(argument);
      case "RCPT":
        return this.#recipient(argument);
      case "DATA":
        return this.#data(argument);
      case "RSET":
        if (argument !== "") return this.#refuse(verb, serverReplies.noArgument);
        this.#dropTransaction("rset");
        return this.#write(serverReplies.ok);
      case "NOOP":
        return this.#write(serverReplies.ok);
      case "HELP":
        return this.#write(reply(214, "2.0.0", ...this.#settings.helpText));
      case "QUIT":
        if (argument !== "") return this.#refuse(verb, serverReplies.noArgument);
        return this.#closeWith(serverReplies.bye, "quit");
      case "VRFY":
      case "EXPN":
        return this.#verify(verb, argument);
      case "STARTTLS":
        return this.#startTls(argument);
      case "AUTH":
        return this.#auth(argument);
      default:
        return verb satisfies never;
    }
  }

  #objectionTo(verb: Verb): Reply | undefined {
    const session = { settings: this.#settings, tlsActive: this.#tlsActive, authenticated: this.#authenticated };
    return objectionTo(verb, this.#phase, session);
  }

  /** LMTP has LHLO in the place of HELO and EHLO, which get 500 (RFC 2033 §4.1). */
  #speaks(verb: Verb): boolean {
    if (verb === "LHLO") return this.#settings.kind === "lmtp";
    return this.#settings.kind !== "lmtp" || (verb !== "HELO" && verb !== "EHLO");
  }

  #unknownCommand(line: string): void {
    // A web page can make a browser send a form to this port; the lines of its body must not be run as commands.
    if (/^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) /.test(line)) {
      return this.#closeWith(serverReplies.notSmtp, "not-smtp");
    }
    this.#refuse("", /^[ \t]*$/.test(line) ? serverReplies.emptyLine : serverReplies.unknownCommand);
  }

  #mail(argument: string): void {
    const { transactionsMax, messageBytesMax } = this.#settings;
    if (transactionsMax !== undefined && this.#transactions >= transactionsMax) {
      return this.#closeWith(serverReplies.tooManyTransactions, "transactions");
    }
    this.#ask("MAIL", parseMail(argument, messageBytesMax));
  }

  #recipient(argument: string): void {
    const transaction = this.#transaction();
    if (transaction === undefined) return;
    const event = parseRecipient(argument, transaction.parameters);
    // The earlier recipients stay (RFC 5321 §4.5.3.1.10).
    const full = transaction.recipients >= this.#settings.recipientsMax;
    this.#ask("RCPT", full && !isReply(event) ? serverReplies.tooManyRecipients : event);
  }

  #data(argument: string): void {
    const transaction = this.#transaction();
    if (transaction === undefined) return;
    if (argument !== "") return this.#refuse("DATA", serverReplies.noArgument);
    if (transaction.parameters.body === "BINARYMIME") return this.#refuse("DATA", serverReplies.binaryNeedsChunks);
    this.#askForContent("DATA", transaction);
  }

  /** A chunk that may not be is read away before its refusal is written (RFC 3030 §2). */
  #beginChunk(argument: string, objection: Reply | undefined): void {
    const chunk = parseChunk(argument);
    if (chunk === undefined) return this.#refuse("BDAT", objection ?? serverReplies.chunkSyntax);
    const transaction = this.#transaction();
    if (objection !== undefined || transaction === undefined) {
      return this.#swallowChunk(chunk.size, objection ?? serverReplies.mailFirst, this.#phase);
    }
    const { content } = transaction;
    if (content === undefined) {
      this.#awaitingChunk = chunk;
      return this.#askForContent("BDAT", transaction);
    }
    content.beginChunk(chunk.size, chunk.last);
    this.#phase = { kind: "content", transaction, content };
  }

  #askForContent(via: "DATA" | "BDAT", { parameters, recipients }: Transaction): void {
    const { body = "7BIT", size } = parameters;
    this.#events.push({
      kind: "content-begin",
      via,
      body,
      recipients,
      ...(size !== undefined && { declaredSize: size }),
    });
  }

  #verify(verb: "VRFY" | "EXPN", argument: string): void {
    if (argument === "") return this.#refuse(verb, serverReplies.argumentMissing);
    if (this.#settings.verifyEnabled) return this.#ask(verb, parseVerify(verb === "VRFY" ? "vrfy" : "expn", argument));
    // RFC 5321 §7.3: an honest "don't know" for VRFY; EXPN may be missing altogether.
    if (verb === "VRFY") this.#write(serverReplies.notVerified);
    else this.#refuse(verb, serverReplies.notImplemented);
  }

  #startTls(argument: string): void {
    if (argument !== "") return this.#refuse("STARTTLS", serverReplies.noArgument);
    if (this.#tlsActive) return this.#refuse("STARTTLS", serverReplies.tlsActive);
    if (!this.#settings.tlsAvailable) return this.#refuse("STARTTLS", serverReplies.notImplemented);
    if (this.#closedForPlaintext()) return;
    this.#events.push({ kind: "starttls" });
  }

  /** What came behind STARTTLS in clear could have been put there by anyone; none of it is run (RFC 3207 §6). */
  #closedForPlaintext(): boolean {
    if (this.#input.length === 0) return false;
    this.#closeWith(serverReplies.plaintextAfterStartTls, "plaintext-after-starttls");
    return true;
  }

  #auth(argument: string): void {
    const { tls } = this.#settings.authMechanisms;
    const offered = offeredMechanisms(this.#settings, this.#tlsActive);
    if (offered.length === 0 && tls.length === 0) return this.#refuse("AUTH", serverReplies.notImplemented);
    if (this.#authenticated) return this.#refuse("AUTH", serverReplies.loggedIn);
    this.#ask("AUTH", parseAuth(argument, offered, tls));
  }

  #readAuthResponse(): boolean {
    const line = this.#input.readLine(authLimit);
    if (line === undefined) return false;
    this.#idleSince = this.#now;
    this.#phase = { kind: "greeted" };
    const response = typeof line === "string" ? decodeBase64(line) : undefined;
    if (line === "*") {
      this.#cancelAuth("client", serverReplies.loginCancelled);
    } else if (response !== undefined) {
      this.#events.push({ kind: "auth-response", response });
    } else if (typeof line !== "string" && line.fault === "too-long") {
      this.#cancelAuth("too-long", serverReplies.loginTooLong);
    } else {
      this.#cancelAuth("syntax", serverReplies.loginSyntax);
    }
    return true;
  }

  #cancelAuth(cause: "client" | "syntax" | "too-long", refusal: Reply): void {
    this.#events.push({ kind: "auth-cancelled", cause });
    this.#refuse("AUTH", refusal);
  }

  #readContent(transaction: Transaction, content: IncomingContent): boolean {
    if (!content.atBoundary) {
      if (this.#input.length === 0) return false;
      const slices = content.read(this.#input);
      if (slices.length > 0) this.#events.push({ kind: "content", slices });
      if (!content.atBoundary) return true;
    }
    this.#idleSince = this.#now;
    const { refusal, size, bareLineEnd } = content;
    if (refusal !== undefined) {
      this.#phase = { kind: "greeted" };
      this.#events.push({ kind: "content-refused", size, ...refusal });
      this.#writeForEach(content.complete ? transaction.recipients : 1, [refusal.reply]);
    } else if (content.complete) {
      this.#events.push({ kind: "content-end", size, ...(bareLineEnd !== undefined && { bareLineEnd }) });
    } else {
      this.#phase = { kind: "transaction", transaction };
      this.#write(reply(250, "2.0.0", `${size} octets received`));
    }
    return true;
  }

  #swallowChunk(size: number, refusal: Reply, back: ServerPhase): void {
    this.#phase = { kind: "swallow", bytesLeft: size, refusal, back };
  }

  #swallow(phase: SwallowPhase): boolean {
    const piece = this.#input.peek();
    const bytes = Math.min(phase.bytesLeft, piece === undefined ? 0 : piece.chunk.length - piece.offset);
    if (piece !== undefined && bytes > 0) this.#input.consume(piece.offset + bytes);
    phase.bytesLeft -= bytes;
    if (phase.bytesLeft > 0) return bytes > 0;
    this.#phase = phase.back;
    this.#idleSince = this.#now;
    this.#refuse("BDAT", phase.refusal);
    return true;
  }

  #settle(replies: readonly Reply[] | undefined, now: Instant): void {
    if (this.#phase.kind === "closed") return;
    const event = this.#takeAwaiting(now);
    const given = replies?.[0];
    if (given?.code === 421) return this.#closeWith(given, "refused");
    if (event.kind === "content-end") this.#finishContent(replies ?? [serverReplies.messageOk]);
    else if (given !== undefined && given.code >= 400) this.#refusedByDriver(event, given);
    else this.#accepted(event, given);
    this.#afterVerdict();
  }

  #accepted(event: Exclude<VerdictEvent, ContentEndEvent>, given: Reply | undefined): void {
    switch (event.kind) {
      case "connect": {
        if (this.#closedForEarlyTalk()) return;
        const { hostname, kind } = this.#settings;
        this.#phase = { kind: "connected" };
        return this.#write(given ?? reply(220, undefined, `${hostname} ${kind === "lmtp" ? "LMTP" : "ESMTP"}`));
      }
      case "hello":
        if (this.#closedForEarlyTalk()) return;
        this.#dropTransaction("hello");
        this.#phase = { kind: "greeted" };
        return this.#write(given ?? this.#helloReply(event.verb));
      case "mail":
        this.#transactions++;
        this.#phase = {
          kind: "transaction",
          transaction: { parameters: event.parameters, recipients: 0, content: undefined },
        };
        return this.#write(given ?? serverReplies.senderOk);
      case "recipient": {
        const transaction = this.#transaction();
        if (transaction !== undefined) transaction.recipients++;
        return this.#write(given ?? serverReplies.recipientOk);
      }
      case "content-begin":
        return this.#beginContent(event);
      case "auth":
      case "auth-response":
        this.#authenticated = true;
        return this.#write(given ?? serverReplies.loginOk);
      case "starttls":
        if (this.#closedForPlaintext()) return;
        this.#phase = { kind: "tls-handshake" };
        return this.#write(serverReplies.startTls);
      case "vrfy":
      case "expn":
        return this.#write(given ?? serverReplies.notVerified);
      default:
        return event satisfies never;
    }
  }

  #refusedByDriver(event: Exclude<VerdictEvent, ContentEndEvent>, refusal: Reply): void {
    if (event.kind === "connect") {
      this.#phase = { kind: "refused", refusal: serverReplies.serviceRefused };
    } else if (event.kind === "content-begin") {
      this.#phase = { kind: "greeted" };
      const chunk = this.#awaitingChunk;
      if (chunk !== undefined) return this.#swallowChunk(chunk.size, refusal, this.#phase);
    } else if (event.kind === "recipient") {
      this.#budget.countRefusedRecipient(refusal);
    } else {
      this.#budget.countError(refusal);
    }
    this.#write(refusal);
    this.#closeIfExhausted();
  }

  #beginContent({ via, body }: ContentBeginEvent): void {
    const transaction = this.#transaction();
    if (transaction === undefined) return;
    const { messageBytesMax: bytesMax, bareLineEnds } = this.#settings;
    const content = new IncomingContent({ via, body, bytesMax, bareLineEnds });
    if (via === "DATA") {
      if (this.#closedForEarlyTalk()) return;
      this.#write(serverReplies.startContent);
    } else if (this.#awaitingChunk !== undefined) {
      content.beginChunk(this.#awaitingChunk.size, this.#awaitingChunk.last);
    }
    transaction.content = content;
    this.#phase = { kind: "content", transaction, content };
  }

  /** Whatever was answered: the transaction and all its buffers are gone (RFC 5321 §4.1.1.4). */
  #finishContent(replies: readonly Reply[]): void {
    if (this.#phase.kind !== "content") return;
    const { recipients } = this.#phase.transaction;
    this.#phase = { kind: "greeted" };
    if (replies.some(({ code }) => code < 400)) this.#budget.reset();
    this.#writeForEach(recipients, replies);
  }

  /** LMTP answers for each accepted recipient (RFC 2033 §4.2), SMTP once. */
  #writeForEach(recipients: number, replies: readonly Reply[]): void {
    const count = this.#settings.kind === "lmtp" ? recipients : 1;
    if (replies.length !== 1 && replies.length !== count) {
      throw new RangeError(`${count} replies are due, ${replies.length} were given`);
    }
    for (let index = 0; index < count; index++) this.#write(replies[index] ?? replies[0] ?? serverReplies.messageOk);
  }

  #helloReply(verb: HelloEvent["verb"]): Reply {
    return verb === "HELO" ? plainHelloReply(this.#settings) : extendedHelloReply(this.#settings, this.#tlsActive);
  }

  #transaction(): Transaction | undefined {
    return this.#phase.kind === "transaction" || this.#phase.kind === "content" ? this.#phase.transaction : undefined;
  }

  #dropTransaction(cause: "rset" | "hello"): void {
    if (this.#phase.kind !== "transaction") return;
    this.#phase = { kind: "greeted" };
    this.#events.push({ kind: "reset", cause });
  }

  /** RFC 2920 §3.1: HELO and DATA end a group, and nothing comes before the greeting. */
  #closedForEarlyTalk(): boolean {
    if (this.#settings.earlyTalk === "allow" || this.#input.length === 0) return false;
    const { code, status, lines } = serverReplies.earlyTalk;
    // A greeting has no enhanced status (RFC 2034 §3).
    this.#closeWith(
      this.#phase.kind === "greeting" ? reply(code, undefined, ...lines) : reply(code, status, ...lines),
      "early-talk",
    );
    return true;
  }

  #takeAwaiting(now: Instant): VerdictEvent {
    const event = this.#awaiting;
    if (event === undefined) throw new Error("No event waits for a verdict");
    this.#awaiting = undefined;
    this.#now = now;
    this.#idleSince = now;
    return event;
  }

  #afterVerdict(): void {
    this.#awaitingChunk = undefined;
    if (this.#shuttingDown) this.#closeWith(serverReplies.shuttingDown, "shutdown");
  }

  /** Hands an event to the driver, or writes the refusal that its argument led to. */
  #ask(verb: Verb, outcome: VerdictEvent | Reply): void {
    if (isReply(outcome)) this.#refuse(verb, outcome);
    else this.#events.push(outcome);
  }

  #refuse(verb: Verb | "", refusal: Reply): void {
    this.#write(refusal);
    this.#events.push({ kind: "refused", verb, reply: refusal });
    this.#budget.countError(refusal);
    this.#closeIfExhausted();
  }

  #closeIfExhausted(): void {
    if (this.#budget.exhausted) this.#closeWith(serverReplies.tooManyErrors, "errors");
  }

  #write(value: Reply): void {
    this.#output += formatReply(value);
  }

  #closeWith(last: Reply, cause: CloseCause): void {
    if (this.#phase.kind === "closed") return;
    // During a handshake the peer would take text for a broken TLS record.
    if (this.#phase.kind !== "tls-handshake") this.#write(last);
    this.#close(cause);
  }

  #close(cause: CloseCause): void {
    if (this.#phase.kind === "closed") return;
    const duringTransaction = this.#transaction() !== undefined;
    this.#phase = { kind: "closed" };
    this.#awaiting = undefined;
    this.#input.clear();
    this.#events = this.#events.filter((event) => !needsVerdict(event));
    this.#events.push({ kind: "closed", cause, duringTransaction });
  }

  readonly #limitOf = (line: Buffer): number => {
    const { commandLineBytesMax } = this.#settings;
    return /^auth /i.test(line.toString("latin1", 0, 5))
      ? Math.max(commandLineBytesMax, authLineBytesMax)
      : commandLineBytesMax;
  };
}

const authLimit = (): number => authLineBytesMax;

const lineFaultReplies: Readonly<Record<LineFault, Reply>> = {
  "too-long": serverReplies.lineTooLong,
  "bare-line-end": serverReplies.bareLineEnd,
  "not-utf8": serverReplies.notUtf8,
};
