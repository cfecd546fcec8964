import { test } from "node:test";
import assert from "node:assert/strict";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { HistoryKeeper } from "./history-keeper.ts";

test("old history goes a little at a time, hour by hour, and a failure is logged and tried again", async () => {
  const clock = new ManualClock(1_000_000_000_000);
  const log = new CollectingLog();
  const answers = [500, 500, 12];
  const calls: { at: number; before: number; limit: number }[] = [];
  const prune = (before: number, limit: number) => {
    calls.push({ at: clock.now(), before, limit });
    const rows = answers.shift();
    return rows === undefined ? Promise.reject(new Error("disk")) : Promise.resolve(rows);
  };
  const keeper = new HistoryKeeper({ spool: { prune }, clock, log }, 86_400_000);
  keeper.start();
  await clock.advance(61_000);
  assert.deepEqual(
    calls.map(({ at, before, limit }) => [at - 1_000_000_000_000, at - before, limit]),
    [
      [60_000, 86_400_000, 500],
      [60_050, 86_400_000, 500],
      [60_100, 86_400_000, 500],
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
