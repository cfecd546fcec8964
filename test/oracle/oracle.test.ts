/**
 * A few hundred cases of each oracle, always the same ones; `npm run fuzz:oracle` makes more. What differs must be known:
 * see the files named *-differences.ts. Of the collected messages the differences are known for the published collection
 * only; `npm run fuzz:oracle -- --only dkim-collected` compares any other.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { noConformanceData } from "../../src/testing/conformance-data.ts";
import { publishedCases } from "../../src/testing/published-vectors.ts";
import { runOracle } from "./fuzz-loop.ts";
import { oracles } from "./oracles.ts";

const runs: Readonly<Record<string, number>> = { spf: 600, dkim: 400, dmarc: 600, arc: 200 };

for (const [name, oracle] of Object.entries(oracles)) {
  test(`${name}: mailauth and Posthaste say the same, or a standard says why not`, async (t) => {
    if (name === "dkim-collected" && publishedCases("dkim/messages") === undefined) return t.skip(noConformanceData);
    const { unexplained, results } = await runOracle(oracle, { seed: 20_260_101, runs: runs[name] ?? 200 });
    assert.deepEqual(
      unexplained.map(({ index, ours, theirs }) => `case ${index}: ours ${ours}, theirs ${theirs}`),
      [],
    );
    // A generator that reaches only failures would find nothing.
    assert.ok([...results.keys()].some((result) => result.startsWith("pass")));
    return undefined;
  });
}
