/** A wall clock that is set, and a machine that slept: durations do not notice, and what is due is looked at again. */
import assert from "node:assert/strict";
import { test } from "node:test";
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
