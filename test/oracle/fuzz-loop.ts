/** Runs one oracle over many cases and sorts what came out. */
import { Choices } from "./choices.ts";
import type { Oracle } from "./comparison.ts";

export interface Difference {
  readonly index: number;
  readonly ours: string;
  readonly theirs: string;
  readonly input: string;
}

export interface OracleReport {
  readonly runs: number;
  /** What both said, so that one sees whether the cases reach everywhere. */
  readonly results: ReadonlyMap<string, number>;
  /** By name of the known difference. */
  readonly explained: ReadonlyMap<string, number>;
  readonly unexplained: readonly Difference[];
}

/** One broken rule fails thousands of cases; their inputs need not all be kept. */
const keptMax = 1000;

export async function runOracle(
  oracle: Oracle,
  { seed, runs }: { readonly seed: number; readonly runs: number },
): Promise<OracleReport> {
  const results = new Map<string, number>();
  const explained = new Map<string, number>();
  const unexplained: Difference[] = [];
  for (let index = 0; index < runs; index++) {
    const { ours, theirs, known, input } = await oracle(new Choices(seed, index));
    if (ours === theirs) count(results, ours);
    else if (known !== undefined) count(explained, known.name);
    else if (unexplained.length < keptMax) unexplained.push({ index, ours, theirs, input: input() });
  }
  return { runs, results: sorted(results), explained: sorted(explained), unexplained };
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function sorted(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...counts].toSorted(([, a], [, b]) => b - a));
}
