/** A program that fails or does not answer: its mail is deferred, and the log says that it was the program. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectingLog } from "../testing/collecting-log.ts";
import { deliveryJob } from "../testing/delivery-fixture.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { type Program, ProgramDelivery } from "./program-delivery.ts";

const hop = { kind: "program", site: "program", description: "the program" } as const;

async function failureOf(take: Program["take"]) {
  const [clock, log] = [new ManualClock(), new CollectingLog()];
  const agent = new ProgramDelivery({ take, timeoutMs: 5_000 }, { clock, log });
  const job = deliveryJob({ hop, to: ["ann@local.test"], content: "\r\n" });
  const delivery = agent.deliver(job, { signal: new AbortController().signal });
  await clock.advance(5_000);
  const { outcomes } = await delivery;
  const outcome = outcomes[0]?.outcome;
  return { told: log.of("program-failed"), reason: outcome?.kind === "deferred" && outcome.reason };
}

test("a program that throws is told of, with the message", async () => {
  const { told, reason } = await failureOf(() => Promise.reject(new Error("broken")));
  assert.deepEqual([told[0]?.["message"], told[0]?.["error"]], ["4QJ7ZC2M9KXD", "broken"]);
  assert.equal(reason, "the program failed: broken");
});

test("a program that does not answer in time is told of, and its signal aborts", async () => {
  let given: AbortSignal | undefined;
  const { told, reason } = await failureOf((_, { signal }) => {
    given = signal;
    return new Promise(() => undefined);
  });
  assert.equal(told[0]?.["error"], "it did not answer within 5 s");
  assert.equal(reason, "the program failed: it did not answer within 5 s");
  assert.ok(given?.aborted);
});
