/**
 * `npm test`: every test that needs no other program, in one run of node's test runner. Arguments narrow it to files,
 * or pass on to the runner (`npm test -- --test-name-pattern SMTP-011`).
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const { positionals, tokens } = parseArgs({ strict: false, allowPositionals: true, tokens: true });
const options = tokens.flatMap((token) =>
  token.kind === "option" ? [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`] : [],
);

/** Tests that start other programs or take long have their own commands; see docs/testing.md. */
const everywhere = [
  "src/**/*.test.ts",
  "scripts/**/*.test.ts",
  "test/{contract,scenario,system,simulation,fuzz,oracle,upgrade}/**/*.test.ts",
];
const files = positionals.length > 0 ? positionals : everywhere.flatMap((pattern) => globSync(pattern)).toSorted();
if (files.length === 0) {
  process.stderr.write("no test files found\n");
  process.exit(1);
}

// Each file is a process of its own, as are the threads and servers that it starts; what one compiles serves the others.
const compiled = mkdtempSync(path.join(tmpdir(), "posthaste-compiled-"));
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-reporter=dot",
    "--test-reporter-destination=stderr",
    "--test-reporter=./scripts/test-summary.ts",
    "--test-reporter-destination=stdout",
    // Most of a file's time is its start; by itself the runner leaves one processor idle.
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
