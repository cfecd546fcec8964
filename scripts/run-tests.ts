/**
 * `npm test`: every test that needs no other program, in one run of node's test runner. Arguments narrow it to files,
 * or pass on to the runner (`npm test -- --test-name-pattern SMTP-011`). Files that are named run in a process each; of a
 * whole run, the test files of a folder of `src` share a process, because starting one costs more than most files do.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { positionals, tokens } = parseArgs({ strict: false, allowPositionals: true, tokens: true });
const options = tokens.flatMap((token) =>
  token.kind === "option" ? [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`] : [],
);

/** Tests that start other programs or take long have their own commands; see docs/testing.md. */
const everywhere = [
  "src/**/*.test.ts",
  "scripts/**/*.test.ts",
  "test/{contract,dialects,scenario,system,simulation,fuzz,oracle,upgrade}/**/*.test.ts",
];
/** Slow ones, which are better spread over the processors. */
const alone = /^src\/(node\/(?!process)|queue\/queue-simulation)/;
const compiled = mkdtempSync(path.join(tmpdir(), "posthaste-compiled-"));
const files =
  positionals.length > 0
    ? positionals
    : everywhere.flatMap((pattern) => inSharedProcesses(globSync(pattern).toSorted()));
if (files.length === 0) {
  process.stderr.write("no test files found\n");
  process.exit(1);
}

/** A file for each folder of `src` that imports the folder's tests; all others as they are. */
function inSharedProcesses(names: readonly string[]): string[] {
  const groups = Map.groupBy(names, (name) => (name.startsWith("src/") && !alone.test(name) ? folderOf(name) : name));
  return Array.from(groups, ([group, members]) => {
    if (members.length === 1) return members[0] ?? group;
    const file = path.join(compiled, `${group.replaceAll("/", "-")}.test.mjs`);
    const imports = members.map((name) => `import ${JSON.stringify(pathToFileURL(path.resolve(name)).href)};\n`);
    writeFileSync(file, imports.join(""));
    return file;
  });
}

function folderOf(name: string): string {
  return name.split("/").slice(0, 2).join("/");
}

// What one process compiles serves the others, and the threads and servers that it starts.
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-reporter=dot",
    "--test-reporter-destination=stderr",
    "--test-reporter=./scripts/test-summary.ts",
    "--test-reporter-destination=stdout",
    // By itself the runner leaves one processor idle.
    ...(positionals.length > 0 ? [] : [`--test-concurrency=${availableParallelism()}`]),
    // What hangs must fail by its name, not stop everything.
    ...(positionals.length > 0 ? [] : ["--test-timeout=300000"]),
    ...options,
    ...files,
  ],
  {
    stdio: "inherit",
    env: { ...process.env, NODE_COMPILE_CACHE: compiled },
  },
);
rmSync(compiled, { recursive: true, force: true });
process.exit(status ?? 1);
