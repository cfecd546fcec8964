/** The real clock: order and cancellation; lengths of waits are not asserted. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { SystemClock } from "./system-clock.ts";
import { SystemRandom } from "./system-random.ts";

const clock = new SystemClock();

test("timers fire, cancelled ones do not, and far ones do not fire at once", async () => {
  const fired: string[] = [];
  const cancelled = clock.setTimer(1, () => fired.push("cancelled"));
  // 60 days: more than node's own timers take.
  const far = clock.setTimer(60 * 86_400_000, () => fired.push("far"));
  cancelled.cancel();
  cancelled.cancel();
  await new Promise<void>((resolve) => {
    clock.setTimer(2, resolve);
  });
  assert.deepEqual(fired, []);
  far.cancel();
});

test("sleep ends, and rejects with the signal's reason", async () => {
  await clock.sleep(1);
  const controller = new AbortController();
  const sleeping = clock.sleep(60_000, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
  await assert.rejects(clock.sleep(60_000, { signal: controller.signal }), /enough/);
});

test("timeout aborts with a TimeoutError; odd delays are taken", async () => {
  const signal = clock.timeout(0.5);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert.equal((signal.reason as Error).name, "TimeoutError");
  assert.equal(clock.timeout(1e12).aborted, false);
  assert.ok(clock.monotonicMs() <= clock.monotonicMs());
  assert.ok(Math.abs(clock.now() - Date.now()) < 60_000);
});

test("random octets differ, numbers are in [0, 1)", () => {
  const random = new SystemRandom();
  assert.notDeepEqual(random.bytes(16), random.bytes(16));
  const number = random.next();
  assert.ok(number >= 0 && number < 1);
});
