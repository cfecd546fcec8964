/** `npm run mutation -- --help` */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { argued } from "./mutation/argued.ts";
import { Compiler } from "./mutation/compiler.ts";
import { allMutants, drawSample, mutantsOfFile, type Candidate } from "./mutation/sample.ts";
import { allTrials, endPrograms, trialsNear, Trials } from "./mutation/trials.ts";

const help = `npm run mutation -- --sample N [options]

Changes one operator, condition or constant in src at a time, and runs the tests that execute it until one fails: the
nearest unit tests first, then contract, system and fuzz tests, the check of generated documents, and 25 simulations. A mutant
that passes them all shows what no test asserts.

  --sample N      try N mutants, drawn at random
  --seed S        draw others (default 1)
  --only FILE     mutants of this file only, all of them without --sample; may be given again
  --tests N       of each kind of tests only the nearest N (default 12)
  --processes N   so many at a time (default: one for each processor)
  --least P       exit with 1 when fewer than P percent are killed
  --json          print one line of JSON for each mutant, and one for the sum
  --help          print this

What tests cover is kept in node_modules/.cache/mutation, so the first run takes longer.
`;

const { values: options } = parseArgs({
  options: {
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    only: { type: "string", multiple: true, default: [] },
    tests: { type: "string", default: "12" },
    processes: { type: "string", default: String(availableParallelism()) },
    least: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

type Fate = "killed" | "timed-out" | "refused by the compiler" | "survived" | "argued" | "uncovered";

interface Verdict {
  readonly fate: Fate;
  /** By name, those that ran the mutant; the last one killed it, if any did. */
  readonly tried: readonly string[];
  readonly why?: string;
}

if (options.help || (options.sample === undefined && options.only.length === 0)) {
  process.stdout.write(help);
  process.exit(options.help ? 0 : 64);
}
const all = options.only.length > 0 ? options.only.flatMap(mutantsOfFile) : allMutants();
const sample = drawSample(all, Number(options.sample ?? all.length), Number(options.seed));
const testsOfKindMax = Number(options.tests);
const temporary = mkdtempSync(path.join(tmpdir(), "mutants-"));
const trials = new Trials(temporary);
const known = allTrials();
const compiler = new Compiler(path.join(temporary, "compiler"));
const counts = new Map<Fate, number>();

if (!options.json) console.log(`${sample.length} of ${all.length} mutants, seed ${options.seed}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    endPrograms();
    rmSync(temporary, { recursive: true, force: true });
    process.exit(1);
  });
}
const queue = [...sample];
let done = 0;
try {
  await Promise.all(Array.from({ length: Math.max(1, Number(options.processes)) }, work));
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
printSum();

async function work(): Promise<void> {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const verdict = await judge(mutant);
    done++;
    counts.set(verdict.fate, (counts.get(verdict.fate) ?? 0) + 1);
    print(mutant, verdict);
  }
}

async function judge(mutant: Candidate): Promise<Verdict> {
  const argument = argued.find(
    ({ file, lineText, before, after }) =>
      file === mutant.file && lineText === mutant.lineText && before === mutant.before && after === mutant.after,
  );
  if (argument !== undefined) return { fate: "argued", tried: [], why: argument.why };
  const tried: string[] = [];
  const triedOfKind = new Map<number, number>();
  for (const trial of trialsNear(mutant.file, known)) {
    const ofKind = triedOfKind.get(trial.rank) ?? 0;
    if (ofKind >= testsOfKindMax || !(await trials.covers(trial, mutant.file, mutant))) continue;
    tried.push(trial.name);
    let outcome = await trials.run(trial, mutant.file, mutant);
    // A busy machine may fail a test of whole servers; a mutant does so again.
    if (outcome === "failed" && trial.rank >= 2) outcome = await trials.run(trial, mutant.file, mutant);
    if (outcome !== "passed") return { fate: outcome === "failed" ? "killed" : "timed-out", tried };
    // The nearest test is quicker than the compiler; the other tests are not.
    if (tried.length === 1 && (await compiler.refuses(mutant))) return { fate: "refused by the compiler", tried };
    triedOfKind.set(trial.rank, ofKind + 1);
  }
  return { fate: tried.length === 0 ? "uncovered" : "survived", tried };
}

function print(mutant: Candidate, { fate, tried, why }: Verdict): void {
  const { file, line, column, kind, before, after, lineText } = mutant;
  if (options.json) {
    console.log(JSON.stringify({ file, line, column, kind, before, after, fate, tried, why }));
    return;
  }
  const change = `${shortened(before)} → ${after === "" ? "nothing" : after}`;
  const by = fate === "killed" || fate === "timed-out" ? ` by ${tried.at(-1) ?? ""}` : "";
  console.log(`${done}/${sample.length} ${fate}${by}: ${file}:${line}:${column}: ${change}`);
  if (why !== undefined) console.log(`    ${why}`);
  if (fate !== "survived" && fate !== "uncovered") return;
  console.log(`    ${lineText}`);
  if (tried.length > 0) console.log(`    passed with it: ${tried.join(", ")}`);
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
}

function printSum(): void {
  const alive = (counts.get("survived") ?? 0) + (counts.get("uncovered") ?? 0);
  const judged = sample.length - (counts.get("argued") ?? 0);
  const killed = judged - alive;
  const percent = judged === 0 ? 100 : (100 * killed) / judged;
  if (options.json) console.log(JSON.stringify({ ...Object.fromEntries(counts), killedPercent: percent }));
  else {
    const parts = [...counts].map(([fate, count]) => `${count} ${fate}`).join(", ");
    console.log(`killed ${killed} of ${judged} (${percent.toFixed(1)} %): ${parts}`);
  }
  if (percent < Number(options.least)) process.exitCode = 1;
}
