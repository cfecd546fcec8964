/** Whether the compiler refuses a mutant: asked only of those that no test killed. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Candidate } from "./sample.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** One copy of the sources, one mutant at a time. */
export class Compiler {
  readonly #folder: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder);
    cpSync(path.join(root, "src"), path.join(folder, "src"), { recursive: true });
    for (const name of ["package.json", "tsconfig.json"]) cpSync(path.join(root, name), path.join(folder, name));
    symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  }

  refuses(mutant: Candidate): Promise<boolean> {
    const answer = this.#last.then(() => this.#compile(mutant));
    this.#last = answer;
    return answer;
  }

  async #compile({ file, start, end, after }: Candidate): Promise<boolean> {
    const place = path.join(this.#folder, file);
    const text = readFileSync(place, "utf8");
    writeFileSync(place, text.slice(0, start) + after + text.slice(end));
    const compiler = path.join(root, "node_modules/typescript/bin/tsc");
    const buildInfo = path.join(this.#folder, "tsbuildinfo");
    const args = [compiler, "-p", ".", "--tsBuildInfoFile", buildInfo];
    try {
      return await new Promise((resolve) => {
        execFile(process.execPath, args, { cwd: this.#folder }, (error) => resolve(error !== null));
      });
    } finally {
      writeFileSync(place, text);
    }
  }
}
