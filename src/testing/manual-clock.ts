/** A clock that stands still until a test moves it; timers fire in order of time, then of creation. */
import { Heap } from "./heap.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";

interface Pending {
  /** In monotonic time. */
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

export class ManualClock implements Clock {
  readonly #start: Instant;
  /** Since the start. */
  #elapsedMs = 0;
  /** How far the wall clock was set from where it would be. */
  #jumpedMs = 0;
  #order = 0;
  #live = 0;
  readonly #pending = new Heap<Pending>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));

  constructor(start: Instant = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  now(): Instant {
    return this.#start + this.#elapsedMs + this.#jumpedMs;
  }

  monotonicMs(): number {
    return this.#start + this.#elapsedMs;
  }

  /** Sets the wall clock forward, or back; timers and monotonic time do not notice. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const at = this.#elapsedMs + Math.max(0, delayMs);
    const pending: Pending = { at, order: this.#order++, callback, cancelled: false };
    this.#pending.push(pending);
    this.#live++;
    return {
      cancel: () => {
        if (pending.cancelled) return;
        pending.cancelled = true;
        this.#live--;
      },
    };
  }

  sleep(delayMs: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const onAbort = () => {
        timer.cancel();
        reject(signal?.reason as Error);
      };
      const timer = this.setTimer(delayMs, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  timeout(delayMs: number): AbortSignal {
    const controller = new AbortController();
    this.setTimer(delayMs, () => controller.abort(new DOMException("The operation timed out", "TimeoutError")));
    return controller.signal;
  }

  /** How many timers wait; a test checks with it that none is left behind. */
  get pendingTimers(): number {
    return this.#live;
  }

  /** When the next timer fires. */
  get nextTimerAt(): Instant | undefined {
    const next = this.#next();
    return next && this.#start + this.#jumpedMs + next.at;
  }

  /** Moves time by `ms`, firing each timer at its time and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms;
    for (let next = this.#next(); next !== undefined && next.at <= until; next = this.#next()) {
      this.#fire(next);
      await settle();
    }
    this.#elapsedMs = until;
    await settle();
  }

  /** Fires the next timer, if there is one that is due within `ms`; false otherwise, and time has passed. */
  step(ms: number): boolean {
    const next = this.#next();
    if (next === undefined || next.at > this.#elapsedMs + ms) {
      this.#elapsedMs += ms;
      return false;
    }
    this.#fire(next);
    return true;
  }

  #fire(pending: Pending): void {
    this.#pending.pop();
    this.#elapsedMs = Math.max(this.#elapsedMs, pending.at);
    pending.cancelled = true;
    this.#live--;
    pending.callback();
  }

  #next(): Pending | undefined {
    for (;;) {
      const next = this.#pending.peek();
      if (next === undefined || !next.cancelled) return next;
      this.#pending.pop();
    }
  }
}

/** Lets every promise that can go on go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
