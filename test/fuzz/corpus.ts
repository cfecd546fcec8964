/**
 * Inputs that reach what others do not, kept between runs: a file for each target, a line for each input, in JSON's
 * spelling with a character for each octet.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { BlockCoverage } from "./coverage.ts";
import type { FuzzTarget } from "./target.ts";

/** Octets of one target's inputs, so that the repository stays small. */
const corpusBytesMax = 24 * 1024;

export function readCorpus(target: FuzzTarget): readonly Buffer[] {
  const file = fileOf(target);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => Buffer.from(JSON.parse(line) as string, "latin1"));
}

/** Of `inputs`, the shortest that together reach what all of them reach beyond the seeds. */
export async function writeCorpus(
  target: FuzzTarget,
  inputs: readonly Buffer[],
  coverage: BlockCoverage,
): Promise<void> {
  coverage.clear();
  for (const seed of target.seeds()) await target.run(seed.subarray(0, target.bytesMax));
  const lines: string[] = [];
  let bytes = 0;
  for (const input of inputs.toSorted((a, b) => a.length - b.length)) {
    coverage.fresh = 0;
    await target.run(input);
    if (coverage.fresh === 0) continue;
    bytes += input.length;
    if (bytes > corpusBytesMax) break;
    lines.push(`${JSON.stringify(input.toString("latin1"))}\n`);
  }
  if (lines.length === 0) return;
  mkdirSync(new URL("corpus/", import.meta.url), { recursive: true });
  writeFileSync(fileOf(target), lines.join(""));
}

function fileOf({ name }: FuzzTarget): URL {
  return new URL(`corpus/${name}.txt`, import.meta.url);
}
