/**
 * A wait of hours that looks again each minute: it ends after so much time on either clock. A machine that slept is then
 * not late by as long as it slept, and a clock that is set back keeps nobody waiting.
 */
import type { Clock, Timer } from "../ports/clock.ts";

const lookAgainMs = 60_000;

export function roundTimer(clock: Clock, delayMs: number, callback: () => void): Timer {
  const untilMs = clock.monotonicMs() + delayMs;
  const until = clock.now() + delayMs;
  let timer: Timer | undefined;
  const look = () => {
    const leftMs = Math.min(untilMs - clock.monotonicMs(), until - clock.now());
    if (leftMs <= 0) callback();
    else timer = clock.setTimer(Math.min(leftMs, lookAgainMs), look);
  };
  timer = clock.setTimer(Math.min(delayMs, lookAgainMs), look);
  return { cancel: () => timer?.cancel() };
}
