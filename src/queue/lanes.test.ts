/** Turns within a site: by sender, and by message of one sender. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deferredReply, QueueFixture, relayed } from "../testing/queue-fixture.ts";

const minute = 60_000;
const settings = { deliveries_per_site: 1, recipients_per_transaction: 2 };

test("one user's message does not wait for the end of another's 400", async () => {
  const fixture = new QueueFixture({ settings });
  const { agent, queue } = fixture;
  queue.start();
  agent.blocked = true;
  for (let number = 0; number < 200; number++) {
    await fixture.accept({ reversePath: "news@shop.test", to: [`u${number}@there.test`] });
  }
  await fixture.accept({ reversePath: "ann@home.test", to: ["ann@there.test"] });
  await fixture.settle();
  for (let turn = 0; turn < 3; turn++) {
    agent.unblock();
    await fixture.settle();
  }
  assert.ok(agent.attempted.slice(0, 3).includes("ann@there.test"), agent.attempted.slice(0, 4).join(" "));
});

test("a small message waits for one transaction of a large one of the same sender, and the order stays", async () => {
  const fixture = new QueueFixture({ settings });
  const { agent, queue } = fixture;
  queue.start();
  agent.blocked = true;
  await fixture.accept({ to: Array.from({ length: 20 }, (_, number) => `list${number}@there.test`) });
  await fixture.accept({ to: ["first@there.test"] });
  await fixture.accept({ to: ["second@there.test"] });
  await fixture.settle();
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(minute);
  // The second transaction of the large one had its turn before the small ones came.
  assert.deepEqual(agent.attempted.slice(0, 8), [
    "list0@there.test",
    "list1@there.test",
    "list2@there.test",
    "list3@there.test",
    "first@there.test",
    "second@there.test",
    "list4@there.test",
    "list5@there.test",
  ]);
  assert.equal(agent.attempted.length, 22);
});

test("a small message waits for one transaction of a large one whose recipients fell due one after the other", async () => {
  const fixture = new QueueFixture({ settings });
  const { agent, queue } = fixture;
  queue.start();
  agent.answer = () => deferredReply();
  await fixture.accept({ to: Array.from({ length: 40 }, (_, number) => `list${number}@there.test`) });
  await fixture.advance(minute);
  agent.jobs.length = 0;
  agent.blocked = true;
  agent.answer = () => relayed;
  // Each is due by its own draw, and claimed by itself.
  await fixture.advance(30 * minute);
  await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  agent.blocked = false;
  agent.unblock();
  await fixture.advance(minute);
  assert.equal(agent.attempted.length, 41);
  assert.ok(agent.jobs.length > 30, `${agent.jobs.length} transactions`);
  const turn = agent.jobs.findIndex(({ recipients }) => recipients[0]?.address === "ann@there.test");
  assert.ok(turn <= 2, `begun after ${turn} transactions`);
});

test("a mailing whose time is over goes before the sender's other mail, not before other senders", async () => {
  const fixture = new QueueFixture({ settings: { ...settings, expire: "2h", warn_after: "0s" } });
  const { agent, queue } = fixture;
  queue.start();
  agent.answer = () => deferredReply();
  const to = Array.from({ length: 20 }, (_, number) => `list${number}@there.test`);
  await fixture.accept({ reversePath: "news@shop.test", to });
  await fixture.advance(90 * minute);
  agent.blocked = true;
  agent.answer = () => relayed;
  await fixture.accept({ reversePath: "news@shop.test", to: ["later@there.test"] });
  await fixture.advance(minute);
  await fixture.accept({ reversePath: "ann@home.test", to: ["ann@there.test"] });
  await fixture.advance(40 * minute);
  const before = agent.attempted.length;
  for (let turn = 0; turn < 6; turn++) {
    agent.unblock(1);
    await fixture.settle();
    await fixture.advance(minute);
  }
  const attempted = agent.attempted.slice(before);
  assert.ok(attempted.indexOf("ann@there.test") <= 2, attempted.join(" "));
  assert.ok(attempted.indexOf("ann@there.test") >= 0, attempted.join(" "));
  assert.ok(!attempted.includes("later@there.test"), attempted.join(" "));
});
