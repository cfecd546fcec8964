/** A backlog that cannot be tried goes back slowly, and holds up nobody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueFixture, relayed, unreachable } from "../testing/queue-fixture.ts";

for (const cause of ["rests", "has no route"] as const) {
  test(`a backlog of a site that ${cause} is written back a part at a time, and mail for others goes meanwhile`, async () => {
    const fixture = new QueueFixture();
    const { agent, clock, queue, router, spool } = fixture;
    agent.answer = (_, { domain }) => (domain === "dead.test" ? unreachable : relayed);
    if (cause === "has no route") {
      const reason = "DNS does not answer";
      router.table.set("dead.test", { kind: "deferred", status: "4.4.3", owner: "local-trouble", reason });
    }
    for (let number = 0; number < 4000; number++) await fixture.accept({ to: [`user${number}@dead.test`] });
    for (let number = 0; number < 200; number++) await fixture.accept({ to: [`user${number}@live.test`] });
    queue.start();
    const deferred = async () => {
      const found = await spool.find({ domain: "dead.test", states: ["scheduled"] }, { limit: 5000 });
      return found.filter(({ recipient: { due } }) => due > clock.now()).length;
    };
    await fixture.advance(1000);
    const after1 = await deferred();
    await fixture.advance(4000);
    const after5 = await deferred();
    assert.equal(agent.attempted.filter((address) => address.endsWith("@live.test")).length, 200);
    assert.ok(after5 < 4000, `not at once: ${after1}, then ${after5}`);
    assert.ok(after5 - after1 <= 1000, `250 a second: ${after1}, then ${after5}`);
    await fixture.advance(20_000);
    assert.equal(await deferred(), 4000, "all of them, in the end");
  });
}
