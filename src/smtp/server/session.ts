/**
 * What the parts of the server core know of a session and share: where it stands, what came in, what goes out, and how it
 * ends. It decides nothing; protocol.ts is the only way to it from outside.
 */
import type { Instant } from "../../lib/instant.ts";
import type { Chunk, Verb } from "../command-parser.ts";
import { ErrorBudget } from "../error-budget.ts";
import { formatReply } from "../reply-writer.ts";
import { reply, type Reply } from "../reply.ts";
import { isReply } from "./arguments.ts";
import { needsVerdict, type CloseCause, type ServerEvent, type VerdictEvent } from "./event.ts";
import { ServerInput } from "./input.ts";
import { greeted, greeting, PhaseMachine, type ServerPhase, type Transaction } from "./phase.ts";
import type { ServerProtocolSettings } from "./protocol-settings.ts";
import { serverReplies } from "./replies.ts";

/** Octets of AUTH and of a response, CRLF included (RFC 4954 §4). */
export const authLineBytesMax = 12_288 + 2;

/** A chunk that cannot belong to a message (RFC 3030 §2). */
export interface UnwantedChunk {
  bytesLeft: number;
  readonly refusal: Reply;
  /** Refused by the driver, which then needs no event. */
  readonly byDriver: boolean;
}

export class ServerSession {
  /** Replaced when TLS brings other mechanisms. */
  settings: ServerProtocolSettings;
  readonly budget: ErrorBudget;
  readonly input = new ServerInput();
  readonly startedAt: Instant;
  now: Instant;
  /** When the last command was answered or the last content came. */
  idleSince: Instant;
  /** Replies to be sent. */
  output = "";
  /** Events to be handed to the driver. */
  events: ServerEvent[] = [];
  /** The event whose verdict the driver owes, and the chunk that waits with it. */
  awaiting: VerdictEvent | undefined;
  awaitingChunk: Chunk | undefined;
  readonly phases: PhaseMachine;
  /** Being read away before its refusal is written. That changes no phase, as no refusal of a command does. */
  unwantedChunk: UnwantedChunk | undefined;
  /** Octets that a command line may have, by how it starts. */
  readonly lineLimit: (line: Buffer) => number;
  tlsActive: boolean;
  authenticated = false;
  /** Of the MAIL or RCPT that is being run, for the log. */
  argument: string | undefined;
  /** The first octets in clear were no TLS record. */
  knownNotTls = false;
  /** The last command was DATA and was refused: a client that did not wait may send its message all the same. */
  dataRefused = false;
  /** Transactions begun. */
  transactions = 0;

  constructor(settings: ServerProtocolSettings, now: Instant) {
    this.settings = settings;
    this.phases = new PhaseMachine(settings.observePhase);
    this.budget = new ErrorBudget(settings);
    this.tlsActive = settings.tlsActive;
    this.startedAt = now;
    this.now = now;
    this.idleSince = now;
    const { commandLineBytesMax } = settings;
    const authMax = Math.max(commandLineBytesMax, authLineBytesMax);
    this.lineLimit = (line) => (/^auth /i.test(line.toString("latin1", 0, 5)) ? authMax : commandLineBytesMax);
  }

  get phase(): ServerPhase {
    return this.phases.state;
  }

  /** The open one, whether between commands or in its content. */
  get transaction(): Transaction | undefined {
    const { phase } = this;
    // By its kind: "in" is slow where objects have many shapes, and each RCPT asks.
    switch (phase.kind) {
      case "transaction":
      case "recipients":
      case "content":
      case "chunks":
        return phase.transaction;
      default:
        return undefined;
    }
  }

  /** For what the order of commands allows in a transaction only. */
  get openTransaction(): Transaction {
    const { transaction } = this;
    if (transaction === undefined) throw new Error(`No transaction is open in the phase "${this.phase.kind}"`);
    return transaction;
  }

  /** The peer owes octets of a message, wanted or not, rather than a line. */
  get readsContent(): boolean {
    return this.phase.kind === "content" || this.unwantedChunk !== undefined;
  }

  /** Hands an event to the driver, or writes the refusal that its argument led to. */
  ask(verb: Verb, outcome: VerdictEvent | Reply): void {
    if (isReply(outcome)) this.refuse(verb, outcome);
    else this.events.push(outcome);
  }

  refuse(verb: Verb | "", refusal: Reply): void {
    this.write(refusal);
    const { argument } = this;
    this.events.push({ kind: "refused", verb, reply: refusal, ...(argument !== undefined && { argument }) });
    this.budget.countError(refusal);
    if (verb === "DATA") this.dataRefused = true;
    this.closeIfExhausted();
  }

  write(value: Reply): void {
    this.output += formatReply(value);
  }

  /** LMTP answers for each accepted recipient (RFC 2033 §4.2), SMTP once. */
  writeForEach(recipients: number, replies: readonly Reply[]): void {
    const count = this.settings.kind === "lmtp" ? recipients : 1;
    if (replies.length !== 1 && replies.length !== count) {
      throw new RangeError(`${count} replies are due, ${replies.length} were given`);
    }
    for (let index = 0; index < count; index++) this.write(replies[index] ?? replies[0] ?? serverReplies.messageOk);
  }

  /** HELO, EHLO, LHLO and RSET end a transaction that is open. */
  beginAnew(by: "hello" | "reset"): void {
    const { transaction } = this;
    this.phases.change(by, greeted);
    if (transaction !== undefined) this.events.push({ kind: "reset", cause: by === "reset" ? "rset" : by });
  }

  /** RFC 2920 §3.1: HELO and DATA end a group, and nothing comes before the greeting. */
  closeIfEarlyTalk(): boolean {
    if (this.settings.earlyTalk === "allow" || this.input.length === 0) return false;
    const { code, status, lines } = serverReplies.earlyTalk;
    // A greeting has no enhanced status (RFC 2034 §3).
    this.closeWith(
      this.phase.kind === "greeting" ? reply(code, undefined, ...lines) : reply(code, status, ...lines),
      "early-talk",
    );
    return true;
  }

  /** An attacker could have inserted the plain text that follows STARTTLS; none of it is run (RFC 3207 §6). */
  closeIfPlaintext(): boolean {
    if (this.input.length === 0) return false;
    this.closeWith(serverReplies.plaintextAfterStartTls, "plaintext-after-starttls");
    return true;
  }

  /** XCLIENT ends a group of commands, since nothing said before it counts after it. */
  closeIfBehindXclient(): boolean {
    if (this.input.length === 0) return false;
    this.closeWith(serverReplies.sentBehindXclient, "sent-behind-xclient");
    return true;
  }

  /** Another client is behind the connection: a greeting comes next. TLS is as it is, and is not offered any more. */
  beginAgain(): void {
    if (this.closeIfBehindXclient()) return;
    this.settings = { ...this.settings, tlsAvailable: false };
    this.authenticated = false;
    this.phases.change("xclient", greeting);
  }

  /**
   * Behind content that was refused for its line ends: what the client sent without waiting for the reply may be content
   * for another program, which saw the end elsewhere, and is not run as commands.
   *
   * Deviation: RFC 2920 §3.2 forbids a server to lose input. What is not run here is told of by a 421, to clients that sent
   * what no client may send.
   */
  closeIfSentAhead(): void {
    if (this.input.length > 0) this.closeWith(serverReplies.sentAhead, "sent-ahead");
  }

  /** A BDAT that cannot be followed: its octets, however many, must not be run as commands. */
  refuseLostChunk(refusal: Reply): void {
    this.refuse("BDAT", refusal);
    this.closeWith(serverReplies.lostChunk, "lost-chunk");
  }

  closeIfExhausted(): void {
    if (this.budget.exhausted) this.closeWith(serverReplies.tooManyErrors, "errors");
  }

  closeWith(last: Reply, cause: CloseCause): void {
    if (this.phase.kind === "closed") return;
    // During a handshake the peer would take text for a broken TLS record.
    if (this.phase.kind !== "tls-handshake") this.write(last);
    this.close(cause);
  }

  close(cause: CloseCause): void {
    if (this.phase.kind === "closed") return;
    this.phases.change("close", { kind: "closed" });
    this.awaiting = undefined;
    this.unwantedChunk = undefined;
    this.input.clear();
    this.events = this.events.filter((event) => !needsVerdict(event));
    this.events.push({ kind: "closed", cause });
  }
}
