/**
 * All that a machine can say without running the product: format, lint, types, regular expressions, import rules,
 * tidiness, wording, links, bounds, planted bugs, generated files.
 */
import { spawnSync } from "node:child_process";

const node = process.execPath;
const checks: readonly (readonly [string, readonly string[]])[] = [
  ["format", ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level", "warn", "."]],
  ["lint", ["node_modules/oxlint/bin/oxlint", "--type-aware", "--deny-warnings", "src", "test", "bench", "scripts"]],
  ["types", ["node_modules/typescript/bin/tsc", "-p", "."]],
  ["expressions", ["--disable-warning=ExperimentalWarning", "scripts/check-expressions.ts"]],
  ["import rules", ["scripts/check-imports.ts"]],
  ["tidiness", ["scripts/tidy.ts"]],
  ["wording", ["scripts/check-wording.ts"]],
  ["links", ["scripts/check-links.ts"]],
  ["bounds", ["scripts/check-bounds.ts"]],
  [
    "planted bugs",
    ["--disable-warning=ExperimentalWarning", "--experimental-vm-modules", "scripts/check-planted-bugs.ts"],
  ],
  ["requirements", ["scripts/requirements.ts", "--check"]],
  ["generated documents", ["scripts/generate-docs.ts", "--check"]],
];

let failed = 0;
for (const [name, args] of checks) {
  const { status } = spawnSync(node, args, { stdio: "inherit" });
  console.log(`${status === 0 ? "✔" : "✖"} ${name}`);
  if (status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
