/**
 * One attempt at one next hop for one message: which server, in which transactions, with what result for whom.
 *
 * Owns the order in which kept connections and addresses are tried. Promises one outcome per recipient; that the
 * attempt ends, since each round of its loop either settles a recipient, uses up a kept connection, or goes on to the
 * next address, and has a bound in all; that once the whole message was sent to one server it is not sent to another in
 * the same attempt; and that what one server lacks is final only where every server of the site lacks it.
 */
import { Buffer } from "node:buffer";
import type { DeliveryJob, RecipientOutcome } from "../queue/delivery-agent.ts";
import { logFault, outcomeOfFault } from "../queue/fault-outcome.ts";
import type { Timer } from "../ports/clock.ts";
import { decisionText } from "../route/tls-policy.ts";
import type { Content, StoredRecipient } from "../spool/spool.ts";
import type { OutgoingEnvelope } from "../smtp/client/commands.ts";
import type { RecipientResult } from "../smtp/client/recipient-results.ts";
import type { MailObject } from "../smtp/client/transaction.ts";
import { envelopeOf } from "./attempt-envelope.ts";
import { AttemptRecipients } from "./attempt-recipients.ts";
import { AttemptSetbacks } from "./attempt-setbacks.ts";
import { longestAttemptMs, setupMs, stopGraceMs } from "./attempt-time.ts";
import { demandsOf, hostNamesOf, reuseKey, type SmtpHop, targetsOf } from "./attempt-targets.ts";
import { addressText, setUpConnection, type SetupContext, type Target } from "./connection-setup.ts";
import type { ConnectionReuse, HostDemand, OpenSession } from "./connection-reuse.ts";
import { isAscii, lacking, lackingUtf8, messageNeeds, wireAddress, type MessageNeeds } from "./delivery-needs.ts";
import { headerFirst, type SendableForm, SendableForms } from "./sendable-form.ts";
import { withPatience } from "./door-refusal.ts";
import {
  finding,
  forNow,
  isAboutHost,
  loginMissing,
  outcomeOf,
  type PeerFacts,
  type Setback,
} from "./delivery-verdict.ts";

export class DeliveryAttempt {
  readonly #job: DeliveryJob;
  readonly #hop: SmtpHop;
  readonly #context: SetupContext;
  readonly #reuse: ConnectionReuse;
  readonly #key: string;
  readonly #demands: readonly HostDemand[];
  readonly #targets: readonly Target[];
  readonly #forms: SendableForms;
  readonly #needs: MessageNeeds;
  readonly #recipients: AttemptRecipients;
  #nextTarget = 0;
  readonly #setbacks: AttemptSetbacks;
  #toldLoginMissing = false;
  /** The attempt has had the time that it may take. */
  #isOver = false;
  #session: OpenSession | undefined;
  #stopTimer: Timer | undefined;
  readonly #setUpUntilMs: number;
  readonly #longestMs: number;

  constructor(job: DeliveryJob, hop: SmtpHop, context: SetupContext, reuse: ConnectionReuse) {
    this.#job = job;
    this.#hop = hop;
    this.#context = context;
    this.#reuse = reuse;
    this.#key = reuseKey(hop);
    this.#demands = demandsOf(hop);
    this.#targets = targetsOf(hop, context.settings.addressesPerAttempt);
    const headerBlock = Buffer.from(job.message.headerBlock, "utf8");
    this.#needs = messageNeeds(job.message, headerBlock, job.recipients, hop.kind);
    this.#forms = new SendableForms(
      { headerBlock, body: this.#needs.body, openContent: job.openContent },
      { needs: this.#needs, mayConvert: hop.convert !== false, signing: context.signing?.() },
    );
    this.#recipients = new AttemptRecipients(job.recipients);
    this.#setbacks = new AttemptSetbacks(hostNamesOf(hop), hop.kind === "smtp" ? hop.unasked : undefined);
    this.#setUpUntilMs = context.clock.monotonicMs() + setupMs;
    this.#longestMs = longestAttemptMs(this.#needs.size, job.recipients.length);
  }

  /** Never rejects: what was settled before a bug must not be attempted again. */
  async run(): Promise<readonly RecipientOutcome[]> {
    this.#recipients.settleUnsendable(this.#job.message.reversePath);
    const { signal } = this.#context;
    const stop = (): void => this.#stopSoon();
    signal.addEventListener("abort", stop, { once: true });
    const bound = this.#context.clock.setTimer(this.#longestMs, () => this.#end());
    try {
      await this.#work();
    } catch (error) {
      this.#settleAfterFault(error);
    } finally {
      bound.cancel();
      this.#stopTimer?.cancel();
      signal.removeEventListener("abort", stop);
    }
    return this.#recipients.outcomes;
  }

  async #work(): Promise<void> {
    while (this.#recipients.pending.length > 0) {
      if (this.#context.signal.aborted) {
        const stopping = finding("4.3.2", "local-trouble", "this server is stopping");
        return this.#recipients.settlePending(() => stopping);
      }
      if (this.#isOver) return this.#settleRest();
      const kept = this.#takeKept();
      if (kept !== undefined) {
        await this.#use(kept, true);
        this.#recipients.takeUpAside();
        continue;
      }
      const target = this.#targets[this.#nextTarget];
      const isLate = this.#nextTarget > 0 && this.#context.clock.monotonicMs() > this.#setUpUntilMs;
      if (target === undefined || isLate) return this.#settleRest();
      if (this.#mayConnect(target)) await this.#connect(target);
    }
  }

  async #connect(target: Target): Promise<void> {
    const { host, endpoint, tls } = target;
    const idleMax = this.#job.idleMax?.(addressText(endpoint));
    if (this.#hop.kind === "smtp" && idleMax !== undefined) this.#reuse.makeRoom(addressText(endpoint), idleMax);
    const result = await setUpConnection(target, this.#context);
    if (result.kind === "ready") {
      const { connection, hungUpOnEhlo } = result;
      const address = addressText(endpoint);
      return await this.#useFresh({ connection, host, tls, address, ...(hungUpOnEhlo && { hungUpOnEhlo }) });
    }
    this.#setbacks.addOfHost(host, result.setback);
    this.#nextTarget = result.tryNext ? this.#nextTarget + 1 : this.#targets.length;
  }

  #mayConnect({ host, endpoint }: Target): boolean {
    if (this.#addressHasRoom(addressText(endpoint))) return true;
    const where = `${host} [${addressText(endpoint)}]`;
    this.#setbacks.add(finding("4.4.5", "local-trouble", `too many deliveries to ${where} are in progress`));
    this.#recipients.noteSkippedAddress();
    this.#nextTarget++;
    return false;
  }

  /** A mailbox server has a limit of its own, by site. */
  #addressHasRoom(address: string): boolean {
    return this.#hop.kind === "lmtp" || this.#job.mayConnect?.(address) !== false;
  }

  /** An address that took a connection and nothing else, not even a refusal, is not asked again. */
  async #useFresh(session: OpenSession): Promise<void> {
    const settledBefore = this.#recipients.outcomes.length;
    const target = this.#nextTarget;
    await this.#use(session, false);
    const hasAside = this.#recipients.takeUpAside();
    if (this.#nextTarget > target) return;
    if (hasAside) {
      this.#nextTarget++;
      return;
    }
    if (this.#recipients.outcomes.length > settledBefore) return;
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
        this.#recipients.noteAnswer();
        this.#nextTarget++;
        return;
      }
      while (this.#recipients.pending.length > 0 && this.#mayBegin(session) && !this.#context.signal.aborted) {
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
    let batch = this.#recipients.take(capabilities.limits.recipientsMax ?? Infinity);
    if (!capabilities.smtpUtf8) batch = this.#putInternationalAside(batch, session, peer);
    if (batch.length === 0) return true;
    const envelope = envelopeOf(this.#job.message, batch, {
      dialect: this.#hop.kind,
      needs: this.#needs,
      size,
      body: form.body,
      tls: peer.tls !== undefined,
    });
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
    if (this.#job.contentWithheld) return session.connection.transact({ envelope, content: { kind: "withheld" } });
    const { whole } = content;
    const transaction: MailObject = {
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
      if (result.kind === "broken" && result.mailAccepted === true) this.#recipients.noteAnswer();
      if (isAboutHost(result)) {
        undecided.push(recipient);
        if (!facts.used && outcome.kind !== "delivered" && outcome.kind !== "relayed") this.#setbacks.add(outcome);
      } else {
        this.#recipients.settle(recipient, outcome);
      }
    });
    if (undecided.length > 0) {
      this.#recipients.giveBack(undecided);
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

  #takeKept(): OpenSession | undefined {
    const session = this.#reuse.take(this.#key, this.#demands, (kept) => {
      const { capabilities } = kept.connection;
      if (lacking(this.#needs, capabilities, peerFacts(kept)) !== undefined) return false;
      return capabilities.smtpUtf8 || this.#recipients.pending.some((recipient) => isAscii(wireAddress(recipient)));
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

  /** Recipients that need SMTPUTF8 by themselves do not hold up the others, and wait for a server that has it. */
  #putInternationalAside(batch: StoredRecipient[], session: OpenSession, peer: PeerFacts): StoredRecipient[] {
    if (batch.every((recipient) => isAscii(wireAddress(recipient)))) return batch;
    this.#recipients.noteAnswer();
    return batch.filter((recipient) => {
      if (isAscii(wireAddress(recipient))) return true;
      const lack = lackingUtf8(peer);
      if (session.hungUpOnEhlo) this.#setbacks.add(forNow(lack));
      else this.#setbacks.addLackFor(recipient, peer.host, lack);
      this.#recipients.putAside(recipient);
      return false;
    });
  }

  /** There is nobody left to ask. */
  #settleRest(): void {
    this.#recipients.settlePending((recipient) => this.#finalSetback(recipient));
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

  #end(): void {
    this.#isOver = true;
    const minutes = Math.round(this.#longestMs / 60_000);
    const detail = `the attempt took longer than ${minutes} minutes`;
    this.#session?.connection.abandon({ kind: "lost", command: "idle", detail });
  }

  #settleAfterFault(error: unknown): void {
    logFault(this.#context.log, this.#hop.description, this.#job.message.id, error);
    this.#recipients.settleUnsettled(outcomeOfFault(error));
  }

  #stopSoon(): void {
    this.#stopTimer = this.#context.clock.setTimer(stopGraceMs, () => {
      this.#session?.connection.abandon({ kind: "lost", command: "idle", detail: "this server is stopping" });
    });
  }
}

function peerFacts({ connection, host, address, tls }: OpenSession): PeerFacts {
  return { host, address, tls: connection.tls, tlsDemand: decisionText(tls) };
}
