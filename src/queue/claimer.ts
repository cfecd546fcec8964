/**
 * Reads what is due from the schedule, a page at a time and one claim at a time, as long as there is room for it; then
 * sleeps until the next recipient is due. The schedule may hold millions: nothing of it is kept here but one time.
 */
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { type ClaimedMessage, type ClaimRequest, type Spool, SpoolError } from "../spool/spool.ts";
import type { Leases } from "./leases.ts";
import type { QueueState } from "./queue-state.ts";
import type { ReadySpace } from "./ready-space.ts";

/** Recipients that fall due within this time are read together, instead of one by one. */
const gatherMs = 100;
/** After a claim that the spool refused. */
const refusedRetryMs = 5_000;
/** So soon a clock that was set, or a machine that slept, is noticed: no wait for a time of day is longer in one piece. */
const lookAgainMs = 60_000;

/** So many recipients of expired mail may be in memory beyond `ready`. */
const agedMax = 500;

export interface ClaimerOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: QueueState;
  readonly space: ReadySpace;
  readonly leases: Leases;
  readonly admit: (page: readonly ClaimedMessage[]) => void;
}

export class Claimer {
  readonly #options: ClaimerOptions;
  #reading: Promise<void> | undefined;
  #again = false;
  /** A page of expired mail is to be read before the others. */
  #agedFirst = false;
  #stopped = false;
  #paused = false;
  #timer: Timer | undefined;
  /** When the timer fires, on the monotonic clock. */
  #timerAtMs = Infinity;
  /** When something is due, on the wall clock, as it stands on disk. */
  #dueAt: Instant = Infinity;
  /** When to read in any case, on the monotonic clock. */
  #wakeAtMs = Infinity;

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
    const at = Math.max(due, this.#options.clock.now()) + gatherMs;
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#arm();
  }

  /** Reads when so much time has passed, wherever the wall clock is set meanwhile. */
  wakeAfter(ms: number): void {
    const at = this.#options.clock.monotonicMs() + ms;
    if (at >= this.#wakeAtMs) return;
    this.#wakeAtMs = at;
    this.#arm();
  }

  /** Reads what must not be crowded out, too. */
  lookForAged(): void {
    if (this.#agedRequest() === undefined) return;
    this.#agedFirst = true;
    this.wake();
  }

  /** The wall clock was set: what is due when is another question now. */
  clockWasSet(): void {
    this.#dueAt = Infinity;
    this.wake();
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

  #arm(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const delayMs = Math.min(this.#dueAt - clock.now(), this.#wakeAtMs - nowMs);
    if (this.#stopped || delayMs === Infinity) return;
    const atMs = nowMs + Math.max(0, Math.min(delayMs, lookAgainMs));
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = clock.setTimer(atMs - nowMs, () => this.#look());
  }

  #look(): void {
    const { clock } = this.#options;
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    const isDue = clock.now() >= this.#dueAt;
    const isTime = clock.monotonicMs() >= this.#wakeAtMs;
    if (isDue) this.#dueAt = Infinity;
    if (isTime) this.#wakeAtMs = Infinity;
    if (isDue || isTime) this.wake();
    this.#arm();
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
      this.wakeAfter(refusedRetryMs);
    } finally {
      // In the same turn in which the loop saw that nothing more was asked for: a wake is never lost in between.
      this.#reading = undefined;
    }
  }

  /** What may be claimed now; undefined: nothing, until {@link Claimer.wake}. */
  #request(): ClaimRequest | undefined {
    const { state, space, clock } = this.#options;
    if (!state.mayBegin) return undefined;
    const page = space.page(clock.monotonicMs());
    if (!("waitMs" in page)) return { ...state.terms, ...page };
    this.wakeAfter(page.waitMs);
    return undefined;
  }

  /** What may be claimed of expired mail, crowded or not; undefined: nothing is in memory to crowd it out. */
  #agedRequest(): ClaimRequest | undefined {
    const { state, space } = this.#options;
    const limit = Math.min(agedMax, space.max + agedMax - space.taken);
    if (!state.mayBegin || space.taken === 0 || limit <= 0) return undefined;
    const receivedBy = state.clockSteps.beganBy(state.settings.expire);
    return { ...state.terms, limit, perDomainMax: limit, excludeDomains: [], receivedBy };
  }

  async #readPages(): Promise<void> {
    const { spool, space, leases, admit } = this.#options;
    while (!this.#stopped && !this.#paused) {
      const aged = this.#agedFirst ? this.#agedRequest() : undefined;
      const asked = aged ?? this.#request();
      if (asked === undefined) return;
      // What this process has in memory must not be claimed anew.
      const securing = leases.renewBeforeClaim();
      if (securing !== undefined) {
        await securing;
        continue;
      }
      this.#agedFirst = false;
      const page = await spool.claim(asked);
      for (const { recipients } of page) space.noteRead(recipients.length);
      if (page.length > 0) admit(page);
      if (page.length > 0 || aged !== undefined) continue;
      const due = await spool.nextDue(asked.excludeDomains);
      if (due !== undefined) this.noteDue(due);
      return;
    }
  }
}
