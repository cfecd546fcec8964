/** What leaves for recipients to whom an address of ours led, and for the others of the same message. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../history/explain.ts";
import { formatExplanation } from "../history/format-explanation.ts";
import { bouncedReply, QueueFixture, smtpHop } from "../testing/queue-fixture.ts";

const forwarded = { reversePath: "SRS0=x@here.test", headerBlock: "ARC-Seal: i=1\r\n" };

function forwardedTo(address: string) {
  return {
    address,
    domain: address.slice(address.indexOf("@") + 1),
    forwarded: true,
    acceptedAs: "info@here.test",
  } as const;
}

test("one site gets the message in two transactions where it leaves in two forms", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const to = ["a@there.test", forwardedTo("b@there.test"), "c@there.test", forwardedTo("d@there.test")];
  const { id } = await fixture.accept({ reversePath: "joe@origin.test", to, forwarded });
  await fixture.settle();
  const sent = fixture.agent.jobs.map(({ message, recipients }) => ({
    from: message.reversePath,
    top: message.headerBlock,
    to: recipients.map(({ address }) => address).join(" "),
  }));
  assert.deepEqual(sent, [
    { from: "joe@origin.test", top: "Received: by here.test\r\n", to: "a@there.test c@there.test" },
    { from: "SRS0=x@here.test", top: "ARC-Seal: i=1\r\nReceived: by here.test\r\n", to: "b@there.test d@there.test" },
  ]);
  assert.deepEqual(await fixture.states(id), ["relayed", "relayed", "relayed", "relayed"]);
});

test("a lone forwarded recipient leaves in its form too, and a failure is reported to who really sent it", async () => {
  const fixture = new QueueFixture();
  fixture.agent.answer = () => bouncedReply();
  fixture.queue.start();
  const { id } = await fixture.accept({ reversePath: "joe@origin.test", to: [forwardedTo("b@there.test")], forwarded });
  await fixture.settle();
  assert.equal(fixture.agent.jobs[0]?.message.reversePath, "SRS0=x@here.test");
  assert.deepEqual(await fixture.reports(), ["joe@origin.test failed: b@there.test"]);
  assert.equal((await fixture.spool.message(id))?.message.reversePath, "joe@origin.test");
});

test("what is delivered for good, or was never given another form, stays as it came", async () => {
  const fixture = new QueueFixture();
  const { site } = smtpHop("box.test");
  fixture.router.table.set("box.test", {
    kind: "hop",
    hop: { kind: "maildir", site, path: "/box", description: "maildir" },
  });
  fixture.queue.start();
  await fixture.accept({ reversePath: "joe@origin.test", to: [forwardedTo("b@box.test")], forwarded });
  await fixture.accept({ reversePath: "joe@origin.test", to: [forwardedTo("b@there.test")] });
  await fixture.settle();
  assert.deepEqual(
    fixture.agent.jobs.map(({ message }) => `${message.reversePath} ${message.headerBlock}`),
    ["joe@origin.test Received: by here.test\r\n", "joe@origin.test Received: by here.test\r\n"],
  );
});

test("explain shows the reverse-path with which a forwarded copy leaves, and whether it is sealed", async () => {
  const fixture = new QueueFixture();
  fixture.queue.start();
  const { id } = await fixture.accept({
    reversePath: "joe@origin.test",
    to: ["a@there.test", forwardedTo("b@there.test")],
    forwarded,
  });
  await fixture.settle();
  const explanation = await explain(fixture.spool, id, { now: fixture.clock.now(), expireMs: 1 });
  assert.ok(explanation);
  const [plain, other] = explanation.recipients;
  assert.equal(plain?.forwarded_from, undefined);
  assert.equal(other?.forwarded_from, "SRS0=x@here.test");
  assert.equal(other?.sealed, true);
  assert.match(
    formatExplanation(explanation),
    /given as info@here\.test\): relayed\n {2}from {2}<?SRS0=x@here\.test>?, rewritten so that bounces come back here; with an ARC seal\n/,
  );
});
