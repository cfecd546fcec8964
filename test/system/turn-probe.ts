/**
 * Loaded into a server under test with `--import`: measures the turns of its event loop, and writes the longest since the
 * last time to standard output, as a line like those of the log, whenever SIGUSR2 comes. The product knows nothing of it.
 *
 * Processor time of the main thread is what is asserted or published: on a busy machine the clock also counts what others
 * did. Waiting for the disk or a lock shows in the clock alone, so both are told.
 */
import { performance } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

export interface LongestTurn {
  readonly event: "longest-turn";
  /** Of the main thread. */
  readonly processorMs: number;
  readonly clockMs: number;
  /** How many turns there were. */
  readonly turns: number;
}

if (isMainThread) {
  let longest = { processorMs: 0, clockMs: 0, turns: 0 };
  let [processor, clock] = [processorMs(), performance.now()];
  const look = () => {
    const [processorNow, clockNow] = [processorMs(), performance.now()];
    longest = {
      processorMs: Math.max(longest.processorMs, processorNow - processor),
      clockMs: Math.max(longest.clockMs, clockNow - clock),
      turns: longest.turns + 1,
    };
    [processor, clock] = [processorNow, clockNow];
  };
  // Timers are looked at once in each turn, so what lies between two of these is one turn.
  setInterval(look, 1).unref();
  process.on("SIGUSR2", () => {
    look();
    const told: LongestTurn = { event: "longest-turn", ...longest };
    process.stdout.write(`${JSON.stringify(told)}\n`);
    longest = { processorMs: 0, clockMs: 0, turns: 0 };
  });
}

function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
