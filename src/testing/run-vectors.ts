/**
 * The one way to run a set of test vectors. The set may be the published one or any other of the same format: what is
 * known of the published set only (the number of its cases, that each listed deviation is among them, that no file is
 * absent) is asserted for the published set only. What a case expects comes from the data in both.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { errorText } from "../lib/error-text.ts";
import { MissingFileError } from "./conformance-data.ts";
import { deviations, type VectorSet } from "./conformance-deviations.ts";
import { publishedCases } from "./published-vectors.ts";

/** What a set came to. `deviating`: as `conformance-deviations.ts` says, with the paragraph of the standard. */
export interface VectorCounts {
  readonly set: VectorSet;
  readonly passed: number;
  readonly deviating: number;
  readonly skipped: number;
  readonly failed: number;
}

/** Diagnostics that begin so carry {@link VectorCounts} as JSON; `npm run conformance` reads them. */
export const countsPrefix = "conformance: ";

/** Enough to see what is wrong; a broken engine fails everything. */
const failuresShown = 20;

/** Return this from `run` when a case does not apply here. */
export interface Skipped {
  readonly skipped: string;
}

export type CaseResult = undefined | void | Skipped;

/**
 * Runs every case of one set within the test `t`. A case passes when `run` returns, and fails when `run` throws. A case
 * listed in `conformance-deviations.ts` may fail; in the published set it must. At the end the counts are reported as a
 * diagnostic, and the test fails with all failures when there are any.
 *
 * @param countOf the number of cases when the set is the published one, or undefined for any other.
 */
export async function runVectors<T>(
  t: Pick<TestContext, "diagnostic">,
  set: VectorSet,
  cases: Iterable<T>,
  nameOf: (vector: T, index: number) => string,
  run: (vector: T) => CaseResult | Promise<CaseResult>,
  countOf: (set: VectorSet) => number | undefined = publishedCases,
): Promise<void> {
  const published = countOf(set);
  const known: Readonly<Record<string, string>> = deviations[set] ?? {};
  const failures: string[] = [];
  const unseen = new Set(Object.keys(known));
  let [passed, deviating, skipped, index] = [0, 0, 0, 0];
  for (const vector of cases) {
    const name = nameOf(vector, index++);
    const listed = known[name] !== undefined;
    unseen.delete(name);
    try {
      const answer = await run(vector);
      if (answer?.skipped !== undefined) skipped++;
      else if (listed && published !== undefined) failures.push(`${name}: passes, but is listed as a deviation`);
      else passed++;
    } catch (error) {
      if (error instanceof MissingFileError && published === undefined) skipped++;
      else if (listed) deviating++;
      else failures.push(`${name}: ${errorText(error)}`);
    }
  }
  if (published !== undefined) {
    for (const name of unseen) failures.push(`${name}: is listed as a deviation, but is no case`);
    if (index !== published) failures.push(`${index} cases were run of the ${published} that the published set has`);
  }
  const counts: VectorCounts = { set, passed, deviating, skipped, failed: failures.length };
  t.diagnostic(`${countsPrefix}${JSON.stringify(counts)}`);
  const more = failures.length > failuresShown ? `\n… and ${failures.length - failuresShown} more` : "";
  assert.equal(failures.length, 0, `${set}:\n${failures.slice(0, failuresShown).join("\n")}${more}`);
}
