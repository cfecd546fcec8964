/**
 * Holds the import list of ARCHITECTURE.md: imports point down the list, folders on one row do not import each other,
 * only the composition roots, `main.ts`, `embedding/` and `server/`, import `node/`, tests alone import `testing/`, and what reaches for time, chance, network or
 * disk stays in `node/`. No files import each other in a circle, not even for types. Prints each breach with its line;
 * exit 1 when there is one.
 */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { importCircles, importsOf } from "./import-circles.ts";

/** Top first. A file may import its own row's own folder and every row below. */
const rows: readonly (readonly string[])[] = [
  ["(root)"],
  ["embedding"],
  ["server"],
  ["cli"],
  ["admin"],
  ["config"],
  ["inbound", "outbound"],
  ["queue"],
  ["reporting"],
  ["intake"],
  ["history"],
  ["policy", "route", "signing", "forwarding"],
  ["accounts"],
  ["oauth"],
  ["spool"],
  ["dmarc", "arc"],
  ["spf", "dkim", "mta-sts", "dane", "tls-rpt", "acme"],
  ["ports"],
  ["events"],
  ["dsn"],
  ["smtp", "message"],
  ["sasl"],
  ["address"],
  ["lib"],
];
const rank = new Map(rows.flatMap((folders, row) => folders.map((folder) => [folder, row] as const)));
/** What may lie right under `src`. */
const rootFiles: ReadonlySet<string> = new Set(["main.ts", "index.ts"]);
/** They give the real ports to everything else. */
const compositionRoots: ReadonlySet<string> = new Set(["(root)", "embedding", "server"]);
/**
 * What `node/` may see: interfaces and what is below them, the types of `config`, and `dane`, since whether a certificate
 * fits is asked in the middle of a handshake.
 */
const seenByNode = new Set([
  "node",
  "spool",
  "ports",
  "config",
  "dane",
  "events",
  "dsn",
  "smtp",
  "message",
  "sasl",
  "address",
  "lib",
]);
/** Type-only imports of interfaces that were placed higher for the reader's sake. */
const ioModules =
  /^(node:)?(net|tls|fs|fs\/promises|dns|dns\/promises|dgram|sqlite|http|https|http2|worker_threads|child_process|cluster)$/;
const ambient = [
  [/\bDate\.now\(/, "Date.now(); ask the Clock"],
  [/\bnew Date\(\)/, "new Date(); ask the Clock"],
  [/\bsetTimeout\(|\bsetInterval\(/, "a timer; ask the Clock"],
  [/\bMath\.random\(/, "Math.random(); ask Random"],
  [/\bAbortSignal\.timeout\(/, "AbortSignal.timeout(); ask the Clock"],
  [/\bperformance\.now\(/, "performance.now(); ask the Clock"],
] as const;

const breaches: string[] = [];

function folderOf(file: string): string {
  const parts = path.relative("src", file).split(path.sep);
  return parts.length === 1 ? "(root)" : (parts[0] ?? "(root)");
}

for (const file of globSync("src/**/*.ts").toSorted()) {
  const folder = folderOf(file);
  const isTest = file.endsWith(".test.ts") || folder === "testing";
  const text = readFileSync(file, "utf8");
  if (folder === "(root)" && !rootFiles.has(path.basename(file)))
    breaches.push(`${file}: belongs into a folder; only ${[...rootFiles].join(" and ")} lie right under src`);
  const lineOf = (index: number) => text.slice(0, index).split("\n").length;
  if (folder !== "node" && folder !== "(root)" && !isTest) {
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replaceAll(/[^\n]/g, " "));
    for (const [pattern, what] of ambient) {
      const found = pattern.exec(code);
      if (found) breaches.push(`${file}:${lineOf(found.index)}: uses ${what}`);
    }
  }
  for (const { target, index } of importsOf(text)) {
    const where = `${file}:${lineOf(index)}`;
    if (ioModules.test(target) && folder !== "node" && folder !== "(root)" && !isTest) {
      breaches.push(`${where}: imports ${target}; only src/node and src/main.ts may`);
    }
    if (!target.startsWith(".")) continue;
    const other = folderOf(path.join(path.dirname(file), target));
    if (other === folder || isTest) continue;
    if (other === "testing") breaches.push(`${where}: product code imports testing/`);
    else if (other === "node") {
      if (!compositionRoots.has(folder)) breaches.push(`${where}: only the composition roots import node/`);
    } else if (folder === "node") {
      if (!seenByNode.has(other)) breaches.push(`${where}: node/ may not see ${other}/`);
    } else {
      const from = rank.get(folder);
      const to = rank.get(other);
      if (from === undefined || to === undefined)
        breaches.push(`${where}: ${folder}/ or ${other}/ is not on the import list`);
      else if (to <= from) breaches.push(`${where}: ${folder}/ imports ${other}/, which is not below it`);
    }
  }
}

const imports = new Map<string, readonly string[]>();
for (const file of globSync("{src,test,bench,scripts}/**/*.ts").toSorted()) {
  const relative = importsOf(readFileSync(file, "utf8")).filter(({ target }) => target.startsWith("."));
  imports.set(
    file,
    relative.map(({ target }) => path.join(path.dirname(file), target)),
  );
}
const circles = importCircles(imports).map((files) => files.join(", "));
for (const circle of circles) {
  breaches.push(`these files import each other in a circle: ${circle}`);
}

for (const breach of breaches) console.error(breach);
console.log(
  breaches.length === 0 ? "imports: all point down the list, none in a circle" : `imports: ${breaches.length} breaches`,
);
process.exit(breaches.length === 0 ? 0 : 1);
