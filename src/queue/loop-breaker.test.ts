import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageFacts } from "../message/message-facts.ts";
import type { StoredMessage } from "../spool/spool.ts";
import { type MessageSketch, newMessage, QueueFixture } from "../testing/queue-fixture.ts";
import { LoopBreaker } from "./loop-breaker.ts";

const settings = { loop_limit: 20, loop_window: 600_000 };
let count = 0;

function automatic(sketch: Partial<MessageSketch> = {}): StoredMessage {
  const { recipients: _, ...message } = newMessage(`ID${count++}`, 0, { to: [], autoSubmitted: true, ...sketch });
  return { ...message, size: 10 };
}

const beenHere: Partial<MessageSketch> = { autoSubmitted: false, facts: { ownReceived: true } };

test("more than the limit of messages that have been here before, between one pair within the window, are held", () => {
  const breaker = new LoopBreaker();
  for (let number = 0; number < 20; number++) {
    assert.equal(breaker.check(automatic(beenHere), "b@there.test", settings, number * 1_000), undefined);
  }
  const verdict = breaker.check(automatic(beenHere), "b@there.test", settings, 20_000);
  assert.equal(verdict?.kind, "hold");
  assert.match(
    verdict.reason,
    /^Possible mail loop: more than 20 messages from sender@here\.test to b@there\.test that had passed through this server before arrived within 600 seconds$/,
  );
  assert.equal(breaker.check(automatic(beenHere), "c@there.test", settings, 20_000), undefined, "another pair is free");
  assert.equal(
    breaker.check(automatic(beenHere), "b@there.test", settings, 620_000),
    undefined,
    "and it ends with the loop",
  );
});

test("ordinary mail never counts, nor do our own reports", () => {
  const breaker = new LoopBreaker();
  for (let number = 0; number < 1_000; number++) {
    assert.equal(breaker.check(automatic({ autoSubmitted: false }), "b@there.test", settings, 0), undefined);
    const report = automatic({ reversePath: "", reportOn: "X" });
    assert.equal(breaker.check(report, "b@there.test", settings, 0), undefined);
  }
  assert.equal(breaker.size, 0);
});

test("forty mails of cron and sixty bounces are no flood; a hundred are, and are slowed down, never held", () => {
  for (const kind of [{ autoSubmitted: true }, { autoSubmitted: false, reversePath: "" }]) {
    const breaker = new LoopBreaker();
    const verdicts = Array.from({ length: 300 }, () => breaker.check(automatic(kind), "b@there.test", settings, 0));
    assert.equal(
      verdicts.findIndex((verdict) => verdict !== undefined),
      100,
    );
    assert.deepEqual([...new Set(verdicts.slice(100).map((verdict) => verdict?.kind))], ["delay"]);
    const loop = breaker.check(automatic({ ...kind, facts: { ownReceived: true } }), "b@there.test", settings, 0);
    assert.equal(loop, undefined, "what is only automatic does not count towards a loop");
  }
});

test("a stranger's claims count against nobody else: not without proof, and a trace of ours only by network", () => {
  const breaker = new LoopBreaker();
  const check = (
    message: Partial<StoredMessage>,
    facts: Partial<MessageFacts> = {},
    clientAddress = "198.51.100.7",
  ) => {
    const made = automatic();
    const all = { ...made, ...message, facts: { ...made.facts, ...facts }, origin: { ...made.origin, clientAddress } };
    return breaker.check(all, "b@there.test", settings, 0) !== undefined;
  };
  for (const stranger of ["unknown", "forged"] as const) {
    for (let number = 0; number < 200; number++) assert.equal(check({ stranger }), false, stranger);
  }
  assert.equal(breaker.size, 0);
  const ownReceived = { ownReceived: true };
  for (let number = 0; number < 20; number++) assert.equal(check({ stranger: "unknown" }, ownReceived), false);
  assert.equal(check({ stranger: "unknown" }, ownReceived), true);
  assert.equal(check({ stranger: "unknown" }, ownReceived, "203.0.113.9"), false, "another network");
  for (let number = 0; number < 20; number++) assert.equal(check({ stranger: "verified" }, ownReceived), false);
  assert.equal(check({ stranger: "verified" }, ownReceived), true);
});

test("a message that is looked at again counts once", () => {
  const breaker = new LoopBreaker();
  const message = automatic();
  for (let round = 0; round < 100; round++) {
    assert.equal(breaker.check(message, "b@there.test", settings, 0), undefined);
  }
});

test("memory is bounded: the quietest pairs are forgotten", () => {
  const breaker = new LoopBreaker();
  for (let number = 0; number < 12_000; number++) breaker.check(automatic(), `user${number}@there.test`, settings, 0);
  assert.equal(breaker.size, 10_000);
});

/** Of strangers' servers too, which keep their own rates: ours must end what each of them would go on with for ever. */
test("SMTPC-022: two auto-responders that answer each other are slowed down, and nothing of it is held", async () => {
  const fixture = new QueueFixture();
  const { agent, queue } = fixture;
  queue.start();
  for (let round = 0; round < 130; round++) {
    await fixture.accept({ reversePath: "robot@here.test", to: ["echo@there.test"], autoSubmitted: true });
  }
  await fixture.settle();
  assert.equal(agent.jobs.length, 100);
  assert.equal((await fixture.spool.stats()).held, 0);
  const [waits] = await fixture.spool.find({ states: ["scheduled"] }, { limit: 100 });
  assert.match(
    waits?.recipient.lastReply ?? "",
    /^4\.7\.0 Slowed down: more than 100 automatic messages .* arrived within /,
  );
  // The first wait of the schedule, and a fifth more.
  await fixture.advance(360_000);
  await fixture.settle();
  assert.equal(agent.jobs.length, 130);
});

test("SMTPC-022: what comes by a second time again and again is held, and goes when a person releases it", async () => {
  const fixture = new QueueFixture();
  const { agent, queue } = fixture;
  queue.start();
  for (let round = 0; round < 30; round++)
    await fixture.accept({ to: ["echo@there.test"], facts: { ownReceived: true } });
  await fixture.settle();
  assert.equal(agent.jobs.length, 20);
  const held = await fixture.spool.find({ states: ["held"] }, { limit: 100 });
  assert.equal(held.length, 10);
  assert.equal(held[0]?.recipient.held?.by, "loop-breaker");
  assert.match(held[0]?.recipient.held?.reason ?? "", /^Possible mail loop/);
  assert.equal(fixture.log.of("recipient-held").length, 10);
  const [event] = await fixture.spool.events(held[0]?.message.id ?? "");
  assert.equal(event?.kind, "recipient-held");
  await fixture.spool.release({ states: ["held"] }, "admin");
  queue.wake();
  await fixture.settle();
  assert.equal(agent.jobs.length, 30);
});

test("SMTPC-022: a message that bears five Received fields of ours fails with 5.4.6, and its sender is told", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const four = await fixture.accept({ to: ["a@there.test"], facts: { ownReceived: true, ownReceivedCount: 4 } });
  const five = await fixture.accept({ to: ["b@there.test"], facts: { ownReceived: true, ownReceivedCount: 5 } });
  await fixture.settle();
  assert.deepEqual(fixture.agent.attempted, ["a@there.test"]);
  assert.deepEqual(await fixture.states(four.id), ["relayed"]);
  const [failed] = await fixture.recipients(five.id);
  assert.equal(failed?.state, "failed");
  assert.match(failed.lastReply ?? "", /^5\.4\.6 Mail loop: the message passed through this server 5 times/);
  assert.deepEqual(await fixture.reports(), ["sender@here.test failed: b@there.test"]);
});
