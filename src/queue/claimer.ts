/**
 * Reads what is due from the schedule, a page at a time and one claim at a time, as long as there is room for it; then
 * sleeps until the next recipient is due. The schedule may hold millions: nothing of it is kept here but one time.
 */
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { type ClaimedMessage, type ClaimRequest, type Spool, SpoolError } from "../spool/spool.ts";

/** Recipients that fall due within this time are read together, instead of one by one. */
const gatherMs = 100;
/** After a claim that the spool refused. */
const refusedRetryMs = 5_000;

export interface ClaimerOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * What may be claimed now; undefined when there is no room. The owner calls {@link Claimer.wake} when there is again,
   * for all or for a domain that the last request left out.
   */
  readonly request: () => ClaimRequest | undefined;
  /** Asked before each claim: what this process has in memory must not be claimed anew. A promise where that takes a write. */
  readonly secure: () => Promise<void> | undefined;
  readonly admit: (page: readonly ClaimedMessage[]) => void;
}

export class Claimer {
  readonly #options: ClaimerOptions;
  #reading: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #paused = false;
  #timer: Timer | undefined;
  #timerAt: Instant = Infinity;

  constructor(options: ClaimerOptions) {
    this.#options = options;
  }

  /** Reads now, or once more after the reading under way. */
  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#reading ??= this.#read();
  }

  /** Something will be due at this time. */
  noteDue(due: Instant): void {
    const now = this.#options.clock.now();
    const at = Math.max(due, now) + gatherMs;
    if (this.#stopped || at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#options.clock.setTimer(at - now, () => {
      this.#timer = undefined;
      this.#timerAt = Infinity;
      this.wake();
    });
  }

  /** No claim begins until {@link Claimer.resume}; resolves when the one under way has ended, and its page is admitted. */
  async pause(): Promise<void> {
    this.#paused = true;
    await this.#reading;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  /** No claim begins after this; resolves when the one under way has ended (its page is still admitted). */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#reading;
  }

  async #read(): Promise<void> {
    // Not in the turn of whoever woke us: many wakes of one turn are one reading.
    await Promise.resolve();
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#readPages();
      }
    } catch (error) {
      if (error instanceof SpoolError && error.code === "closed") return;
      logTrouble(this.#options.log, "reading the schedule", error);
      this.noteDue(this.#options.clock.now() + refusedRetryMs);
    } finally {
      // In the same turn in which the loop saw that nothing more was asked for: a wake is never lost in between.
      this.#reading = undefined;
    }
  }

  async #readPages(): Promise<void> {
    const { spool, request, secure, admit } = this.#options;
    for (;;) {
      const asked = this.#stopped || this.#paused ? undefined : request();
      if (asked === undefined) return;
      const securing = secure();
      if (securing !== undefined) {
        await securing;
        continue;
      }
      const page = await spool.claim(asked);
      if (page.length > 0) {
        admit(page);
        continue;
      }
      const due = await spool.nextDue(asked.excludeDomains);
      if (due !== undefined) this.noteDue(due);
      return;
    }
  }
}
