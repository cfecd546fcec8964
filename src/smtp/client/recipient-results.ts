/**
 * What each recipient of one transaction came to. Promises exactly one result for each, and that a result once given by the
 * peer is never changed by what fails later.
 */
import type { ReceivedReply } from "../reply-reader.ts";
import type { ClientFailure } from "./failure.ts";

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

export class RecipientResults {
  /** In the order of RCPT; undefined: no verdict yet. */
  readonly #results: (RecipientResult | undefined)[] = [];
  /** Indices of the recipients whose RCPT was accepted, in order. */
  readonly #accepted: number[] = [];
  #recipientReplies = 0;
  #finalReplies = 0;

  constructor(recipients: number) {
    for (let index = 0; index < recipients; index++) this.#results.push(undefined);
  }

  /** Complete once the transaction is over. */
  get all(): readonly RecipientResult[] {
    return this.#results.filter((result) => result !== undefined);
  }

  /** The recipient whose RCPT is answered next; undefined once all are answered. */
  get next(): number | undefined {
    return this.#recipientReplies < this.#results.length ? this.#recipientReplies : undefined;
  }

  /** RCPT was accepted for one recipient at least. */
  get someAccepted(): boolean {
    return this.#accepted.length > 0;
  }

  /** LMTP: a recipient that was accepted waits for its final reply. */
  get finalReplyOwed(): boolean {
    return this.#finalReplies < this.#accepted.length;
  }

  /** The reply to the RCPT of the next recipient; it changes nothing where MAIL was refused. */
  recipientReply(reply: ReceivedReply): void {
    const index = this.#recipientReplies++;
    if (this.#results[index] !== undefined) return;
    if (reply.code < 300) this.#accepted.push(index);
    else if (this.someAccepted && meansTooMany(reply)) this.#results[index] = { kind: "too-many", reply };
    else this.#results[index] = { kind: "refused", reply, command: "RCPT" };
  }

  /** The final reply of SMTP, to all who were accepted. */
  finalReply(reply: ReceivedReply): void {
    for (const index of this.#accepted) this.#results[index] = finalResult(reply);
  }

  /**
   * The final reply to the next accepted recipient, in the order of RCPT: one of LMTP (RFC 2033 §4.2), or the reply to RCPT
   * itself where the content is withheld.
   */
  nextFinalReply(reply: ReceivedReply): void {
    const index = this.#accepted[this.#finalReplies++];
    if (index !== undefined) this.#results[index] = finalResult(reply);
  }

  /** Every recipient without a verdict gets this one. */
  refuseRest(reply: ReceivedReply, command: TransactionCommand): void {
    this.#giveRest({ kind: "refused", reply, command });
  }

  /** The connection is of no more use: whatever has no verdict yet is broken. */
  breakRest(failure: ClientFailure, progress: { readonly contentSent: boolean; readonly mailAccepted: boolean }): void {
    const { contentSent, mailAccepted } = progress;
    this.#giveRest({ kind: "broken", failure, contentSent, ...(mailAccepted && { mailAccepted }) });
  }

  #giveRest(rest: RecipientResult): void {
    this.#results.forEach((result, index) => {
      if (result === undefined) this.#results[index] = rest;
    });
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
