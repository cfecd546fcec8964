/** The system's time and timers. */
import type { Instant } from "../../lib/instant.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

/** Node takes longer delays for 1 ms: longer ones are made of several. */
const nodeDelayMsMax = 2 ** 31 - 1;

export class SystemClock implements Clock {
  now(): Instant {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (delayMs > nodeDelayMsMax) return longTimer(delayMs, callback);
    const timeout = setTimeout(callback, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(timeout) };
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
    return AbortSignal.timeout(Math.min(Math.max(0, Math.ceil(delayMs)), nodeDelayMsMax));
  }
}

function longTimer(delayMs: number, callback: () => void): Timer {
  let left = delayMs;
  let timeout: NodeJS.Timeout;
  const next = () => {
    const part = Math.min(left, nodeDelayMsMax);
    left -= part;
    timeout = setTimeout(left > 0 ? next : callback, part);
  };
  next();
  return { cancel: () => clearTimeout(timeout) };
}
