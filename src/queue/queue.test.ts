import assert from "node:assert/strict";
import { test } from "node:test";
import {
  agentForAll,
  type Answer,
  bouncedReply,
  deferredReply,
  QueueFixture,
  relayed,
  smtpHop,
  unreachable,
} from "../testing/queue-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

test("fresh mail is attempted from its own commit, without being read again", async () => {
  let claims = 0;
  const fixture = new QueueFixture({
    wrapSpool: (spool) =>
      new Proxy(spool, {
        get(target, name) {
          if (name === "claim") claims++;
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  fixture.queue.start();
  await fixture.settle();
  const claimsAtStart = claims;
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.equal(claims, claimsAtStart);
  assert.equal(fixture.log.of("recipient-relayed")[0]?.["message"], id);
  assert.equal(fixture.log.of("recipient-relayed")[0]?.["reply"], "250 2.0.0 Ok");
  assert.equal(fixture.queue.stats().ready, 0);
  const events = await fixture.spool.events(id);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["recipient-relayed"],
  );
});

test("mail accepted while the queue was stopped is found when it starts", async () => {
  const fixture = new QueueFixture();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
  fixture.queue.start();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("a recipient due later is attempted at its time and not before", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const due = fixture.clock.now() + hour;
  const { id } = await fixture.accept({ to: [{ address: "ann@there.test", domain: "there.test", due }] });
  await fixture.advance(hour - 1);
  assert.equal(fixture.agent.jobs.length, 0);
  await fixture.advance(minute);
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("SMTPC-014: attempts follow the schedule, spread by 20 %, until the message is five days old, and end there", async () => {
  const fixture = new QueueFixture();
  const { agent, clock } = fixture;
  const start = clock.now();
  const attempts: number[] = [];
  agent.answer = (_, { address }) => {
    if (address === "sender@here.test") return relayed;
    attempts.push(clock.now() - start);
    return deferredReply();
  };
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.advance(6 * day);
  const waits = attempts.map((at, index) => at - (attempts[index - 1] ?? 0));
  const schedule = [0, 5, 10, 20, 40, 60, 120, 240].map((minutes) => minutes * minute);
  for (const [index, wait] of waits.slice(0, -1).entries()) {
    const nominal = schedule[Math.min(index, schedule.length - 1)] ?? 0;
    assert.ok(wait >= 0.8 * nominal && wait <= 1.2 * nominal + 1_000, `wait ${index} was ${wait}`);
  }
  const last = attempts.at(-1) ?? 0;
  assert.ok(last >= 5 * day && last <= 5 * day + 1_000, `last attempt at ${last}`);
  assert.deepEqual(await fixture.states(id), ["expired"]);
  const [recipient] = await fixture.recipients(id);
  assert.equal(recipient?.lastReply, "4.4.7 Expired; last error: 451 4.3.0 try again later");
  assert.equal(recipient?.attempts, attempts.length);
  assert.deepEqual((await fixture.reports()).at(-1), "sender@here.test failed: ann@there.test");
});

test("SMTPC-014: the interval and the age are settings, and a reload applies to mail already queued", async () => {
  const fixture = new QueueFixture({ settings: { retry: ["1m"], expire: "1h" } });
  const { agent } = fixture;
  agent.answer = () => deferredReply();
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.advance(10 * minute);
  assert.ok(agent.jobs.length >= 8 && agent.jobs.length <= 14, `${agent.jobs.length} attempts`);
  assert.deepEqual(await fixture.states(id), ["scheduled"]);
});

test("trap: lowering the schedule and the age does not make retries infinite", async () => {
  const onlyReportsArrive: Answer = (_, { address }) => (address.startsWith("ann") ? deferredReply() : relayed);
  const before = new QueueFixture();
  before.agent.answer = onlyReportsArrive;
  before.queue.start();
  const { id } = await before.accept({ to: ["ann@there.test"] });
  await before.advance(day);
  await before.queue.stop({ deadlineMs: 0 });
  const tried = before.agent.jobs.length;
  const after = new QueueFixture({ before, settings: { retry: ["1m", "2m"], expire: "2h" } });
  after.agent.answer = onlyReportsArrive;
  after.queue.start();
  await after.advance(5 * hour);
  assert.ok(tried > 8);
  assert.deepEqual(await after.states(id), ["expired"]);
  await after.advance(day);
  assert.deepEqual(
    after.agent.attempted.filter((address) => address === "ann@there.test"),
    ["ann@there.test"],
    "one last attempt, then it is given up",
  );
});

test("mail that outlived its time in a stopped server still gets one attempt", async () => {
  const fixture = new QueueFixture();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.advance(9 * day);
  fixture.queue.start();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("SMTP-048: of several recipients the one that fails is reported, the others are delivered", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = (_, { address }) => (address.startsWith("full") ? bouncedReply("552 5.2.2 full") : relayed);
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test", "full@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed", "failed"]);
  assert.equal(fixture.agent.jobs[0]?.recipients.length, 2, "one transaction for both");
  await fixture.advance(1_000);
  assert.deepEqual(await fixture.reports(), ["sender@here.test failed: full@there.test"]);
  assert.ok(fixture.agent.attempted.includes("sender@here.test"), "the report is delivered");
});

test("DSN-011: DSN-019: a message with the null reverse-path fails without a new queue entry, and the log says so", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = () => bouncedReply();
  fixture.queue.start();
  const { id } = await fixture.accept({ reversePath: "", to: ["gone@there.test"] });
  await fixture.advance(6 * day);
  assert.deepEqual(await fixture.states(id), ["failed"]);
  assert.equal((await fixture.spool.stats()).scheduled, 0);
  assert.equal(fixture.agent.jobs.length, 1);
  assert.equal(fixture.log.of("report-undeliverable").length, 1);
  assert.ok((await fixture.spool.events(id)).some(({ kind }) => kind === "report-withheld"));
});

test("DSN-019: a report that cannot be delivered ends in the log, never in another report", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = () => bouncedReply();
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["gone@there.test"] });
  await fixture.advance(6 * day);
  assert.equal(fixture.agent.jobs.length, 2, "the message and its report, once each");
  assert.equal(fixture.log.of("report-undeliverable")[0]?.["report_on"], id);
  const stats = await fixture.spool.stats();
  assert.deepEqual([stats.scheduled, stats.claimed, stats.held], [0, 0, 0]);
});

test("a message from the null reverse-path expires like any other", async () => {
  const fixture = new QueueFixture({ settings: { expire: "1h" } });
  fixture.agent.answer = () => deferredReply();
  fixture.queue.start();
  const { id } = await fixture.accept({ reversePath: "", to: ["ann@there.test"] });
  await fixture.advance(2 * hour);
  assert.deepEqual(await fixture.states(id), ["expired"]);
});

test("SMTPC-015: a refusal at MAIL is not remembered for the destination", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = ({ message }) =>
    message.reversePath.startsWith("spam") ? bouncedReply("550 5.7.1 not you", "MAIL") : relayed;
  fixture.queue.start();
  const refused = await fixture.accept({ reversePath: "spam@here.test", to: ["ann@there.test"] });
  await fixture.settle();
  const next = await fixture.accept({ reversePath: "good@here.test", to: ["ann@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(refused.id), ["failed"]);
  assert.deepEqual(await fixture.states(next.id), ["relayed"]);
});

test("SMTPC-016: SMTPC-017: recipients beyond the peer's limit follow within seconds and lose no attempt", async () => {
  const fixture = new QueueFixture({ settings: { recipients_per_transaction: 150 } });
  const { agent } = fixture;
  // 452 and 552 after accepted recipients reach the queue alike, as a deferral to be repeated soon.
  agent.answer = ({ recipients }, { index }) =>
    recipients.findIndex((recipient) => recipient.index === index) < 100
      ? relayed
      : { ...deferredReply("452 4.5.3 too many recipients"), soon: true as const };
  fixture.queue.start();
  const to = Array.from({ length: 150 }, (_, number) => `user${number}@there.test`);
  const { id } = await fixture.accept({ to });
  await fixture.settle();
  assert.equal((await fixture.states(id)).filter((state) => state === "relayed").length, 100);
  assert.ok((await fixture.recipients(id)).every(({ attempts, state }) => attempts === (state === "relayed" ? 1 : 0)));
  await fixture.advance(6_000);
  assert.deepEqual(new Set(await fixture.states(id)), new Set(["relayed"]));
  assert.equal(new Set(agent.attempted).size, 150);
  assert.equal(agent.attempted.length, 200, "each of the fifty was asked about twice, nobody else");
  assert.equal(agent.jobs.length, 2, "and they came together, not one by one");
});

test("SMTPC-016: a peer that accepts nobody is not asked again at once, whatever it says", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = () => ({ ...deferredReply("452 4.5.3 too many recipients"), soon: true as const });
  fixture.queue.start();
  await fixture.accept({ to: ["a@there.test", "b@there.test"] });
  await fixture.advance(3 * minute);
  assert.equal(fixture.agent.jobs.length, 1);
});

test("SMTPC-016: one copy carries at most the recipients set per transaction, all of them in order", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const to = Array.from({ length: 250 }, (_, number) => `user${number}@there.test`);
  const { id } = await fixture.accept({ to });
  await fixture.settle();
  assert.deepEqual(
    fixture.agent.jobs.map(({ recipients }) => recipients.length),
    [100, 100, 50],
  );
  assert.deepEqual(new Set(await fixture.states(id)), new Set(["relayed"]));
});

test("domains with one set of hosts are one site and one transaction", async () => {
  const fixture = new QueueFixture();
  const hop = { kind: "hop" as const, hop: smtpHop("shared") };
  fixture.router.table.set("one.test", hop).set("two.test", hop);
  fixture.queue.start();
  await fixture.accept({ to: ["a@one.test", "b@two.test", "c@three.test"] });
  await fixture.settle();
  assert.deepEqual(
    fixture.agent.jobs.map(({ recipients }) => recipients.map(({ address }) => address)),
    [["a@one.test", "b@two.test"], ["c@three.test"]],
  );
});

test("SMTPC-022: a message with a hundred Received fields fails with 5.4.6 and is not attempted", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const facts = (receivedCount: number) => ({ to: ["ann@there.test"], facts: { receivedCount } });
  const looping = await fixture.accept(facts(101));
  const long = await fixture.accept(facts(99));
  await fixture.settle();
  assert.deepEqual(await fixture.states(looping.id), ["failed"]);
  assert.match((await fixture.recipients(looping.id))[0]?.lastReply ?? "", /^5\.4\.6 /);
  assert.deepEqual(await fixture.states(long.id), ["relayed"]);
  assert.equal(fixture.agent.jobs.length, 1);
  assert.deepEqual(await fixture.reports(), ["sender@here.test failed: ann@there.test"]);
});

test("what routing decides by itself needs no agent: a null MX fails, failing DNS waits", async () => {
  const fixture = new QueueFixture();
  fixture.router.table.set("null.test", {
    kind: "bounced",
    status: "5.1.10",
    owner: "recipient",
    reason: "null.test takes no mail",
  });
  fixture.router.table.set("dns.test", {
    kind: "deferred",
    status: "4.4.3",
    owner: "remote-trouble",
    reason: "The DNS of dns.test does not answer",
  });
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["a@null.test", "b@dns.test", "c@fine.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["failed", "scheduled", "relayed"]);
  assert.deepEqual(fixture.agent.attempted, ["c@fine.test"]);
  assert.equal((await fixture.recipients(id))[1]?.lastReply, "4.4.3 The DNS of dns.test does not answer");
});

test("a domain whose DNS is slow holds up the other recipients of a message for two seconds at most", async () => {
  const fixture = new QueueFixture();
  const slow = Promise.withResolvers<{ kind: "hop"; hop: ReturnType<typeof smtpHop> }>();
  fixture.router.table.set("slow.test", slow.promise);
  fixture.queue.start();
  const { id } = await fixture.accept({ to: ["a@slow.test", "b@fast.test"] });
  await fixture.advance(2_000);
  assert.deepEqual(await fixture.states(id), ["claimed", "relayed"]);
  slow.resolve({ kind: "hop", hop: smtpHop("slow.test") });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed", "relayed"]);
  assert.equal(fixture.agent.jobs.length, 2);
});

test("an agent that throws, or forgets a recipient, only defers", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = (_, { address }) => {
    if (address.startsWith("boom")) throw new Error("a bug");
    return relayed;
  };
  fixture.queue.start();
  const thrown = await fixture.accept({ to: ["boom@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(thrown.id), ["scheduled"]);
  assert.equal(fixture.log.of("internal-error")[0]?.["message"], thrown.id);
  const forgetful = { deliver: async () => ({ outcomes: [] }), close: async () => {} };
  const other = new QueueFixture({
    options: {
      agents: agentForAll(forgetful),
    },
  });
  other.queue.start();
  const forgotten = await other.accept({ to: ["a@there.test", "b@there.test"] });
  await other.settle();
  assert.deepEqual(await other.states(forgotten.id), ["scheduled", "scheduled"]);
});

test("held and released recipients: a person decides, and the queue hears of it by wake", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const held = { by: "policy", reason: "to be looked at" };
  const { id } = await fixture.accept({ to: [{ address: "ann@there.test", domain: "there.test", held }] });
  await fixture.advance(day);
  assert.deepEqual(await fixture.states(id), ["held"]);
  await fixture.spool.release({ message: id }, "admin");
  fixture.queue.wake();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("an unreachable site is left alone for a minute, visibly, and found again by one delivery", async () => {
  const fixture = new QueueFixture();
  const { agent, clock, queue } = fixture;
  agent.answer = () => unreachable;
  queue.start();
  const first = await fixture.accept({ to: ["a@down.test"] });
  await fixture.settle();
  const [site] = queue.sites.list();
  assert.equal(site?.restingUntil, clock.now() + minute);
  assert.equal(site?.lastReply, "4.4.1 No host answered");
  const second = await fixture.accept({ to: ["b@down.test"] });
  const elsewhere = await fixture.accept({ to: ["c@up.test"] });
  await fixture.settle();
  assert.equal(agent.jobs.filter(({ hop }) => hop.site === "down.test").length, 1, "the second was not tried");
  assert.match((await fixture.recipients(second.id))[0]?.lastReply ?? "", /the next attempt is at .*No host answered/);
  assert.deepEqual(await fixture.states(elsewhere.id), ["scheduled"]);
  agent.answer = () => relayed;
  await fixture.advance(10 * minute);
  assert.deepEqual(await fixture.states(first.id), ["relayed"]);
  assert.deepEqual(await fixture.states(second.id), ["relayed"]);
  assert.deepEqual(queue.sites.list(), []);
  assert.equal(fixture.log.of("site-resting").length, 2, "down.test and up.test");
  assert.equal(fixture.log.of("site-recovered").length, 2);
});

test("a 4yz to one recipient does not make its site rest", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = (_, { address }) => (address.startsWith("grey") ? deferredReply() : relayed);
  fixture.queue.start();
  await fixture.accept({ to: ["grey@there.test"] });
  await fixture.settle();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
  assert.deepEqual(fixture.log.of("site-resting"), []);
});
