/** The time of a message ends as it should where its site rests, is slow, or leaves it no room in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deferredReply, QueueFixture, relayed, unreachable } from "../testing/queue-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;

test("the last attempt is made at the end of a message's time, though its site rests", async () => {
  const fixture = new QueueFixture({ settings: { expire: "62m", retry: ["50m", "10m", "20m"], warn_after: "0s" } });
  const { queue, agent } = fixture;
  agent.answer = () => unreachable;
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.advance(60 * minute);
  // Another message finds the site as it was, so that it rests.
  await fixture.accept({ to: ["bob@there.test"] });
  await fixture.settle();
  assert.notEqual(queue.sites.list()[0]?.restingUntil, undefined);
  const before = agent.jobs.length;
  agent.answer = () => relayed;
  await fixture.advance(3 * minute);
  assert.equal(agent.attempted[before], "ann@there.test");
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("one last attempt at a site that rests finds out for all whose time is over", async () => {
  const fixture = new QueueFixture({ settings: { expire: "1h", retry: ["50m", "10m", "20m"], warn_after: "0s" } });
  const { queue, agent } = fixture;
  agent.answer = () => unreachable;
  queue.start();
  const ids = [];
  for (let count = 0; count < 30; count++) ids.push((await fixture.accept({ to: [`u${count}@there.test`] })).id);
  await fixture.advance(59 * minute);
  await fixture.accept({ to: ["late@there.test"] });
  await fixture.settle();
  const before = agent.jobs.length;
  await fixture.advance(3 * minute);
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["expired"]);
  const last = agent.attempted.slice(before).filter((address) => address.startsWith("u"));
  assert.equal(last.length, 1, "one of them is tried for all");
});

test("what a person lets rest gets its last attempt when the rest is over", async () => {
  const fixture = new QueueFixture({ settings: { expire: "1h", warn_after: "0s" } });
  const { queue, agent } = fixture;
  agent.answer = () => deferredReply();
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  await queue.sites.rest("there.test", { ms: 3 * hour, by: "ann", reason: "they are moving" });
  await fixture.advance(3 * hour - minute);
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
  assert.deepEqual(agent.attempted, ["ann@there.test"]);
  await fixture.advance(2 * minute);
  assert.deepEqual(agent.attempted.slice(0, 2), ["ann@there.test", "ann@there.test"]);
  assert.deepEqual(await fixture.states(id), ["expired"]);
});

test("at a slow site those whose time is over go first, and are given up an hour later without a turn", async () => {
  const fixture = new QueueFixture({ settings: { expire: "2h", deliveries_per_site: 1, warn_after: "0s" } });
  const { queue, agent } = fixture;
  queue.start();
  agent.answer = () => deferredReply();
  const { id: old } = await fixture.accept({ to: ["old@there.test"] });
  await fixture.advance(90 * minute);
  agent.blocked = true;
  agent.answer = () => relayed;
  for (let count = 0; count < 5; count++) await fixture.accept({ to: [`u${count}@there.test`] });
  await fixture.advance(40 * minute);
  const jobs = agent.jobs.length;
  agent.unblock(1);
  await fixture.settle();
  assert.equal(agent.attempted[jobs], "old@there.test");
  await fixture.advance(3 * hour);
  // It is under way, and so it is not given up; the others are.
  assert.deepEqual(await fixture.states(old), ["claimed"]);
  const expired = await fixture.spool.find({ states: ["expired"] }, { limit: 10 });
  assert.equal(expired.length, 4);
});

test("who is crowded out on disk is claimed when the time is over", async () => {
  const fixture = new QueueFixture({ settings: { expire: "2h", ready: 20, deliveries_per_site: 1, warn_after: "0s" } });
  const { queue, agent } = fixture;
  queue.start();
  agent.blocked = true;
  for (let count = 0; count < 60; count++) await fixture.accept({ to: [`u${count}@there.test`] });
  await fixture.advance(2 * hour - minute);
  assert.equal((await fixture.spool.find({ states: ["expired"] }, { limit: 100 })).length, 0);
  await fixture.advance(70 * minute);
  const open = await fixture.spool.find({ from: "sender@here.test" }, { limit: 100 });
  assert.deepEqual(
    open.map(({ recipient }) => recipient.state),
    ["claimed"],
    "only the one that is under way",
  );
});

test("after a step forward nothing is given up for an hour, and not at all where the clock is set back meanwhile", async () => {
  const fixture = new QueueFixture({ settings: { expire: "24h", retry: ["10m"], warn_after: "4h" } });
  const { queue, agent, clock } = fixture;
  agent.answer = () => deferredReply();
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.advance(hour);
  clock.jump(48 * hour);
  await fixture.advance(50 * minute);
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
  assert.deepEqual(await fixture.reports(), []);
  clock.jump(-48 * hour);
  await fixture.advance(hour);
  assert.deepEqual(await fixture.reports(), []);
  clock.jump(48 * hour);
  await fixture.advance(75 * minute);
  assert.deepEqual(await fixture.states(id), ["expired"]);
});
