/**
 * `npm run simulate -- [--seeds 1000] [--first 1] [--processes N] [--fail-fast] [--repeat] [--record] [--json]`: so many
 * simulations, each from its seed, in several processes. A seed that fails is told with what does not hold, run again with
 * ever fewer faults, and told with those that matter; with --fail-fast the first one ends the run. With --repeat each seed
 * runs twice, and fails where the two logs differ. The first line has all options. The last line is `N seeds, N failed`; exit 1 when any failed. With
 * --record the count is added to test/simulation/counts.json.
 */
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { shrink, simulate, simulateTwice, type SimulationResult } from "../test/simulation/simulate.ts";

const { values: options } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    first: { type: "string", default: "1" },
    processes: { type: "string", default: String(availableParallelism()) },
    "fail-fast": { type: "boolean", default: false },
    repeat: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    /** Given to the processes that do the work. */
    worker: { type: "boolean", default: false },
  },
});
const first = Number(options.first);
const seeds = Number(options.seeds);
const run = options.repeat ? simulateTwice : simulate;
const repeat = options.repeat ? ["--repeat"] : [];
/** So many are looked into; more of them are only counted. */
const shrunkMax = options["fail-fast"] || options.json ? 0 : 3;

/** What `--json` prints. */
export interface Summary {
  readonly seeds: number;
  readonly failed: readonly Pick<SimulationResult, "seed" | "problems">[];
  /** Of simulated time. */
  readonly days: number;
  readonly letters: number;
}

interface Progress {
  readonly result: Pick<SimulationResult, "seed" | "problems" | "faults" | "world" | "simulatedMs" | "letters">;
}

if (options.worker) {
  // Whoever waits for the result is gone.
  process.once("disconnect", () => process.exit());
  process.on("message", (seed: number) => {
    run({ seed }).then(
      ({ problems, faults, world, simulatedMs, letters }) =>
        process.send?.({ result: { seed, problems, faults, world, simulatedMs, letters } } satisfies Progress),
      (error: unknown) => {
        const problems = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
        process.send?.({
          result: { seed, problems, faults: [], world: {}, simulatedMs: 0, letters: {} },
        } satisfies Progress);
      },
    );
  });
} else {
  await main();
}

async function main(): Promise<void> {
  const { worker: _, ...told } = options;
  const pairs = Object.entries(told).map(([name, value]) => `${name}=${value}`);
  console.error(`simulate ${pairs.join(" ")}, Node.js ${process.version}`);
  const failed: Progress["result"][] = [];
  let next = first;
  let done = 0;
  let simulatedMs = 0;
  let letters = 0;
  const began = performance.now();
  let toldAt = began;
  const worker = async (): Promise<void> => {
    const child = fork(import.meta.filename, ["--worker", ...repeat]);
    const ended = new Promise<never>((_, reject) => {
      child.on("exit", (code) => reject(new Error(`a process ended with ${code}`)));
    });
    ended.catch(() => undefined);
    while (next < first + seeds && !(options["fail-fast"] && failed.length > 0)) {
      child.send(next++);
      const { result } = await Promise.race([
        ended,
        new Promise<Progress>((resolve) => child.once("message", (message) => resolve(message as Progress))),
      ]);
      done++;
      simulatedMs += result.simulatedMs;
      letters += Object.values(result.letters).reduce((sum, count) => sum + count, 0);
      if (result.problems.length > 0) {
        failed.push(result);
        console.error(`seed ${result.seed} failed`);
      }
      if (performance.now() - toldAt > 2000) {
        toldAt = performance.now();
        process.stderr.write(`${done} of ${seeds} seeds, ${failed.length} failed\n`);
      }
    }
    child.removeAllListeners("exit");
    // It ends by itself, so that what measures it has its end.
    const gone = once(child, "exit");
    child.disconnect();
    await gone;
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(options.processes)) }, worker));

  for (const [index, { seed, problems, faults, world }] of failed.entries()) {
    console.error(
      `seed ${seed} failed; again: npm run simulate -- ${[`--first ${seed} --seeds 1`, ...repeat].join(" ")}`,
    );
    console.error(`  its world: ${JSON.stringify(world)}`);
    for (const problem of problems.slice(0, 10)) console.error(`  ${problem}`);
    if (index >= shrunkMax || faults.length === 0) continue;
    const smallest = await shrink(await run({ seed }), run);
    console.error(`  the least faults with which it fails: ${JSON.stringify(smallest.faults)}`);
    for (const problem of smallest.problems.slice(0, 5)) console.error(`    ${problem}`);
  }
  const days = Math.round(simulatedMs / 86_400_000);
  const seconds = Math.round((performance.now() - began) / 1000);
  if (options.record && failed.length === 0) record();
  const failures = failed.map(({ seed, problems }) => ({ seed, problems }));
  if (options.json) console.log(JSON.stringify({ seeds: done, failed: failures, days, letters } satisfies Summary));
  else
    console.log(
      `${letters} letters in ${days} days of simulated time, ${seconds} s\n${done} seeds, ${failed.length} failed`,
    );
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function record(): void {
  const file = new URL("../test/simulation/counts.json", import.meta.url);
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { seeds: number }) : { seeds: 0 };
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  writeFileSync(
    file,
    `${JSON.stringify({ seeds: known.seeds + seeds, last: { first, seeds, commit } }, undefined, 2)}\n`,
  );
}
