/**
 * Conversations with the server core as readable scripts. `C:` lines are sent with CRLF, each `S:` line is the beginning of
 * one whole reply (all its lines joined by "|"), in order; at the end nothing may be left over. Imported by tests only.
 */
import assert from "node:assert/strict";
import { reply, type Reply } from "../smtp/reply.ts";
import { needsVerdict, type ServerEvent, type VerdictEvent } from "../smtp/server/event.ts";
import { defaultServerProtocolSettings, type ServerProtocolSettings } from "../smtp/server/protocol-settings.ts";
import { ServerProtocol } from "../smtp/server/protocol.ts";

export type JudgeAnswer = Reply | readonly Reply[] | { readonly challenge: Uint8Array } | "proceed" | "wait";
export type Judge = (event: VerdictEvent, conversation: Conversation) => JudgeAnswer;

export interface ReceivedMessage {
  readonly sender: string | null;
  readonly recipients: readonly string[];
  /** latin1. */
  readonly content: string;
}

/** Refuses recipients whose local-part starts with "no-such". */
export const ordinaryJudge: Judge = (event) =>
  event.kind === "recipient" && event.forwardPath.localPart.startsWith("no-such")
    ? reply(550, "5.1.1", "No such user")
    : "proceed";

export class Conversation {
  readonly core: ServerProtocol;
  readonly events: ServerEvent[] = [];
  /** Messages whose content-end got a 2yz. */
  readonly messages: ReceivedMessage[] = [];
  readonly #judge: Judge;
  #now = 0;
  #unread = "";
  #sender: string | null = null;
  #recipients: string[] = [];
  #content: Uint8Array[] = [];

  constructor(settings: Partial<ServerProtocolSettings> = {}, judge: Judge = ordinaryJudge) {
    this.#judge = judge;
    this.core = new ServerProtocol(
      { ...defaultServerProtocolSettings, hostname: "mx.example", kind: "mx", ...settings },
      this.#now,
    );
    this.#run();
  }

  get now(): number {
    return this.#now;
  }

  /** Kinds of the events so far. */
  get kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }

  get closeCause(): string | undefined {
    return this.events.find((event) => event.kind === "closed")?.cause;
  }

  /** Sends octets as they are, latin1 unless bytes are given. */
  send(octets: string | Uint8Array): this {
    this.core.receive(typeof octets === "string" ? Buffer.from(octets, "latin1") : octets, this.#now);
    return this.#run();
  }

  /** Lets time pass, calling the deadline when it is due. */
  pass(ms: number): this {
    const until = this.#now + ms;
    for (let deadline = this.core.deadline(); deadline !== undefined && deadline <= until;) {
      this.#now = deadline;
      this.core.handleDeadline(deadline);
      this.#run();
      deadline = this.core.deadline();
    }
    this.#now = until;
    return this;
  }

  end(): this {
    this.core.endOfStream(this.#now);
    return this.#run();
  }

  shutdown(): this {
    this.core.shutdown(this.#now);
    return this.#run();
  }

  /** The verdict on an event that the judge let wait. */
  decide(verdict: Exclude<JudgeAnswer, "wait">): this {
    this.#pass(verdict);
    return this.#run();
  }

  /** Everything written and not read yet. */
  read(): string {
    const text = this.#unread;
    this.#unread = "";
    return text;
  }

  /** Plays a script; see above. */
  play(script: string): this {
    for (const line of script.split("\n")) {
      const [, side, text = ""] = /^\s*([CS]): ?(.*)$/.exec(line) ?? [];
      if (side === "C") this.send(`${text}\r\n`);
      else if (side === "S") assert.equal(this.#nextReply().slice(0, text.length), text);
      else assert.equal(line.trim(), "", "a script has lines C: and S: only");
    }
    assert.equal(this.#unread, "", "more was answered than the script has");
    return this;
  }

  #nextReply(): string {
    const match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#unread);
    assert.ok(match, `a whole reply was expected in ${JSON.stringify(this.#unread)}`);
    this.#unread = this.#unread.slice(match[0].length);
    return match[0].replace(/\r\n$/, "").replaceAll("\r\n", "|");
  }

  #run(): this {
    for (;;) {
      const event = this.core.nextEvent();
      if (event === "output-full") {
        this.#takeOutput();
        continue;
      }
      if (typeof event === "string") break;
      this.events.push(event);
      this.#follow(event);
      if (needsVerdict(event)) {
        const verdict = this.#judge(event, this);
        if (verdict !== "wait") this.#pass(verdict);
      }
    }
    this.#takeOutput();
    return this;
  }

  #takeOutput(): void {
    this.#unread += this.core.takeOutput()?.toString("latin1") ?? "";
  }

  #pass(verdict: Exclude<JudgeAnswer, "wait">): void {
    const event = this.events.findLast(needsVerdict);
    if (verdict === "proceed") this.core.proceed(this.#now);
    else if ("challenge" in verdict) this.core.challenge(verdict.challenge, this.#now);
    else this.core.answer(verdict, this.#now);
    const accepted = verdict === "proceed" || ("code" in verdict && verdict.code < 400);
    if (event?.kind === "mail" && accepted) {
      this.#sender = event.reversePath && `${event.reversePath.localPart}@${event.reversePath.domain}`;
      this.#recipients = [];
    } else if (event?.kind === "recipient" && accepted) {
      this.#recipients.push(`${event.forwardPath.localPart}@${event.forwardPath.domain}`);
    } else if (event?.kind === "content-end" && accepted) {
      const content = Buffer.concat(this.#content).toString("latin1");
      this.messages.push({ sender: this.#sender, recipients: this.#recipients, content });
    }
  }

  #follow(event: ServerEvent): void {
    if (event.kind === "content-begin") this.#content = [];
    else if (event.kind === "content") this.#content.push(...event.slices);
  }
}

/** A conversation past the greeting and EHLO (or LHLO), nothing unread. */
export function greeted(settings: Partial<ServerProtocolSettings> = {}, judge: Judge = ordinaryJudge): Conversation {
  const conversation = new Conversation(settings, judge);
  conversation.send(settings.kind === "lmtp" ? "LHLO client.example\r\n" : "EHLO client.example\r\n").read();
  return conversation;
}

/** A conversation in a transaction with one accepted recipient. */
export function withRecipient(
  settings: Partial<ServerProtocolSettings> = {},
  judge: Judge = ordinaryJudge,
): Conversation {
  const conversation = greeted(settings, judge);
  conversation.send("MAIL FROM:<a@sender.example>\r\nRCPT TO:<bob@rcpt.example>\r\n").read();
  return conversation;
}

/** Conversation past 354. */
export function inContent(settings: Partial<ServerProtocolSettings> = {}, judge: Judge = ordinaryJudge): Conversation {
  const conversation = withRecipient(settings, judge);
  conversation.send("DATA\r\n").read();
  return conversation;
}
