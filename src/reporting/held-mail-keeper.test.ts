import assert from "node:assert/strict";
import { test } from "node:test";
import type { Intake } from "../intake/intake.ts";
import { MemorySpool, MemoryStore } from "../testing/spool/memory-spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { intakeOfOwnMail } from "../testing/own-mail.ts";
import { newMessage } from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { HeldMailKeeper } from "./held-mail-keeper.ts";
import type { ReportDestination } from "./report-destination.ts";
import { ReportGatherer } from "./report-gatherer.ts";
import { Reporter } from "./reporter.ts";

const hour = 3_600_000;
const day = 24 * hour;

class World {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly spool: MemorySpool;
  readonly keeper: HeldMailKeeper;
  wakes = 0;

  constructor(before?: World) {
    if (before !== undefined) this.clock = before.clock;
    this.store = before?.store ?? new MemoryStore();
    this.spool = new MemorySpool({ clock: this.clock, store: this.store });
    const { clock, log, spool } = this;
    const random = new SeededRandom(1);
    let ids = before === undefined ? 0 : 500;
    const nextId = () => `REPORT${String(++ids).padStart(6, "0")}`;
    const intake = intakeOfOwnMail({ spool, clock, hostname: "mail.here.test", stored: () => this.wakes++ });
    const compose: Intake["compose"] = (letter) => intake.compose(letter);
    const findDestination = (to: string): ReportDestination => ({
      kind: "known",
      to,
      recipients: [{ address: to, domain: "here.test" }],
    });
    const settings = () => ({ hostname: "mail.here.test" });
    const reporter = new Reporter({ settings, clock, random, log, nextId, findDestination, compose });
    const gatherer = new ReportGatherer({ reporter, spool, intake, clock, log });
    this.keeper = new HeldMailKeeper({
      ...{ spool, gatherer, intake, clock, random, log, nextId, findDestination },
      settings: () => ({ hostname: "mail.here.test", expireMs: 5 * day }),
    });
    this.keeper.start();
  }

  readonly store: MemoryStore;

  async accept(id: string, address: string, held: boolean): Promise<void> {
    const why = held ? { held: { by: "loop-breaker", reason: "this looks like a loop" } } : {};
    const to = [{ address, domain: "there.test", ...why, due: this.clock.now() + 100 * day }];
    await using writer = this.spool.begin();
    await writer.append(Buffer.from("Subject: round\r\n\r\nand round\r\n"));
    await writer.commit(newMessage(id, this.clock.now(), { reversePath: "ann@here.test", to }), { events: [] });
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= hour) {
      await this.clock.advance(Math.min(hour, left));
      for (let turn = 0; turn < 10; turn++) await settle();
    }
  }

  async mailTo(address: string) {
    return (await this.spool.find({ to: address }, { limit: 100 })).map(({ message }) => message);
  }
}

test("what is held for longer than a day is told once a day: in the log, to the postmaster, and for /readyz", async () => {
  const world = new World();
  await world.accept("M00000000001", "a@there.test", true);
  await world.accept("M00000000002", "b@there.test", false);
  await world.advance(day - hour);
  assert.equal(world.keeper.held, undefined);
  assert.deepEqual(await world.mailTo("postmaster@mail.here.test"), []);
  const received = world.clock.now() - (day - hour);
  await world.advance(3 * hour);
  assert.deepEqual(world.keeper.held, { recipients: 1, oldest: received });
  assert.equal(world.log.of("mail-held-long").length, 1);
  const [notice, ...others] = await world.mailTo("postmaster@mail.here.test");
  assert.equal(others.length, 0);
  assert.equal(notice?.reversePath, "");
  const content = await world.spool.openContent(notice.id);
  const text = Buffer.from(content?.whole ?? []).toString();
  assert.match(text, /^Subject: 1 recipient is on hold on mail\.here\.test\r$/m);
  assert.match(text, /^M00000000001 {2}a@there\.test {2}held by loop-breaker: this looks like a loop\r$/m);
  const restarted = new World(world);
  await restarted.advance(20 * hour);
  assert.equal((await world.mailTo("postmaster@mail.here.test")).length, 1, "a restart tells nothing again");
  await restarted.advance(4 * hour);
  assert.equal((await world.mailTo("postmaster@mail.here.test")).length, 2);
});

test("what is released is no longer told of", async () => {
  const world = new World();
  await world.accept("M00000000001", "a@there.test", true);
  await world.advance(day + 2 * hour);
  assert.ok(world.keeper.held);
  await world.spool.release({}, "ann");
  await world.advance(hour);
  assert.equal(world.keeper.held, undefined);
});

test("held mail expires at the age of all mail, and its sender gets one report", async () => {
  const world = new World();
  await world.accept("M00000000001", "a@there.test", true);
  await world.advance(5 * day);
  assert.deepEqual(await world.mailTo("ann@here.test"), []);
  await world.advance(2 * hour);
  const [report, ...others] = await world.mailTo("ann@here.test");
  assert.equal(others.length, 0);
  assert.equal(report?.reportOn, "M00000000001");
  const content = await world.spool.openContent(report.id);
  assert.match(Buffer.from(content?.whole ?? []).toString(), /^Final-Recipient: rfc822; a@there\.test\r$/m);
  const found = await world.spool.message("M00000000001");
  assert.deepEqual(
    found?.recipients.map(({ state }) => state),
    ["removed"],
  );
  assert.match(
    String(world.log.of("recipient-expired")[0]?.["reply"]),
    /^4\.7\.0 The message was held by loop-breaker and was not released/,
  );
  assert.equal(world.keeper.held, undefined);
  await world.advance(2 * day);
  assert.equal((await world.mailTo("ann@here.test")).length, 1);
});
