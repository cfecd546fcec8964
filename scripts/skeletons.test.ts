/** The skeletons of CONTRIBUTING.md compile where they say they belong. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

const root = path.resolve(import.meta.dirname, "..");

test("every skeleton of CONTRIBUTING.md compiles", () => {
  const page = readFileSync(path.join(root, "CONTRIBUTING.md"), "utf8");
  const skeletons = [...page.matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)];
  assert.ok(skeletons.length >= 7);
  // Inside the clone, so that packages are found.
  mkdirSync(path.join(root, "node_modules/.cache"), { recursive: true });
  const folder = mkdtempSync(path.join(root, "node_modules/.cache/skeletons-"));
  try {
    for (const [, name = "", code = ""] of skeletons) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), code);
    }
    // Both folders are one to the compiler: a skeleton's relative imports lead into the sources.
    const options = { rootDirs: [root, folder], incremental: false, tsBuildInfoFile: null };
    const project = {
      extends: path.join(root, "tsconfig.json"),
      compilerOptions: options,
      include: ["src", "test"],
      exclude: [],
    };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(project));
    const compiler = path.join(root, "node_modules/typescript/bin/tsc");
    const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8" });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
