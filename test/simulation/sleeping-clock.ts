/**
 * The clock of a machine that can sleep: the wall clock goes on meanwhile, the monotonic one stands still, and no timer
 * fires before the machine is awake and has been so for as long as the timer was meant to take.
 */
import type { Clock, Timer } from "../../src/ports/clock.ts";

export class SleepingClock implements Clock {
  readonly #world: Clock;
  #sleptMs = 0;
  #asleepSinceMs: number | undefined;
  readonly #atWaking = new Set<() => void>();

  constructor(world: Clock) {
    this.#world = world;
  }

  now(): number {
    return this.#world.now();
  }

  monotonicMs(): number {
    return (this.#asleepSinceMs ?? this.#world.monotonicMs()) - this.#sleptMs;
  }

  get isAsleep(): boolean {
    return this.#asleepSinceMs !== undefined;
  }

  fallAsleep(): void {
    this.#asleepSinceMs ??= this.#world.monotonicMs();
  }

  wake(): void {
    if (this.#asleepSinceMs === undefined) return;
    this.#sleptMs += this.#world.monotonicMs() - this.#asleepSinceMs;
    this.#asleepSinceMs = undefined;
    const goOn = [...this.#atWaking];
    this.#atWaking.clear();
    for (const each of goOn) each();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const atMs = this.monotonicMs() + Math.max(0, delayMs);
    let timer: Timer | undefined;
    const look = () => {
      if (this.isAsleep) this.#atWaking.add(look);
      else if (this.monotonicMs() >= atMs) callback();
      else timer = this.#world.setTimer(atMs - this.monotonicMs(), look);
    };
    timer = this.#world.setTimer(delayMs, look);
    return {
      cancel: () => {
        timer?.cancel();
        this.#atWaking.delete(look);
      },
    };
  }

  sleep(delayMs: number, options?: { readonly signal?: AbortSignal }): Promise<void> {
    return this.#world.sleep(delayMs, options);
  }

  timeout(delayMs: number): AbortSignal {
    return this.#world.timeout(delayMs);
  }
}
