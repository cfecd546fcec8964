/** Which characters of which files ran, from what V8 writes at the end of a process when NODE_V8_COVERAGE names a folder. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** By file, relative to the repository: the parts that ran, as pairs of start and end, in order. */
export type Coverage = Readonly<Record<string, readonly number[]>>;

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

/** All processes that left a file in `folder` count together. A file that was loaded and did nothing has no parts. */
export function readCoverage(folder: string, root: string): Coverage {
  const own = pathToFileURL(`${root}/`).href;
  const libraries = `${own}node_modules/`;
  const ran = new Map<string, Uint8Array>();
  for (const name of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(path.join(folder, name), "utf8")) as { readonly result: Script[] };
    for (const { url, functions } of result) {
      if (!url.startsWith(own) || url.startsWith(libraries) || !url.endsWith(".ts")) continue;
      const file = path.relative(root, fileURLToPath(url));
      const parts = paint(functions.flatMap(({ ranges }) => ranges));
      const before = ran.get(file);
      if (before !== undefined) for (let at = 0; at < before.length; at++) parts[at] ||= before[at] ?? 0;
      ran.set(file, parts);
    }
  }
  return Object.fromEntries([...ran].map(([file, parts]) => [file, pairsOf(parts)]));
}

export function isCovered(coverage: Coverage, file: string, place: number): boolean {
  const pairs = coverage[file] ?? [];
  for (let index = 0; index < pairs.length; index += 2) {
    if (place >= (pairs[index] ?? 0) && place < (pairs[index + 1] ?? 0)) return true;
  }
  return false;
}

/** A range within another says more about its part than the other does. */
function paint(ranges: readonly Range[]): Uint8Array {
  const parts = new Uint8Array(Math.max(0, ...ranges.map(({ endOffset }) => endOffset)));
  const outerFirst = ranges.toSorted((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  for (const { startOffset, endOffset, count } of outerFirst) parts.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return parts;
}

function pairsOf(parts: Uint8Array): number[] {
  const pairs: number[] = [];
  for (let at = 0; at <= parts.length; at++) {
    if ((parts[at] ?? 0) !== (parts[at - 1] ?? 0)) pairs.push(at);
  }
  return pairs;
}
