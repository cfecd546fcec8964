/** Content that is gone, or not whole any more, when it is to be sent: a person has to look, and is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FileError } from "../ports/files.ts";
import { type Spool, SpoolError } from "../spool/spool.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { deferredReply, QueueFixture, relayed } from "../testing/queue-fixture.ts";
import { openContentOf } from "./concluder.ts";
import { outcomeOfFault } from "./fault-outcome.ts";

const day = 86_400_000;

test("content gone while its recipients are claimed: they are held and told, not deferred until they expire", async () => {
  const fixture = new QueueFixture();
  const { agent, queue, spool, log } = fixture;
  agent.answer = (_, { address }) =>
    address === "ann@there.test" ? outcomeOfFault(new SpoolError("damaged", "the content is gone")) : deferredReply();
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test", "bob@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["held", "scheduled"]);
  const found = await spool.message(id);
  assert.deepEqual(found?.recipients[0]?.held, { by: "queue", reason: "the content is gone" });
  assert.equal(log.of("recipient-held")[0]?.["reason"], "the content is gone");
  assert.equal((await spool.events(id)).filter(({ kind }) => kind === "recipient-held").length, 1);
  await fixture.advance(10 * day);
  assert.deepEqual(await fixture.states(id), ["held", "expired"]);
});

test("released when the file is back, it goes", async () => {
  const fixture = new QueueFixture();
  const { agent, queue, spool } = fixture;
  agent.answer = () => outcomeOfFault(new SpoolError("damaged", "the content is gone"));
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test"] });
  await fixture.settle();
  agent.answer = () => relayed;
  assert.equal(await spool.release({ message: id }, "somebody"), 1);
  queue.wake();
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["relayed"]);
});

test("an agent that rejects because the content is gone holds all its recipients, and the log says damaged", async () => {
  const fixture = new QueueFixture({ wrapSpool: withoutContents });
  const { agent, queue, log } = fixture;
  agent.deliver = async (job) => {
    await using content = await job.openContent();
    throw new Error(`there is content of ${content.size} octets`);
  };
  queue.start();
  const { id } = await fixture.accept({ to: ["ann@there.test", "bob@there.test"] });
  await fixture.settle();
  assert.deepEqual(await fixture.states(id), ["held", "held"]);
  assert.equal(log.of("spool-damaged").length, 1);
  assert.equal(log.of("internal-error").length, 0);
});

test("content that the spool does not have is damage, not a fault of ours", async () => {
  const { clock } = new QueueFixture();
  await assert.rejects(openContentOf(new MemorySpool({ clock }), "4QJ7ZC2M9KXD"), { code: "damaged" });
});

test("only damage is held: what a disk refuses now, and what is a fault of ours, waits and is tried again", () => {
  assert.equal(outcomeOfFault(new SpoolError("damaged", "x")).hold, true);
  for (const error of [new SpoolError("failed", "x"), new FileError("EACCES", "open /secret/path"), new Error("x")]) {
    const outcome = outcomeOfFault(error);
    assert.equal(outcome.hold, undefined);
    assert.ok(!outcome.reason.includes("/secret"), outcome.reason);
    assert.doesNotMatch(outcome.reason, /unexpected|reason of our own/);
  }
});

function withoutContents(spool: Spool): Spool {
  return new Proxy(spool, {
    get: (target, name) => {
      if (name === "openContent") return async () => undefined;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
