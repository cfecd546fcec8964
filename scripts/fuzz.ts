/**
 * `npm run fuzz -- [--target NAME] [--family NAME] [--runs N | --seconds S (of the processor)] [--seed S] [--record]`: inputs without end for
 * the parsers. Inputs that reach new blocks of src/ are kept and mutated further; one in thousands is stretched to as
 * much as the largest size of its target, and its time is bounded. Prints progress, a line for each target, and each find with
 * the command that repeats it. With --record the counts are added to test/fuzz/counts.json and what was worth keeping to
 * test/fuzz/corpus. Exit 1 when anything was found.
 *
 * `--probe [--target NAME] [--runs N] [--seed S]`: instead, hostile families that grow, for each target, and what takes more
 * steps than its input grows by. Steps are counted, so the same seed finds the same on any machine.
 *
 * To measure what that is worth: `--coverage watch` counts blocks and keeps nothing, `off` does neither, and `--afresh`
 * begins without what earlier runs kept. `--table` writes the counts into docs/testing.md.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { readCorpus, writeCorpus } from "../test/fuzz/corpus.ts";
import { countBlocks, type BlockCoverage } from "../test/fuzz/coverage.ts";
import { Mutator } from "../test/fuzz/mutator.ts";
import { findText, probeTarget } from "../test/fuzz/probe-run.ts";
import { countSteps } from "../test/fuzz/steps.ts";
import type { FuzzTarget } from "../test/fuzz/target.ts";

const { values: options } = parseArgs({
  options: {
    target: { type: "string" },
    family: { type: "string" },
    /** 100,000, or 1,000 probes. */
    runs: { type: "string" },
    seconds: { type: "string", default: "Infinity" },
    seed: { type: "string" },
    record: { type: "boolean", default: false },
    coverage: { type: "string", default: "keep" },
    /** Without what earlier runs kept. */
    afresh: { type: "boolean", default: false },
    /** A file to give to the target, instead of mutations. */
    input: { type: "string" },
    list: { type: "boolean", default: false },
    table: { type: "boolean", default: false },
    probe: { type: "boolean", default: false },
  },
});
const counter = options.probe ? countSteps() : undefined;
const coverage = options.coverage === "off" || options.probe ? undefined : countBlocks();
// Only now, so that the modules are counted.
const { targets } = await import("../test/fuzz/targets.ts");

const runs = Number(options.runs ?? (options.probe ? "1000" : "100000"));
/** Octets of the smallest input of a probe; the largest has eight times as many. */
const probeBytes = 4096;
const countsFile = new URL("../test/fuzz/counts.json", import.meta.url);
const findsFolder = new URL("../test-results/fuzz/", import.meta.url);
/** A find repeats itself; so many of one target are enough to look at. */
const findsMax = 5;
/** One in so many is stretched, since it takes the time of thousands. */
const stretchEach = 8192;
/**
 * What a long input may take, in processor time: ten times what the slowest sound reader here takes. At 64 KB a quadratic
 * one takes seconds.
 */
const stretchMsMax = 100;
const stretchMsPerKb = 2;

export interface Counts {
  [target: string]: {
    family: string;
    inputs: number;
    /** Blocks of src/ that the last run reached. */
    blocks?: number;
    slowestMs: number;
    slowestBytes: number;
    commit: string;
  };
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
  readonly blocks: number;
  readonly seconds: number;
  readonly slowestMs: number;
  readonly slowestBytes: number;
  readonly kept: readonly Buffer[];
}

async function fuzz(target: FuzzTarget, seed: number): Promise<Result> {
  const corpus = options.coverage === "keep" && !options.afresh ? readCorpus(target) : [];
  const mutator = new Mutator(target, seed, corpus);
  const kept = [...corpus];
  const began = performance.now();
  const cpuBegan = process.threadCpuUsage();
  const cpuEnd = Number(options.seconds) * 1e6;
  let finds = 0;
  let slowestMs = 0;
  let slowestBytes = 0;
  let told = began;
  let done = 0;
  coverage?.clear();
  if (coverage !== undefined) for (const input of [...target.seeds(), ...corpus]) await target.run(input);
  for (let now = began; done < runs && finds < findsMax; done++) {
    if (done % 256 === 0 && process.threadCpuUsage(cpuBegan).user > cpuEnd) break;
    const stretched = target.stretchMax !== undefined && done % stretchEach === stretchEach - 1;
    const input = stretched ? mutator.stretch(target.stretchMax >>> (done % 7)) : mutator.next();
    if (coverage !== undefined) coverage.fresh = 0;
    const started = now;
    try {
      if (stretched) await boundTime(target, input);
      else {
        const wait = target.run(input);
        if (wait !== undefined) await wait;
      }
    } catch (error) {
      finds++;
      tell(target, input, `${seed}-${done}`, error);
    }
    if (coverage !== undefined && coverage.fresh > 0 && options.coverage === "keep" && !stretched) {
      mutator.keep(input);
      kept.push(input);
    }
    now = performance.now();
    // The first inputs run before the code is compiled, and say nothing. Others may have had the processor: once more.
    if (done > 5000 && !stretched && now - started > slowestMs) {
      const again = Math.min(now - started, await timeOf(target, input).catch(() => 0));
      if (again > slowestMs) {
        slowestMs = again;
        slowestBytes = input.length;
      }
      now = performance.now();
    }
    if (now - told > 10_000) {
      told = now;
      process.stderr.write(`  ${target.name}: ${done} of ${runs}, ${coverage?.total ?? 0} blocks\n`);
    }
  }
  const { user, system } = process.threadCpuUsage(cpuBegan);
  const seconds = (user + system) / 1e6;
  return { inputs: done, finds, blocks: coverage?.total ?? 0, seconds, slowestMs, slowestBytes, kept };
}

/** Milliseconds of the processor. */
async function timeOf(target: FuzzTarget, input: Buffer): Promise<number> {
  const before = process.threadCpuUsage();
  await target.run(input);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

/** Holds a long input to its bound; one that seems slow gets two more tries, since others use the caches of the processor. */
async function boundTime(target: FuzzTarget, input: Buffer): Promise<void> {
  const bound = stretchMsMax + (input.length / 1024) * stretchMsPerKb;
  let ms = await timeOf(target, input);
  for (let tries = 0; ms > bound && tries < 2; tries++) ms = Math.min(ms, await timeOf(target, input));
  if (ms > bound) throw new Error(`${ms.toFixed(0)} ms for ${input.length} octets; ${bound.toFixed(0)} are allowed`);
}

function tell(target: FuzzTarget, input: Buffer, name: string, error: unknown): void {
  mkdirSync(findsFolder, { recursive: true });
  const file = new URL(`${target.name}-${name}`, findsFolder);
  writeFileSync(file, input);
  console.error(`${target.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  console.error(`  again: npm run fuzz -- --target ${target.name} --input ${file.pathname}`);
}

function readCounts(): Counts {
  return JSON.parse(readFileSync(countsFile, "utf8")) as Counts;
}

async function record(target: FuzzTarget, result: Result, blocks: BlockCoverage | undefined): Promise<void> {
  const { inputs, slowestMs, slowestBytes, kept } = result;
  const counts = readCounts();
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  counts[target.name] = {
    family: target.family,
    inputs: (counts[target.name]?.inputs ?? 0) + inputs,
    blocks: result.blocks,
    slowestMs: Math.round(slowestMs * 100) / 100,
    slowestBytes,
    commit,
  };
  writeFileSync(countsFile, `${JSON.stringify(counts, undefined, 2)}\n`);
  if (blocks !== undefined) await writeCorpus(target, kept, blocks);
}

/** Families in the order of the targets, with what was counted so far. */
function table(): string {
  const counts = readCounts();
  const rows = [...new Set(targets.map(({ family }) => family))].map((family) => {
    const entries = Object.entries(counts).filter(([, each]) => each.family === family);
    const sum = entries.reduce((total, [, { inputs }]) => total + inputs, 0);
    const slowest = Math.max(0, ...entries.map(([, { slowestMs }]) => slowestMs));
    return [family, entries.map(([name]) => name).join(", "), sum.toLocaleString("en"), `${slowest} ms`];
  });
  const lines = [["family", "targets", "inputs", "slowest"], ["---", "---", "--:", "--:"], ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function writeTable(): void {
  const page = new URL("../docs/testing.md", import.meta.url);
  const text = readFileSync(page, "utf8");
  const markers = /(<!-- fuzz table -->\n)[^]*?(\n<!-- end -->)/;
  if (!markers.test(text)) throw new Error("docs/testing.md has no place for the table");
  writeFileSync(page, text.replace(markers, `$1\n${table()}\n$2`));
  execFileSync(process.execPath, ["node_modules/prettier/bin/prettier.cjs", "--write", page.pathname]);
}

if (options.list) {
  for (const { name, family } of targets) console.log(`${name}\t${family}`);
} else if (options.table) {
  writeTable();
} else if (options.input !== undefined) {
  for (const target of chosen()) {
    const input = readFileSync(options.input);
    await target.run(input);
    if (input.length > target.bytesMax) await boundTime(target, input);
  }
  console.log("nothing found");
} else if (counter !== undefined) {
  const seed = Number(options.seed ?? 1);
  let found = 0;
  for (const target of chosen()) {
    const finds = await probeTarget(target, { counter, seed, probes: runs, bytes: probeBytes, findsMax });
    for (const find of finds) console.error(`${target.name}: ${findText(find)}`);
    console.log(`${target.name}: ${runs} probes (seed ${seed}), ${finds.length} finds`);
    found += finds.length;
  }
  process.exitCode = found === 0 ? 0 : 1;
} else {
  let found = 0;
  for (const target of chosen()) {
    const seed = options.seed === undefined ? Number(process.hrtime.bigint() & 0xffffffn) : Number(options.seed);
    const result = await fuzz(target, seed);
    found += result.finds;
    if (options.record) await record(target, result, coverage);
    console.log(
      `${target.name}: ${result.inputs} inputs in ${result.seconds.toFixed(1)} s of the processor (seed ${seed}), ${result.finds} finds, ${result.blocks} blocks, slowest ${result.slowestMs.toFixed(1)} ms for ${result.slowestBytes} octets`,
    );
  }
  process.exitCode = found === 0 ? 0 : 1;
}
