/** Finds words that documents and messages avoid (`wording.ts`) in all of them. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { unusedExceptions, wordingFaults } from "./wording.ts";

const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((file) => existsSync(file) && isReadByPeople(file));

let faults = 0;
for (const file of files) {
  for (const { line, words, instead } of wordingFaults(file, readFileSync(file, "utf8"))) {
    faults++;
    console.error(`${file}:${line}: "${words}": write ${instead}, or allow it in scripts/wording.ts with a reason`);
  }
}
const textOf = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : undefined);
for (const { file, text } of unusedExceptions(textOf)) {
  faults++;
  console.error(`scripts/wording.ts allows "${text}", which is not in ${file}`);
}
console.log(faults === 0 ? `wording: nothing to mend in ${files.length} files` : `wording: ${faults} to mend`);
process.exit(faults === 0 ? 0 : 1);

/** Documents, and sources whose texts reach people; tests and what only tests import are not among them. */
function isReadByPeople(file: string): boolean {
  if (/^(?:README|ARCHITECTURE|CONTRIBUTING)\.md$|^docs\/.*\.md$/.test(file)) return true;
  return /^src\/(?!testing\/).*\.ts$/.test(file) && !file.endsWith(".test.ts");
}
