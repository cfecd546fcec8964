/** When overload begins and when it ends, cause by cause, in simulated time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { TestMeasures } from "../testing/test-measures.ts";
import { Overload } from "./overload.ts";
import { limitsSettings } from "./settings.ts";

function world(given: Parameters<typeof limitsSettings.parse>[0] = {}) {
  const clock = new ManualClock();
  const log = new CollectingLog();
  const measures = new TestMeasures();
  const disk = { free: Number.POSITIVE_INFINITY, spoolDelayMs: 0 };
  const overload = new Overload({
    limits: limitsSettings.parse(given),
    ...{ measures, clock, log, path: "/" },
    freeBytes: () => disk.free,
    spoolDelayMs: () => disk.spoolDelayMs,
  });
  /** What a client hears that connects a second later. */
  const later = async () => {
    await clock.advance(1000);
    return overload.refusal()?.inputs["cause"];
  };
  return { clock, log, measures, disk, overload, later };
}

type World = ReturnType<typeof world>;

const causes: Readonly<Record<string, readonly [strain: (on: World) => void, relax: (on: World) => void]>> = {
  memory: [
    ({ measures }) => (measures.use = { ...measures.use, resident: 901 }),
    ({ measures }) => (measures.use = { ...measures.use, resident: 720 }),
  ],
  heap: [
    ({ measures }) => (measures.use = { ...measures.use, heap: 451 }),
    ({ measures }) => (measures.use = { ...measures.use, heap: 360 }),
  ],
  disk: [({ disk }) => (disk.free = 49_999_999), ({ disk }) => (disk.free = 62_500_000)],
  inodes: [({ measures }) => (measures.inodes = 999), ({ measures }) => (measures.inodes = 1250)],
  spool: [({ disk }) => (disk.spoolDelayMs = 10_001), ({ disk }) => (disk.spoolDelayMs = 8000)],
  "event-loop": [({ measures }) => (measures.delayMs = 1001), ({ measures }) => (measures.delayMs = 800)],
};

for (const [cause, [strain, relax]] of Object.entries(causes)) {
  test(`${cause}: two strained measures begin overload, five good ones end it, and nobody need connect for that`, async () => {
    const on = world();
    const { clock, log, overload, later } = on;
    assert.equal(await later(), undefined);
    strain(on);
    // The file system's answer counts from the next measure on.
    if (cause === "inodes") assert.equal(await later(), undefined);
    assert.equal(await later(), undefined);
    assert.equal(await later(), cause);
    assert.equal(overload.refusal()?.reply.code, 421);
    relax(on);
    if (cause === "inodes") await clock.advance(1000);
    await clock.advance(4000);
    assert.equal(log.of("overload-ended").length, 0);
    await clock.advance(1000);
    assert.deepEqual(
      log.of("overload-ended").map((event) => event["cause"]),
      [cause],
    );
    assert.equal(overload.refusal(), undefined);
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(
      log.of("overload-began").map((event) => event["cause"]),
      [cause],
    );
  });
}

test("a measure at its limit is no strain, and one between four fifths and the limit keeps overload as it is", async () => {
  const on = world();
  on.measures.use = { ...on.measures.use, resident: 900 };
  for (let second = 0; second < 3; second++) assert.equal(await on.later(), undefined);
  on.measures.use = { ...on.measures.use, resident: 901 };
  await on.later();
  assert.equal(await on.later(), "memory");
  on.measures.use = { ...on.measures.use, resident: 721 };
  for (let second = 0; second < 20; second++) assert.equal(await on.later(), "memory");
  on.overload.stop();
  assert.equal(on.clock.pendingTimers, 0);
});

test("one strained measure between good ones begins nothing, nor does one good measure end anything", async () => {
  const on = world();
  for (let round = 0; round < 5; round++) {
    on.measures.delayMs = 5000;
    assert.equal(await on.later(), undefined);
    on.measures.delayMs = 0;
    assert.equal(await on.later(), undefined);
  }
  on.measures.delayMs = 5000;
  await on.later();
  await on.later();
  for (let round = 0; round < 5; round++) {
    for (const delayMs of [0, 0, 0, 0, 5000]) {
      on.measures.delayMs = delayMs;
      assert.equal(await on.later(), "event-loop");
    }
  }
  on.overload.stop();
});

test("every strained measure is named with its limit, until the last good one, and none before overload begins", async () => {
  const on = world();
  const { measures, disk, overload, later } = on;
  measures.delayMs = 1500;
  disk.free = 10;
  await later();
  assert.deepEqual(overload.causes(), []);
  await later();
  const both = [
    { cause: "disk", measured: 10, limit: 50_000_000 },
    { cause: "event-loop", measured: 1500, limit: 1000 },
  ];
  assert.deepEqual(overload.causes(), both);
  measures.delayMs = 0;
  await later();
  assert.deepEqual(overload.causes(), both.slice(0, 1));
  disk.free = Number.POSITIVE_INFINITY;
  for (let second = 0; second < 4; second++) {
    await later();
    assert.deepEqual(overload.causes(), both.slice(0, 1));
  }
  await later();
  assert.deepEqual(overload.causes(), []);
});

test("a thousand clients a second cost one measure", async () => {
  const { measures, overload, clock } = world();
  for (let client = 0; client < 1000; client++) overload.refusal();
  assert.equal(measures.asked, 1);
  await clock.advance(999);
  overload.refusal();
  assert.equal(measures.asked, 1);
});

test("limits of 0 are none, a reload changes them, and a file system that does not answer is no strain", async () => {
  const on = world({ memory_share: 0, spool_delay: "0s", event_loop_delay: "0s", free_inodes: 0 });
  on.measures.use = { resident: 1000, residentMax: 1000, heap: 500, heapMax: 500 };
  Object.assign(on.disk, { spoolDelayMs: 99_999 });
  on.measures.delayMs = 99_999;
  on.measures.inodes = 0;
  for (let second = 0; second < 4; second++) assert.equal(await on.later(), undefined);
  on.measures.inodes = undefined;
  on.overload.reconfigure(limitsSettings.parse({ memory_share: 99, event_loop_delay: "0s", spool_delay: "0s" }));
  await on.later();
  assert.equal(await on.later(), "memory");
  on.overload.stop();
});
