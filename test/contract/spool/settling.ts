/** Outcomes are stored: recipients, reports, events and records in one transaction, or not at all. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import type { HistoryEvent } from "../../../src/events/history-event.ts";
import {
  type Check,
  accepted,
  contentOf,
  deferred,
  delivered,
  draft,
  isSpoolError,
  put,
  putClaimed,
  recipientsOf,
  request,
  settle,
  statesOf,
  terms,
} from "../spool-fixture.ts";

export function settlingContract(name: string, check: Check): void {
  describe(`${name}: settling`, () => {
    check("each outcome is kept with its reply and time", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["a@a.test", "b@b.test", "c@c.test", "d@d.test", "e@e.test", "f@f.test"]);
      await clock.advance(1000);
      const due = clock.now() + 77_000;
      const ok = await settle(spool, claimed, [
        { index: 0, to: "delivered", reply: "delivered to mailbox" },
        { index: 1, to: "relayed", reply: "250 2.0.0 Ok: queued" },
        { index: 2, to: "failed", reply: "550 5.1.1 nobody" },
        { index: 3, to: "expired", reply: "451 4.4.1 too late" },
        { index: 4, to: "scheduled", due, reply: "451 4.7.1 grey", warned: true },
        { index: 5, to: "held", by: "queue", reason: "loop" },
      ]);
      assert.equal(ok, true);
      const got = await recipientsOf(spool, claimed.message.id);
      assert.deepEqual(
        got.map(({ state, lastReply, finalAt, warned }) => [state, lastReply, finalAt, warned]),
        [
          ["delivered", "delivered to mailbox", clock.now(), false],
          ["relayed", "250 2.0.0 Ok: queued", clock.now(), false],
          ["failed", "550 5.1.1 nobody", clock.now(), false],
          ["expired", "451 4.4.1 too late", clock.now(), false],
          ["scheduled", "451 4.7.1 grey", undefined, true],
          ["held", undefined, undefined, false],
        ],
      );
      assert.equal(got[4]?.due, due);
      assert.deepEqual(got[5]?.held, { by: "queue", reason: "loop" });
      assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 0, held: 1, oldestSeconds: 1 });
    });

    check("outcome, report, events and records are one transaction, and the report is due at once", async (harness) => {
      const { spool, clock } = harness;
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const message = draft(["sender@origin.test"], { reversePath: "", reportOn: claimed.message.id });
      const failed: HistoryEvent = {
        kind: "report-queued",
        at: clock.now(),
        message: claimed.message.id,
        report: message.id,
        action: "failed",
        recipients: ["ann@a.test"],
      };
      const ok = await settle(spool, claimed, [{ index: 0, to: "failed", reply: "550 no" }], {
        reports: [{ message, content: Buffer.from("You wrote to ann, who is not there.") }],
        events: [failed, accepted(message)],
        records: [{ kind: "put", namespace: "suppression", key: "ann@a.test", value: { since: 1 } }],
      });
      assert.equal(ok, true);
      assert.equal(await contentOf(spool, claimed.message.id), undefined);
      assert.deepEqual((await spool.events(claimed.message.id)).at(-1), failed);
      assert.deepEqual(await spool.events(message.id), [accepted(message)]);
      assert.deepEqual(await spool.getRecord("suppression", "ann@a.test"), { since: 1 });
      const [report] = await spool.claim(request());
      assert.equal(report?.message.reportOn, claimed.message.id);
      assert.equal(report?.message.size, 35);
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("You wrote to ann, who is not there."));
    });

    check("a settlement that cannot be kept whole keeps nothing", async ({ spool }) => {
      const taken = draft(["bob@b.test"]);
      await put(spool, taken);
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const fresh = draft(["sender@origin.test"]);
      const content = Buffer.from("report");
      const [settled, other] = await Promise.allSettled([
        settle(spool, claimed, [delivered(0)], {
          reports: [
            { message: fresh, content },
            { message: taken, content },
          ],
          events: [accepted(fresh)],
        }),
        put(spool, draft(["cat@c.test"])),
      ]);
      assert.equal(settled.status, "rejected");
      assert.equal(other.status, "fulfilled", "what shared its batch is not spoiled");
      assert.equal(await spool.message(fresh.id), undefined);
      assert.deepEqual(await spool.events(fresh.id), []);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["claimed"]);
      await assert.rejects(settle(spool, claimed, [delivered(0), delivered(0)]), isSpoolError("failed"));
      assert.equal(await settle(spool, claimed, [delivered(0)]), true);
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("content stays until the last recipient is final, and goes with it", async ({ spool, clock }) => {
      for (const size of [2000, 400_000]) {
        const message = draft(["a@a.test", "b@b.test", "c@c.test"]);
        const claimed = await put(spool, message, { content: Buffer.alloc(size, "x"), claim: terms });
        assert.ok(claimed);
        await settle(spool, claimed, [delivered(0), deferred(1, clock.now())]);
        assert.equal((await contentOf(spool, message.id))?.length, size);
        await settle(spool, claimed, [{ index: 2, to: "held", by: "t", reason: "r" }]);
        const [again] = await spool.claim(request());
        assert.ok(again);
        await settle(spool, again, [delivered(1)]);
        assert.equal((await contentOf(spool, message.id))?.length, size);
        assert.equal(await spool.remove({ message: message.id, states: ["held"] }, "operator"), 1);
        assert.equal(await contentOf(spool, message.id), undefined);
        assert.deepEqual(await statesOf(spool, message.id), ["delivered", "delivered", "removed"]);
      }
    });

    check("an attempt that did not happen is not counted; a delay report is remembered", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      await settle(spool, claimed, [deferred(0, clock.now(), { warned: true })]);
      const [second] = await spool.claim(request());
      assert.ok(second);
      assert.equal(second.recipients[0]?.attempts, 2);
      assert.equal(second.recipients[0]?.warned, true);
      await settle(spool, second, [deferred(0, clock.now(), { uncounted: true })]);
      const [third] = await spool.claim(request());
      assert.equal(third?.recipients[0]?.attempts, 2);
      assert.equal(third?.recipients[0]?.warned, true);
      assert.equal(third?.recipients[0]?.lastReply, "451 4.3.0 later");
    });

    check("who was warned about is marked with the report, claimed or not, once", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["a@a.test", "b@b.test", "c@c.test"]);
      const { id } = claimed.message;
      const waiting = draft(["d@a.test"]);
      await put(spool, waiting);
      await settle(spool, claimed, [delivered(0), deferred(1, clock.now())]);
      const by = waiting.receivedAt;
      const found = async (after?: { readonly message: string; readonly index: number }) =>
        (await spool.unwarned(by, { limit: 2, ...(after && { after }) })).map(({ recipient }) => recipient.address);
      assert.deepEqual(await found(), ["b@b.test", "c@c.test"]);
      assert.deepEqual(await found({ message: id, index: 1 }), ["c@c.test", "d@a.test"]);
      assert.deepEqual(await spool.unwarned(by - 1, { limit: 2 }), []);
      const report = { message: draft(["sender@origin.test"], { reportOn: id }), content: Buffer.from("late") };
      const events: HistoryEvent[] = [accepted(report.message)];
      const warning = { message: id, reports: [report], events };
      assert.equal(await spool.warn({ ...warning, recipients: [0, 1] }), false, "one of them is final");
      assert.equal(await spool.message(report.message.id), undefined);
      assert.equal(await spool.warn({ ...warning, recipients: [1, 2] }), true);
      assert.equal((await contentOf(spool, report.message.id))?.toString(), "late");
      assert.deepEqual(
        (await recipientsOf(spool, id)).map(({ warned }) => warned),
        [false, true, true],
      );
      assert.deepEqual((await spool.events(report.message.id)).at(-1)?.kind, "message-accepted");
      assert.equal(await spool.warn({ ...warning, reports: [], recipients: [2] }), false, "once");
      assert.ok(await settle(spool, claimed, [deferred(2, clock.now())]), "the claim goes on");
      assert.equal((await recipientsOf(spool, id))[2]?.warned, true);
      assert.deepEqual(await found(), ["d@a.test", "sender@origin.test"]);
    });

    check("who came a part of a millisecond later is not so old yet", async ({ spool }) => {
      const receivedAt = Date.UTC(2026, 0, 1) + 0.4;
      await put(spool, draft(["ann@a.test"], { receivedAt }));
      assert.deepEqual(await spool.unwarned(receivedAt - 0.1, { limit: 2 }), []);
      assert.equal((await spool.unwarned(receivedAt + 1, { limit: 2 })).length, 1);
    });

    check("a settlement without changes still keeps its events while the claim lasts", async ({ spool }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const event: HistoryEvent = {
        kind: "report-withheld",
        at: 1,
        message: claimed.message.id,
        reason: "null reverse-path",
        recipients: ["ann@a.test"],
      };
      assert.equal(await settle(spool, claimed, [], { events: [event] }), true);
      assert.deepEqual((await spool.events(claimed.message.id)).at(-1), event);
      await settle(spool, claimed, [delivered(0)]);
      assert.equal(await settle(spool, claimed, [], { events: [event] }), false);
    });
  });
}
