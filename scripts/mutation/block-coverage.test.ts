import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { isCovered, readCoverage } from "./block-coverage.ts";

test("what one process or another ran is covered, and what none ran is not", (t) => {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "posthaste-blocks-")));
  t.after(() => rmSync(root, { recursive: true }));
  const text =
    'const word: string = process.argv[2] ?? "";\nif (word === "a") first();\nelse second();\nfunction first() {}\nfunction second() {}\nfunction third() {}\n';
  writeFileSync(path.join(root, "package.json"), '{"type":"module"}');
  writeFileSync(path.join(root, "program.ts"), text);
  const coverageOf = (words: readonly string[]) => {
    const folder = path.join(root, `coverage-${words.join("-")}`);
    mkdirSync(folder);
    for (const word of words) {
      const env = { ...process.env, NODE_V8_COVERAGE: folder, NODE_DISABLE_COMPILE_CACHE: "1" };
      assert.equal(spawnSync(process.execPath, ["program.ts", word], { cwd: root, env }).status, 0);
    }
    return readCoverage(folder, root);
  };
  const covered = (words: readonly string[]) => {
    const coverage = coverageOf(words);
    return ["first() {}", "second() {}", "third() {}", "first();", "second();"].map((part) =>
      isCovered(coverage, "program.ts", text.indexOf(part) + part.indexOf(part.endsWith("}") ? "{" : "(")),
    );
  };
  assert.deepEqual(covered(["a"]), [true, false, false, true, false]);
  assert.deepEqual(covered(["b"]), [false, true, false, false, true]);
  assert.deepEqual(covered(["a", "b"]), [true, true, false, true, true]);
});
