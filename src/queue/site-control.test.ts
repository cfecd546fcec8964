import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueFixture, relayed, smtpHop, unreachable } from "../testing/queue-fixture.ts";
import { queueSettings } from "./settings.ts";

const minute = 60_000;
const hour = 60 * minute;

async function accept(fixture: QueueFixture, to: string): Promise<string> {
  const { id } = await fixture.accept({ to: [to] });
  await fixture.settle();
  return id;
}

test("a site that a person lets rest gets nothing but what is under way, however well it is", async () => {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 1 } });
  const { queue, agent, clock } = fixture;
  agent.blocked = true;
  queue.start();
  const running = await accept(fixture, "a@there.test");
  const waiting = await accept(fixture, "b@there.test");
  const order = { ms: 2 * hour, by: "operator", reason: "they are moving" };
  const stats = await queue.sites.rest("there.test", order);
  assert.ok(stats !== undefined && stats !== "too-many");
  assert.deepEqual(
    [stats.site, stats.restingUntil, stats.restReason, stats.ready, stats.running],
    ["smtp there.test", clock.now() + 2 * hour, "they are moving", 0, 1],
  );
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.deepEqual(await fixture.states(running), ["relayed"]);
  const fresh = await accept(fixture, "c@there.test");
  await queue.operate("retry", {}, "operator", "");
  await fixture.advance(hour);
  assert.equal(agent.jobs.length, 1, "neither a success nor a retry ends it");
  for (const id of [waiting, fresh]) {
    const [recipient] = await fixture.recipients(id);
    assert.deepEqual([recipient?.state, recipient?.attempts], ["scheduled", 0]);
    assert.match(
      recipient?.lastReply ?? "",
      /^4\.3\.2 Not tried: operator paused mx there\.test until .*: they are moving$/,
    );
  }
  await fixture.advance(4 * hour);
  assert.deepEqual(await fixture.states(waiting), ["relayed"]);
  assert.deepEqual(await fixture.states(fresh), ["relayed"]);
  assert.deepEqual(queue.sites.list(), []);
});

test("a rest holds through a reload, and for the site that a domain's mail would go to before there is any", async () => {
  const fixture = new QueueFixture();
  const { queue, router, agent } = fixture;
  router.table.set("a.test", { kind: "hop", hop: smtpHop("shared.test") });
  queue.start();
  await queue.sites.rest("a.test", { ms: hour, by: "operator", reason: "x" });
  queue.reconfigure(queueSettings.parse({}));
  router.table.set("b.test", { kind: "hop", hop: smtpHop("shared.test") });
  const id = await accept(fixture, "ann@b.test");
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
  assert.deepEqual(agent.jobs, []);
  assert.equal(queue.sites.list()[0]?.description, "mx shared.test");
});

test("wake ends either rest and tries at once what was put off", async () => {
  const fixture = new QueueFixture();
  const { queue, agent } = fixture;
  agent.answer = () => unreachable;
  queue.start();
  const down = [await accept(fixture, "a@down.test"), await accept(fixture, "b@down.test")];
  await queue.sites.rest("there.test", { ms: hour, by: "operator", reason: "x" });
  const there = await accept(fixture, "c@there.test");
  agent.answer = () => relayed;
  assert.equal((await queue.sites.wake("smtp down.test", "operator"))?.retried, 2);
  assert.equal((await queue.sites.wake("mx there.test", "operator"))?.retried, 1);
  await fixture.settle();
  for (const id of [...down, there]) assert.deepEqual(await fixture.states(id), ["relayed"]);
});
