/** Stops, crashes, lost leases and a spool that refuses: nothing is lost, and nothing is delivered twice without need. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Settlement, type Spool, SpoolError } from "../spool/spool.ts";
import { bouncedReply, deferredReply, QueueFixture, relayed } from "../testing/queue-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;

/** A spool whose disk can be full: writes of outcomes and leases fail while `full` says so. */
class FragileDisk {
  full = false;
  /** So many renewals of leases are still refused. */
  renewalsRefused = 0;
  poison: (settlement: Settlement) => boolean = () => false;
  readonly settlements: Settlement[] = [];

  readonly wrap = (spool: Spool): Spool =>
    new Proxy(spool, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (name === "settle") {
          return async (settlement: Settlement) => {
            if (this.full || this.poison(settlement)) throw new SpoolError("no-space", "The disk is full");
            this.settlements.push(settlement);
            return target.settle(settlement);
          };
        }
        if ((name === "renew" || name === "claim") && (this.full || (name === "renew" && this.renewalsRefused-- > 0))) {
          return async () => Promise.reject(new SpoolError("no-space", "The disk is full"));
        }
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
}

test("a message that was delivered while the disk was full is not delivered again", async () => {
  const disk = new FragileDisk();
  const fixture = new QueueFixture({ wrapSpool: disk.wrap });
  const { agent, queue, log } = fixture;
  queue.start();
  agent.blocked = true;
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  disk.full = true;
  agent.unblock();
  agent.blocked = false;
  await fixture.settle();
  assert.equal(log.of("queue-paused").length, 1);
  assert.match(queue.stats().paused ?? "", /no-space/);
  assert.equal(queue.claimTermsForFresh(), undefined, "nothing fresh is claimed meanwhile");
  await fixture.advance(5 * minute);
  disk.full = false;
  await fixture.advance(minute);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(agent.jobs.length, 1);
  assert.equal(log.of("queue-resumed").length, 1);
  await fixture.advance(2 * hour);
  assert.equal(agent.jobs.length, 1);
});

test("found by simulation: a queue resumes, though all is recorded and only the renewals are refused for longer", async () => {
  const disk = new FragileDisk();
  const fixture = new QueueFixture({ wrapSpool: disk.wrap });
  const { agent, queue, log } = fixture;
  queue.start();
  agent.blocked = true;
  await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  disk.full = true;
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  disk.full = false;
  disk.renewalsRefused = 4;
  await fixture.advance(hour);
  assert.equal(log.of("queue-resumed").length, 1);
  const { id } = await fixture.accept({ to: ["bob@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("found by simulation: what waits in memory while the disk is full for longer than a lease is sent once", async () => {
  const disk = new FragileDisk();
  const fixture = new QueueFixture({ wrapSpool: disk.wrap, settings: { deliveries: 1 } });
  const { agent, queue } = fixture;
  queue.start();
  agent.blocked = true;
  const ids: string[] = [];
  for (const name of ["a", "b", "c", "d"]) ids.push((await fixture.accept({ to: [`${name}@there.test`] })).id);
  await fixture.settle();
  disk.full = true;
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(45 * minute);
  disk.full = false;
  await fixture.advance(hour);
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(agent.jobs.length, 4);
});

test("found by simulation: what is under way when the clock is set forward by hours is not sent again", async () => {
  const fixture = new QueueFixture();
  const { agent, queue, clock } = fixture;
  queue.start();
  agent.blocked = true;
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  clock.jump(2 * hour);
  queue.wake();
  await fixture.advance(minute);
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(hour);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(agent.jobs.length, 1);
});

test("trap: resuming after a pause resumes: what waited is delivered, what came meanwhile too", async () => {
  const disk = new FragileDisk();
  const fixture = new QueueFixture({ wrapSpool: disk.wrap, settings: { deliveries: 1 } });
  const { agent, queue } = fixture;
  queue.start();
  agent.blocked = true;
  const ids: string[] = [];
  for (const name of ["a", "b", "c"]) ids.push((await fixture.accept({ to: [`${name}@there.test`] })).id);
  await fixture.settle();
  disk.full = true;
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  const begun = agent.jobs.length;
  assert.ok(begun <= 2, "at most what began before the spool's refusal was known");
  await fixture.advance(minute);
  assert.equal(agent.jobs.length, begun, "nothing new begins while outcomes cannot be recorded");
  ids.push((await fixture.accept({ to: ["d@there.test"] })).id);
  disk.full = false;
  await fixture.advance(minute);
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(agent.jobs.length, 4);
});

test("one settlement that the spool never takes does not stop the queue for the others", async () => {
  const disk = new FragileDisk();
  const fixture = new QueueFixture({ wrapSpool: disk.wrap });
  const { agent, queue } = fixture;
  queue.start();
  const { id } = await fixture.accept({ reversePath: "odd@here.test", to: ["ann@there.test"] });
  disk.poison = (settlement) => settlement.message === id && settlement.events.length > 0;
  await fixture.advance(5_000);
  const other = await fixture.accept({ to: ["bob@there.test"] });
  await fixture.advance(10_000);
  assert.deepEqual(await fixture.states(other.id), ["relayed"]);
  await fixture.advance(5 * minute);
  assert.deepEqual(await fixture.states(id), ["relayed"], "the bare outcome is kept, without its history");
  assert.equal(agent.attempted.filter((address) => address === "ann@there.test").length, 1);
});

test("found by simulation: what is refused for long with everything else is not given up at the next single refusal", async () => {
  const disk = new FragileDisk();
  const fixture = new QueueFixture({ wrapSpool: disk.wrap });
  fixture.agent.answer = () => bouncedReply();
  disk.full = true;
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["gone@there.test"] });
  await fixture.advance(15 * minute);
  let refusals = 3;
  disk.poison = () => refusals-- > 0;
  disk.full = false;
  await fixture.advance(5 * minute);
  assert.deepEqual(await fixture.states(id), ["failed"]);
  const kinds = (await fixture.spool.events(id)).map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(-2), ["recipient-failed", "report-queued"], "its history and its report are there");
  assert.equal(fixture.log.of("internal-error").length, 0);
  assert.equal(fixture.agent.attempted.filter((address) => address === "gone@there.test").length, 1);
});

test("who fails while no report can be made is put off, tried again and reported then: nobody is given up in silence", async () => {
  const fixture = new QueueFixture();
  fixture.reporter.failures = 3;
  fixture.agent.answer = (_, { address }) => (address === "gone@there.test" ? bouncedReply() : relayed);
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["gone@there.test"] });
  await fixture.advance(minute);
  const [putOff] = await fixture.recipients(id);
  assert.equal(putOff?.state, "scheduled");
  assert.match(
    putOff.lastReply ?? "",
    /^4\.3\.0 This server could not create the delivery report, so it will try the delivery again: 550 5\.1\.1 /,
  );
  assert.deepEqual(await fixture.reports(), []);
  await fixture.advance(10 * minute);
  assert.deepEqual(await fixture.states(id), ["failed"]);
  assert.deepEqual(await fixture.reports(), ["sender@here.test failed: gone@there.test"]);
});

test("found by simulation: a disk that takes no report is trouble of the disk in the log, and no fault of ours", async () => {
  for (const [failure, event] of [
    [new SpoolError("no-space", "the disk is full"), "spool-failed"],
    [new Error("the report writer is broken"), "internal-error"],
  ] as const) {
    const fixture = new QueueFixture();
    Object.assign(fixture.reporter, { failures: 1, failure });
    fixture.agent.answer = () => bouncedReply();
    fixture.queue.start();
    const { id } = await fixture.accept({ to: ["gone@there.test"] });
    await fixture.advance(minute);
    assert.deepEqual(await fixture.states(id), ["failed"]);
    const what = failure instanceof SpoolError ? { code: failure.code, error: failure.message } : { error: failure };
    const told = { message: id, where: "making a report", ...what };
    assert.deepEqual([...fixture.log.of("spool-failed"), ...fixture.log.of("internal-error")], [told], event);
    assert.equal(fixture.log.of(event).length, 1);
  }
});

test("trap: permanently failed mail is not tried again after a restart, even if its report had trouble", async () => {
  const before = new QueueFixture();
  before.reporter.failures = 1;
  before.agent.answer = () => bouncedReply();
  before.queue.start();
  const { id } = await before.accept({ to: ["gone@there.test"] });
  await before.advance(minute);
  await before.queue.stop({ deadlineMs: 0 });
  const after = new QueueFixture({ before });
  after.queue.start();
  await after.advance(10 * hour);
  assert.deepEqual(await after.states(id), ["failed"]);
  assert.equal(after.agent.attempted.includes("gone@there.test"), false);
});

test("what a crash left claimed is found by the next start", async () => {
  const before = new QueueFixture();
  before.agent.blocked = true;
  before.queue.start();
  const { id } = await before.accept({ to: ["ann@there.test"] });
  await before.settle();
  assert.deepEqual(await before.states(id), ["claimed"]);
  // The crash: nothing of `before` runs on.
  const after = new QueueFixture({ before });
  after.queue.start();
  await after.settle();
  assert.deepEqual(await after.states(id), ["relayed"]);
});

test("trap: a claim of a worker that died in silence ends with its lease, and others do not prolong it", async () => {
  const fixture = new QueueFixture();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  const [dead] = await fixture.spool.claim({
    limit: 1,
    perDomainMax: 1,
    excludeDomains: [],
    leaseMs: 20 * minute,
    retryDelaysMs: [5 * minute],
  });
  assert.equal(dead?.message.id, id);
  fixture.queue.start();
  await fixture.advance(15 * minute);
  assert.deepEqual(await fixture.states(id), ["claimed"]);
  await fixture.advance(10 * minute);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(
    await fixture.spool.settle({ message: id, token: dead?.token ?? 0, changes: [], reports: [], events: [] }),
    false,
  );
});

test("a delivery longer than the lease keeps its claim, because it is renewed", async () => {
  const fixture = new QueueFixture();
  fixture.agent.blocked = true;
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["slow@there.test"] });
  await fixture.advance(3 * hour);
  fixture.agent.unblock();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(fixture.agent.jobs.length, 1);
});

test("a delivery that never ends is given up after hours; its recipient is not locked away", async () => {
  const fixture = new QueueFixture();
  fixture.agent.blocked = true;
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["stuck@there.test"] });
  await fixture.settle();
  fixture.agent.blocked = false;
  await fixture.advance(7 * hour);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(fixture.agent.attempted.filter((address) => address === "stuck@there.test").length, 2);
  fixture.agent.unblock();
  await fixture.settle();
  assert.equal(fixture.queue.stats().running, 0);
});

test("an outcome whose claim was taken over is dropped, and the log says so", async () => {
  const fixture = new QueueFixture({
    wrapSpool: (spool) =>
      new Proxy(spool, {
        get(target, name) {
          if (name === "settle") return async () => false;
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  assert.equal(fixture.log.of("claim-lost")[0]?.["message"], id);
  assert.equal(fixture.queue.stats().ready, 0);
});

test("stop lets deliveries finish, and gives back what was not begun, due at once and uncounted", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 1 } });
  const { agent, clock, queue } = fixture;
  agent.blocked = true;
  queue.start();
  const running = await fixture.accept({ to: ["a@there.test"] });
  const waiting = await fixture.accept({ to: ["b@there.test"] });
  const unrouted = await fixture.accept({ to: ["c@slow.test"] });
  fixture.router.table.set("late.test", new Promise(() => {}));
  const routing = await fixture.accept({ to: ["d@late.test", "e@late.test"] });
  await fixture.settle();
  const stopped = queue.stop({ deadlineMs: 30_000 });
  await fixture.settle();
  assert.equal(queue.claimTermsForFresh(), undefined);
  for (const { id } of [waiting, routing]) {
    for (const recipient of await fixture.recipients(id)) {
      assert.equal(recipient.state, "scheduled");
      assert.equal(recipient.attempts, 0);
      assert.equal(recipient.due, clock.now());
    }
  }
  agent.unblock();
  await stopped;
  assert.deepEqual(await fixture.states(running.id), ["relayed"]);
  assert.deepEqual(await fixture.states(unrouted.id), ["relayed"]);
  assert.equal(queue.stats().state, "stopped");
  assert.equal(clock.pendingTimers, 0, "no timer is left behind");
  const late = await fixture.accept({ to: ["f@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(late.id), ["scheduled"]);
});

test("stop interrupts what is still under way at the deadline; that attempt does not count", async () => {
  const fixture = new QueueFixture();
  fixture.agent.blocked = true;
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  const stopped = fixture.queue.stop({ deadlineMs: 10_000 });
  await fixture.advance(10_000);
  await stopped;
  const [recipient] = await fixture.recipients(id);
  assert.equal(recipient?.state, "scheduled");
  assert.equal(recipient?.attempts, 0);
  assert.equal(recipient?.due, fixture.clock.now());
});

test("stop ends even if an agent ignores the abort and the spool refuses; the restart finds everything", async () => {
  const disk = new FragileDisk();
  const before = new QueueFixture({ wrapSpool: disk.wrap });
  before.agent.blocked = true;
  before.agent.obeysAbort = false;
  before.queue.start();
  const { id } = await before.accept({ to: ["ann@there.test"] });
  await before.settle();
  disk.full = true;
  const stopped = before.queue.stop({ deadlineMs: 1_000 });
  await before.advance(20_000);
  await stopped;
  const after = new QueueFixture({ before });
  after.queue.start();
  await after.advance(10 * minute);
  assert.deepEqual(await after.states(id), ["relayed"]);
});

test("trap: an attempt and its next time are recorded before connecting, so a crash loop hammers nobody", async () => {
  let fixture = new QueueFixture();
  fixture.agent.answer = () => deferredReply();
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  let attempts = 0;
  for (let crash = 0; crash < 50; crash++) {
    fixture = new QueueFixture({ before: fixture });
    fixture.agent.blocked = true;
    fixture.queue.start();
    await fixture.advance(minute);
    attempts += fixture.agent.jobs.length;
  }
  assert.ok(attempts <= 5, `${attempts} attempts in 50 minutes of crashing every minute`);
  const [recipient] = await fixture.recipients(id);
  assert.equal(recipient?.attempts, attempts + 1, "each of them counted");
});

test("relayed mail stays relayed when the queue starts twice", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  fixture.queue.start();
  fixture.agent.answer = () => relayed;
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.advance(hour);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(fixture.agent.jobs.length, 1);
});
