import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../testing/seeded-random.ts";
import { nextAttemptAt, retryDelayMs, soonAt } from "./retry-schedule.ts";

const minute = 60_000;
const retryDelaysMs = [5 * minute, 10 * minute, 20 * minute];
const random = new SeededRandom(7);

test("SMTPC-014: the waits follow the list and the last one repeats", () => {
  const waits = [0, 1, 2, 3, 4, 1_000].map((attempts) => retryDelayMs(retryDelaysMs, attempts) / minute);
  assert.deepEqual(waits, [5, 5, 10, 20, 20, 20]);
});

test("waits are spread over ±20 % and never pass the expiry", () => {
  const seen = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const due = nextAttemptAt({ now: 0, attempts: 2, retryDelaysMs, expireAt: 1e9 }, random);
    assert.ok(due >= 8 * minute && due <= 12 * minute + 1);
    seen.add(due);
    assert.equal(nextAttemptAt({ now: 0, attempts: 2, retryDelaysMs, expireAt: 3 * minute }, random), 3 * minute);
  }
  assert.ok(seen.size > 150);
});

test("soon is one to five seconds", () => {
  for (let round = 0; round < 100; round++) {
    const due = soonAt(10_000, random);
    assert.ok(due >= 11_000 && due <= 15_001);
  }
});

test("a wish is followed from 20 seconds up to the expiry, a little later than asked and never earlier", () => {
  const question = { now: 0, attempts: 3, retryDelaysMs, expireAt: 100 * 60 * minute };
  for (const [asked, least] of [
    ["1 second", 20_000],
    ["30 seconds", 30_000],
    ["10 minutes", 10 * minute],
    ["5 hours", 300 * minute],
  ] as const) {
    const due = nextAttemptAt({ ...question, text: `451 try again in ${asked}` }, random);
    assert.ok(due >= least && due <= least * 1.05 + 1, `${asked}: ${due}`);
  }
  assert.equal(nextAttemptAt({ ...question, text: "451 try again in 30 days" }, random), question.expireAt);
});
