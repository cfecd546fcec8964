import assert from "node:assert/strict";
import { test } from "node:test";
import type { Spool } from "../spool/spool.ts";
import { deferredReply, QueueFixture, relayed, smtpHop, unreachable } from "../testing/queue-fixture.ts";
import { queueSettings } from "./settings.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Two deliveries at a time, both of which wait until they are let go. */
function busy(settings = {}): QueueFixture {
  const fixture = new QueueFixture({ settings: { deliveries_per_site: 2, ...settings } });
  fixture.agent.blocked = true;
  fixture.queue.start();
  return fixture;
}

async function acceptMany(fixture: QueueFixture, count: number, domain = "there.test"): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    ids.push((await fixture.accept({ to: [`user${index}@${domain}`] })).id);
  }
  await fixture.settle();
  return ids;
}

test("hold reaches what waits in memory, and says how many are being delivered", async () => {
  const fixture = busy();
  const { queue, agent } = fixture;
  const ids = await acceptMany(fixture, 10);
  assert.deepEqual(await queue.operate("hold", { from: "sender@here.test" }, "operator", "a mistake"), {
    changed: 8,
    underWay: 2,
  });
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(10 * minute);
  assert.equal(agent.jobs.length, 2);
  const states = await Promise.all(ids.map((id) => fixture.states(id)));
  assert.deepEqual(states.flat().toSorted(), [...Array.from({ length: 8 }, () => "held"), "relayed", "relayed"]);
  const [held] = (await fixture.recipients(ids[9] ?? "")).map(({ held, attempts }) => ({ held, attempts }));
  assert.deepEqual(held, { held: { by: "operator", reason: "a mistake" }, attempts: 0 }, "none was begun");
  assert.equal(queue.stats().ready, 0);
});

test("remove takes only the recipients that were named, and the others keep their turn", async () => {
  const fixture = busy({ deliveries_per_site: 1 });
  const { queue, agent } = fixture;
  const [first = ""] = await acceptMany(fixture, 1);
  const { id } = await fixture.accept({ to: ["a@there.test", "b@there.test", "c@there.test"] });
  const [later = ""] = await acceptMany(fixture, 1);
  assert.deepEqual(await queue.operate("remove", { to: "B@there.test" }, "operator", ""), { changed: 1, underWay: 0 });
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed", "removed", "relayed"]);
  assert.deepEqual(await fixture.states(first), ["relayed"]);
  assert.deepEqual(await fixture.states(later), ["relayed"]);
  assert.deepEqual(agent.attempted, ["user0@there.test", "a@there.test", "c@there.test", "user0@there.test"]);
});

test("hold reaches recipients whose route is still being looked up", async () => {
  const fixture = new QueueFixture();
  const { queue, router, agent } = fixture;
  router.table.set("slow.test", new Promise(() => undefined));
  queue.start();
  const { id } = await fixture.accept({ to: ["a@slow.test", "b@quick.test"] });
  await fixture.settle();
  assert.deepEqual(await queue.operate("hold", { domain: "slow.test" }, "operator", "x"), { changed: 1, underWay: 0 });
  await fixture.advance(5_000);
  assert.deepEqual(await fixture.states(id), ["held", "relayed"]);
  assert.deepEqual(agent.attempted, ["b@quick.test"]);
});

/** The spool, with its claims kept back until they are let go. */
function withSlowClaims(): { readonly wrapSpool: (spool: Spool) => Spool; readonly goOn: () => void } {
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const wrapSpool = (spool: Spool) =>
    new Proxy(spool, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "claim") return value.bind(target) as unknown;
        return async (request: Parameters<Spool["claim"]>[0]) => {
          const page = await target.claim(request);
          await gate;
          return page;
        };
      },
    });
  return { wrapSpool, goOn };
}

test("hold waits for the page that is being claimed, and holds it, too", async () => {
  const { wrapSpool, goOn } = withSlowClaims();
  const fixture = new QueueFixture({ wrapSpool });
  const { queue, agent } = fixture;
  const ids = await acceptMany(fixture, 5);
  queue.start();
  await fixture.settle();
  assert.equal((await fixture.spool.stats()).claimed, 5);
  const verb = queue.operate("hold", { domain: "there.test" }, "operator", "x");
  await fixture.settle();
  goOn();
  assert.deepEqual(await verb, { changed: 5, underWay: 0 });
  await fixture.advance(minute);
  assert.deepEqual(agent.jobs, []);
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["held"]);
});

/** A spool whose hold takes until it is let go. */
function withSlowHold(): { readonly wrapSpool: (spool: Spool) => Spool; readonly goOn: () => void } {
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const wrapSpool = (spool: Spool) =>
    new Proxy(spool, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "hold") return value.bind(target) as unknown;
        return async (...given: Parameters<Spool["hold"]>) => {
          const changed = await target.hold(...given);
          await gate;
          return changed;
        };
      },
    });
  return { wrapSpool, goOn };
}

test("what comes into memory while recipients are being held is held after them; other mail goes on", async () => {
  const { wrapSpool, goOn } = withSlowHold();
  const fixture = new QueueFixture({ wrapSpool });
  const { queue, agent } = fixture;
  queue.start();
  const verb = queue.operate("hold", { domain: "there.test" }, "operator", "x");
  await fixture.settle();
  const [late = ""] = await acceptMany(fixture, 1);
  const [other = ""] = await acceptMany(fixture, 1, "elsewhere.test");
  assert.deepEqual(agent.attempted, ["user0@elsewhere.test"]);
  goOn();
  assert.deepEqual(await verb, { changed: 1, underWay: 0 });
  await fixture.settle();
  assert.deepEqual(await fixture.states(late), ["held"]);
  assert.deepEqual(await fixture.states(other), ["relayed"]);
});

test("a delivery that is deferred while recipients are being held is held with them", async () => {
  const { wrapSpool, goOn } = withSlowHold();
  const fixture = new QueueFixture({ wrapSpool });
  const { queue, agent } = fixture;
  agent.blocked = true;
  queue.start();
  const [id = ""] = await acceptMany(fixture, 1);
  const verb = queue.operate("hold", { domain: "there.test" }, "operator", "x");
  await fixture.settle();
  agent.answer = () => deferredReply();
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
  goOn();
  assert.deepEqual(await verb, { changed: 1, underWay: 0 });
  assert.deepEqual(await fixture.states(id), ["held"]);
});

test("two verbs at once: what was held for one is removed by the other", async () => {
  const fixture = busy();
  const { queue, agent } = fixture;
  const ids = await acceptMany(fixture, 5);
  const filter = { domain: "there.test" };
  const [held, removed] = await Promise.all([
    queue.operate("hold", filter, "operator", "x"),
    queue.operate("remove", filter, "operator", ""),
  ]);
  assert.deepEqual(
    [held, removed],
    [
      { changed: 3, underWay: 2 },
      { changed: 3, underWay: 2 },
    ],
  );
  agent.answer = () => relayed;
  agent.unblock();
  await fixture.settle();
  const states = (await Promise.all(ids.map((id) => fixture.states(id)))).flat();
  assert.deepEqual(states, ["relayed", "relayed", "removed", "removed", "removed"]);
});

test("a verb on what is held leaves alone what waits in memory", async () => {
  const fixture = busy();
  const { queue, agent } = fixture;
  await acceptMany(fixture, 4);
  assert.deepEqual(await queue.operate("remove", { states: ["held"] }, "operator", ""), { changed: 0, underWay: 0 });
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.equal(agent.jobs.length, 4);
});

test("when the spool cannot take recipients back, hold fails, and mail goes on when it can", async () => {
  let broken = false;
  const fixture = new QueueFixture({
    settings: { deliveries_per_site: 1 },
    wrapSpool: (spool) =>
      new Proxy(spool, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          if (broken && (name === "settle" || name === "renew")) return () => Promise.reject(new Error("disk full"));
          return value.bind(target) as unknown;
        },
      }),
  });
  const { queue, agent } = fixture;
  agent.blocked = true;
  queue.start();
  const ids = await acceptMany(fixture, 3);
  broken = true;
  const verb = assert.rejects(
    queue.operate("hold", { domain: "there.test" }, "operator", "x"),
    /returned to the queue in time/,
  );
  await fixture.advance(11_000);
  await verb;
  broken = false;
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(5 * minute);
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(queue.stats().ready, 0);
});

test("a reload sends what waits in memory by the new routes, in the order in which it came", async () => {
  const fixture = busy();
  const { queue, router, agent } = fixture;
  await acceptMany(fixture, 6);
  router.table.set("there.test", { kind: "hop", hop: smtpHop("new-relay.test") });
  queue.reconfigure(queueSettings.parse({ deliveries_per_site: 2 }));
  await fixture.settle();
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  const sites = agent.jobs.map(({ hop, recipients }) => `${recipients[0]?.address} ${hop.site}`);
  assert.deepEqual(sites, [
    "user0@there.test there.test",
    "user1@there.test there.test",
    ...[2, 3, 4, 5].map((index) => `user${index}@there.test new-relay.test`),
  ]);
  assert.equal(queue.stats().ready, 0);
});

test("a reload does not wait for a route that was asked for before it", async () => {
  const fixture = new QueueFixture();
  const { queue, router } = fixture;
  router.table.set("slow.test", new Promise(() => undefined));
  queue.start();
  const { id } = await fixture.accept({ to: ["a@slow.test", "b@slow.test"] });
  await fixture.settle();
  router.table.delete("slow.test");
  queue.reconfigure(queueSettings.parse({}));
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed", "relayed"]);
  assert.equal(fixture.agent.jobs.length, 1, "in one transaction");
});

test("a lowered hop limit and a changed size of transactions hold for what waits in memory", async () => {
  const fixture = busy({ deliveries_per_site: 1 });
  const { queue, agent } = fixture;
  await acceptMany(fixture, 1);
  const looping = await fixture.accept({ to: ["a@there.test"], facts: { receivedCount: 30 } });
  const long = await fixture.accept({ to: ["a@there.test", "b@there.test", "c@there.test"] });
  await fixture.settle();
  queue.reconfigure(queueSettings.parse({ deliveries_per_site: 1, hop_limit: 20, recipients_per_transaction: 2 }));
  agent.blocked = false;
  agent.unblock();
  await fixture.settle();
  assert.deepEqual(await fixture.states(looping.id), ["failed"]);
  const sizes = agent.jobs.filter(({ message }) => message.id === long.id).map(({ recipients }) => recipients.length);
  assert.deepEqual(sizes, [2, 1]);
});

/** A site that could not be reached, with mail that failed there and mail that was not tried. */
async function restingSite(): Promise<{ readonly fixture: QueueFixture; readonly ids: readonly string[] }> {
  const fixture = new QueueFixture();
  fixture.agent.answer = () => unreachable;
  fixture.queue.start();
  const ids: string[] = [];
  for (let index = 0; index < 3; index++) {
    ids.push((await fixture.accept({ to: [`user${index}@down.test`] })).id);
    await fixture.settle();
  }
  assert.equal(fixture.agent.jobs.length, 1, "the others were not tried");
  assert.equal(fixture.queue.sites.list()[0]?.restingUntil, fixture.clock.now() + minute);
  return { fixture, ids };
}

test("what was not tried because its site rests does not count as an attempt", async () => {
  const { fixture, ids } = await restingSite();
  const attempts = await Promise.all(ids.map(async (id) => (await fixture.recipients(id))[0]?.attempts));
  assert.deepEqual(attempts, [1, 0, 0]);
  const [event] = await fixture.spool.events(ids[2] ?? "");
  assert.equal(event?.kind === "recipient-deferred" && event.attempt.outcome.kind === "deferred", true);
  assert.match(JSON.stringify(event), /"notTried":true/);
});

test("a look-up that fails does not count as an attempt, and the waits grow all the same", async () => {
  const fixture = new QueueFixture();
  const { router, queue, clock } = fixture;
  const reason = "The DNS did not answer";
  router.table.set("dark.test", { kind: "deferred", status: "4.4.3", owner: "local-trouble", reason });
  queue.start();
  const { id } = await fixture.accept({ to: ["a@dark.test"] });
  await fixture.advance(20 * hour);
  const [recipient] = await fixture.recipients(id);
  assert.equal(recipient?.attempts, 0);
  assert.ok((recipient?.due ?? 0) > clock.now(), "it waits");
  const looks = router.asked;
  assert.ok(looks >= 8 && looks <= 13, `${looks} look-ups in 20 hours`);
  router.table.delete("dark.test");
  await fixture.advance(5 * hour);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

for (const [what, filter, tried] of [
  ["all", {}, 3],
  ["the domain", { domain: "Down.test" }, 3],
  ["one recipient", { to: "user2@down.test" }, 1],
] as const) {
  test(`retry of ${what} ends the rest of the site and tries at once`, async () => {
    const { fixture } = await restingSite();
    const { queue, agent } = fixture;
    agent.answer = () => relayed;
    assert.deepEqual(await queue.operate("retry", filter, "operator", ""), { changed: tried, underWay: 0 });
    await fixture.settle();
    assert.equal(agent.jobs.length - 1, tried);
    assert.deepEqual(fixture.log.of("site-recovered").length, 1);
  });
}

test("release ends the rest, too; retry of other mail does not", async () => {
  const { fixture, ids } = await restingSite();
  const { queue, agent } = fixture;
  const [, , last = ""] = ids;
  await queue.operate("hold", { message: last }, "operator", "x");
  await queue.operate("retry", { domain: "elsewhere.test" }, "operator", "");
  const { id } = await fixture.accept({ to: ["late@down.test"] });
  await fixture.settle();
  assert.equal(agent.jobs.length, 1);
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
  agent.answer = () => relayed;
  await queue.operate("release", { message: last }, "operator", "");
  await fixture.settle();
  assert.deepEqual(agent.attempted, ["user0@down.test", "user2@down.test"]);
});

test("retry while the site is still down makes one connection, and those who wait behind it lose nothing", async () => {
  const { fixture, ids } = await restingSite();
  const { queue, agent } = fixture;
  await queue.operate("retry", {}, "operator", "");
  await fixture.settle();
  assert.equal(agent.jobs.length, 2);
  const attempts = await Promise.all(ids.map(async (id) => (await fixture.recipients(id))[0]?.attempts));
  assert.deepEqual(attempts, [2, 0, 0], "the oldest found out");
});

test("a reload ends rests, since it may have mended what they are for", async () => {
  const { fixture } = await restingSite();
  const { queue, agent } = fixture;
  queue.reconfigure(queueSettings.parse({}));
  assert.equal(queue.sites.list()[0]?.restingUntil, undefined);
  agent.answer = () => relayed;
  const { id } = await fixture.accept({ to: ["late@down.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("automatic mail that waits for a resting site is not counted as a loop each time it comes back", async () => {
  const fixture = new QueueFixture({ settings: { loop_limit: 2, loop_window: "1h" } });
  const { queue, agent } = fixture;
  agent.answer = () => unreachable;
  queue.start();
  const own = { ownReceived: true };
  const ids = [
    (await fixture.accept({ to: ["a@down.test"], facts: own })).id,
    (await fixture.accept({ to: ["a@down.test"], facts: own })).id,
  ];
  await fixture.settle();
  for (let round = 0; round < 4; round++) {
    await queue.operate("retry", {}, "operator", "");
    await fixture.settle();
  }
  for (const id of ids) assert.deepEqual(await fixture.states(id), ["scheduled"]);
});
