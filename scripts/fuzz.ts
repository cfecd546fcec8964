/**
 * `npm run fuzz -- [--target NAME] [--family NAME] [--runs N] [--seed S] [--record]`: inputs without end for the parsers.
 * Prints progress, a line for each target, and each find with the command that repeats it. With --record the counts are
 * added to test/fuzz/counts.json. Exit 1 when anything was found.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Mutator } from "../test/fuzz/mutator.ts";
import type { FuzzTarget } from "../test/fuzz/target.ts";
import { targets } from "../test/fuzz/targets.ts";

const { values: options } = parseArgs({
  options: {
    target: { type: "string" },
    family: { type: "string" },
    runs: { type: "string", default: "100000" },
    seed: { type: "string" },
    record: { type: "boolean", default: false },
    /** A file to give to the target, instead of mutations. */
    input: { type: "string" },
    list: { type: "boolean", default: false },
  },
});
const runs = Number(options.runs);
const countsFile = new URL("../test/fuzz/counts.json", import.meta.url);
const findsFolder = new URL("../test-results/fuzz/", import.meta.url);
/** A find repeats itself; so many of one target are enough to look at. */
const findsMax = 5;

export interface Counts {
  [target: string]: { family: string; inputs: number; slowestMs: number; slowestBytes: number; commit: string };
}

function chosen(): readonly FuzzTarget[] {
  const list = targets.filter(
    ({ name, family }) =>
      (options.target === undefined || name === options.target) &&
      (options.family === undefined || family === options.family),
  );
  if (list.length > 0) return list;
  console.error(`no such target; there are: ${targets.map(({ name }) => name).join(", ")}`);
  process.exit(64);
}

interface Result {
  readonly inputs: number;
  readonly finds: number;
  readonly slowestMs: number;
  readonly slowestBytes: number;
}

async function fuzz(target: FuzzTarget, seed: number): Promise<Result> {
  const mutator = new Mutator(target, seed);
  let finds = 0;
  let slowestMs = 0;
  let slowestBytes = 0;
  let told = performance.now();
  let done = 0;
  for (; done < runs && finds < findsMax; done++) {
    const input = mutator.next();
    const began = performance.now();
    try {
      const wait = target.run(input);
      if (wait !== undefined) await wait;
    } catch (error) {
      finds++;
      mkdirSync(findsFolder, { recursive: true });
      const file = new URL(`${target.name}-${seed}-${done}`, findsFolder);
      writeFileSync(file, input);
      console.error(`${target.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      console.error(`  again: npm run fuzz -- --target ${target.name} --input ${file.pathname}`);
    }
    const now = performance.now();
    // The first inputs run before the code is compiled, and say nothing.
    if (done > 5000 && now - began > slowestMs) {
      slowestMs = now - began;
      slowestBytes = input.length;
    }
    if (now - told > 5000) {
      told = now;
      process.stderr.write(`  ${target.name}: ${done} of ${runs}\n`);
    }
  }
  return { inputs: done, finds, slowestMs, slowestBytes };
}

function record(target: FuzzTarget, { inputs, slowestMs, slowestBytes }: Result): void {
  const counts = JSON.parse(readFileSync(countsFile, "utf8")) as Counts;
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const before = counts[target.name];
  counts[target.name] = {
    family: target.family,
    inputs: (before?.inputs ?? 0) + inputs,
    slowestMs: Math.round(slowestMs * 100) / 100,
    slowestBytes,
    commit,
  };
  writeFileSync(countsFile, `${JSON.stringify(counts, undefined, 2)}\n`);
}

if (options.list) {
  for (const { name, family } of targets) console.log(`${name}\t${family}`);
} else if (options.input !== undefined) {
  for (const target of chosen()) await target.run(readFileSync(options.input));
  console.log("nothing found");
} else {
  let found = 0;
  for (const target of chosen()) {
    const seed = options.seed === undefined ? Number(process.hrtime.bigint() & 0xffffffn) : Number(options.seed);
    const result = await fuzz(target, seed);
    found += result.finds;
    if (options.record) record(target, result);
    console.log(
      `${target.name}: ${result.inputs} inputs (seed ${seed}), ${result.finds} finds, slowest ${result.slowestMs.toFixed(1)} ms for ${result.slowestBytes} octets`,
    );
  }
  process.exitCode = found === 0 ? 0 : 1;
}
