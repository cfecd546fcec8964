/** What someone probably meant: the known word nearest to a mistyped one. */
import { asciiLowerCase } from "./ascii-case.ts";

/** The nearest of `known`, or undefined when none is near: at most a third of the letters may differ, and two always may. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const given = normal(word);
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(given, normal(candidate)) }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  if (best === undefined) return undefined;
  const lengthMax = Math.max(given.length, best.candidate.length);
  return best.distance < lengthMax && best.distance <= Math.max(2, Math.floor(lengthMax / 3))
    ? best.candidate
    : undefined;
}

/** `certificateFile`, `certificate-file` and `certificate_file` are one word spelled in three ways. */
function normal(word: string): string {
  return asciiLowerCase(
    word
      .slice(0, 64) // Known words are shorter; the distance costs the product of the lengths.
      .replaceAll(/([a-z])([A-Z])/g, "$1_$2"),
  ).replaceAll("-", "_");
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let least = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) least = Math.min(least, (before[column - 2] ?? 0) + 1);
      current.push(least);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
