/**
 * Deliveries under way: starts them at the right agent, with the message as it leaves there, waits for all of them at a
 * stop, and gives up on a stuck one.
 */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { Spool, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { openContentOf } from "./concluder.ts";
import type { DeliveryAgent, DeliveryJob, DeliveryResult } from "./delivery-agent.ts";
import { logFault, outcomeOfFault } from "./fault-outcome.ts";
import type { Claim } from "./leases.ts";
import type { ReadyJob } from "./site.ts";
import type { Slots } from "./slots.ts";

export interface DeliveryAgents {
  readonly smtp: DeliveryAgent;
  readonly lmtp: DeliveryAgent;
  readonly maildir: DeliveryAgent;
  readonly program: DeliveryAgent;
  readonly capture: DeliveryAgent;
  readonly reports: DeliveryAgent;
  readonly discard: DeliveryAgent;
}

/**
 * Agents bound their own time; the longest honest delivery is a large message to a slow host, some hours. Whatever is
 * older hangs in a bug of ours, and its lease must not be renewed forever.
 */
const stuckMs = 6 * 3_600_000;

/** How a delivery ended. */
export interface DeliveryEnd {
  readonly job: ReadyJob;
  readonly durationMs: number;
  readonly result: DeliveryResult;
  /** Our own fault, or our own stop: it says nothing about the site. */
  readonly saysNothing: boolean;
  readonly interrupted: boolean;
}

interface Running {
  readonly job: ReadyJob;
  readonly startedMs: number;
}

export class Deliveries {
  readonly #agents: DeliveryAgents;
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ended: (end: DeliveryEnd) => void;
  readonly #slots: Slots;
  readonly #begin: () => void;
  readonly #abort = new AbortController();
  readonly #options = { signal: this.#abort.signal };
  readonly #running = new Set<Running>();
  #idle: (() => void) | undefined;

  constructor(options: {
    readonly agents: DeliveryAgents;
    readonly spool: Spool;
    readonly clock: Clock;
    readonly log: Log;
    /** Called once for each delivery, never in the turn in which it began. */
    readonly ended: (end: DeliveryEnd) => void;
    readonly slots: Slots;
    /** There may be something to begin. */
    readonly begin: () => void;
  }) {
    this.#agents = options.agents;
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#ended = options.ended;
    this.#slots = options.slots;
    this.#begin = options.begin;
  }

  get running(): number {
    return this.#running.size;
  }

  /** What is under way. */
  jobs(): readonly ReadyJob[] {
    return Array.from(this.#running, ({ job }) => job);
  }

  begin(job: ReadyJob): void {
    const running: Running = { job, startedMs: this.#clock.monotonicMs() };
    this.#running.add(running);
    const { message } = job.claim;
    const delivery: DeliveryJob = {
      message: job.forwarded ? forwardedForm(message) : message,
      recipients: job.recipients,
      hop: job.hop,
      openContent: () => openContentOf(this.#spool, message.id),
      mayConnect: (address) => this.#mayConnect(job, address),
      idleMax: (address) => this.#slots.idleMax(address),
    };
    this.#agents[job.hop.kind].deliver(delivery, this.#options).then(
      (result) => this.#end(running, result, false),
      (error: unknown) => this.#fault(running, error),
    );
  }

  /** Asks everything under way to stop soon. */
  abort(): void {
    this.#abort.abort(new Error("This server is stopping"));
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#idle = resolve));
  }

  /** Ends what has been under way for longer than any honest delivery. */
  giveUpStuck(): void {
    const before = this.#clock.monotonicMs() - stuckMs;
    for (const running of this.#running) {
      if (running.startedMs < before) this.#fault(running, new Error("the delivery did not end within 6 hours"));
    }
  }

  /** The delivery goes on at another address, and another delivery may have its place. */
  #mayConnect(job: ReadyJob, address: string): boolean {
    if (this.#slots.addressOf(job) === address) return true;
    const may = this.#slots.moveTo(job, address);
    if (may) this.#begin();
    return may;
  }

  #fault(running: Running, error: unknown): void {
    if (!this.#running.has(running)) return;
    const { job } = running;
    logFault(this.#log, job.hop.description, job.claim.message.id, error);
    const outcome = outcomeOfFault(error);
    const outcomes = job.recipients.map(({ index }) => ({ index, outcome }));
    this.#end(running, { outcomes }, true);
  }

  #end(running: Running, result: DeliveryResult, saysNothing: boolean): void {
    // false: given up as stuck before, and already concluded.
    if (!this.#running.delete(running)) return;
    const interrupted = this.#abort.signal.aborted;
    const durationMs = this.#clock.monotonicMs() - running.startedMs;
    this.#ended({ job: running.job, durationMs, result, saysNothing: saysNothing || interrupted, interrupted });
    if (this.#running.size > 0) return;
    this.#idle?.();
    this.#idle = undefined;
  }
}

/**
 * Whether the recipient, to whom one of our addresses led, gets the message from a reverse-path of ours and under the fields
 * made for it. Only on the way to other servers, captured or not; final delivery, and every report of ours, know the message
 * as it came.
 */
export function leavesForwarded(recipient: StoredRecipient, { message }: Claim, hop: NextHop): boolean {
  const leaves = hop.kind === "smtp" || hop.kind === "capture";
  return leaves && recipient.forwarded === true && message.forwarded !== undefined;
}

/** The message as it leaves for such recipients. */
export function forwardedForm(message: StoredMessage): StoredMessage {
  const { forwarded } = message;
  if (forwarded === undefined) return message;
  const { reversePath, headerBlock } = forwarded;
  return { ...message, reversePath, headerBlock: headerBlock + message.headerBlock };
}
