/** Whole servers through days of trouble, from fixed seeds. Long runs: `npm run simulate -- --seeds 10000`. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { simulate, simulateTwice } from "./simulate.ts";

for (let seed = 1; seed <= 50; seed++) {
  test(`simulation ${seed}: nothing lost, nothing stuck, nobody told twice, nothing left behind`, async () => {
    const { problems } = await simulate({ seed });
    assert.deepEqual(problems, [], `again: npm run simulate -- --first ${seed} --seeds 1`);
  });
}

test("simulation: one seed gives one run, to the octet of its log", async () => {
  for (const seed of [3, 7, 13]) assert.deepEqual((await simulateTwice({ seed })).problems, [], `seed ${seed}`);
});
