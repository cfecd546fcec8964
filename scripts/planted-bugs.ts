/** The bugs that the simulation must find: patches in test/simulation/mutants, each of which plants one in the sources. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const folder = path.join(root, "test/simulation/mutants");
const ending = ".patch";

export function plantedBugs(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length));
}

export function patchOf(name: string): string {
  return path.join(folder, name + ending);
}

/** Throws, with the words of git, where the patch does not fit these sources. */
export function applyPatch(name: string, sources: string, more: readonly string[]): void {
  // Nothing above the sources is a repository of ours to git.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: path.dirname(sources) };
  execFileSync("git", ["apply", "--unidiff-zero", ...more, patchOf(name)], { cwd: sources, env, stdio: "pipe" });
}
