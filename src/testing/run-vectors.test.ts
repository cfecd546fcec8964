import assert from "node:assert/strict";
import { test } from "node:test";
import { MissingFileError } from "./conformance-data.ts";
import { deviations } from "./conformance-deviations.ts";
import { countsPrefix, runVectors, type CaseResult } from "./run-vectors.ts";

const set = "dkim/messages";
const [listed = assert.fail()] = Object.keys(deviations[set] ?? {});

/** Runs `cases` of the set as the published one with so many cases, or as another; what was counted, and the failures. */
async function outcomeOf(cases: Readonly<Record<string, () => CaseResult>>, published: number | undefined) {
  let counts: unknown;
  const t = {
    diagnostic: (message: string) => {
      counts = JSON.parse(message.slice(countsPrefix.length));
    },
  };
  let failures = "";
  try {
    await runVectors(
      t,
      set,
      Object.entries(cases),
      ([name]) => name,
      ([, run]) => run(),
      () => published,
    );
  } catch (error) {
    failures = (error as Error).message;
  }
  return { counts, failures };
}

const passes = (): undefined => undefined;
const fails = (): undefined => assert.fail("wrong");
const lacksFile = (): undefined => {
  throw new MissingFileError("messages/a.eml");
};
const counted = (passed: number, deviating: number, skipped: number, failed: number) => ({
  set,
  passed,
  deviating,
  skipped,
  failed,
});

test("of the published set every deviation must be there and fail, every case be run and every file be there", async () => {
  assert.deepEqual(await outcomeOf({ a: passes, [listed]: fails }, 2), { counts: counted(1, 1, 0, 0), failures: "" });
  const absent = await outcomeOf({ a: passes }, 1);
  assert.deepEqual(absent.counts, counted(1, 0, 0, 1));
  assert.ok(absent.failures.includes(`${listed}: is listed as a deviation, but is no case`));
  const passing = await outcomeOf({ [listed]: passes }, 1);
  assert.ok(passing.failures.includes("passes, but is listed as a deviation"));
  const few = await outcomeOf({ [listed]: fails }, 3);
  assert.ok(few.failures.includes("1 cases were run of the 3 that the published set has"));
  const lost = await outcomeOf({ a: lacksFile, [listed]: fails }, 2);
  assert.ok(lost.failures.includes("messages/a.eml is absent"));
});

test("of another set only its own expectations count", async () => {
  assert.deepEqual(await outcomeOf({ a: passes, b: lacksFile }, undefined), {
    counts: counted(1, 0, 1, 0),
    failures: "",
  });
  assert.deepEqual((await outcomeOf({ [listed]: fails }, undefined)).counts, counted(0, 1, 0, 0));
  assert.deepEqual((await outcomeOf({ [listed]: passes }, undefined)).counts, counted(1, 0, 0, 0));
  assert.deepEqual((await outcomeOf({}, undefined)).counts, counted(0, 0, 0, 0));
  const failing = await outcomeOf({ a: fails }, undefined);
  assert.deepEqual(failing.counts, counted(0, 0, 0, 1));
  assert.ok(failing.failures.includes("a: wrong"));
});
