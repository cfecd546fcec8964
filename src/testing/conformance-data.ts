/**
 * The standards' test vectors: where they lie, and the one way to run a set of them.
 *
 * They lie in the folder named by CONFORMANCE_DIR, by default `conformance` of the folder `shared` beside the checkout.
 * They are not part of the repository; tests that want them skip when they are absent.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { deviations, type VectorSet } from "./conformance-deviations.ts";

const folder = process.env["CONFORMANCE_DIR"] ?? join(import.meta.dirname, "..", "..", "..", "shared", "conformance");

/** Path of a file or folder of the vectors, or undefined when it is not there: `t.skip("no data")`. */
export function conformancePath(...parts: readonly string[]): string | undefined {
  const path = join(folder, ...parts);
  return existsSync(path) ? path : undefined;
}

/** A JSON file of the vectors, or undefined, with the test skipped, when it is not there. */
export function readVectors<T>(t: TestContext, ...parts: readonly string[]): T | undefined {
  const path = conformancePath(...parts);
  if (path === undefined) {
    t.skip("no data");
    return undefined;
  }
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

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

/**
 * Runs every case of one set within the test `t`. A case passes when `run` returns; it fails when `run` throws. A case
 * listed in `conformance-deviations.ts` must fail: one that passes should leave the list. At the end the counts are told
 * as a diagnostic, and the test fails with all failures when there are any.
 */
export async function runVectors<T>(
  t: TestContext,
  set: VectorSet,
  cases: Iterable<T>,
  nameOf: (vector: T, index: number) => string,
  run: (vector: T) => undefined | void | Skipped | Promise<undefined | void | Skipped>,
): Promise<void> {
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
      else if (listed) failures.push(`${name}: passes, but is listed as a deviation`);
      else passed++;
    } catch (error) {
      if (listed) deviating++;
      else failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const name of unseen) failures.push(`${name}: is listed as a deviation, but is no case`);
  reportVectors(t, { set, passed, deviating, skipped, failed: failures.length });
  assert.ok(index > 0, `${set}: no cases`);
  const more = failures.length > failuresShown ? `\n… and ${failures.length - failuresShown} more` : "";
  assert.equal(failures.length, 0, `${set}:\n${failures.slice(0, failuresShown).join("\n")}${more}`);
}

/** For a test that goes through a set in a way of its own: told at its end, when nothing has failed. */
export function reportVectors(
  t: TestContext,
  counts: Pick<VectorCounts, "set" | "passed"> & Partial<VectorCounts>,
): void {
  t.diagnostic(`${countsPrefix}${JSON.stringify({ deviating: 0, skipped: 0, failed: 0, ...counts })}`);
}
