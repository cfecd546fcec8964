/**
 * Records outcomes in the spool and does not let go of one until it is recorded: a message that was delivered must not
 * be delivered again because the disk was full for a minute. While the spool refuses, `QueueState.paused` has the queue begin
 * nothing, so what is kept here is bounded by what was in memory when the trouble began.
 */
import { errorText } from "../lib/error-text.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { type Settlement, type Spool, SpoolError } from "../spool/spool.ts";
import type { Claimer } from "./claimer.ts";
import { leaseMs, type QueueState } from "./queue-state.ts";

/** `recorded`; `stale`: someone else holds the claim now; `given-up`: the spool takes other writes, but never this one. */
export type RecordResult = "recorded" | "stale" | "given-up";

interface Entry {
  settlement: Settlement;
  failures: number;
  /** Of these, the last so many in a row after which another write succeeded at once: it is not the disk. */
  refusedAlone: number;
  readonly done: (result: RecordResult) => void;
}

const firstRetryMs = 1_000;
const longestRetryMs = 30_000;
/** Refusals of one settlement, while other writes succeed, before its bare changes are tried, and before it is given up. */
const refusalsBeforeBare = 5;
const refusalsBeforeGivingUp = 10;
/** After its failure could not be recorded with its report. */
const untoldRetryMs = 1_800_000;

export class Recorder {
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #state: QueueState;
  readonly #claimer: Claimer;
  readonly #begin: () => void;
  readonly #refused = new Set<Entry>();
  readonly #idleWaiters: (() => void)[] = [];
  #inFlight = 0;
  #retryMs = firstRetryMs;
  #timer: Timer | undefined;

  constructor(options: {
    readonly spool: Spool;
    readonly clock: Clock;
    readonly log: Log;
    readonly state: QueueState;
    readonly claimer: Claimer;
    /** There may be something to begin. */
    readonly begin: () => void;
  }) {
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#state = options.state;
    this.#claimer = options.claimer;
    this.#begin = options.begin;
  }

  /** Settlements not yet recorded. */
  get unrecorded(): number {
    return this.#inFlight + this.#refused.size;
  }

  /** `done` is called once, never in this turn. */
  record(settlement: Settlement, done: (result: RecordResult) => void): void {
    this.#try({ settlement, failures: 0, refusedAlone: 0, done });
  }

  /** Tries what was refused once more, and resolves when nothing is under way. What is refused even then is left. */
  async flush(): Promise<void> {
    await this.#idle();
    this.#cancelTimer();
    this.#retryRefused();
    await this.#idle();
    this.#cancelTimer();
    if (this.#refused.size > 0) {
      const text = `${this.#refused.size} results could not be recorded; those recipients will be tried again`;
      logTrouble(this.#log, "stopping the queue", new SpoolError("failed", text));
      this.#refused.clear();
    }
  }

  #try(entry: Entry): void {
    this.#inFlight++;
    this.#spool.settle(entry.settlement).then(
      (kept) => {
        this.#ended();
        this.#resume();
        entry.done(kept ? "recorded" : "stale");
      },
      (error: unknown) => {
        this.#refusal(entry, error);
        this.#ended();
      },
    );
  }

  #refusal(entry: Entry, error: unknown): void {
    entry.failures++;
    const reason = errorText(error);
    // Where its rows lie the disk has lost something: that stops this one, and no other will fare better by waiting.
    const isDamage = error instanceof SpoolError && error.code === "damaged";
    if (isDamage || entry.refusedAlone >= refusalsBeforeGivingUp) {
      const { message } = entry.settlement;
      const where = "recording outcomes";
      if (isDamage) logTrouble(this.#log, where, error, message);
      else this.#log.event("internal-error", { where, message, error });
      entry.done("given-up");
      return;
    }
    this.#refused.add(entry);
    // The first refusal stops everything; a settlement that fails again and again while other writes succeed does not.
    if (entry.failures === 1) this.#pause(error instanceof SpoolError ? `${error.code}: ${reason}` : reason);
    else this.#probe(entry);
    this.#timer ??= this.#clock.setTimer(this.#retryMs, () => {
      this.#timer = undefined;
      this.#retryMs = Math.min(longestRetryMs, this.#retryMs * 2);
      if (this.#state.paused !== undefined) this.#probe();
      this.#retryRefused();
    });
  }

  #retryRefused(): void {
    const entries = [...this.#refused];
    this.#refused.clear();
    for (const entry of entries) {
      if (entry.refusedAlone >= refusalsBeforeBare) {
        entry.settlement = this.#bare(entry.settlement);
      }
      this.#try(entry);
    }
  }

  /**
   * Better a recipient that is recorded as done without its history than one that is delivered again. Whoever was given up
   * is tried again, so that it is not without a report.
   */
  #bare({ message, token, changes, reports, records = [], captured }: Settlement): Settlement {
    const due = this.#clock.now() + untoldRetryMs;
    const owes = reports.length > 0 || records.length > 0;
    return {
      message,
      token,
      changes: changes.map((change) =>
        owes && (change.to === "failed" || change.to === "expired")
          ? { index: change.index, to: "scheduled", due, reply: change.reply }
          : change,
      ),
      reports: [],
      events: [],
      ...(captured !== undefined && { captured }),
    };
  }

  /** A write of no consequence: whether the spool refuses everything, or only what we keep asking for. */
  #probe(refused?: Entry): void {
    const tokens = [...this.#refused].map(({ settlement }) => settlement.token);
    this.#inFlight++;
    this.#spool.renew(tokens, leaseMs).then(
      () => {
        if (refused !== undefined) refused.refusedAlone++;
        this.#ended();
        this.#resume();
      },
      () => {
        if (refused !== undefined) refused.refusedAlone = 0;
        this.#ended();
      },
    );
  }

  #pause(reason: string): void {
    if (this.#state.paused !== undefined) return;
    this.#state.paused = reason;
    this.#log.event("queue-paused", { reason });
  }

  #resume(): void {
    if (this.#state.paused === undefined) return;
    this.#state.paused = undefined;
    this.#retryMs = firstRetryMs;
    this.#log.event("queue-resumed", { unrecorded: this.#refused.size });
    this.#begin();
    this.#claimer.wake();
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #ended(): void {
    this.#inFlight--;
    if (this.#inFlight > 0) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }
}
