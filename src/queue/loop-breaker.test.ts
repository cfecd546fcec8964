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

test("more than the limit of automatic messages between one pair within the window are held", () => {
  const breaker = new LoopBreaker();
  for (let number = 0; number < 20; number++) {
    assert.equal(breaker.check(automatic(), "b@there.test", settings, number * 1_000), undefined);
  }
  assert.match(
    breaker.check(automatic(), "b@there.test", settings, 20_000) ?? "",
    /More than 20 automatic messages from sender@here\.test to b@there\.test .*loop/,
  );
  assert.equal(breaker.check(automatic(), "c@there.test", settings, 20_000), undefined, "another pair is free");
  assert.equal(breaker.check(automatic(), "b@there.test", settings, 620_000), undefined, "and it ends with the loop");
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

test("own Received, Auto-Submitted and the null reverse-path each count", () => {
  const kinds: Partial<MessageSketch>[] = [
    { autoSubmitted: false, facts: { ownReceived: true } },
    { autoSubmitted: true },
    { autoSubmitted: false, reversePath: "" },
  ];
  for (const kind of kinds) {
    const breaker = new LoopBreaker();
    const verdicts = Array.from({ length: 21 }, () => breaker.check(automatic(kind), "b@there.test", settings, 0));
    assert.equal(
      verdicts.findIndex((verdict) => verdict !== undefined),
      20,
    );
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
    for (let number = 0; number < 100; number++) assert.equal(check({ stranger }), false, stranger);
  }
  assert.equal(breaker.size, 0);
  for (let number = 0; number < 20; number++)
    assert.equal(check({ stranger: "unknown" }, { ownReceived: true }), false);
  assert.equal(check({ stranger: "unknown" }, { ownReceived: true }), true);
  assert.equal(check({ stranger: "unknown" }, { ownReceived: true }, "203.0.113.9"), false, "another network");
  for (let number = 0; number < 20; number++) assert.equal(check({ stranger: "verified" }), false);
  assert.equal(check({ stranger: "verified" }), true);
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

test("SMTPC-022: two auto-responders that answer each other are stopped: the cycle is held and says so", async () => {
  const fixture = new QueueFixture();
  const { agent, queue } = fixture;
  queue.start();
  for (let round = 0; round < 30; round++) {
    await fixture.accept({ reversePath: "robot@here.test", to: ["echo@there.test"], autoSubmitted: true });
  }
  await fixture.settle();
  assert.equal(agent.jobs.length, 20);
  const held = await fixture.spool.find({ states: ["held"] }, { limit: 100 });
  assert.equal(held.length, 10);
  assert.equal(held[0]?.recipient.held?.by, "loop-breaker");
  assert.match(held[0]?.recipient.held?.reason ?? "", /looks like a loop/);
  assert.equal(fixture.log.of("recipient-held").length, 10);
  const [event] = await fixture.spool.events(held[0]?.message.id ?? "");
  assert.equal(event?.kind, "recipient-held");
  // What a person releases goes out.
  await fixture.spool.release({ states: ["held"] }, "admin");
  queue.wake();
  await fixture.settle();
  assert.equal(agent.jobs.length, 30);
});
