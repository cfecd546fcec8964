/** Runs the examples of docs/embedding.md as a reader would: each program in a file, in a folder where the package is installed. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The fence of a program names its file: ```js server.mjs */
const program = /^```js (\S+)\n([\s\S]*?)^```$/gm;
const limitMs = 60_000;

/** Gives the names of what ran. Throws where one fails. */
export function runExamples(page: string, folder: string): readonly string[] {
  const names: string[] = [];
  for (const [, name = "", code = ""] of readFileSync(page, "utf8").matchAll(program)) {
    writeFileSync(path.join(folder, name), code);
    const args = name.includes(".test.") ? ["--test", name] : [name];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: folder,
      encoding: "utf8",
      timeout: limitMs,
    });
    if (status !== 0) throw new Error(`${page}: ${name} ended with ${status}\n${stdout}${stderr}`);
    names.push(name);
  }
  if (names.length === 0) throw new Error(`${page} has no programs`);
  return names;
}
