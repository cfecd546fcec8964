/** Which mutants are tried: a random sample, or all of some files. */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { mutantsOf, type Mutant } from "./mutants.ts";

export interface Candidate extends Mutant {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The whole line, without its indentation. */
  readonly lineText: string;
}

const root = path.resolve(import.meta.dirname, "../..");

/** Every mutant of `src`, but for tests and what only tests use. */
export function allMutants(): Candidate[] {
  const files = globSync("src/**/*.ts", { cwd: root })
    .filter((file) => !/\.test\.ts$|^src\/testing\//.test(file))
    .toSorted();
  return files.flatMap(mutantsOfFile);
}

export function mutantsOfFile(file: string): Candidate[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return mutantsOf(text).map((mutant) => {
    const lineStart = text.lastIndexOf("\n", mutant.start - 1) + 1;
    const lineEnd = text.indexOf("\n", mutant.start);
    return {
      ...mutant,
      file,
      line: text.slice(0, mutant.start).split("\n").length,
      column: mutant.start - lineStart + 1,
      lineText: text.slice(lineStart, lineEnd === -1 ? undefined : lineEnd).trim(),
    };
  });
}

/**
 * Each mutant draws its lot from the seed and from its own words, and the `count` lowest are taken: so a change somewhere in
 * the sources leaves nearly the whole sample as it was.
 */
export function drawSample(mutants: readonly Candidate[], count: number, seed: number): Candidate[] {
  const seen = new Map<string, number>();
  const lots = mutants.map((mutant) => {
    const words = JSON.stringify([mutant.file, mutant.lineText, mutant.before, mutant.after]);
    const ordinal = (seen.get(words) ?? 0) + 1;
    seen.set(words, ordinal);
    return { mutant, lot: createHash("sha256").update(`${seed} ${ordinal} ${words}`).digest("hex") };
  });
  return lots
    .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, count)
    .map(({ mutant }) => mutant);
}
