/**
 * `npm run conformance`: the tests that read the standards' vectors, alone. Prints what each set came to and writes the
 * table of sender authentication into docs/rfc.md; with `--check` (`npm run test:conformance`) the table must be there
 * already. The table is about the published vectors; other vectors of the same format are run and counted only.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { run } from "node:test";
import { conformancePath } from "../src/testing/conformance-data.ts";
import { deviations, vectorSets, type VectorSet } from "../src/testing/conformance-deviations.ts";
import { isPublishedData } from "../src/testing/published-vectors.ts";
import { countsPrefix, type VectorCounts } from "../src/testing/run-vectors.ts";
import { markdownTable } from "./markdown-table.ts";
import testSummary from "./test-summary.ts";

const documentPath = "docs/rfc.md";
const [begin, end] = ["<!-- conformance: begin -->", "<!-- conformance: end -->"];
/** What goes into the document; the other sets are printed only. */
const documented = /^(?:spf|dkim|arc|dmarc|dane|mta-sts)\//;

if (conformancePath() === undefined) {
  console.log("conformance: skipped: no data; docs/testing.md tells how to get it");
  process.exit(0);
}
const published = isPublishedData();
const counts = await runTests();
printCounts(counts);
if (published) writeTable(counts, process.argv.includes("--check"));
else console.log("\nconformance: these are not the published vectors, so docs/rfc.md is left alone");

async function runTests(): Promise<ReadonlyMap<VectorSet, VectorCounts>> {
  const files = globSync("src/**/*.test.ts")
    .filter((file) => /\b(?:runVectors|vectorPath)\b/.test(readFileSync(file, "utf8")))
    .toSorted();
  const found = new Map<VectorSet, VectorCounts>();
  const events = run({ files, isolation: "none" });
  events.on("test:diagnostic", ({ message }) => {
    if (!message.startsWith(countsPrefix)) return;
    const set = JSON.parse(message.slice(countsPrefix.length)) as VectorCounts;
    if (found.has(set.set)) fail(`two tests run the set ${set.set}`);
    found.set(set.set, set);
  });
  events.on("test:fail", () => (process.exitCode = 1));
  for await (const text of events.compose(testSummary)) process.stdout.write(String(text));
  return found;
}

function printCounts(found: ReadonlyMap<VectorSet, VectorCounts>): void {
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(34) : String(cell).padStart(10))).join("");
  console.log(`\n${row(["set", "passed", "deviating", "skipped", "failed"])}`);
  for (const set of vectorSets) {
    const each = found.get(set);
    if (each === undefined) {
      if (published) fail(`no test ran the set ${set}`);
    } else console.log(row([set, each.passed, each.deviating, each.skipped, each.failed]));
  }
}

function writeTable(found: ReadonlyMap<VectorSet, VectorCounts>, check: boolean): void {
  const text = readFileSync(documentPath, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) return fail(`${documentPath} lacks the lines ${begin} and ${end}`);
  const written = `${text.slice(0, from)}${begin}\n\n${tableOf(found)}\n${text.slice(to)}`;
  if (written === text) return;
  if (check) fail(`${documentPath} differs from what was found; run npm run conformance and commit what it writes`);
  else writeFileSync(documentPath, written);
}

function tableOf(found: ReadonlyMap<VectorSet, VectorCounts>): string {
  const rows = vectorSets.flatMap((set) => {
    const each = found.get(set);
    if (each === undefined || !documented.test(set)) return [];
    return [[set, each.passed, each.deviating, each.skipped, each.failed].map(String)];
  });
  const reasons = Object.entries(deviations)
    .filter(([set]) => documented.test(set))
    .flatMap(([set, cases]) => Object.entries(cases).map(([name, why]) => [set, codeOf(name), why]));
  return [
    markdownTable(["set", "passed", "deviating", "skipped", "failed"], rows, [false, true, true, true, true]),
    "Deviating: the standard says otherwise than the vector.\n",
    markdownTable(["set", "case", "standard"], reasons, [false, false, false]),
  ].join("\n");
}

/** In a table cell of Markdown. */
function codeOf(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

function fail(text: string): void {
  console.error(`conformance: ${text}`);
  process.exitCode = 1;
}
