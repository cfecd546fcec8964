/**
 * One attempt at one next hop for one message: which server, in which transactions, with what result for whom.
 *
 * Owns the order in which kept connections and addresses are tried. Promises one outcome per recipient; that the
 * attempt ends, since each round of its loop either settles a recipient, uses up a kept connection, or goes on to the
 * next address, and has a bound in all; that once the whole message was sent to one server it is not sent to another in
 * the same attempt; and that what one server lacks is final only where every server of the site lacks it.
 */
import { Buffer } from "node:buffer";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { DeliveryJob, RecipientOutcome } from "../queue/delivery-agent.ts";
import { logFault, outcomeOfFault } from "../queue/fault-outcome.ts";
import type { Timer } from "../ports/clock.ts";
import type { Content, StoredRecipient } from "../spool/spool.ts";
import { isWirePath, type OutgoingEnvelope } from "../smtp/client/commands.ts";
import type { OutgoingTransaction, RecipientResult } from "../smtp/client/transaction.ts";
import { AttemptSetbacks } from "./attempt-setbacks.ts";
import { reuseKey, hostNamesOf, type SmtpHop, targetsOf } from "./attempt-targets.ts";
import { addressText, setUpConnection, type SetupContext, type Target } from "./connection-setup.ts";
import type { ConnectionReuse, OpenSession } from "./connection-reuse.ts";
import { isAscii, lacking, lackingUtf8, messageNeeds, wireAddress, type MessageNeeds } from "./delivery-needs.ts";
import { type SendableForm, SendableForms } from "./sendable-form.ts";
import { withPatience } from "./door-refusal.ts";
import {
  finding,
  forNow,
  impossible,
  loginMissing,
  outcomeOf,
  type PeerFacts,
  type Setback,
} from "./delivery-verdict.ts";

/** How long a transaction under way may go on after we were asked to stop: its verdict spares a duplicate. */
const stopGraceMs = 5_000;
/** After so long no further address is asked. */
const setupMs = 10 * 60_000;
/** All that a patient client allows a server is far more than any honest one needs (RFC 5321 §4.5.3.2). */
const transactionsMs = 30 * 60_000;
const perRecipientMs = 5 * 60_000;
const octetsPerMs = 1;
const longestMs = 5.5 * 3_600_000;

export class DeliveryAttempt {
  readonly #job: DeliveryJob;
  readonly #hop: SmtpHop;
  readonly #context: SetupContext;
  readonly #reuse: ConnectionReuse;
  readonly #key: string;
  readonly #targets: readonly Target[];
  readonly #forms: SendableForms;
  readonly #needs: MessageNeeds;
  readonly #outcomes: RecipientOutcome[] = [];
  #pending: StoredRecipient[];
  #nextTarget = 0;
  readonly #setbacks: AttemptSetbacks;
  /** Recipients that the present server cannot take. */
  #aside: StoredRecipient[] = [];
  /** A server of the site talked to us: what breaks after that may lie with the message. */
  #answered = false;
  /** An address was left out, since too many of our deliveries are under way to it. */
  #leftOut = false;
  #toldLoginMissing = false;
  /** The attempt has had the time that it may take. */
  #isOver = false;
  #session: OpenSession | undefined;
  #stopTimer: Timer | undefined;
  readonly #setUpUntilMs: number;

  constructor(job: DeliveryJob, hop: SmtpHop, context: SetupContext, reuse: ConnectionReuse) {
    this.#job = job;
    this.#hop = hop;
    this.#context = context;
    this.#reuse = reuse;
    this.#key = reuseKey(hop);
    this.#targets = targetsOf(hop, context.settings.addressesPerAttempt);
    const headerBlock = Buffer.from(job.message.headerBlock, "utf8");
    this.#needs = messageNeeds(job.message, headerBlock, job.recipients);
    this.#forms = new SendableForms(
      { headerBlock, body: this.#needs.body, openContent: job.openContent },
      { needs: this.#needs, mayConvert: hop.convert !== false, signing: context.signing?.() },
    );
    this.#pending = [...job.recipients];
    this.#setbacks = new AttemptSetbacks(hostNamesOf(hop));
    this.#setUpUntilMs = context.clock.monotonicMs() + setupMs;
  }

  /** Never rejects: what was settled before a fault of ours must not be attempted again. */
  async run(): Promise<readonly RecipientOutcome[]> {
    this.#settleUnsendable();
    const { signal } = this.#context;
    const stop = (): void => this.#stopSoon();
    signal.addEventListener("abort", stop, { once: true });
    const bound = this.#context.clock.setTimer(this.#longestMs(), () => this.#end());
    try {
      await this.#work();
    } catch (error) {
      this.#settleAfterFault(error);
    } finally {
      bound.cancel();
      this.#stopTimer?.cancel();
      signal.removeEventListener("abort", stop);
    }
    return this.#outcomes;
  }

  async #work(): Promise<void> {
    while (this.#pending.length > 0) {
      if (this.#context.signal.aborted) {
        return this.#settlePending(finding("4.3.2", "local-trouble", "this server is stopping"));
      }
      if (this.#isOver) return this.#settleRest();
      const kept = this.#takeKept();
      if (kept !== undefined) {
        await this.#use(kept, true);
        this.#takeUpAside();
        continue;
      }
      const target = this.#targets[this.#nextTarget];
      const isLate = this.#nextTarget > 0 && this.#context.clock.monotonicMs() > this.#setUpUntilMs;
      if (target === undefined || isLate) return this.#settleRest();
      if (this.#mayConnect(target)) await this.#connect(target);
    }
  }

  async #connect(target: Target): Promise<void> {
    const { host, endpoint } = target;
    const idleMax = this.#job.idleMax?.(addressText(endpoint));
    if (this.#hop.kind === "smtp" && idleMax !== undefined) this.#reuse.makeRoom(addressText(endpoint), idleMax);
    const result = await setUpConnection(target, this.#context);
    if (result.kind === "ready") {
      const { connection, hungUpOnEhlo } = result;
      const address = addressText(endpoint);
      return await this.#useFresh({ connection, host, address, ...(hungUpOnEhlo && { hungUpOnEhlo }) });
    }
    this.#setbacks.addOfHost(host, result.setback);
    this.#nextTarget = result.tryNext ? this.#nextTarget + 1 : this.#targets.length;
  }

  #mayConnect({ host, endpoint }: Target): boolean {
    if (this.#addressHasRoom(addressText(endpoint))) return true;
    const where = `${host} [${addressText(endpoint)}]`;
    this.#setbacks.add(finding("4.4.5", "local-trouble", `too many deliveries to ${where} are in progress`));
    this.#leftOut = true;
    this.#nextTarget++;
    return false;
  }

  /** A mailbox server has a limit of its own, by site. */
  #addressHasRoom(address: string): boolean {
    return this.#hop.kind === "lmtp" || this.#job.mayConnect?.(address) !== false;
  }

  /** An address that took a connection and nothing else, not even a refusal, is not asked again. */
  async #useFresh(session: OpenSession): Promise<void> {
    const settledBefore = this.#outcomes.length;
    const target = this.#nextTarget;
    await this.#use(session, false);
    const hasAside = this.#takeUpAside();
    if (this.#nextTarget > target) return;
    if (hasAside) {
      this.#nextTarget++;
      return;
    }
    if (this.#outcomes.length > settledBefore) return;
    const peer = peerFacts(session);
    this.#setbacks.add(finding("4.4.2", "remote-trouble", `${peer.host} closed the connection before any mail`, peer));
    this.#nextTarget++;
  }

  /** Runs transactions on this session while it is of use, then keeps or closes it. */
  async #use(session: OpenSession, kept: boolean): Promise<void> {
    const peer = peerFacts(session);
    const { connection } = session;
    this.#session = session;
    try {
      const found = await this.#forms.formFor(connection.capabilities, peer);
      if (found.kind === "lack") {
        const { lack } = found;
        if (session.hungUpOnEhlo) this.#setbacks.add(forNow(lack));
        else this.#setbacks.addLack(peer.host, lack);
        this.#answered = true;
        this.#nextTarget++;
        return;
      }
      while (this.#pending.length > 0 && this.#mayBegin(session) && !this.#context.signal.aborted) {
        if (!(await this.#transact(session, found.form, peer, kept))) return;
      }
    } finally {
      this.#session = undefined;
      if (connection.usable && this.#mayBegin(session)) {
        this.#reuse.park(this.#key, session, this.#context.settings.keepIdleMs);
      } else {
        this.#reuse.quit(session);
      }
    }
  }

  /** false: this session is of no more use to this attempt. */
  async #transact(session: OpenSession, form: SendableForm, peer: PeerFacts, kept: boolean): Promise<boolean> {
    const { connection } = session;
    const { capabilities } = connection;
    await using content = await form.openContent();
    const size = form.headerBlock.length + content.size;
    let batch = this.#pending.splice(0, capabilities.limits.recipientsMax ?? this.#pending.length);
    if (!capabilities.smtpUtf8) batch = this.#putInternationalAside(batch, session, peer);
    if (batch.length === 0) return true;
    const envelope = { ...this.#envelope(batch, size), body: form.body };
    // A server that ends a session after some messages, kept or not, says nothing against itself.
    const used = kept || connection.transactions > 0;
    const results = await this.#send(session, envelope, form.headerBlock, content);
    return this.#judge(batch, results, { peer, used, dsn: capabilities.dsn, usable: connection.usable });
  }

  #send(
    session: OpenSession,
    envelope: OutgoingEnvelope,
    headerBlock: Buffer,
    content: Content,
  ): Promise<readonly RecipientResult[]> {
    const { whole } = content;
    const transaction: OutgoingTransaction = {
      envelope,
      content: whole === undefined ? { kind: "stream" } : { kind: "whole", parts: [headerBlock, whole] },
    };
    return whole === undefined
      ? session.connection.transact(transaction, headerFirst(headerBlock, content.chunks()))
      : session.connection.transact(transaction);
  }

  #judge(
    batch: readonly StoredRecipient[],
    results: readonly RecipientResult[],
    facts: { readonly peer: PeerFacts; readonly used: boolean; readonly dsn: boolean; readonly usable: boolean },
  ): boolean {
    const { peer } = facts;
    const success =
      this.#hop.kind === "lmtp"
        ? ({ kind: "delivered" } as const)
        : ({ kind: "relayed", dsnPassedOn: facts.dsn } as const);
    const undecided: StoredRecipient[] = [];
    batch.forEach((recipient, index) => {
      const result = results[index];
      if (result === undefined) throw new Error("a recipient has no result");
      const missing = loginMissing(result, this.#hop, peer);
      if (missing !== undefined) this.#noteLoginMissing(missing, peer);
      const outcome = missing ?? outcomeOf(result, peer, success);
      if (result.kind === "broken" && result.mailAccepted === true) this.#answered = true;
      if (isAboutHost(result)) {
        undecided.push(recipient);
        if (!facts.used && outcome.kind !== "delivered" && outcome.kind !== "relayed") this.#setbacks.add(outcome);
      } else {
        this.#settle(recipient, outcome);
      }
    });
    if (undecided.length > 0) {
      this.#pending.unshift(...undecided);
      if (!facts.used) this.#nextTarget++;
      return false;
    }
    return facts.usable;
  }

  /** All mail of the route waits for whoever can mend the settings, and hears of it by this line alone. */
  #noteLoginMissing({ reason }: Setback, { host, address }: PeerFacts): void {
    if (this.#toldLoginMissing) return;
    this.#toldLoginMissing = true;
    const where = { message: this.#job.message.id, site: this.#hop.site, host, address };
    this.#context.log.event("relay-login-missing", { ...where, reason });
  }

  #envelope(batch: readonly StoredRecipient[], size: number): OutgoingEnvelope {
    const { message } = this.#job;
    const recipients = batch.map((recipient) => {
      const address = wireAddress(recipient);
      // An LMTP server delivers for good, and the report about that is ours (RFC 3461 §5.2.3): asked of it too, there would be two.
      if (this.#hop.kind === "lmtp") return { address };
      const { notify, originalRecipient } = recipient;
      return { address, ...(notify && { notify }), ...(originalRecipient !== undefined && { originalRecipient }) };
    });
    const reports = this.#hop.kind === "smtp";
    return {
      reversePath: message.reversePath,
      recipients,
      body: this.#needs.body,
      smtpUtf8: this.#needs.smtpUtf8 || !recipients.every(({ address }) => isAscii(address)),
      size,
      ...(reports && message.ret !== undefined && { ret: message.ret }),
      ...(reports && message.envelopeId !== undefined && { envelopeId: message.envelopeId }),
    };
  }

  #takeKept(): OpenSession | undefined {
    const session = this.#reuse.take(this.#key, (kept) => {
      const known = this.#hop.kind === "lmtp" || this.#hop.hosts.some(({ name }) => name === kept.host);
      const { capabilities } = kept.connection;
      if (!known || lacking(this.#needs, capabilities, peerFacts(kept)) !== undefined) return false;
      return capabilities.smtpUtf8 || this.#pending.some((recipient) => isAscii(wireAddress(recipient)));
    });
    // Asked when it is nobody else's any more: other deliveries may begin in the place that this one leaves.
    if (session === undefined || this.#addressHasRoom(session.address)) return session;
    this.#reuse.quit(session);
    return undefined;
  }

  #mayBegin(session: OpenSession): boolean {
    const { connection } = session;
    const ownMax = this.#context.settings.messagesPerConnection;
    const max = Math.min(ownMax, connection.capabilities.limits.transactionsMax ?? ownMax);
    return connection.usable && connection.transactions < max;
  }

  /** Addresses that no parser should have let through; here they would become commands. */
  #settleUnsendable(): void {
    if (!isWirePath(this.#job.message.reversePath)) {
      this.#settlePending(impossible("5.1.7", "local-trouble", "the sender's address cannot be put into a command"));
    }
    this.#pending = this.#pending.filter((recipient) => {
      if (recipient.address !== "" && isWirePath(recipient.address)) return true;
      const reason = "the recipient's address cannot be put into a command";
      this.#settle(recipient, impossible("5.1.3", "local-trouble", reason));
      return false;
    });
  }

  /** Recipients that need SMTPUTF8 by themselves do not hold up the others, and wait for a server that has it. */
  #putInternationalAside(batch: StoredRecipient[], session: OpenSession, peer: PeerFacts): StoredRecipient[] {
    if (batch.every((recipient) => isAscii(wireAddress(recipient)))) return batch;
    this.#answered = true;
    return batch.filter((recipient) => {
      if (isAscii(wireAddress(recipient))) return true;
      const lack = lackingUtf8(peer);
      if (session.hungUpOnEhlo) this.#setbacks.add(forNow(lack));
      else this.#setbacks.addLackFor(recipient, peer.host, lack);
      this.#aside.push(recipient);
      return false;
    });
  }

  /** Whether there were any. */
  #takeUpAside(): boolean {
    const aside = this.#aside;
    this.#aside = [];
    this.#pending.unshift(...aside);
    return aside.length > 0;
  }

  #settle(recipient: StoredRecipient, outcome: DeliveryOutcome): void {
    const { index } = recipient;
    const site =
      outcome.kind !== "deferred" ? undefined : this.#answered ? "answered" : this.#leftOut ? "not-asked" : undefined;
    this.#outcomes.push({ index, outcome, ...(site !== undefined && { site }) });
  }

  /** There is nobody left to ask. */
  #settleRest(): void {
    for (const recipient of this.#pending) this.#settle(recipient, this.#finalSetback(recipient));
    this.#pending = [];
  }

  #settlePending(outcome: DeliveryOutcome): void {
    for (const recipient of this.#pending) this.#settle(recipient, outcome);
    this.#pending = [];
  }

  #finalSetback(recipient: StoredRecipient): Setback {
    const setback = this.#setbacks.finalFor(recipient);
    const { clock, clockSteps, settings } = this.#context;
    const believedFrom = clockSteps.whenAged(this.#job.message.receivedAt, settings.refusalPatienceMs);
    if (setback !== undefined) return withPatience(setback, { now: clock.now(), believedFrom });
    return this.#isOver
      ? finding("4.4.2", "remote-trouble", `the delivery to ${this.#hop.description} took too long`)
      : finding("4.4.1", "remote-trouble", `no address is known for ${this.#hop.description}`);
  }

  #longestMs(): number {
    const octetsMs = this.#needs.size / octetsPerMs;
    return Math.min(longestMs, transactionsMs + octetsMs + perRecipientMs * this.#job.recipients.length);
  }

  #end(): void {
    this.#isOver = true;
    const minutes = Math.round(this.#longestMs() / 60_000);
    const detail = `the attempt took longer than ${minutes} minutes`;
    this.#session?.connection.abandon({ kind: "lost", command: "idle", detail });
  }

  #settleAfterFault(error: unknown): void {
    logFault(this.#context.log, this.#hop.description, this.#job.message.id, error);
    const settled = new Set(this.#outcomes.map(({ index }) => index));
    this.#pending = this.#job.recipients.filter(({ index }) => !settled.has(index));
    this.#settlePending(outcomeOfFault(error));
  }

  #stopSoon(): void {
    this.#stopTimer = this.#context.clock.setTimer(stopGraceMs, () => {
      this.#session?.connection.abandon({ kind: "lost", command: "idle", detail: "this server is stopping" });
    });
  }
}

/** No verdict on the message, and it cannot have been taken over: another host may be asked. */
function isAboutHost(result: RecipientResult): boolean {
  switch (result.kind) {
    case "broken":
      return !result.contentSent && result.failure.kind !== "bare-line-end";
    case "refused":
      // 421 before anything was decided, and a server that cannot even reset.
      return result.command === "RSET" || (result.command === "MAIL" && result.reply.code === 421);
    case "accepted":
    case "too-many":
      return false;
    default:
      return result satisfies never;
  }
}

function peerFacts({ connection, host, address }: OpenSession): PeerFacts {
  return { host, address, tls: connection.tls };
}

/** The header block travels with the first piece, so that the smallest stream is one chunk. */
async function* headerFirst(headerBlock: Uint8Array, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const chunk of chunks) {
    yield first ? Buffer.concat([headerBlock, chunk]) : chunk;
    first = false;
  }
  if (first) yield headerBlock;
}
