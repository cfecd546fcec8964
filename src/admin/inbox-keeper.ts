/** Ends the time of captured mail: the oldest goes when there is too much of it, or when it is too old. */
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { CapturedMail } from "../spool/captured-mail.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

export interface RetentionLimits {
  readonly messages: number;
  readonly keepMs: number;
}

/** Nobody minds a minute more. */
const intervalMs = 60_000;

export class InboxKeeper {
  readonly #captured: CapturedMail;
  readonly #clock: Clock;
  readonly #log: Log;
  #limits: RetentionLimits;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #trimAgain = false;
  #unwatch: (() => void) | undefined;

  constructor(
    parts: { readonly captured: CapturedMail; readonly clock: Clock; readonly log: Log },
    limits: RetentionLimits,
  ) {
    this.#captured = parts.captured;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#limits = limits;
  }

  start(): void {
    this.#unwatch = this.#captured.watch(() => this.#trim());
    this.#trim();
    this.#arm();
  }

  reconfigure(limits: RetentionLimits): void {
    this.#limits = limits;
    if (this.#unwatch !== undefined) this.#trim();
  }

  /** Resolves when the deletion under way is done. */
  async close(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#timer?.cancel();
    this.#trimAgain = false;
    await this.#running;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(intervalMs, () => {
      this.#trim();
      this.#arm();
    });
  }

  /** What arrives while one deletion runs shares the next. */
  #trim(): void {
    this.#trimAgain = true;
    this.#running ??= this.#trimAll().finally(() => {
      this.#running = undefined;
    });
  }

  async #trimAll(): Promise<void> {
    while (this.#trimAgain) {
      this.#trimAgain = false;
      const { messages, keepMs } = this.#limits;
      try {
        await this.#captured.trim({ keep: messages, before: this.#clock.now() - keepMs });
      } catch (error) {
        logTrouble(this.#log, "removing old captured mail", error);
        return;
      }
    }
  }
}
