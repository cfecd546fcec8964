/** Ends the time of finished messages and their events: history is kept for a set time, and removed a little at a time. */
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Spool } from "../spool/spool.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

/** Nobody minds an hour more of history; the work of an hour is small. */
const intervalMs = 3_600_000;
/** Rows in one transaction: some milliseconds of the writing thread. */
const rowsAtOnce = 500;
/** Between two transactions, so that mail gets its turn. */
const pauseMs = 10;

export class HistoryKeeper {
  readonly #spool: Pick<Spool, "prune">;
  readonly #clock: Clock;
  readonly #log: Log;
  #keepMs: number;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    parts: { readonly spool: Pick<Spool, "prune">; readonly clock: Clock; readonly log: Log },
    keepMs: number,
  ) {
    this.#spool = parts.spool;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#keepMs = keepMs;
  }

  /** The first round comes a minute after the start, which has more urgent work. */
  start(): void {
    this.#arm(60_000);
  }

  /** Something was deleted together with its history: the next round comes at once. */
  wake(): void {
    this.#arm(pauseMs);
  }

  reconfigure(keepMs: number): void {
    this.#keepMs = keepMs;
  }

  /** Resolves when the transaction under way is done. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #arm(delayMs: number): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#running = this.#running.then(() => this.#step());
    });
  }

  async #step(): Promise<void> {
    try {
      const removed = await this.#spool.prune(this.#clock.now() - this.#keepMs, rowsAtOnce);
      this.#arm(removed >= rowsAtOnce ? pauseMs : intervalMs);
    } catch (error) {
      if (this.#closed) return;
      logTrouble(this.#log, "removing old history", error);
      this.#arm(intervalMs);
    }
  }
}
