/** What people are told of a site for which mail waits: each reason, and when it ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueFixture } from "../testing/queue-fixture.ts";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";

const minute = 60_000;

function unreachable(): DeliveryOutcome {
  return { kind: "deferred", status: "4.4.1", owner: "remote-trouble", reason: "no answer from mx.there.test" };
}

function waitOf({ queue }: QueueFixture, site = "smtp there.test") {
  return queue.sites.list({ all: true }).find((one) => one.site === site)?.wait;
}

test("a site with nothing to do, or whose mail is all under way, keeps nobody waiting", async () => {
  const fixture = new QueueFixture();
  fixture.agent.blocked = true;
  fixture.queue.start();
  await fixture.accept({ to: ["a@there.test"] });
  await fixture.settle();
  assert.equal(fixture.agent.running, 1);
  assert.equal(waitOf(fixture), undefined);
});

test("mail waits for deliveries of its site; explain says the same", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 1 } });
  fixture.agent.blocked = true;
  fixture.queue.start();
  await fixture.accept({ to: ["a@there.test"] });
  const { id } = await fixture.accept({ to: ["b@there.test"] });
  await fixture.settle();
  const reason = "all 1 deliveries that the site may have are in progress";
  assert.deepEqual(waitOf(fixture), { reason });
  assert.deepEqual(fixture.queue.whereabouts(id, 0), { kind: "turn", at: "mx there.test", reason });
});

test("mail waits for a slot that deliveries to others have", async () => {
  const fixture = new QueueFixture({ settings: { deliveries: 4 } });
  fixture.agent.blocked = true;
  fixture.queue.start();
  for (const name of ["a", "b", "c"]) await fixture.accept({ to: [`u@${name}.test`] });
  await fixture.accept({ to: ["u@there.test"] });
  await fixture.settle();
  const reason = "all 3 deliveries to servers that have not answered in the last hour are in progress";
  assert.deepEqual(waitOf(fixture), { reason });
});

test("a site that could not be reached is paused, and then one delivery finds out", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = unreachable;
  fixture.queue.start();
  await fixture.accept({ to: ["a@there.test"] });
  await fixture.settle();
  const reason =
    "the site is paused because it could not be reached or was too busy: 4.4.1 no answer from mx.there.test";
  assert.deepEqual(waitOf(fixture), { reason, until: fixture.clock.now() + minute });
  await fixture.advance(minute + 1);
  fixture.agent.blocked = true;
  await fixture.accept({ to: ["b@there.test"] });
  await fixture.accept({ to: ["c@there.test"] });
  await fixture.settle();
  assert.deepEqual(waitOf(fixture), { reason: "one delivery is finding out whether the site can be reached again" });
});

test("a person's pause comes before all else, with its end", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  await fixture.queue.sites.rest("there.test", { ms: 5 * minute, by: "ann", reason: "they are moving" });
  const until = fixture.clock.now() + 5 * minute;
  assert.deepEqual(waitOf(fixture), { reason: "ann paused the site: they are moving", until });
});

test("a site that asked for fewer connections has a lower limit for a while", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 4 } });
  const diagnostic = { type: "smtp", code: 421, text: "421 4.3.2 too busy" } as const;
  const busy = { kind: "deferred", status: "4.3.2", owner: "remote-trouble", reason: "too busy", diagnostic } as const;
  fixture.agent.answer = () => busy as DeliveryOutcome;
  fixture.queue.start();
  await fixture.accept({ to: ["a@there.test"] });
  await fixture.settle();
  const until = fixture.clock.now() + 5 * minute;
  fixture.agent.blocked = true;
  for (const name of ["b", "c", "d"]) await fixture.accept({ to: [`${name}@there.test`] });
  await fixture.settle();
  const reason = "the site asked for fewer connections, so it has 2 of 4 deliveries at a time";
  assert.deepEqual(waitOf(fixture), { reason, until });
});
