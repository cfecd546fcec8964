/** Rounds of work: when each begins, on whichever clock, and that none begins after the close. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { Rounds } from "./rounds.ts";

const minuteMs = 60_000;

function world() {
  const clock = new ManualClock();
  const began: number[] = [];
  const startMs = clock.monotonicMs();
  let work = Promise.resolve();
  const rounds = new Rounds(clock, async () => {
    began.push(clock.monotonicMs() - startMs);
    await work;
    return 90 * minuteMs;
  });
  return { clock, began, rounds, setWork: (next: Promise<void>) => (work = next) };
}

test("each round begins so long after the end of the one before, and never two at once", async () => {
  const { clock, began, rounds, setWork } = world();
  rounds.start(2 * minuteMs);
  await clock.advance(2 * minuteMs - 1);
  assert.deepEqual(began, []);
  await clock.advance(1);
  assert.deepEqual(began, [2 * minuteMs]);
  const { promise, resolve } = Promise.withResolvers<void>();
  setWork(promise);
  await clock.advance(300 * minuteMs);
  assert.deepEqual(began, [2 * minuteMs, 92 * minuteMs], "the second goes on");
  resolve();
  await new Promise((done) => setImmediate(done));
  await clock.advance(90 * minuteMs);
  assert.equal(began.length, 3);
});

test("a clock set forward ends the wait within a minute, and one set back does not lengthen it", async () => {
  const forward = world();
  forward.rounds.start(90 * minuteMs);
  await forward.clock.advance(10 * minuteMs);
  forward.clock.jump(85 * minuteMs);
  await forward.clock.advance(minuteMs);
  assert.deepEqual(forward.began, [11 * minuteMs]);
  const back = world();
  back.rounds.start(90 * minuteMs);
  back.clock.jump(-500 * minuteMs);
  await back.clock.advance(90 * minuteMs);
  assert.deepEqual(back.began, [90 * minuteMs]);
});

test("closing waits for the round under way, and none begins after it", async () => {
  const { clock, began, rounds, setWork } = world();
  const { promise, resolve } = Promise.withResolvers<void>();
  setWork(promise);
  rounds.start(minuteMs);
  await clock.advance(minuteMs);
  let isClosed = false;
  const closing = rounds.close().then(() => (isClosed = true));
  await clock.advance(minuteMs);
  assert.deepEqual([isClosed, rounds.isClosed], [false, true]);
  resolve();
  await closing;
  rounds.start(minuteMs);
  await clock.advance(300 * minuteMs);
  assert.deepEqual(began, [minuteMs]);
});
