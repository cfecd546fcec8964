/**
 * Work that is done again and again, one round after the other, until it is closed. A wait of hours looks at the clocks each
 * minute and ends after so much time on either of them: a machine that slept is then not late by as long as it slept, and a
 * clock that is set back keeps nobody waiting.
 */
import type { Clock, Timer } from "../ports/clock.ts";

const lookAgainMs = 60_000;

export class Rounds {
  readonly #clock: Clock;
  readonly #round: () => Promise<number>;
  #timer: Timer | undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  /** `round` gives the milliseconds from its end until the next one, and never rejects. */
  constructor(clock: Clock, round: () => Promise<number>) {
    this.#clock = clock;
    this.#round = round;
  }

  /** A round under way may end early. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** The first round begins after so many milliseconds. */
  start(delayMs: number): void {
    if (this.#closed) return;
    const untilMs = this.#clock.monotonicMs() + delayMs;
    const until = this.#clock.now() + delayMs;
    const wait = (ms: number) => {
      this.#timer = this.#clock.setTimer(Math.min(ms, lookAgainMs), look);
    };
    const look = () => {
      const leftMs = Math.min(untilMs - this.#clock.monotonicMs(), until - this.#clock.now());
      if (leftMs > 0) return wait(leftMs);
      this.#working = this.#round().then((nextMs) => this.start(nextMs));
    };
    wait(delayMs);
  }

  /** No round begins after this; resolves when the one under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#working;
  }
}
