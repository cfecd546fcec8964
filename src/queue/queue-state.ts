/** What the parts of the queue have in common: the settings in force, and whether anything may begin. */
import { ClockSteps } from "../lib/clock-steps.ts";
import type { Clock } from "../ports/clock.ts";
import type { ClaimTerms } from "../spool/spool.ts";
import type { QueueSettings } from "./settings.ts";

/** Outlives a minute of a full disk and a stalled machine; short enough that a cluster's peer takes over the same hour. */
export const leaseMs = 20 * 60_000;

export class QueueState {
  /** Tells ages, on which it depends when mail is warned about and given up. */
  readonly clockSteps: ClockSteps;
  phase: "stopped" | "running" | "stopping" = "stopped";
  /** Why nothing new may begin, while the spool cannot record outcomes. */
  paused: string | undefined;
  #settings: QueueSettings;
  #terms: ClaimTerms;

  constructor(settings: QueueSettings, clock: Clock) {
    this.clockSteps = new ClockSteps(clock);
    this.#settings = settings;
    this.#terms = termsOf(settings);
  }

  get settings(): QueueSettings {
    return this.#settings;
  }

  /** Of each claim. */
  get terms(): ClaimTerms {
    return this.#terms;
  }

  reconfigure(settings: QueueSettings): void {
    this.#settings = settings;
    this.#terms = termsOf(settings);
  }

  get isRunning(): boolean {
    return this.phase === "running";
  }

  get mayBegin(): boolean {
    return this.isRunning && this.paused === undefined;
  }
}

function termsOf({ retry }: QueueSettings): ClaimTerms {
  return { leaseMs, retryDelaysMs: retry };
}
