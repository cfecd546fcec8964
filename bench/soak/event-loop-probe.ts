/**
 * Loaded into the server under test with `--import`: writes the delay of its event loop and its heap to the file that
 * SOAK_PROBE names, a line of JSON each time. The product knows nothing of it.
 */
import { appendFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

export interface ProbeLine {
  /** Unix time. */
  readonly atMs: number;
  readonly heapBytes: number;
  /** Buffers. */
  readonly externalBytes: number;
  /** Of the time since the line before. */
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** Since the process began. */
  readonly wholeP99Ms: number;
}

const resolutionMs = 10;
const file = process.env["SOAK_PROBE"];

// The spool's threads load it too; theirs is another loop.
if (isMainThread && file !== undefined) {
  const recent = monitorEventLoopDelay({ resolution: resolutionMs });
  const whole = monitorEventLoopDelay({ resolution: resolutionMs });
  recent.enable();
  whole.enable();
  // The histogram counts from one tick of its timer to the next, so that a loop without delay shows the resolution.
  const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  const write = () => {
    const { heapUsed, external } = process.memoryUsage();
    const line: ProbeLine = {
      atMs: Date.now(),
      heapBytes: heapUsed,
      externalBytes: external,
      delayP99Ms: delayMs(recent.percentile(99)),
      delayMaxMs: delayMs(recent.max),
      wholeP99Ms: delayMs(whole.percentile(99)),
    };
    recent.reset();
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  };
  setInterval(write, 1000).unref();
}
