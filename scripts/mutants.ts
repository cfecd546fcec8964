/**
 * `npm run mutants -- [--only NAME,NAME] [--seeds 300] [--processes N] [--record]`: whether the simulation sees what it
 * is for. Each patch in test/simulation/mutants plants one bug in a copy of the sources; simulations run there until one
 * fails. The seed that caught a bug before (seeds.json) is tried first, then all from 1 on. Each line names the seed and
 * the checker that saw the bug. The last line is `caught N of N`; exit 1 when a bug was not seen or a patch does not fit.
 * With --record the seeds that caught are written to seeds.json.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { applyPatch, patchOf, plantedBugs } from "./planted-bugs.ts";
import type { Summary } from "./simulate.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    seeds: { type: "string", default: "300" },
    processes: { type: "string", default: String(availableParallelism()) },
    record: { type: "boolean", default: false },
  },
});
const root = path.resolve(import.meta.dirname, "..");
/** The simulation ends what goes round in circles; this ends what never comes back at all, on a busy machine too. */
const patienceMs = 600_000;

type Verdict =
  | { readonly kind: "caught"; readonly seed: number; readonly problem: string }
  | { readonly kind: "missed"; readonly why: string };

const only = options.only?.split(",");
const all = plantedBugs().filter((name) => only?.includes(name) ?? true);
const queue = [...all];
const seedsFile = path.join(root, "test/simulation/mutants/seeds.json");
/** By bug, the seed that caught it last. */
const seeds = JSON.parse(readFileSync(seedsFile, "utf8")) as Record<string, number>;
let caught = 0;
const temporary = mkdtempSync(path.join(tmpdir(), "posthaste-mutants-"));
try {
  await Promise.all(Array.from({ length: Math.max(1, Number(options.processes)) }, (_, index) => work(String(index))));
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
if (options.record) {
  const caughtOnce = plantedBugs().filter((name) => seeds[name] !== undefined);
  const known = Object.fromEntries(caughtOnce.toSorted().map((name) => [name, seeds[name]]));
  writeFileSync(seedsFile, `${JSON.stringify(known, undefined, 2)}\n`);
}
console.log(`caught ${caught} of ${all.length}`);
process.exitCode = all.length > 0 && caught === all.length ? 0 : 1;

/** One copy of the sources, one bug at a time. */
async function work(copy: string): Promise<void> {
  const folder = path.join(temporary, copy);
  for (const name of ["src", "scripts", "test/simulation", "package.json", "tsconfig.json"]) {
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const began = performance.now();
    const verdict = await judge(folder, name);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    if (verdict.kind === "caught") {
      caught++;
      seeds[name] = verdict.seed;
      console.log(`${name}: caught by seed ${verdict.seed} in ${seconds} s: ${verdict.problem}`);
    } else {
      console.log(`${name}: NOT CAUGHT in ${seconds} s: ${verdict.why}`);
    }
  }
}

async function judge(folder: string, name: string): Promise<Verdict> {
  try {
    applyPatch(name, folder, []);
  } catch (error) {
    return { kind: "missed", why: `the patch does not fit: ${firstLine(String(error))}` };
  }
  try {
    const bug = readFileSync(patchOf(name), "utf8").split("\n", 1)[0] ?? "";
    const known = seeds[name];
    const remembered = known === undefined ? undefined : await simulations(folder, bug, ["--first", String(known)]);
    if (remembered?.kind === "caught") return remembered;
    return await simulations(folder, bug, ["--seeds", options.seeds]);
  } finally {
    applyPatch(name, folder, ["--reverse"]);
  }
}

/** `range`: of seeds, `--first` being one alone. */
async function simulations(folder: string, bug: string, range: readonly string[]): Promise<Verdict> {
  const { stdout, stderr, timedOut } = await run(folder, [
    "scripts/simulate.ts",
    ...["--processes", "1", "--fail-fast", "--json", "--seeds", "1", ...range],
  ]);
  if (timedOut) return { kind: "missed", why: "the simulation did not end" };
  const summary = /^\{.*\}$/m.exec(stdout)?.[0];
  if (summary === undefined) return { kind: "missed", why: `no result: ${firstLine(stderr)}` };
  const { seeds: tried, failed } = JSON.parse(summary) as Summary;
  const [first] = failed;
  if (first === undefined) return { kind: "missed", why: `${tried} seeds passed with this bug: ${bug}` };
  return { kind: "caught", seed: first.seed, problem: firstLine(first.problems[0] ?? "") };
}

function run(
  folder: string,
  given: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string; readonly timedOut: boolean }> {
  const env = { ...process.env, NODE_COMPILE_CACHE: path.join(temporary, "cache") };
  const limits = { cwd: folder, env, timeout: patienceMs, killSignal: "SIGKILL", maxBuffer: 64 * 1024 * 1024 } as const;
  return new Promise((resolve) => {
    execFile(process.execPath, [...given], limits, (error, stdout, stderr) =>
      resolve({ stdout, stderr, timedOut: error?.killed === true }),
    );
  });
}

function firstLine(text: string): string {
  return (text.split("\n").find((line) => line.trim() !== "") ?? "").slice(0, 200);
}
