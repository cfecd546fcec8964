/**
 * Time as an argument. Nothing outside `node/` reads the system's clock or sets a timer of its own, so a simulation
 * can let five days pass in a second.
 */
import type { Instant } from "../lib/instant.ts";

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time. May jump; use {@link Clock.monotonicMs} to measure durations. */
  now(): Instant;
  /** Milliseconds from an arbitrary start; never goes back. May have a fraction. */
  monotonicMs(): number;
  /** Calls back once, `delayMs` from now (any length; at least one turn of the event loop later). */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** A signal that aborts with a TimeoutError after `delayMs`. */
  timeout(delayMs: number): AbortSignal;
}
