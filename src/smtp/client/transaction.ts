/**
 * One mail transaction from the client's side: MAIL to the last reply (RFC 5321 §3.3, RFC 2920, RFC 3030, RFC 2033).
 *
 * Owns the order of commands and replies and what each reply means for each recipient. Takes replies, gives output;
 * greeting, extensions, time and connection belong to client-protocol.ts. Promises exactly one result per recipient,
 * whatever the peer does, and that a result once given by the peer is never changed by what fails later.
 *
 * Flights: with PIPELINING all commands leave at once, up to DATA; with CHUNKING too, small content leaves with them and
 * the whole transaction is one flight. Both answers come in order, so the peer's view and ours stay the same even when
 * it refuses something in the middle.
 */
import type { Capabilities } from "./capabilities.ts";
import { mailCommand, recipientCommand, type OutgoingEnvelope } from "./commands.ts";
import type { ClientFailure } from "./failure.ts";
import type { ClientOutput } from "./output.ts";
import type { ClientTimeouts } from "./timeouts.ts";
import { BareLineEndError, ContentEncoder } from "../content-encoder.ts";
import { isIntermediate, quotedReply, type ReceivedReply } from "../reply-reader.ts";

export interface OutgoingTransaction {
  readonly envelope: OutgoingEnvelope;
  /** The whole message in order, or `stream`: it is asked for piece by piece. `envelope.size` octets in both cases. */
  readonly content: { readonly kind: "whole"; readonly parts: readonly Uint8Array[] } | { readonly kind: "stream" };
}

/** The command that a reply answers or that nobody answered, as reports name it. */
export type TransactionCommand = "RSET" | "MAIL" | "RCPT" | "DATA" | "BDAT" | "end of data";

export type RecipientResult =
  | { readonly kind: "accepted"; readonly reply: ReceivedReply }
  /** 4yz or 5yz. */
  | { readonly kind: "refused"; readonly reply: ReceivedReply; readonly command: TransactionCommand }
  /** 452 or 552 to RCPT after others were accepted: this recipient fits a later transaction (RFC 5321 §4.5.3.1.10). */
  | { readonly kind: "too-many"; readonly reply: ReceivedReply }
  /**
   * No verdict. `contentSent`: the whole content had left and only the final reply is missing: it may have arrived.
   * `mailAccepted`: MAIL was answered with 2yz, so what broke the connection may lie with the message.
   */
  | {
      readonly kind: "broken";
      readonly failure: ClientFailure;
      readonly contentSent: boolean;
      readonly mailAccepted?: true;
    };

export interface TransactionContext {
  readonly peer: Capabilities;
  readonly dialect: "smtp" | "lmtp";
  /** We have logged in. */
  readonly authenticated: boolean;
  /** The last transaction failed midway, so RSET goes first. */
  readonly resetFirst: boolean;
  readonly output: ClientOutput;
  /** Dialogue for people; content is told as a count. */
  readonly observe: ((text: string) => void) | undefined;
}

/** How far the conversation had come when a reply was read. */
export interface ReplyCircumstances {
  /** More of the peer's octets are here already. */
  readonly hasBytes: boolean;
  /** The network has not taken all of our output yet. */
  readonly outputHeld: boolean;
}

/** What the session may do next: go on, RSET first, or nothing, since both sides no longer agree where they are. */
export type Aftermath = "clean" | "reset" | "close";

type Step = "reset" | "mail" | "recipient" | "data" | "content" | "final" | "no-content" | "done";

/** Larger content waits until a recipient was accepted; sending it for nothing would cost more than the round trip. */
const oneFlightBytesMax = 64 * 1024;
/** BDAT chunks that may be unanswered at a time: enough to fill a line, few enough to notice a refusal early. */
const chunksAwaitedMax = 8;

export class ClientTransaction {
  readonly #transaction: OutgoingTransaction;
  readonly #context: TransactionContext;
  readonly #chunking: boolean;
  readonly #results: (RecipientResult | undefined)[];
  /** Indices of accepted recipients, in order. */
  readonly #accepted: number[] = [];
  #step: Step = "mail";
  /** In `recipient`: the one whose reply is next. In `final` of LMTP: how many accepted ones were answered. */
  #cursor = 0;
  #mailRefused = false;
  #mailAccepted = false;
  /** DATA or the whole content left before the recipients were answered. */
  #flightComplete = false;
  #contentSent = false;
  #aftermath: Aftermath = "clean";
  #encoder: ContentEncoder | undefined;
  #streamedBytes = 0;
  #chunksAwaited = 0;
  #chunkRefused = false;
  /** The peer has sent octets ahead of what they could answer: nothing more is sent, and nothing is accepted. */
  #overtaken = false;

  constructor(transaction: OutgoingTransaction, context: TransactionContext) {
    this.#transaction = transaction;
    this.#context = context;
    // Each transaction decides afresh; nothing about CHUNKING outlives a message.
    this.#chunking = context.peer.chunking;
    this.#results = Array.from(transaction.envelope.recipients, () => undefined);
  }

  get done(): boolean {
    return this.#step === "done";
  }

  get aftermath(): Aftermath {
    return this.#aftermath;
  }

  /** Complete once {@link ClientTransaction.done}. */
  get results(): readonly RecipientResult[] {
    return this.#results.filter((result) => result !== undefined);
  }

  /** The content is asked for, piece by piece; false also while enough chunks are unanswered. */
  get wantsContent(): boolean {
    if (this.#step !== "content" || this.#contentSent || this.#chunkRefused || this.#overtaken) return false;
    const chunksMax = this.#context.peer.pipelining ? chunksAwaitedMax : 1;
    return !this.#chunking || this.#chunksAwaited < chunksMax;
  }

  /** What the peer owes us now, and which time-out counts. */
  get awaited(): { readonly command: TransactionCommand; readonly timeout: keyof ClientTimeouts } {
    switch (this.#step) {
      case "reset":
        return { command: "RSET", timeout: "mailMs" };
      case "mail":
        return { command: "MAIL", timeout: "mailMs" };
      case "recipient":
        return { command: "RCPT", timeout: "recipientMs" };
      case "data":
        return { command: "DATA", timeout: "dataInitiationMs" };
      case "content":
        return { command: this.#chunking ? "BDAT" : "DATA", timeout: "dataBlockMs" };
      case "final":
      case "no-content":
      case "done":
        return { command: "end of data", timeout: "dataTerminationMs" };
      default:
        return this.#step satisfies never;
    }
  }

  begin(): void {
    const { peer, resetFirst } = this.#context;
    if (resetFirst) this.#send("RSET\r\n");
    this.#step = resetFirst ? "reset" : "mail";
    if (peer.pipelining) {
      this.#sendMail();
      for (let index = 0; index < this.#results.length; index++) this.#sendRecipient(index);
      if (!this.#chunking) this.#send("DATA\r\n");
      else if (this.#fitsOneFlight()) this.#sendWholeChunk();
      else return;
      this.#flightComplete = true;
    } else if (!resetFirst) {
      this.#sendMail();
    }
  }

  onReply(reply: ReceivedReply, { hasBytes, outputHeld }: ReplyCircumstances): void {
    // The peer is closing, whatever it was asked (RFC 5321 §3.8); recipients answered before keep their verdicts.
    if (reply.code === 421) return this.#refuseRest(reply, "close");
    if (this.#overtaken) return this.#step === "content" ? this.#onEarlyReply(reply) : this.#ahead(reply);
    if (hasBytes && this.#lastOwed) this.#overtaken = true;
    // What the network still holds cannot have been read, so nobody can have taken the message over.
    if (outputHeld && this.#step === "final" && reply.code < 400) return this.#ahead(reply);
    switch (this.#step) {
      case "reset":
        return this.#onReset(reply);
      case "mail":
        return this.#onMail(reply);
      case "recipient":
        return this.#onRecipient(reply);
      case "data":
        return this.#onData(reply);
      case "content":
        return this.#chunking ? this.#onChunk(reply) : this.#onEarlyReply(reply);
      case "final":
        return this.#onFinal(reply);
      case "no-content":
        // Nothing was sent to nobody; a peer that takes that for a message is not to be trusted with the next one.
        return this.#finish(reply.code < 400 ? "close" : "reset");
      case "done":
        return;
      default:
        this.#step satisfies never;
    }
  }

  /**
   * The next piece of a stream; `hasBytes`: octets of the peer's are here. Throws when the pieces exceed the size that was
   * announced.
   */
  content(bytes: Uint8Array, hasBytes: boolean): void {
    this.#streamedBytes += bytes.length;
    const left = this.#transaction.envelope.size - this.#streamedBytes;
    if (left < 0) throw new Error("the content is longer than its size");
    if (hasBytes && this.#chunksAwaited === 0) this.#overtaken = true;
    if (this.#overtaken) return;
    const last = left === 0;
    if (this.#chunking) {
      this.#send(`BDAT ${bytes.length}${last ? " LAST" : ""}\r\n`);
      this.#context.output.push(bytes);
      if (last) this.#contentSent = true;
      else this.#chunksAwaited++;
      if (last && this.#chunksAwaited === 0) this.#toFinal();
      return;
    }
    this.#encode([bytes], last);
  }

  /** The reply being read answers the last command that has left: whatever the peer sends next is ahead of its turn. */
  get #lastOwed(): boolean {
    const { pipelining } = this.#context.peer;
    switch (this.#step) {
      case "reset":
      case "mail":
        return !pipelining;
      case "recipient":
        return !pipelining || (!this.#flightComplete && this.#cursor === this.#results.length - 1);
      case "data":
        return true;
      case "content":
      case "final":
      case "no-content":
      case "done":
        return false;
      default:
        return this.#step satisfies never;
    }
  }

  /** The connection is of no more use: whatever has no verdict yet is broken. */
  fail(failure: ClientFailure): void {
    // While RCPT is still unanswered, content that left early cannot have been taken over.
    const contentSent = this.#contentSent && (this.#step === "final" || this.#step === "content");
    this.#results.forEach((result, index) => {
      if (result !== undefined) return;
      const mailAccepted = this.#mailAccepted ? { mailAccepted: true as const } : {};
      this.#results[index] = { kind: "broken", failure, contentSent, ...mailAccepted };
    });
    this.#finish("close");
  }

  #onReset(reply: ReceivedReply): void {
    if (isIntermediate(reply)) return this.#violation(reply);
    if (reply.code >= 300) return this.#refuseRest(reply, "close");
    this.#step = "mail";
    if (!this.#context.peer.pipelining) this.#sendMail();
  }

  #onMail(reply: ReceivedReply): void {
    const { pipelining } = this.#context.peer;
    if (isIntermediate(reply)) return this.#violation(reply);
    if (reply.code >= 400) {
      this.#mailRefused = true;
      this.#refuse(reply, "MAIL");
      // Commands that already left are answered all the same.
      if (!pipelining) return this.#finish("clean");
    } else {
      this.#mailAccepted = true;
    }
    this.#step = "recipient";
    if (!pipelining) this.#sendRecipient(0);
  }

  #onRecipient(reply: ReceivedReply): void {
    if (isIntermediate(reply)) return this.#violation(reply);
    const index = this.#cursor++;
    if (!this.#mailRefused) {
      if (reply.code < 300) this.#accepted.push(index);
      else if (this.#accepted.length > 0 && meansTooMany(reply)) this.#results[index] = { kind: "too-many", reply };
      else this.#results[index] = { kind: "refused", reply, command: "RCPT" };
    }
    if (this.#cursor === this.#results.length) this.#afterRecipients();
    else if (!this.#context.peer.pipelining) this.#sendRecipient(this.#cursor);
  }

  #afterRecipients(): void {
    if (!this.#flightComplete) {
      if (this.#accepted.length === 0) return this.#finish(this.#mailRefused ? "clean" : "reset");
      if (this.#chunking && this.#transaction.content.kind === "stream") {
        this.#step = "content";
        return;
      }
      if (this.#chunking) this.#sendWholeChunk();
      else this.#send("DATA\r\n");
    }
    if (this.#chunking) this.#toFinal();
    else this.#step = "data";
  }

  #onData(reply: ReceivedReply): void {
    if (!isIntermediate(reply)) {
      // RFC 5321 §3.3: without 354 no content is sent. After 2yz nobody knows what the peer expects next.
      if (reply.code < 300 && this.#accepted.length > 0) return this.#violation(reply);
      this.#refuse(reply, "DATA");
      return this.#finish(reply.code < 300 ? "close" : "reset");
    }
    if (this.#accepted.length === 0) {
      // RFC 2920 §3.1: a peer that says 354 without a recipient is given no content.
      this.#send(".\r\n");
      this.#step = "no-content";
      return;
    }
    const { content } = this.#transaction;
    this.#step = "content";
    if (content.kind === "whole" && !this.#overtaken) this.#encode(content.parts, true);
  }

  #onChunk(reply: ReceivedReply): void {
    if (this.#chunksAwaited === 0) return this.#violation(reply);
    this.#chunksAwaited--;
    if (isIntermediate(reply)) return this.#violation(reply);
    if (reply.code >= 400) {
      this.#chunkRefused = true;
      this.#refuse(reply, "BDAT");
    }
    if (this.#chunksAwaited > 0) return;
    // How many replies a LAST after a refused chunk gets is not the same everywhere; then the connection ends.
    if (this.#chunkRefused) this.#finish(this.#contentSent ? "close" : "reset");
    else if (this.#contentSent) this.#toFinal();
  }

  /** A reply in the middle of DATA's content: the peer has given up reading, and nothing can bring both back in step. */
  #onEarlyReply(reply: ReceivedReply): void {
    if (reply.code < 400) return this.#ahead(reply);
    this.#refuse(reply, "end of data");
    this.#finish("close");
  }

  #onFinal(reply: ReceivedReply): void {
    if (isIntermediate(reply)) return this.#violation(reply);
    if (this.#accepted.length === 0) return this.#finish("reset");
    if (this.#context.dialect === "smtp") {
      for (const index of this.#accepted) this.#results[index] = finalResult(reply);
      return this.#finish(reply.code < 300 ? "clean" : "reset");
    }
    // RFC 2033 §4.2: one reply for each accepted recipient, in the order of RCPT.
    const index = this.#accepted[this.#cursor++];
    if (index !== undefined) this.#results[index] = finalResult(reply);
    if (this.#cursor === this.#accepted.length) this.#finish("clean");
  }

  #toFinal(): void {
    this.#step = "final";
    this.#cursor = 0;
  }

  #sendMail(): void {
    this.#send(mailCommand(this.#transaction.envelope, this.#context.peer, this.#context.authenticated));
  }

  #sendRecipient(index: number): void {
    const { recipients, smtpUtf8 } = this.#transaction.envelope;
    const recipient = recipients[index];
    if (recipient !== undefined) this.#send(recipientCommand(recipient, this.#context.peer, smtpUtf8));
  }

  #fitsOneFlight(): boolean {
    return this.#transaction.content.kind === "whole" && this.#transaction.envelope.size <= oneFlightBytesMax;
  }

  #sendWholeChunk(): void {
    if (this.#overtaken) return;
    const { content, envelope } = this.#transaction;
    this.#send(`BDAT ${envelope.size} LAST\r\n`);
    if (content.kind === "whole") for (const part of content.parts) this.#context.output.push(part);
    this.#context.observe?.(`(${envelope.size} octets of content)`);
    this.#contentSent = true;
  }

  #encode(parts: readonly Uint8Array[], last: boolean): void {
    const encoder = (this.#encoder ??= new ContentEncoder());
    const encoded: Uint8Array[] = [];
    try {
      for (const part of parts) encoder.encode(part, encoded);
      if (last) encoder.finish(encoded);
    } catch (error) {
      if (!(error instanceof BareLineEndError)) throw error;
      return this.fail({ kind: "bare-line-end", command: "DATA", detail: error.message });
    }
    for (const slice of encoded) this.#context.output.push(slice);
    if (!last) return;
    this.#context.observe?.(`(${this.#transaction.envelope.size} octets of content, end of data)`);
    this.#contentSent = true;
    this.#toFinal();
  }

  #send(command: string): void {
    if (this.#overtaken) return;
    this.#context.output.push(command);
    this.#context.observe?.(command.slice(0, -2));
  }

  /** Every recipient without a verdict gets this one. */
  #refuse(reply: ReceivedReply, command: TransactionCommand): void {
    this.#results.forEach((result, index) => {
      if (result === undefined) this.#results[index] = { kind: "refused", reply, command };
    });
  }

  #refuseRest(reply: ReceivedReply, aftermath: Aftermath): void {
    this.#refuse(reply, this.awaited.command);
    this.#finish(aftermath);
  }

  #ahead(reply: ReceivedReply): void {
    const { command } = this.awaited;
    const unsent = this.#step === "content" || this.#step === "final" ? "the content" : command;
    this.#contentSent = false;
    this.fail({ kind: "protocol-error", command, detail: `${quotedReply(reply)} came before ${unsent} was sent` });
  }

  #violation(reply: ReceivedReply): void {
    const { command } = this.awaited;
    this.fail({ kind: "protocol-error", command, detail: `${quotedReply(reply)} is no answer to ${command}` });
  }

  #finish(aftermath: Aftermath): void {
    this.#step = "done";
    this.#aftermath = aftermath;
  }
}

function finalResult(reply: ReceivedReply): RecipientResult {
  return reply.code < 300 ? { kind: "accepted", reply } : { kind: "refused", reply, command: "end of data" };
}

/**
 * 452, and by RFC 5321 §4.5.3.1.10 also 552, mean "too many recipients" once some were accepted, unless the enhanced
 * status says that this address or its mailbox is what is wrong.
 */
function meansTooMany(reply: ReceivedReply): boolean {
  if (reply.code !== 452 && reply.code !== 552) return false;
  return reply.status === undefined || !/^\d\.[12]\./.test(reply.status);
}
