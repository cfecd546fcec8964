/**
 * Whether the wall clock was set, or the machine slept: it is compared with the monotonic one. Ages that are told to
 * senders or end a message are wall time; after a step forward they are not believed for an hour, since such a clock is
 * often set back soon, and a machine that has just woken may have no network yet. For a step back nothing needs doubt.
 */
import type { Instant } from "./instant.ts";

export interface TwoClocks {
  readonly now: () => Instant;
  readonly monotonicMs: () => number;
}

/** Smaller steps are how clocks are kept right; several of them are noticed when they come to this. */
const noticedMs = 60_000;
/** Long enough to see and mend a wrong clock, and for a few attempts; short beside the days after which mail expires. */
const doubtedForMs = 3_600_000;

interface Doubt {
  /** The clock was set forward by so much. */
  aheadMs: number;
  /** From where to where, on the wall clock. */
  readonly from: Instant;
  to: Instant;
  /** On the monotonic clock. */
  readonly untilMs: number;
}

export class ClockSteps {
  readonly #clock: TwoClocks;
  /** How far the wall clock is ahead of the monotonic one, as far as it was noticed. */
  #offsetMs: number;
  #untakenMs = 0;
  #doubt: Doubt | undefined;

  constructor(clock: TwoClocks) {
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonicMs();
  }

  /** By how much the clock was set since this was last asked; negative: back; 0: not to speak of. */
  take(): number {
    this.#look();
    const stepMs = this.#untakenMs;
    this.#untakenMs = 0;
    return Math.round(stepMs);
  }

  /** When something that began at this time is so old, as far as the clock can be believed. */
  whenAged(beganAt: Instant, ageMs: number): Instant {
    this.#look();
    const at = beganAt + ageMs;
    const doubt = this.#doubt;
    if (doubt === undefined || beganAt >= doubt.to || at <= doubt.from) return at;
    return Math.max(at, Math.ceil(this.#clock.now() + doubt.untilMs - this.#clock.monotonicMs()));
  }

  /** What began by this time is so old for certain. */
  beganBy(ageMs: number): Instant {
    this.#look();
    return Math.min(this.#clock.now(), this.#doubt?.from ?? Infinity) - ageMs;
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs();
    const now = this.#clock.now();
    const stepMs = now - nowMs - this.#offsetMs;
    if (this.#doubt !== undefined && nowMs >= this.#doubt.untilMs) this.#doubt = undefined;
    if (Math.abs(stepMs) < noticedMs) return;
    this.#offsetMs += stepMs;
    this.#untakenMs += stepMs;
    const aheadMs = (this.#doubt?.aheadMs ?? 0) + stepMs;
    if (aheadMs < noticedMs) this.#doubt = undefined;
    else this.#doubt = { aheadMs, from: this.#doubt?.from ?? now - stepMs, to: now, untilMs: nowMs + doubtedForMs };
  }
}
