/** Keys of rewritten reverse-paths: made, rotated, kept for as long as they are needed, given by the configuration. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySpool, MemoryStore } from "../testing/spool/memory-spool.ts";
import { type RecordChange, SpoolError } from "../spool/spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { RewritingKeys } from "./rewriting-keys.ts";

const hour = 3_600_000;
const day = 24 * hour;

class Fixture {
  readonly clock = new ManualClock();
  readonly store = new MemoryStore();
  readonly log = new CollectingLog();
  readonly random = new SeededRandom(5);
  fails = false;

  async open(given: readonly string[] = []) {
    const memory = new MemorySpool({ clock: this.clock, store: this.store });
    const spool = {
      listRecords: memory.listRecords.bind(memory),
      changeRecords: async (changes: readonly RecordChange[]) => {
        if (this.fails) throw new SpoolError("no-space", "the disk is full");
        await memory.changeRecords(changes);
      },
    };
    return await RewritingKeys.open({ spool, clock: this.clock, random: this.random, log: this.log }, given);
  }

  async pass(ms: number) {
    await this.clock.advance(ms);
    await settle();
  }
}

function hex(keys: readonly Uint8Array[]): readonly string[] {
  return keys.map((key) => Buffer.from(key).toString("hex"));
}

test("the first start makes a key, and later ones find it", async () => {
  const fixture = new Fixture();
  const keys = await fixture.open();
  assert.equal(keys.all.length, 1);
  assert.equal(keys.signing.length, 32);
  await keys.close();
  const again = await fixture.open();
  assert.deepEqual(hex(again.all), hex(keys.all));
  assert.equal(fixture.log.of("forwarding-keys-changed").length, 1);
  await again.close();
  assert.equal(fixture.clock.pendingTimers, 0);
});

test("a new key signs after 30 days; the former verifies until nothing made with it is valid, and no longer", async () => {
  const fixture = new Fixture();
  const keys = await fixture.open();
  const [first] = hex(keys.all);
  await fixture.pass(30 * day - hour);
  assert.deepEqual(hex(keys.all), [first]);
  await fixture.pass(hour);
  const [second] = hex(keys.all);
  assert.notEqual(second, first);
  assert.deepEqual(hex(keys.all), [second, first]);
  assert.deepEqual(hex([keys.signing]), [second]);
  await fixture.pass(23 * day - hour);
  assert.deepEqual(hex(keys.all), [second, first]);
  await fixture.pass(hour);
  assert.deepEqual(hex(keys.all), [second]);
  await fixture.pass(7 * day);
  assert.equal(keys.all.length, 2, "60 days after the start the third one signs");
  await keys.close();
  assert.deepEqual(hex((await fixture.open()).all), hex(keys.all), "and so it is on disk");
});

test("a start after long sleep rotates at once", async () => {
  const fixture = new Fixture();
  const keys = await fixture.open();
  await keys.close();
  await fixture.pass(40 * day);
  const again = await fixture.open();
  assert.deepEqual(hex(again.all).slice(1), hex(keys.all));
  await again.close();
  await fixture.pass(400 * day);
  const late = await fixture.open();
  assert.deepEqual(hex(late.all).slice(1), hex([again.signing]), "the newest one signed until now");
  await late.close();
});

test("no key signs that is not durable: a spool that fails leaves the former at work, and is asked again", async () => {
  const fixture = new Fixture();
  const keys = await fixture.open();
  const before = hex(keys.all);
  fixture.fails = true;
  await fixture.pass(30 * day);
  assert.deepEqual(hex(keys.all), before);
  assert.equal(fixture.log.of("spool-failed").length, 1);
  await fixture.pass(hour);
  assert.equal(fixture.log.of("spool-failed").length, 2);
  fixture.fails = false;
  await fixture.pass(hour);
  assert.equal(keys.all.length, 2);
  await keys.close();
});

test("without a spool there is no first key, and no forwarding", async () => {
  const fixture = new Fixture();
  fixture.fails = true;
  await assert.rejects(fixture.open(), /disk is full/);
});

test("keys of the configuration sign first, and all verify beside those of the spool", async () => {
  const fixture = new Fixture();
  const keys = await fixture.open(["first secret of all", "second secret of all"]);
  const made = hex(keys.all).slice(2);
  assert.deepEqual(Buffer.from(keys.signing).toString(), "first secret of all");
  assert.equal(keys.all.length, 3);
  await fixture.pass(30 * day);
  assert.equal(keys.all.length, 4);
  assert.equal(Buffer.from(keys.signing).toString(), "first secret of all");
  keys.reconfigure([]);
  assert.deepEqual(hex(keys.all).slice(1), made, "without them the server's own sign");
  await keys.close();
});

test("records that are no keys are left alone", async () => {
  const fixture = new Fixture();
  const spool = new MemorySpool({ clock: fixture.clock, store: fixture.store });
  for (const [key, value] of Object.entries({
    a: 1,
    b: { key: "short", madeAt: 1 },
    c: { key: 7, madeAt: 1 },
    d: null,
  })) {
    await spool.changeRecords([{ kind: "put", namespace: "srs-keys", key, value }]);
  }
  const keys = await fixture.open();
  assert.equal(keys.all.length, 1);
  await keys.close();
});
