/**
 * Holds the tables of docs/reliability.md, "What may grow": every collection that outlives a call (a field of a class, a
 * map or set in a state, a variable of a module) must be named in one of them, with what bounds it, and every name and
 * test there must exist. Prints each breach; exit 1 when there is one.
 *
 * It knows collections by how they are written, which the formatter keeps uniform: `new Map` and its kin and `[]` as the
 * first value of a field or a module's variable, and members of type Map or Set.
 */
import { existsSync, globSync, readFileSync } from "node:fs";

const document = "docs/reliability.md";
const heading = "## What may grow";

const collection = "(?:Map|Set|WeakMap|Heap|TextCache|SparseLines)";
const patterns = [
  // A field of a class.
  new RegExp(`^ {2}(?:static |readonly )*(#?\\w+)(?:: .*)? = (?:new ${collection}\\b|\\[\\];)`),
  // A field that holds several.
  new RegExp(`^ {2}readonly (#?\\w+): .*\\b${collection}<.* = \\{$`),
  // A member of a state.
  new RegExp(`^ {2}(?:readonly )?(#?\\w+)\\??: ${collection}<.*;$`),
  // A variable of a module; one that nobody may change is a constant.
  new RegExp(
    `^(?:export )?(?:const|let) (\\w+)(?:: (?!readonly ).*)? = (?:new ${collection}(?:<.*>)?\\((?!\\[|$)|\\[\\];)`,
  ),
];
/** Filled where it is declared, and never again. */
const constant = /= new (?:Set|Map)(?:<.*>)?\((?!\);)/;

interface Row {
  readonly file: string;
  readonly names: readonly string[];
  readonly line: number;
  readonly tests: readonly string[];
}

function collectionsOf(file: string): string[] {
  const names: string[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (constant.test(line)) continue;
    const name = patterns.map((pattern) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
    if (name !== undefined && !names.includes(name)) names.push(name);
  }
  return names;
}

/** `file.ts` `name`, `name` in the first cell; tests anywhere in the last. */
function rowOf(text: string, line: number): Row | undefined {
  const cells = text.split(/(?<!\\)\|/).map((cell) => cell.trim());
  const quoted = [...(cells[1] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
  const [file, ...names] = quoted;
  if (file === undefined || !file.endsWith(".ts")) return undefined;
  const tests = [...(cells.at(-2) ?? "").matchAll(/`([\w/.-]+\.test\.ts)`/g)].map((match) => match[1] ?? "");
  return { file: `src/${file}`, names, line, tests };
}

const breaches: string[] = [];
const lines = readFileSync(document, "utf8").split("\n");
const start = lines.indexOf(heading);
if (start === -1) throw new Error(`${document} has no "${heading}"`);
const end = lines.findIndex((line, index) => index > start && line.startsWith("## "));
const named = new Map<string, Set<string>>();
let needsTest = true;
for (let at = start; at < (end === -1 ? lines.length : end); at++) {
  const line = lines[at] ?? "";
  if (line.startsWith("### ")) needsTest = !line.includes("by construction");
  const row = rowOf(line, at + 1);
  if (row === undefined) continue;
  const where = `${document}:${row.line}`;
  if (!existsSync(row.file)) {
    breaches.push(`${where}: there is no ${row.file}`);
    continue;
  }
  const known = new Set(collectionsOf(row.file));
  const all = named.get(row.file) ?? new Set();
  named.set(row.file, all);
  for (const name of row.names) {
    all.add(name);
    if (!known.has(name)) breaches.push(`${where}: ${row.file} has no collection ${name}`);
  }
  if (needsTest && row.tests.length === 0) breaches.push(`${where}: no test is named`);
  for (const test of row.tests) if (!existsSync(test)) breaches.push(`${where}: there is no ${test}`);
}

let count = 0;
for (const file of globSync("src/**/*.ts").toSorted()) {
  if (file.endsWith(".test.ts") || file.startsWith("src/testing/")) continue;
  for (const name of collectionsOf(file)) {
    count++;
    if (named.get(file)?.has(name) === true) continue;
    breaches.push(`${file}: ${name} is in no table of ${document}: who makes it grow, and what bounds it in octets?`);
  }
}

for (const breach of breaches) console.error(breach);
console.log(
  breaches.length === 0 ? `bounds: ${count} collections, each with its bound` : `bounds: ${breaches.length} breaches`,
);
process.exit(breaches.length === 0 ? 0 : 1);
