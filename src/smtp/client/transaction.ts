/**
 * One mail transaction from the client's side: MAIL to the last reply (RFC 5321 §3.3, RFC 2920, RFC 3030, RFC 2033).
 *
 * Owns the order of commands and replies, and what each reply means. Promises exactly one result for each recipient,
 * whatever the peer does. The session calls it while its phase is one of a transaction.
 *
 * Flights: with PIPELINING all commands leave at once, up to DATA; with CHUNKING too, small content leaves with them and
 * the whole transaction is one flight. Both answers come in order, so the peer's view and ours stay the same even when
 * it refuses something in the middle.
 */
import type { Instant } from "../../lib/instant.ts";
import { BareLineEndError } from "../content-encoder.ts";
import { isIntermediate, quotedReply, type ReceivedReply } from "../reply-reader.ts";
import { mailCommand, recipientCommand, type OutgoingEnvelope } from "./commands.ts";
import { ContentSender, sizeOf } from "./content-sender.ts";
import { noAnswer, type ClientFailure } from "./failure.ts";
import { awaitedIn, type OpenTransaction, type TransactionPhase } from "./phase.ts";
import { RecipientResults, type RecipientResult, type TransactionCommand } from "./recipient-results.ts";
import type { ClientSession } from "./session.ts";

/** What a transaction hands over (RFC 5321 §2.3.1). */
export interface MailObject {
  readonly envelope: OutgoingEnvelope;
  /** The whole message in order, or `stream`: it is asked for piece by piece. `envelope.size` octets in both cases. */
  readonly content:
    | { readonly kind: "whole"; readonly parts: readonly Uint8Array[] }
    | { readonly kind: "stream" }
    /** The server is only asked whether it would take the recipients: nothing follows the last RCPT. */
    | { readonly kind: "withheld" };
}

/** What the session may do next: go on, RSET first, or nothing, since both sides no longer agree where they are. */
type Aftermath = "clean" | "reset" | "close";

/** Larger content waits until a recipient was accepted; sending it for nothing would cost more than the round trip. */
const oneFlightBytesMax = 64 * 1024;
/** BDAT chunks that may be unanswered at a time: enough to fill a line, few enough to notice a refusal early. */
const chunksUnansweredMax = 8;

export class ClientTransaction implements OpenTransaction {
  readonly endsAt: Instant;
  readonly #mail: MailObject;
  readonly #session: ClientSession;
  readonly #pipelining: boolean;
  readonly #results: RecipientResults;
  readonly #content: ContentSender;
  /** Commands and chunks that have left and are not answered. */
  #unanswered = 0;
  #mailAccepted = false;
  #chunkRefused = false;
  /** DATA or the whole content left before the recipients were answered. */
  #flightComplete = false;
  /** The peer has sent octets ahead of what they could answer: nothing more is sent, and nothing is accepted. */
  #overtaken = false;

  /** Throws where a whole content has another size than the envelope says: BDAT would make commands of the difference. */
  constructor(mail: MailObject, session: ClientSession) {
    const { content, envelope } = mail;
    if (content.kind === "whole" && sizeOf(content.parts) !== envelope.size) {
      throw new Error(`the content has ${sizeOf(content.parts)} octets, the envelope says ${envelope.size}`);
    }
    this.#mail = mail;
    this.#session = session;
    // DATA leaves in the same flight, and would have to be followed by something.
    this.#pipelining = session.capabilities.pipelining && content.kind !== "withheld";
    this.#results = new RecipientResults(envelope.recipients.length);
    this.#content = new ContentSender(session, envelope.size);
    this.endsAt = session.now + session.options.timeouts.transactionMs;
  }

  /** The content is asked for, piece by piece; false also while enough chunks are unanswered. */
  get wantsContent(): boolean {
    if (this.#session.phase.kind !== "content") return false;
    if (this.#content.complete || this.#chunkRefused || this.#overtaken) return false;
    return this.#content.command === "DATA" || this.#unanswered < (this.#pipelining ? chunksUnansweredMax : 1);
  }

  begin(): void {
    const { content, envelope } = this.#mail;
    const reset = this.#phase.kind === "reset";
    if (reset) this.#send("RSET");
    if (!reset || this.#pipelining) this.#sendMail();
    if (!this.#pipelining) return;
    for (let index = 0; index < envelope.recipients.length; index++) this.#sendRecipient(index);
    if (this.#content.command === "DATA") this.#send("DATA");
    else if (content.kind === "whole" && envelope.size <= oneFlightBytesMax) this.#sendContent(content.parts);
    else return;
    this.#flightComplete = true;
  }

  onReply(reply: ReceivedReply): void {
    this.#take(reply);
    if (this.wantsContent) this.#session.events.push({ kind: "send-content" });
  }

  content(bytes: Uint8Array): void {
    if (this.#session.reader.hasBytes && this.#unanswered === 0) this.#overtaken = true;
    if (!this.#overtaken) this.#sendContent([bytes]);
  }

  breakOff(failure: ClientFailure): readonly RecipientResult[] {
    const { kind } = this.#phase;
    // While RCPT is still unanswered, content that left early cannot have been taken over.
    const contentSent = this.#content.complete && !this.#overtaken && (kind === "final" || kind === "content");
    this.#results.breakRest(failure, { contentSent, mailAccepted: this.#mailAccepted });
    return this.#results.all;
  }

  /** The session's phase, which is one of a transaction until this one is over. */
  get #phase(): TransactionPhase {
    const { phase } = this.#session;
    if (!("transaction" in phase)) throw new Error("the transaction is over");
    return phase;
  }

  get #command(): TransactionCommand {
    return awaitedIn(this.#phase).command;
  }

  #take(reply: ReceivedReply): void {
    const { kind } = this.#phase;
    const { reader, outputHeld } = this.#session;
    // The peer is closing, whatever it was asked (RFC 5321 §3.8); recipients answered before keep their verdicts.
    if (reply.code === 421) return this.#refuse(reply, this.#command, "close");
    const withinData = kind === "content" && this.#content.command === "DATA";
    if (this.#overtaken) return withinData ? this.#onEarlyReply(reply) : this.#ahead(reply);
    this.#unanswered--;
    // No command is left to which the octets behind this reply could be an answer.
    if (reader.hasBytes && this.#unanswered === 0 && kind !== "content" && kind !== "final") this.#overtaken = true;
    // What the network still holds cannot have been read, so nobody can have taken the message over.
    if (outputHeld && kind === "final" && reply.code < 400) return this.#ahead(reply);
    if (kind === "data") return this.#onData(reply);
    if (withinData) return this.#onEarlyReply(reply);
    if (isIntermediate(reply)) return this.#violation(reply);
    switch (kind) {
      case "reset":
        return this.#onReset(reply);
      case "mail":
        return this.#onMail(reply);
      case "recipient":
        return this.#onRecipient(reply);
      case "content":
        return this.#onChunk(reply);
      case "final":
        return this.#onFinal(reply);
      case "no-content":
        // Nothing was sent to nobody; a peer that takes that for a message is not to be trusted with the next one.
        return this.#finish(reply.code < 400 ? "close" : "reset");
      default:
        kind satisfies never;
    }
  }

  #onReset(reply: ReceivedReply): void {
    if (reply.code >= 400) return this.#refuse(reply, "RSET", "close");
    this.#session.enter("answered", { kind: "mail", transaction: this });
    if (!this.#pipelining) this.#sendMail();
  }

  #onMail(reply: ReceivedReply): void {
    if (reply.code >= 400) {
      // Commands that already left are answered nevertheless.
      if (!this.#pipelining) return this.#refuse(reply, "MAIL", "clean");
      this.#results.refuseRest(reply, "MAIL");
    } else {
      this.#mailAccepted = true;
    }
    this.#session.enter("answered", { kind: "recipient", transaction: this });
    if (!this.#pipelining) this.#sendRecipient(0);
  }

  #onRecipient(reply: ReceivedReply): void {
    this.#results.recipientReply(reply);
    if (this.#mail.content.kind === "withheld" && reply.code < 300) this.#results.nextFinalReply(reply);
    const { next } = this.#results;
    if (next === undefined) return this.#afterRecipients();
    this.#session.enter("answered", { kind: "recipient", transaction: this });
    if (!this.#pipelining) this.#sendRecipient(next);
  }

  #afterRecipients(): void {
    const isOver = this.#mail.content.kind === "withheld" || !this.#results.someAccepted;
    if (!this.#flightComplete && isOver) return this.#finish(this.#mailAccepted ? "reset" : "clean");
    if (this.#content.command === "DATA") {
      if (!this.#flightComplete) this.#send("DATA");
      this.#session.enter("data-unanswered", { kind: "data", transaction: this });
    } else if (this.#flightComplete) {
      this.#session.enter("content-sent", { kind: "final", transaction: this });
    } else {
      this.#beginContent("BDAT");
    }
  }

  /** The content is wanted: a whole one leaves now, a stream is asked for. */
  #beginContent(command: "DATA" | "BDAT"): void {
    const { content } = this.#mail;
    this.#session.enter("content-due", { kind: "content", transaction: this, command });
    if (content.kind === "whole" && !this.#overtaken) this.#sendContent(content.parts);
  }

  #onData(reply: ReceivedReply): void {
    const { someAccepted } = this.#results;
    if (!isIntermediate(reply)) {
      // RFC 5321 §3.3: without 354 no content is sent. After 2yz nobody knows what the peer expects next.
      if (reply.code < 300 && someAccepted) return this.#violation(reply);
      return this.#refuse(reply, "DATA", reply.code < 300 ? "close" : "reset");
    }
    if (!someAccepted) {
      // RFC 2920 §3.1: a peer that says 354 without a recipient is given no content.
      this.#session.enter("nobody-accepted", { kind: "no-content", transaction: this });
      return this.#send(".");
    }
    this.#beginContent("DATA");
  }

  #onChunk(reply: ReceivedReply): void {
    if (this.#unanswered < 0) return this.#violation(reply);
    if (reply.code >= 400) {
      this.#chunkRefused = true;
      this.#results.refuseRest(reply, "BDAT");
    }
    const { command, complete } = this.#content;
    if (this.#unanswered > (complete ? 1 : 0) || !(complete || this.#chunkRefused)) {
      this.#session.enter("answered", { kind: "content", transaction: this, command });
    } else if (this.#chunkRefused) {
      // How many replies a LAST after a refused chunk gets is not the same everywhere; then the connection ends.
      this.#finish(complete ? "close" : "reset");
    } else {
      this.#session.enter("content-sent", { kind: "final", transaction: this });
    }
  }

  /** A reply in the middle of DATA's content: the peer has given up reading, and nothing can bring both back in step. */
  #onEarlyReply(reply: ReceivedReply): void {
    if (reply.code < 400) return this.#ahead(reply);
    this.#refuse(reply, "end of data", "close");
  }

  #onFinal(reply: ReceivedReply): void {
    if (!this.#results.someAccepted) return this.#finish("reset");
    if (this.#session.options.dialect === "smtp") {
      this.#results.finalReply(reply);
      return this.#finish(reply.code < 300 ? "clean" : "reset");
    }
    this.#results.nextFinalReply(reply);
    if (!this.#results.finalReplyOwed) return this.#finish("clean");
    this.#session.enter("answered", { kind: "final", transaction: this });
  }

  #sendMail(): void {
    const { capabilities, authenticated } = this.#session;
    this.#send(mailCommand(this.#mail.envelope, capabilities, authenticated));
  }

  #sendRecipient(index: number): void {
    const { recipients, smtpUtf8 } = this.#mail.envelope;
    const recipient = recipients[index];
    if (recipient !== undefined) this.#send(recipientCommand(recipient, this.#session.capabilities, smtpUtf8));
  }

  #send(command: string): void {
    if (this.#overtaken) return;
    this.#session.send(command);
    this.#unanswered++;
  }

  #sendContent(parts: readonly Uint8Array[]): void {
    try {
      this.#content.send(parts);
    } catch (error) {
      if (!(error instanceof BareLineEndError)) throw error;
      return this.#giveUp({ kind: "bare-line-end", command: "DATA", detail: error.message });
    }
    const { command, complete } = this.#content;
    if (command === "BDAT") this.#unanswered++;
    // Chunks before the last one are answered before it.
    if (this.#phase.kind !== "content" || !complete || this.#unanswered > 1) return;
    this.#session.enter("content-sent", { kind: "final", transaction: this });
  }

  #ahead(reply: ReceivedReply): void {
    this.#overtaken = true;
    const { kind } = this.#phase;
    const command = this.#command;
    const unsent = kind === "content" || kind === "final" ? "the content" : command;
    this.#giveUp({ kind: "protocol-error", command, detail: `${quotedReply(reply)} came before ${unsent} was sent` });
  }

  #violation(reply: ReceivedReply): void {
    this.#giveUp(noAnswer(this.#command, reply));
  }

  #giveUp(failure: ClientFailure): void {
    this.breakOff(failure);
    this.#finish("close");
  }

  #refuse(reply: ReceivedReply, command: TransactionCommand, aftermath: Aftermath): void {
    this.#results.refuseRest(reply, command);
    this.#finish(aftermath);
  }

  #finish(aftermath: Aftermath): void {
    this.#session.events.push({ kind: "transaction-done", results: this.#results.all });
    this.#session.resetFirst = aftermath === "reset";
    if (aftermath === "close") this.#session.enter("failed", { kind: "closed" });
    else this.#session.enter("transaction-over", { kind: "ready" });
  }
}
