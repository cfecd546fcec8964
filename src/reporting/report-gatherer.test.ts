import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { NotifyCondition } from "../smtp/envelope.ts";
import { MemorySpool, MemoryStore } from "../testing/spool/memory-spool.ts";
import {
  type MessageWriter,
  type NewMessage,
  type Spool,
  SpoolError,
  type StoredMessage,
  type StoredRecipient,
} from "../spool/spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { intakeOfOwnMail } from "../testing/own-mail.ts";
import { bouncedReply, deferredReply, newMessage, relayed } from "../testing/queue-fixture.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { owedNamespace } from "./owed-record.ts";
import type { ReportDestination } from "./report-destination.ts";
import { ReportGatherer } from "./report-gatherer.ts";
import { Reporter } from "./reporter.ts";

const terms = { leaseMs: 3_600_000, retryDelaysMs: [300_000] };
const content = "From: ann@here.test\r\nSubject: Lunch\r\n\r\nShall we?\r\n";
const hour = 3_600_000;

/** A spool with one claimed message, and what the queue does with it, one recipient at a time. */
class World {
  readonly clock: ManualClock;
  readonly log = new CollectingLog();
  readonly store: MemoryStore;
  readonly spool: Spool;
  readonly gatherer: ReportGatherer;
  destination: ReportDestination | undefined;
  refuseReports = 0;
  wakes = 0;

  constructor(before?: World) {
    this.clock = new ManualClock(before?.clock.now());
    this.store = before?.store ?? new MemoryStore();
    this.spool = refusing(new MemorySpool({ clock: this.clock, store: this.store }), () => this.refuseReports-- > 0);
    const { clock, spool } = this;
    const intake = intakeOfOwnMail({ spool, clock, hostname: "mail.here.test", stored: () => this.wakes++ });
    let ids = before === undefined ? 0 : 100;
    const reporter = new Reporter({
      settings: () => ({ hostname: "mail.here.test" }),
      clock: this.clock,
      random: new SeededRandom(1),
      log: this.log,
      nextId: () => `REPORT${String(++ids).padStart(6, "0")}`,
      compose: (letter) => intake.compose(letter),
      findDestination: (to) =>
        this.destination ?? { kind: "known", to, recipients: [{ address: to, domain: "here.test" }] },
    });
    this.gatherer = new ReportGatherer({
      reporter,
      spool: this.spool,
      clock: this.clock,
      log: this.log,
      intake,
    });
  }

  async accept(count: number, more: { readonly notify?: readonly NotifyCondition[] } = {}) {
    const to = Array.from({ length: count }, (_, n) => ({
      address: `u${n}@d${n}.test`,
      domain: `d${n}.test`,
      ...more,
    }));
    const sketch = newMessage("M00000000001", this.clock.now(), { reversePath: "ann@here.test", to });
    await using writer = this.spool.begin();
    await writer.append(Buffer.from(content));
    const { claimed } = await writer.commit(sketch, { events: [], claim: terms });
    assert.ok(claimed);
    let open = count;
    /** As the concluder does it: an outcome and what it owes are one settlement. */
    return async (index: number, outcome: DeliveryOutcome, due?: number) => {
      const recipient = claimed.recipients[index] ?? assert.fail();
      const made = await this.gatherer.reportsFor({
        message: claimed.message,
        attempts: [attemptOf(recipient, outcome)],
        openContent: async () => (await this.spool.openContent(claimed.message.id)) ?? assert.fail("no content"),
        whole: false,
      });
      const reply = "said so";
      const warned = made.warned.includes(index) ? { warned: true as const } : {};
      assert.ok(
        await this.spool.settle({
          message: claimed.message.id,
          token: claimed.token,
          changes: [
            outcome.kind === "deferred"
              ? { index, to: "scheduled", due: due ?? 0, reply, ...warned }
              : { index, to: outcome.kind === "bounced" ? "failed" : outcome.kind, reply },
          ],
          reports: made.reports,
          events: made.events,
          records: made.records,
        }),
      );
      made.onRecorded();
      if (--open === 0) this.gatherer.claimEnded(claimed.message.id);
      await settle();
    };
  }

  /** The recipients named in each report, by its action. */
  async told(): Promise<readonly string[]> {
    const events = await this.spool.events("M00000000001");
    return events.flatMap((event) =>
      event.kind === "report-queued" ? [`${event.action}: ${event.recipients.join(" ")}`] : [],
    );
  }

  async reports(): Promise<readonly StoredMessage[]> {
    const found = await this.spool.find({ to: "ann@here.test" }, { limit: 1_000 });
    return found.map(({ message }) => message);
  }

  async owed(): Promise<number> {
    return (await this.spool.listRecords(owedNamespace, { limit: 1_000 })).length;
  }

  async advance(ms: number): Promise<void> {
    await settle();
    await this.clock.advance(ms);
    for (let turn = 0; turn < 20; turn++) await settle();
  }
}

function attemptOf(recipient: StoredRecipient, outcome: DeliveryOutcome) {
  if (outcome.kind !== "deferred") return { recipient, outcome };
  return { recipient, outcome, willRetryUntil: 1e15, delayWarningDue: true };
}

function refusing(spool: Spool, refuses: () => boolean): Spool {
  return new Proxy(spool, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "begin") return value.bind(target) as unknown;
      return (): MessageWriter => {
        const writer = target.begin();
        const commit: MessageWriter["commit"] = (message: NewMessage, options) =>
          message.reportOn !== undefined && refuses()
            ? Promise.reject(new SpoolError("no-space", "full"))
            : writer.commit(message, options);
        return Object.assign(Object.create(writer) as MessageWriter, { commit, append: writer.append.bind(writer) });
      };
    },
  });
}

test("200 recipients at 200 sites that refuse give one report, when the last attempt is over", async () => {
  const world = new World();
  const conclude = await world.accept(200);
  for (let index = 0; index < 200; index++) {
    assert.deepEqual(await world.told(), []);
    await conclude(index, bouncedReply());
  }
  await world.advance(0);
  const [told, ...others] = await world.told();
  assert.deepEqual(others, []);
  assert.equal(new Set(told?.split(" ").slice(1)).size, 200);
  assert.equal(await world.owed(), 0);
  assert.equal(world.wakes, 1);
  assert.equal(await world.spool.openContent("M00000000001"), undefined, "the content went with the last outcome");
  const [report] = await world.reports();
  const made = await world.spool.openContent(report?.id ?? "");
  const text = Buffer.from(made?.whole ?? []).toString();
  assert.equal(text.match(/^Final-Recipient: /gm)?.length, 200);
  assert.match(text, /^Subject: Lunch\r$/m, "and what is returned was kept with what is owed");
});

test("failures wait for a minute for others of their message, not longer", async () => {
  const world = new World();
  const conclude = await world.accept(3);
  await conclude(0, bouncedReply());
  await world.advance(50_000);
  await conclude(1, bouncedReply());
  assert.deepEqual(await world.told(), []);
  await world.advance(10_000);
  assert.deepEqual(await world.told(), ["failed: u0@d0.test u1@d1.test"]);
  await world.advance(hour / 2);
  await conclude(2, bouncedReply());
  await world.advance(0);
  assert.deepEqual((await world.told()).slice(1), ["failed: u2@d2.test"]);
  assert.equal(await world.owed(), 0);
});

test("recipients that are put off beyond the minute are not waited for", async () => {
  const world = new World();
  const conclude = await world.accept(2);
  await conclude(0, bouncedReply());
  await conclude(1, { ...deferredReply(), kind: "deferred" } as DeliveryOutcome, world.clock.now() + hour);
  await world.advance(0);
  assert.deepEqual(await world.told(), ["failed: u0@d0.test", "delayed: u1@d1.test"].toSorted().toReversed());
});

test("warnings wait for their round, an hour at most, and tell of nobody who got it meanwhile", async () => {
  const world = new World();
  const conclude = await world.accept(4);
  const due = world.clock.now() + 20 * 60_000;
  await conclude(0, deferredReply(), due);
  await conclude(1, deferredReply(), due + 60_000);
  await world.advance(10 * 60_000);
  assert.deepEqual(await world.told(), []);
  await conclude(2, deferredReply(), due + 30 * 60_000);
  await world.spool.remove({ to: "u1@d1.test" }, "ann");
  await world.advance(50 * 60_000);
  assert.deepEqual(await world.told(), ["delayed: u0@d0.test u2@d2.test"]);
  assert.equal(await world.owed(), 0);
});

test("success that was asked for is gathered, and told apart from failure", async () => {
  const world = new World();
  const conclude = await world.accept(3, { notify: ["SUCCESS", "FAILURE"] });
  await conclude(0, relayed);
  await conclude(1, bouncedReply());
  await conclude(2, relayed);
  await world.advance(0);
  assert.deepEqual((await world.told()).toSorted(), ["failed: u1@d1.test", "relayed: u0@d0.test u2@d2.test"]);
});

test("what is owed survives a crash, and is told once", async () => {
  const before = new World();
  const conclude = await before.accept(2);
  await conclude(0, bouncedReply());
  await before.advance(30_000);
  assert.equal(await before.owed(), 1);
  const after = new World(before);
  await after.gatherer.start();
  await after.advance(29_000);
  assert.deepEqual(await after.told(), []);
  await after.advance(1_000);
  assert.deepEqual(await after.told(), ["failed: u0@d0.test"]);
  const last = new World(after);
  await last.gatherer.start();
  await last.advance(hour);
  assert.deepEqual(await last.told(), ["failed: u0@d0.test"]);
});

test("a report that cannot be stored stays owed, is tried again, and is made once", async () => {
  const world = new World();
  const conclude = await world.accept(1);
  world.refuseReports = 3;
  await conclude(0, bouncedReply());
  await world.advance(0);
  assert.equal(await world.owed(), 1);
  assert.deepEqual(
    world.log.of("spool-failed").map(({ where, error }) => [where, error]),
    [["making a report", "full"]],
  );
  assert.deepEqual(world.log.of("internal-error"), []);
  await world.advance(60_000);
  assert.deepEqual(await world.told(), ["failed: u0@d0.test"]);
  assert.equal(await world.owed(), 0);
  assert.equal((await world.reports()).length, 1);
});

test("where the sender is gone by then nothing is owed any more, and the log and the history say so", async () => {
  const world = new World();
  const conclude = await world.accept(2);
  await conclude(0, bouncedReply());
  world.destination = { kind: "nobody" };
  await world.advance(60_000);
  assert.equal(await world.owed(), 0);
  assert.deepEqual(await world.told(), []);
  assert.deepEqual(world.log.of("report-withheld")[0]?.["recipients"], ["u0@d0.test"]);
  const told = (await world.spool.events("M00000000001")).filter((event) => event.kind === "report-withheld");
  assert.deepEqual(
    told.map(({ recipients }) => recipients),
    [["u0@d0.test"]],
  );
});

test("a closed gatherer tells nothing more and leaves what is owed on the disk", async () => {
  const world = new World();
  const conclude = await world.accept(2);
  await conclude(0, bouncedReply());
  await world.gatherer.close();
  await conclude(1, bouncedReply());
  await world.advance(hour);
  assert.equal(await world.owed(), 2);
  assert.deepEqual(await world.told(), []);
});

test("a clock that is set, forward or back, changes nothing of how long a failure waits", async () => {
  for (const days of [-30, 30]) {
    const world = new World();
    const conclude = await world.accept(2);
    await conclude(0, bouncedReply());
    world.clock.jump(days * 24 * hour);
    await world.advance(59_999);
    assert.deepEqual(await world.told(), []);
    await world.advance(1);
    assert.deepEqual(await world.told(), ["failed: u0@d0.test"]);
  }
});

test("more than a thousand recipients come in further reports, each named once", async () => {
  const world = new World();
  const conclude = await world.accept(1_150);
  for (let index = 0; index < 1_150; index++) await conclude(index, bouncedReply());
  await world.advance(0);
  const told = await world.told();
  assert.deepEqual(
    told.map((line) => line.split(" ").length - 1),
    [1_000, 150],
  );
  assert.equal(new Set(told.flatMap((line) => line.split(" ").slice(1))).size, 1_150);
});
