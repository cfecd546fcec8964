/**
 * What a mutant is tried on: each test file, the check of generated documents, and simulations. Each is a program that ends
 * with 0 unless it found something. What a program covers is found when it is first needed, by running it without a mutant,
 * and kept in node_modules/.cache until a file that it loaded changes.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { isCovered, readCoverage, type Coverage } from "./block-coverage.ts";
import { Imports } from "./imports.ts";
import type { Planted } from "./load-mutant.ts";
import type { Mutant } from "./mutants.ts";

export interface Trial {
  readonly name: string;
  readonly args: readonly string[];
  /** Those of a kind come together: the quick and telling kinds first. */
  readonly rank: number;
  /** To the files that it loads. */
  readonly distances: ReadonlyMap<string, number>;
}

export type Outcome = "passed" | "failed" | "timed-out";

interface Baseline {
  readonly passes: boolean;
  readonly seconds: number;
  readonly covered: Coverage;
}

interface Kept extends Baseline {
  /** Hashes of all files that were loaded. */
  readonly files: Readonly<Record<string, string>>;
}

const root = path.resolve(import.meta.dirname, "../..");
const cacheFolder = path.join(root, "node_modules/.cache/mutation");
/** An endless loop is a kill too; a busy machine is not. */
const patience = { factor: 5, seconds: 20 };

const ranks: readonly (readonly [pattern: string, rank: number])[] = [
  ["{src,scripts}/**/*.test.ts", 0],
  ["test/contract/**/*.test.ts", 1],
  ["test/{system,upgrade}/**/*.test.ts", 2],
  ["test/{fuzz,oracle}/**/*.test.ts", 3],
];

export function allTrials(): Trial[] {
  const imports = new Imports(root);
  const trial = (name: string, rank: number, args: readonly string[], entry: string): Trial => ({
    name,
    rank,
    args,
    distances: imports.distancesFrom(entry),
  });
  const reporter = path.join(import.meta.dirname, "first-failure.ts");
  const tests = ranks.flatMap(([pattern, rank]) =>
    globSync(pattern, { cwd: root })
      .toSorted()
      .map((file) => trial(file, rank, [`--test-reporter=${reporter}`, file], file)),
  );
  const documents = "scripts/generate-docs.ts";
  const simulate = "scripts/simulate.ts";
  return [
    ...tests,
    trial("generated documents", 4, [documents, "--check"], documents),
    trial("25 simulations", 5, [simulate, "--seeds", "25", "--processes", "1", "--fail-fast", "--json"], simulate),
  ];
}

/** Nearest first; `file` is loaded by all of them, as far as imports tell. */
export function trialsNear(file: string, trials: readonly Trial[]): Trial[] {
  const own = file.replace(/\.ts$/, ".test.ts");
  const distance = ({ name, distances }: Trial) => (name === own ? 0 : (distances.get(file) ?? Infinity));
  return trials
    .filter((trial) => distance(trial) < Infinity)
    .toSorted((a, b) => a.rank - b.rank || distance(a) - distance(b) || (a.name < b.name ? -1 : 1));
}

export class Trials {
  readonly #baselines = new Map<Trial, Promise<Baseline>>();
  readonly #temporary: string;

  /** `temporary`: a folder for what programs leave behind when they are ended. */
  constructor(temporary: string) {
    this.#temporary = temporary;
  }

  /** What it covers and how long it takes, without any mutant. */
  baselineOf(trial: Trial): Promise<Baseline> {
    let baseline = this.#baselines.get(trial);
    if (baseline === undefined) this.#baselines.set(trial, (baseline = this.#readOrMeasure(trial)));
    return baseline;
  }

  async covers(trial: Trial, file: string, mutant: Mutant): Promise<boolean> {
    const { passes, covered } = await this.baselineOf(trial);
    return passes && isCovered(covered, file, mutant.start);
  }

  async run(trial: Trial, file: string, { start, end, after }: Mutant): Promise<Outcome> {
    const { seconds } = await this.baselineOf(trial);
    const planted: Planted = { url: pathToFileURL(path.join(root, file)).href, start, end, after };
    return await this.#runProgram(trial, planted, (seconds * patience.factor + patience.seconds) * 1000, {
      NODE_COMPILE_CACHE: path.join(this.#temporary, "compiled"),
    });
  }

  /** Without a mutant the hook loads too, so that what cannot bear it is known. */
  #runProgram(
    { args }: Trial,
    planted: Planted,
    patienceMs: number,
    more: Readonly<Record<string, string>>,
  ): Promise<Outcome> {
    const hook = pathToFileURL(path.join(import.meta.dirname, "load-mutant.ts")).href;
    return runProgram(args, patienceMs, {
      TMPDIR: this.#temporary,
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${hook}`,
      MUTANT: JSON.stringify(planted),
      ...more,
    });
  }

  async #readOrMeasure(trial: Trial): Promise<Baseline> {
    const file = path.join(cacheFolder, `${trial.name.replaceAll(/[/ ]/g, "-")}.json`);
    const kept = readKept(file);
    if (kept !== undefined && Object.entries(kept.files).every(([name, hash]) => hashOf(name) === hash)) return kept;
    const baseline = await this.#measure(trial);
    if (!baseline.passes) {
      process.stderr.write(`${trial.name} fails without a mutant, so none is tried on it\n`);
      return baseline;
    }
    const files = Object.fromEntries(Object.keys(baseline.covered).map((name) => [name, hashOf(name)]));
    mkdirSync(cacheFolder, { recursive: true });
    writeFileSync(file, JSON.stringify({ ...baseline, files } satisfies Kept));
    return baseline;
  }

  async #measure(trial: Trial): Promise<Baseline> {
    const folder = mkdtempSync(path.join(this.#temporary, "coverage-"));
    try {
      const began = performance.now();
      const outcome = await this.#runProgram(trial, { url: "", start: 0, end: 0, after: "" }, 600_000, {
        NODE_V8_COVERAGE: folder,
        // What comes from a cache is counted by functions, not by blocks.
        NODE_DISABLE_COMPILE_CACHE: "1",
      });
      const seconds = (performance.now() - began) / 1000;
      return { passes: outcome === "passed", seconds, covered: readCoverage(folder, root) };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function readKept(file: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Kept;
  } catch {
    return undefined;
  }
}

const hashes = new Map<string, string>();

function hashOf(file: string): string {
  let hash = hashes.get(file);
  if (hash === undefined) {
    try {
      hash = createHash("sha256")
        .update(readFileSync(path.join(root, file)))
        .digest("hex");
    } catch {
      hash = "";
    }
    hashes.set(file, hash);
  }
  return hash;
}

const running = new Set<number>();

/** Ends what still runs: a group of its own gets no signal from the terminal. */
export function endPrograms(): void {
  for (const group of running) endGroup(group);
}

function endGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

/** In a group of its own, so that what it started ends with it. */
function runProgram(
  args: readonly string[],
  patienceMs: number,
  more: Readonly<Record<string, string>>,
): Promise<Outcome> {
  // Node's test runner marks its children; a runner that finds the mark runs nothing.
  const { NODE_TEST_CONTEXT: _mark, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    stdio: "ignore",
    env: { ...env, ...more },
  });
  const group = child.pid;
  if (group !== undefined) running.add(group);
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      if (group !== undefined) endGroup(group);
    }, patienceMs);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(timer);
      if (group !== undefined) {
        endGroup(group);
        running.delete(group);
      }
      resolve(timedOut ? "timed-out" : code === 0 ? "passed" : "failed");
    });
  });
}
