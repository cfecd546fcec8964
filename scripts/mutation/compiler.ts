/** Whether the compiler refuses a mutant: asked only of those that no test killed. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Candidate } from "./sample.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** One copy of the sources, one mutant at a time. */
export class Compiler {
  readonly #folder: string;
  #last: Promise<unknown>;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder);
    cpSync(path.join(root, "src"), path.join(folder, "src"), { recursive: true });
    cpSync(path.join(root, "package.json"), path.join(folder, "package.json"));
    // Tests in src need more than src.
    const settings = { extends: path.join(root, "tsconfig.json"), include: ["src"], exclude: ["src/**/*.test.ts"] };
    const buildInfo = { tsBuildInfoFile: path.join(folder, "tsbuildinfo"), types: ["node"] };
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ ...settings, compilerOptions: buildInfo }));
    symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
    this.#last = this.#compiles().then((compiles) => {
      if (!compiles) throw new Error("the sources do not compile as they are");
    });
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
    try {
      return !(await this.#compiles());
    } finally {
      writeFileSync(place, text);
    }
  }

  #compiles(): Promise<boolean> {
    const args = [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "."];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: this.#folder }, (error) => resolve(error === null));
    });
  }
}
