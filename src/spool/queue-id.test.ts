import { test } from "node:test";
import assert from "node:assert/strict";
import { ManualClock } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { QueueIds, parseQueueId } from "./queue-id.ts";

test("ids are twelve characters of Crockford's base 32", () => {
  const ids = new QueueIds(new ManualClock(), new SeededRandom(1));
  for (let count = 0; count < 100; count++) assert.match(ids.next(), /^[0-9A-HJKMNP-TV-Z]{12}$/);
});

test("ids are unique and rise within one millisecond, over more of them than the sequence has", () => {
  const ids = new QueueIds(new ManualClock(), new SeededRandom(2));
  let last = "";
  for (let count = 0; count < 1_200_000; count++) {
    const id = ids.next();
    if (id <= last) assert.fail(`${id} does not rise above ${last}`);
    last = id;
  }
});

test("ids rise with time, and go on rising when the clock goes back", async () => {
  const clock = new ManualClock(Date.UTC(2031, 4, 5));
  const ids = new QueueIds(clock, new SeededRandom(3));
  const first = ids.next();
  await clock.advance(1);
  const second = ids.next();
  await clock.advance(-3_600_000);
  const third = ids.next();
  assert.ok(first < second && second < third, `${first} ${second} ${third}`);
});

test("a clock before 2024 still gives ids that rise", () => {
  const ids = new QueueIds(new ManualClock(0), new SeededRandom(4));
  const [first, second] = [ids.next(), ids.next()];
  assert.match(first, /^0{8}/);
  assert.ok(first < second);
});

test("different processes start a millisecond at different places", () => {
  const clock = new ManualClock();
  assert.notEqual(new QueueIds(clock, new SeededRandom(5)).next(), new QueueIds(clock, new SeededRandom(6)).next());
});

test("threads of one millisecond make different ids, and there are sixteen of them", () => {
  const clock = new ManualClock();
  const made = new Set<string>();
  for (let thread = 0; thread < 16; thread++) {
    const ids = new QueueIds(clock, new SeededRandom(7), thread);
    for (let count = 0; count < 1000; count++) made.add(ids.next());
  }
  assert.equal(made.size, 16_000);
  for (const thread of [-1, 16]) assert.throws(() => new QueueIds(clock, new SeededRandom(7), thread), RangeError);
});

test("an id is read as people type it", () => {
  assert.equal(parseQueueId("4qj7zc2m9kxd"), "4QJ7ZC2M9KXD");
  assert.equal(parseQueueId("OIL7ZC2M9KXD"), "0117ZC2M9KXD");
  for (const other of ["", "4QJ7ZC2M9KX", "4QJ7ZC2M9KXDD", "4QJ7ZC2M9KXU", "4QJ7ZC2M9KX/"]) {
    assert.equal(parseQueueId(other), undefined, other);
  }
});
