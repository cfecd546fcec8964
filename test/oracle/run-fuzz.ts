/**
 * `npm run fuzz:oracle -- [--runs N] [--seed S] [--only spf,dkim,dmarc,arc] [--case I]`: cases made from a seed, judged by
 * Posthaste and by mailauth in strict mode. Prints every difference that no paragraph of a standard explains, and counts
 * the others by name. `--case I` shows one case whole.
 */
import { parseArgs } from "node:util";
import { runOracle } from "./fuzz-loop.ts";
import { oracles } from "./oracles.ts";
import { Choices } from "./choices.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    only: { type: "string", default: Object.keys(oracles).join(",") },
    case: { type: "string" },
    show: { type: "string", default: "10" },
  },
});
const seed = Number(values.seed);

for (const name of values.only.split(",")) {
  const oracle = oracles[name];
  if (oracle === undefined) throw new Error(`no oracle named ${name}; there are ${Object.keys(oracles).join(", ")}`);
  if (values.case !== undefined) {
    const { ours, theirs, known, input } = await oracle(new Choices(seed, Number(values.case)));
    print(`${name}: ours ${ours}, theirs ${theirs}, ${known?.name ?? "no known difference"}\n${input()}`);
    continue;
  }
  const report = await runOracle(oracle, { seed, runs: Number(values.runs) });
  print(`${name}: ${report.runs} cases of seed ${seed}, ${report.unexplained.length} unexplained differences`);
  for (const [result, count] of report.results) print(`  ${String(count).padStart(7)} ${result}`);
  for (const [difference, count] of report.explained) print(`  ${String(count).padStart(7)} known: ${difference}`);
  for (const { index, ours, theirs, input } of report.unexplained.slice(0, Number(values.show))) {
    print(`  case ${index}: ours ${ours}, theirs ${theirs}\n${input}\n`);
  }
  if (report.unexplained.length > 0) process.exitCode = 1;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
