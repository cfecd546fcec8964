/**
 * `npm run test:conformance`: the tests that read the standards' vectors, alone. Says "skipped: no data" where the data
 * are not there.
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { conformancePath } from "../src/testing/conformance-data.ts";

if (conformancePath() === undefined) {
  console.log("conformance: skipped: no data (name the folder in CONFORMANCE_DIR)");
  process.exit(0);
}
const files = globSync("src/**/*.test.ts")
  .filter((file) => readFileSync(file, "utf8").includes("conformancePath"))
  .toSorted();
const { status } = spawnSync(process.execPath, ["scripts/run-tests.ts", ...files], { stdio: "inherit" });
process.exit(status ?? 1);
