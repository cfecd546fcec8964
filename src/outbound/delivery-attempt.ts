/**
 * One attempt at one next hop for one message: which server, in which transactions, with what result for whom.
 *
 * Owns the order in which kept connections and addresses are tried. Promises one outcome per recipient; that the
 * attempt ends, since each round of its loop either settles a recipient, uses up a kept connection, or goes on to the
 * next address; and that once the whole message was sent to one server it is not sent to another in the same attempt.
 */
import { Buffer } from "node:buffer";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { DeliveryJob, RecipientOutcome } from "../queue/delivery-agent.ts";
import { logFault, outcomeOfFault } from "../queue/fault-outcome.ts";
import type { Timer } from "../ports/clock.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { Content, StoredRecipient } from "../spool/spool.ts";
import { isWirePath, type OutgoingEnvelope } from "../smtp/client-commands.ts";
import type { OutgoingTransaction, RecipientResult } from "../smtp/client-transaction.ts";
import { addressText, setUpConnection, type SetupContext, type Target } from "./connection-setup.ts";
import type { ConnectionReuse, OpenSession } from "./connection-reuse.ts";
import { isAscii, lacking, lackingUtf8, messageNeeds, wireAddress, type MessageNeeds } from "./delivery-needs.ts";
import { finding, impossible, outcomeOf, type PeerFacts, type Setback } from "./delivery-verdict.ts";

export type SmtpHop = Extract<NextHop, { readonly kind: "smtp" | "lmtp" }>;

/** How long a transaction under way may go on after we were asked to stop: its verdict spares a duplicate. */
const STOP_GRACE_MS = 5_000;

export class DeliveryAttempt {
  readonly #job: DeliveryJob;
  readonly #hop: SmtpHop;
  readonly #context: SetupContext;
  readonly #reuse: ConnectionReuse;
  readonly #key: string;
  readonly #targets: readonly Target[];
  readonly #headerBlock: Buffer;
  readonly #needs: MessageNeeds;
  readonly #outcomes: RecipientOutcome[] = [];
  #pending: StoredRecipient[];
  #nextTarget = 0;
  /** What stands for the recipients that no server took a decision on: the worst that can still be mended wins. */
  #setback: Setback | undefined;
  /** A server was reached that lacks what the message needs. */
  #lack: Setback | undefined;
  #session: OpenSession | undefined;
  #stopTimer: Timer | undefined;

  constructor(job: DeliveryJob, hop: SmtpHop, context: SetupContext, reuse: ConnectionReuse) {
    this.#job = job;
    this.#hop = hop;
    this.#context = context;
    this.#reuse = reuse;
    this.#key = reuseKey(hop);
    this.#targets = targetsOf(hop, context.settings.addressesPerAttempt);
    this.#headerBlock = Buffer.from(job.message.headerBlock, "utf8");
    this.#needs = messageNeeds(job.message, this.#headerBlock, job.recipients);
    this.#pending = [...job.recipients];
  }

  /** Never rejects: what was settled before a fault of ours must not be attempted again. */
  async run(): Promise<readonly RecipientOutcome[]> {
    this.#settleUnsendable();
    const { signal } = this.#context;
    const stop = (): void => this.#stopSoon();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#work();
    } catch (error) {
      this.#settleAfterFault(error);
    } finally {
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
      const kept = this.#takeKept();
      if (kept !== undefined) {
        await this.#use(kept, true);
        continue;
      }
      const target = this.#targets[this.#nextTarget];
      if (target === undefined) return this.#settlePending(this.#finalSetback());
      const result = await setUpConnection(target, this.#context);
      if (result.kind === "ready") {
        await this.#useFresh({
          connection: result.connection,
          host: target.host,
          address: addressText(target.endpoint),
        });
        continue;
      }
      this.#remember(result.setback);
      this.#nextTarget = result.tryNext ? this.#nextTarget + 1 : this.#targets.length;
    }
  }

  /** An address that took a connection and nothing else, not even a refusal, is not asked again. */
  async #useFresh(session: OpenSession): Promise<void> {
    const settledBefore = this.#outcomes.length;
    const target = this.#nextTarget;
    await this.#use(session, false);
    if (this.#outcomes.length > settledBefore || this.#nextTarget > target) return;
    const peer = peerFacts(session);
    this.#remember(finding("4.4.2", "remote-trouble", `${peer.host} closed the connection before any mail`, peer));
    this.#nextTarget++;
  }

  /** Runs transactions on this session while it is of use, then keeps or closes it. */
  async #use(session: OpenSession, kept: boolean): Promise<void> {
    const peer = peerFacts(session);
    const { connection } = session;
    this.#session = session;
    try {
      const lack = lacking(this.#needs, connection.capabilities, peer);
      if (lack !== undefined) {
        this.#lack ??= lack;
        this.#nextTarget++;
        return;
      }
      while (this.#pending.length > 0 && this.#mayBegin(session) && !this.#context.signal.aborted) {
        if (!(await this.#transact(session, peer, kept))) return;
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
  async #transact(session: OpenSession, peer: PeerFacts, kept: boolean): Promise<boolean> {
    const { connection } = session;
    const { capabilities } = connection;
    await using content = await this.#job.openContent();
    const size = this.#headerBlock.length + content.size;
    if (capabilities.sizeMax !== undefined && size > capabilities.sizeMax) {
      const reason = `the message has ${size} octets, and ${peer.host} takes at most ${capabilities.sizeMax}`;
      this.#settlePending(impossible("5.3.4", "content", reason, peer));
      return false;
    }

    let batch = this.#pending.splice(0, capabilities.limits.recipientsMax ?? this.#pending.length);
    if (!capabilities.smtpUtf8) batch = this.#settleInternational(batch, peer);
    if (batch.length === 0) return true;
    const envelope = this.#envelope(batch, size);
    // A server that ends a session after some messages, kept or not, says nothing against itself.
    const used = kept || connection.transactions > 0;
    const results = await this.#send(session, envelope, content);
    return this.#judge(batch, results, { peer, used, dsn: capabilities.dsn, usable: connection.usable });
  }

  #send(session: OpenSession, envelope: OutgoingEnvelope, content: Content): Promise<readonly RecipientResult[]> {
    const { whole } = content;
    const transaction: OutgoingTransaction = {
      envelope,
      content: whole === undefined ? { kind: "stream" } : { kind: "whole", parts: [this.#headerBlock, whole] },
    };
    return whole === undefined
      ? session.connection.transact(transaction, headerFirst(this.#headerBlock, content.chunks()))
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
      const outcome = outcomeOf(result, peer, success);
      if (isAboutHost(result)) {
        undecided.push(recipient);
        if (!facts.used && outcome.kind !== "delivered" && outcome.kind !== "relayed") this.#remember(outcome);
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
    return this.#reuse.take(this.#key, (session) => {
      const known = this.#hop.kind === "lmtp" || this.#hop.hosts.some(({ name }) => name === session.host);
      return known && lacking(this.#needs, session.connection.capabilities, peerFacts(session)) === undefined;
    });
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

  /** Recipients that need SMTPUTF8 by themselves do not hold up the others. */
  #settleInternational(batch: StoredRecipient[], peer: PeerFacts): StoredRecipient[] {
    if (batch.every((recipient) => isAscii(wireAddress(recipient)))) return batch;
    return batch.filter((recipient) => {
      if (isAscii(wireAddress(recipient))) return true;
      this.#settle(recipient, lackingUtf8(peer));
      return false;
    });
  }

  #settle(recipient: StoredRecipient, outcome: DeliveryOutcome): void {
    this.#outcomes.push({ index: recipient.index, outcome });
  }

  #settlePending(outcome: DeliveryOutcome): void {
    for (const recipient of this.#pending) this.#settle(recipient, outcome);
    this.#pending = [];
  }

  /** One host that may recover keeps the mail waiting, whatever the others said. */
  #remember(setback: Setback): void {
    if (this.#setback?.kind !== "deferred" || setback.kind === "deferred") this.#setback = setback;
  }

  #finalSetback(): Setback {
    const none = finding("4.4.1", "remote-trouble", `no address is known for ${this.#hop.description}`);
    return this.#lack ?? this.#setback ?? none;
  }

  #settleAfterFault(error: unknown): void {
    logFault(this.#context.log, this.#hop.description, this.#job.message.id, error);
    const settled = new Set(this.#outcomes.map(({ index }) => index));
    this.#pending = this.#job.recipients.filter(({ index }) => !settled.has(index));
    this.#settlePending(outcomeOfFault(error));
  }

  #stopSoon(): void {
    this.#stopTimer = this.#context.clock.setTimer(STOP_GRACE_MS, () => {
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

/** What may share a connection has all of this in common. */
function reuseKey(hop: SmtpHop): string {
  const login = hop.credentials === undefined ? "" : `${hop.credentials.username}\0${hop.credentials.password}`;
  const where = hop.kind === "smtp" ? `${hop.port} ${hop.implicitTls}` : lmtpEndpointText(hop.endpoint);
  return `${hop.kind} ${hop.site} ${where} ${hop.tls}\0${login}`;
}

function lmtpEndpointText(endpoint: Extract<SmtpHop, { readonly kind: "lmtp" }>["endpoint"]): string {
  return endpoint.kind === "unix"
    ? endpoint.path
    : `${endpoint.hosts.map(({ name }) => name).join(",")} ${endpoint.port}`;
}

function targetsOf(hop: SmtpHop, addressesMax: number): readonly Target[] {
  const common = {
    dialect: hop.kind,
    site: hop.site,
    tls: hop.tls,
    implicitTls: hop.kind === "smtp" && hop.implicitTls,
    credentials: hop.credentials,
  };
  const where = hop.kind === "lmtp" ? hop.endpoint : { kind: "hosts" as const, hosts: hop.hosts, port: hop.port };
  if (where.kind === "unix") return [{ ...common, host: "localhost", endpoint: where }];
  return where.hosts
    .flatMap(({ name, addresses }) =>
      addresses.map((address) => ({
        ...common,
        host: name,
        endpoint: { kind: "ip", address, port: where.port } as const,
      })),
    )
    .slice(0, addressesMax);
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
