import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../testing/seeded-random.ts";
import { nextAttemptAt, retryDelayMs, soonAt, wishedDelayMs } from "./retry-schedule.ts";

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

test("a wish in the reply's text is understood, and absurd ones are not followed", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["451 4.7.1 Greylisting in action, please try again in 300 seconds", 300_000],
    ["450 4.2.0 <a@b.test>: Recipient address rejected: Greylisted for 5 minutes", 5 * minute],
    ["451 please retry after 10 min.", 10 * minute],
    ["421 Try again in 1 hour", 60 * minute],
    ["451 try again in 3 hours", undefined],
    ["451 try again later", undefined],
    ["452 4.2.2 mailbox over quota: 300 messages", undefined],
    ["451 try again in 0 seconds", undefined],
    [`451 ${"again ".repeat(20_000)}`, undefined],
  ];
  for (const [text, expected] of cases) assert.equal(wishedDelayMs(text), expected, text.slice(0, 80));
});

test("a wish is followed within the first wait of the schedule and one hour", () => {
  const question = { now: 0, attempts: 3, retryDelaysMs, expireAt: 1e9 };
  const short = nextAttemptAt({ ...question, text: "451 try again in 30 seconds" }, random);
  assert.equal(short, 5 * minute);
  const medium = nextAttemptAt({ ...question, text: "451 try again in 10 minutes" }, random);
  assert.ok(medium >= 10 * minute && medium <= 10.5 * minute + 1);
});
