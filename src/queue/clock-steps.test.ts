/** A wall clock that is set, and a machine that slept: durations do not notice, and what is due is looked at again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SpoolError } from "../spool/spool.ts";
import { deferredReply, QueueFixture, relayed, unreachable } from "../testing/queue-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;

for (const jumpMs of [5 * hour, -5 * hour]) {
  test(`a rest lasts as long as it is meant where the clock is set by ${jumpMs / hour} hours`, async () => {
    const fixture = new QueueFixture();
    const { queue, clock, agent } = fixture;
    agent.answer = () => unreachable;
    queue.start();
    await fixture.accept({ to: ["ann@there.test"] });
    await fixture.settle();
    clock.jump(jumpMs);
    const until = clock.now() + minute;
    assert.equal(queue.sites.list()[0]?.restingUntil, until);
    await fixture.advance(minute - 1_000);
    assert.equal(queue.sites.list()[0]?.restingUntil, until);
    await fixture.advance(2_000);
    assert.notEqual(queue.sites.list()[0]?.restingUntil, until);
  });
}

test("after a step back nothing waits longer by as much", async () => {
  const fixture = new QueueFixture({ settings: { retry: ["10m"] } });
  const { queue, clock, agent } = fixture;
  agent.answer = () => deferredReply();
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  agent.answer = () => relayed;
  clock.jump(-5 * hour);
  await fixture.advance(2 * minute);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.deepEqual(fixture.log.of("clock-set"), [{ by_seconds: -18_000 }]);
});

test("what falls due while the machine sleeps is tried within a minute of its waking", async () => {
  const fixture = new QueueFixture({ settings: { retry: ["4h"] } });
  const { queue, clock, agent } = fixture;
  agent.answer = () => deferredReply();
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  agent.answer = () => relayed;
  clock.jump(8 * hour);
  await fixture.advance(minute + 1_000);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

/** The server stops with mail that waits, the clock is set, and another one starts. */
async function restartAfterStep(stepMs: number) {
  const before = new QueueFixture({ settings: { retry: ["4h"] } });
  before.agent.answer = () => deferredReply();
  before.queue.start();
  const { id } = await before.accept({ to: ["ann@there.test"] });
  await before.settle();
  await before.queue.stop({ deadlineMs: 1_000 });
  before.clock.jump(stepMs);
  return { id, after: new QueueFixture({ settings: { retry: ["4h"] }, before }) };
}

test("a clock that was set back while the server was stopped is told, and nothing waits for it", async () => {
  const { id, after } = await restartAfterStep(-5 * hour);
  after.queue.start();
  await after.advance(30_000);
  assert.deepEqual(after.log.of("clock-behind-spool"), [], "a minute is left for somebody to set it right");
  await after.advance(minute);
  assert.deepEqual(await after.states(id), ["relayed"]);
  const [told, more] = after.log.of("clock-behind-spool");
  assert.equal(more, undefined, "once");
  assert.equal(Math.round(Number(told?.["behind_seconds"]) / 60), 299);
  assert.match(String(told?.["newest"]), /^2026-01-01T00:00:00/);
});

test("a clock that is right, a little behind, or ahead after a stop makes nothing due", async () => {
  for (const stepMs of [0, -5 * minute, 2 * hour]) {
    const { id, after } = await restartAfterStep(stepMs);
    after.queue.start();
    await after.advance(3 * minute);
    assert.deepEqual(await after.states(id), ["scheduled"], `${stepMs}`);
    assert.deepEqual(after.log.of("clock-behind-spool"), []);
  }
});

test("a spool that cannot be read just then is asked again a minute later", async () => {
  const { id, after } = await restartAfterStep(-5 * hour);
  const find = after.spool.find.bind(after.spool);
  let asked = 0;
  after.spool.find = (...given) => (asked++ === 0 ? Promise.reject(new Error("not now")) : find(...given));
  after.queue.start();
  await after.advance(minute + 1_000);
  assert.equal(asked, 1);
  assert.deepEqual(
    after.log.of("internal-error").map(({ where }) => where),
    ["comparing the clock with the spool"],
  );
  await after.advance(minute);
  assert.deepEqual(await after.states(id), ["relayed"]);
});

test("of a spool that fails the log says what was tried; of one that is closed it says nothing, since a stop closes it", async () => {
  for (const [code, told] of [
    ["no-space", [{ where: "looking for what has no time left", code: "no-space", error: "why" }]],
    ["closed", []],
  ] as const) {
    const fixture = new QueueFixture();
    fixture.spool.stats = () => Promise.reject(new SpoolError(code, "why"));
    fixture.queue.start();
    await fixture.advance(minute + 1_000);
    assert.deepEqual(
      fixture.log.of("spool-failed").map(({ where, code, error }) => ({ where, code, error })),
      told,
    );
    assert.deepEqual(fixture.log.of("internal-error"), []);
  }
});

test("a newest message that cannot be read does not keep the rest from being looked after", async () => {
  const fixture = new QueueFixture({ settings: { retry: ["10m"] } });
  const { queue, clock, agent, spool } = fixture;
  const find = spool.find.bind(spool);
  spool.find = () => Promise.reject(new Error("damaged"));
  agent.answer = () => deferredReply();
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  agent.answer = () => relayed;
  clock.jump(-5 * hour);
  await fixture.advance(2 * minute);
  spool.find = find;
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});
