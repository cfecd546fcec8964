/**
 * Whole servers through days of trouble, from fixed seeds: a few of each kind, and with SIMULATIONS=all, as CI runs it, more.
 * Long runs: `npm run simulate -- --seeds 10000`.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Fault } from "./fault-plan.ts";
import { lineOf } from "./machine.ts";
import { simulate, simulateTwice } from "./simulate.ts";

const all = process.env["SIMULATIONS"] === "all";

// `npm run simulate` in CI has these, too, among three hundred.
for (let seed = 1; seed <= (all ? 6 : 3); seed++) {
  test(`simulation ${seed}: nothing lost, nothing stuck, nobody told twice, nothing left behind`, async () => {
    const { problems } = await simulate({ seed });
    assert.deepEqual(problems, [], `again: npm run simulate -- --first ${seed} --seeds 1`);
  });
}

test("simulation: an older program is refused by a newer spool, until the newer one has taken it back", async () => {
  const seeds = all ? 5 : 1;
  let refused = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const faults = [1, 2, 3, 4, 5, 6].map((turn): Fault => ({
      atMs: turn * 1_000_000,
      kind: turn % 2 === 0 ? "rollback" : "upgrade",
      lastsMs: 60_000,
      receiver: 0,
    }));
    const { problems, refusals } = await simulate({ seed, faults });
    assert.deepEqual(problems, []);
    refused += refusals;
  }
  // Who crashed in between may have gone on with the newer one.
  assert.ok(refused >= (8 * seeds) / 5, `refused ${refused} times of ${3 * seeds}`);
});

test("simulation: one seed gives one run, to the octet of its log", async () => {
  // The last one has the SQLite spool.
  for (const seed of all ? [3, 7, 13, 30] : [3])
    assert.deepEqual((await simulateTwice({ seed })).problems, [], `seed ${seed}`);
});

/** But for what says so, a run with refused reloads in it is the run without them, to the octet of its log. */
test("simulation: a reload that any part refuses changes nothing", async () => {
  for (const seed of all ? [2, 5, 11] : [5]) {
    const plain = await simulate({ seed, faults: [] });
    const reloads = Array.from({ length: 40 }, (_, turn): Fault => {
      return { atMs: (turn + 1) * 170_000, kind: "reload-refused", lastsMs: 0, receiver: turn };
    });
    const { events, problems } = await simulate({ seed, faults: reloads });
    assert.deepEqual(problems, []);
    const others = events.filter(({ name }) => name !== "settings-refused");
    assert.equal(events.length - others.length, reloads.length, `seed ${seed}`);
    assert.deepEqual(others.map(lineOf), plain.events.map(lineOf), `seed ${seed}`);
  }
});
