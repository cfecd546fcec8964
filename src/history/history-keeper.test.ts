import { test } from "node:test";
import assert from "node:assert/strict";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SpoolError } from "../spool/spool.ts";
import { HistoryKeeper } from "./history-keeper.ts";

test("old history goes a little at a time, hour by hour, and a failure is logged and tried again", async () => {
  const clock = new ManualClock(1_000_000_000_000);
  const log = new CollectingLog();
  const answers = [500, 500, 12];
  const calls: { at: number; before: number; limit: number }[] = [];
  const prune = (before: number, limit: number) => {
    calls.push({ at: clock.now(), before, limit });
    const rows = answers.shift();
    return rows === undefined ? Promise.reject(new SpoolError("failed", "disk")) : Promise.resolve(rows);
  };
  const keeper = new HistoryKeeper({ spool: { prune }, clock, log }, 86_400_000);
  keeper.start();
  await clock.advance(61_000);
  assert.deepEqual(
    calls.map(({ at, before, limit }) => [at - 1_000_000_000_000, at - before, limit]),
    [
      [60_000, 86_400_000, 500],
      [60_010, 86_400_000, 500],
      [60_020, 86_400_000, 500],
    ],
  );
  keeper.reconfigure(1000);
  await clock.advance(3_600_000);
  assert.equal(calls.length, 4);
  assert.equal(calls[3]?.before, (calls[3]?.at ?? 0) - 1000);
  await clock.advance(3_600_000);
  assert.equal(calls.length, 5, "goes on after a failure");
  assert.ok(log.events.some(({ name }) => name === "spool-failed"));
  await keeper.close();
  assert.equal(clock.pendingTimers, 0);
});

test("a wake has the next round begin at once, and the rounds after it come hour by hour", async () => {
  const clock = new ManualClock(1_000_000_000_000);
  const calls: number[] = [];
  const prune = () => Promise.resolve(calls.push(clock.now() - 1_000_000_000_000) * 0);
  const keeper = new HistoryKeeper({ spool: { prune }, clock, log: new CollectingLog() }, 86_400_000);
  keeper.start();
  keeper.wake();
  keeper.wake();
  await clock.advance(3_600_000);
  assert.deepEqual(calls, [10]);
  await clock.advance(10);
  assert.deepEqual(calls, [10, 3_600_010]);
  await keeper.close();
  assert.equal(clock.pendingTimers, 0);
});
