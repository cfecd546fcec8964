/** Whether every patch of test/simulation/mutants still fits the sources. What they plant is tried by `npm run mutants`. */
import path from "node:path";
import { applyPatch, plantedBugs } from "./planted-bugs.ts";

const root = path.resolve(import.meta.dirname, "..");
for (const name of plantedBugs()) {
  try {
    applyPatch(name, root, ["--check"]);
  } catch (error) {
    console.log(
      `test/simulation/mutants/${name}.patch does not fit: ${error instanceof Error ? error.message : String(error)}`,
    );
    process.exitCode = 1;
  }
}
