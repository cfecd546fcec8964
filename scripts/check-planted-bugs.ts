/**
 * Whether every patch of test/simulation/mutants still fits the sources, and leaves modules that can be parsed: a patch may
 * name a private field that is gone. What they plant is tried by `npm run mutants`.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { SourceTextModule } from "node:vm";
import { applyPatch, patchOf, plantedBugs } from "./planted-bugs.ts";

const root = path.resolve(import.meta.dirname, "..");
const copy = mkdtempSync(path.join(tmpdir(), "posthaste-planted-bugs-"));
try {
  cpSync(path.join(root, "src"), path.join(copy, "src"), { recursive: true });
  for (const name of plantedBugs()) {
    try {
      applyPatch(name, copy, []);
      for (const file of patchedFiles(name)) parse(path.join(copy, file));
      applyPatch(name, copy, ["--reverse"]);
    } catch (error) {
      console.log(
        `test/simulation/mutants/${name}.patch does not fit: ${error instanceof Error ? error.message : String(error)}`,
      );
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(copy, { recursive: true });
}

function patchedFiles(name: string): string[] {
  return [...readFileSync(patchOf(name), "utf8").matchAll(/^\+\+\+ b\/(\S+)/gm)].map(([, file = ""]) => file);
}

/** Throws where the text is no module. */
function parse(file: string): void {
  new SourceTextModule(stripTypeScriptTypes(readFileSync(file, "utf8")));
}
