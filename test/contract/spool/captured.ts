/** Captured mail: listed by the commit that accepts it, in the order of commits, with its content until it is deleted. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import type { CapturedPageRequest } from "../../../src/spool/captured-mail.ts";
import type { NewMessage, NewRecipient, Spool } from "../../../src/spool/spool.ts";
import { type Check, contentOf, delivered, draft, put, recipient, request, settle, terms } from "../spool-fixture.ts";

/** For recipients that are captured. */
function capturedDraft(to: readonly string[], more: Partial<NewMessage> = {}): NewMessage {
  return draft(
    to.map((address): NewRecipient => recipient(address, { captured: true })),
    more,
  );
}

async function idsOf(spool: Spool, changes: Partial<CapturedPageRequest> = {}): Promise<readonly string[]> {
  const listed = await spool.captured.list({ limit: 100, order: "newest first", ...changes });
  return listed.map(({ entry }) => entry.id);
}

const late = { order: "oldest first" } as const;

export function capturedContract(name: string, check: Check): void {
  describe(`${name}: captured mail`, () => {
    check("a message is listed when its commit resolves, once for all its recipients", async ({ spool, clock }) => {
      const to = Array.from({ length: 1001 }, (_, number) => `r${number}@a.test`);
      const message = capturedDraft(to, { junk: true, authors: ["ann@b.test"] });
      await put(spool, message, { content: "Subject: x\r\n\r\nx\r\n" });
      const [listed, ...others] = await spool.captured.list({ limit: 10, order: "newest first" });
      assert.deepEqual(others, []);
      assert.deepEqual(listed?.entry, {
        id: message.id,
        from: "sender@origin.test",
        to,
        subject: "Grüße \u{1f4ee}",
        received_at: new Date(clock.now()).toISOString(),
        size: 17 + message.headerBlock.length,
        junk: true,
        authors: ["ann@b.test"],
      });
      assert.deepEqual(await spool.captured.get(message.id), listed);
      assert.equal(await spool.captured.count(), 1);
      await put(spool, draft(["elsewhere@a.test"]));
      assert.equal(await spool.captured.count(), 1, "what is not captured is not listed");
    });

    check("the order is that of the commits, whatever the ids say, and pages follow it", async ({ spool }) => {
      const slow = capturedDraft(["a@a.test"]);
      const quick = capturedDraft(["a@a.test"]);
      const last = capturedDraft(["a@a.test"]);
      assert.ok(slow.id < quick.id);
      await put(spool, quick);
      const after = (await spool.captured.get(quick.id))?.arrival ?? assert.fail();
      await put(spool, slow);
      await put(spool, last);
      assert.deepEqual(await idsOf(spool), [last.id, slow.id, quick.id]);
      assert.deepEqual(await idsOf(spool, { ...late, after }), [slow.id, last.id]);
      assert.deepEqual(await idsOf(spool, { limit: 1 }), [last.id]);
      const before = (await spool.captured.get(slow.id))?.arrival ?? assert.fail();
      assert.deepEqual(await idsOf(spool, { before }), [quick.id]);
    });

    check("whole values are found by index, parts and patterns by looking", async ({ spool }) => {
      const facts = draft([]).facts;
      const ann = capturedDraft(["Ann+tag@A.test"], { facts: { ...facts, subject: "Sign in" } });
      const joann = capturedDraft(["joann@a.test", "bob@a.test"], { facts: { ...facts, subject: "Please sign in" } });
      const bounce = capturedDraft(["ann@a.test"], { reversePath: "", authors: ["daemon@a.test"] });
      for (const message of [ann, joann, bounce]) await put(spool, message);
      const find = (filter: CapturedPageRequest["filter"]) => idsOf(spool, filter === undefined ? {} : { filter });
      assert.deepEqual(await find({ to: "ann@a.test" }), [bounce.id]);
      assert.deepEqual(await find({ to: "ann+TAG@a.test" }), [ann.id]);
      assert.deepEqual(await find({ to: '"bob"@A.TEST' }), [joann.id], "addresses are compared as addresses");
      assert.deepEqual(await find({ to_contains: "ann" }), [bounce.id, joann.id, ann.id]);
      assert.deepEqual(await find({ subject: "sign IN" }), [ann.id]);
      assert.deepEqual(await find({ subject_contains: "sign in" }), [joann.id, ann.id]);
      assert.deepEqual(await find({ subject_pattern: "*sign*n" }), [joann.id, ann.id]);
      assert.deepEqual(await find({ from: "" }), [bounce.id]);
      assert.deepEqual(await find({ from: "daemon@a.test" }), [bounce.id]);
      assert.deepEqual(await find({ from_pattern: "sender@*", to: "bob@a.test" }), [joann.id]);
      assert.deepEqual(await find({ to: "nobody@a.test" }), []);
    });

    check("content and history stay when the last recipient is final, and over a crash", async (harness) => {
      const { spool, clock } = harness;
      const message = capturedDraft(["a@a.test"]);
      const claimed = await put(spool, message, { claim: terms, content: "Subject: x\r\n\r\nkept\r\n" });
      assert.ok(claimed);
      assert.equal(claimed.recipients[0]?.captured, true);
      await settle(spool, claimed, [delivered(0)]);
      while ((await spool.prune(clock.now() + 1e12, 100)) > 0);
      const restarted = await harness.crash();
      assert.deepEqual(await idsOf(restarted), [message.id]);
      assert.equal(String(await contentOf(restarted, message.id)), "Subject: x\r\n\r\nkept\r\n");
      assert.equal((await restarted.message(message.id))?.recipients[0]?.state, "delivered");
    });

    check("what is deleted does not come back, also where it was not delivered yet", async ({ spool, clock }) => {
      const message = capturedDraft(["a@a.test"]);
      const claimed = await put(spool, message, { claim: terms });
      assert.ok(claimed);
      assert.equal(await spool.captured.delete({}), 1);
      assert.deepEqual(await idsOf(spool), []);
      assert.ok(await contentOf(spool, message.id), "the queue still needs it");
      await settle(spool, claimed, [delivered(0)]);
      assert.deepEqual(await idsOf(spool), []);
      assert.equal(await contentOf(spool, message.id), undefined);
      while ((await spool.prune(clock.now() + 1, 100)) > 0);
      assert.equal(await spool.message(message.id), undefined);
    });

    check("a deletion takes what its filter selects, and the history of what was captured only", async (harness) => {
      const { spool, clock } = harness;
      const gone = capturedDraft(["a@a.test"]);
      const mixed = draft([recipient("a@a.test", { captured: true }), "b@elsewhere.test"]);
      const kept = capturedDraft(["c@a.test"]);
      for (const message of [gone, mixed, kept]) {
        const claimed = await put(spool, message, { claim: terms });
        assert.ok(claimed);
        await settle(
          spool,
          claimed,
          claimed.recipients.map(({ index }) => delivered(index)),
        );
      }
      assert.equal(await spool.captured.delete({ filter: { to: "nobody@a.test" } }), 0);
      assert.equal(await spool.captured.delete({ filter: { to: "a@a.test" } }), 2);
      assert.equal(await spool.captured.delete({ id: "000000000000" }), 0);
      assert.deepEqual(await idsOf(spool), [kept.id]);
      for (const { id } of [gone, mixed]) assert.equal(await contentOf(spool, id), undefined);
      while ((await spool.prune(clock.now() - 1, 100)) > 0);
      assert.equal(await spool.message(gone.id), undefined);
      assert.ok(await spool.message(mixed.id), "one copy left, and can be explained");
      assert.equal(await spool.captured.delete({ id: kept.id }), 1);
    });

    check("retention deletes the oldest and the too old; their history stays", async ({ spool, clock }) => {
      const old = capturedDraft(["a@a.test"]);
      await put(spool, old);
      await clock.advance(1000);
      const messages = [1, 2, 3].map(() => capturedDraft(["a@a.test"]));
      for (const message of messages) await put(spool, message);
      assert.equal(await spool.captured.trim({ keep: 100, before: clock.now() }), 1);
      assert.equal(await spool.captured.trim({ keep: 2, before: 0 }), 1);
      assert.deepEqual(
        await idsOf(spool, late),
        messages.slice(1).map(({ id }) => id),
      );
      assert.ok(await spool.message(old.id));
    });

    check("what no commit listed is listed with its outcome, once, and joined by what follows", async ({ spool }) => {
      const heard: number[] = [];
      const unwatch = spool.captured.watch(() => heard.push(1));
      const message = draft(["a@a.test", "b@a.test"]);
      await put(spool, message);
      assert.deepEqual(heard, []);
      const [first] = await spool.claim(request({ limit: 1 }));
      assert.ok(first);
      await settle(spool, first, [delivered(first.recipients[0]?.index ?? 0)], { captured: [0] });
      const [second] = await spool.claim(request({ limit: 1 }));
      assert.ok(second);
      await settle(spool, second, [delivered(second.recipients[0]?.index ?? 0)], { captured: [1] });
      const listed = await spool.captured.list({ limit: 10, order: "newest first" });
      assert.deepEqual(
        listed.map(({ entry }) => [entry.id, entry.to]),
        [[message.id, ["a@a.test", "b@a.test"]]],
      );
      assert.equal(heard.length, 2);
      assert.ok(await contentOf(spool, message.id));
      unwatch();
      await put(spool, capturedDraft(["a@a.test"]));
      assert.equal(heard.length, 2);
    });

    check("a report that is captured is listed in the transaction of the outcome", async ({ spool }) => {
      const claimed = await put(spool, draft(["a@a.test"]), { claim: terms });
      assert.ok(claimed);
      const report = capturedDraft(["sender@origin.test"], { reversePath: "" });
      await settle(spool, claimed, [delivered(0)], { reports: [{ message: report, content: Buffer.from("report") }] });
      assert.deepEqual(await idsOf(spool), [report.id]);
    });

    check("the place of a deleted message is told by the time of its id", async ({ spool, clock }) => {
      const first = capturedDraft(["a@a.test"]);
      await put(spool, first);
      await clock.advance(10);
      await put(spool, capturedDraft(["a@a.test"]));
      const { arrival } = (await spool.captured.get(first.id)) ?? assert.fail();
      assert.equal(await spool.captured.arrivalBefore(clock.now()), arrival);
      assert.equal(await spool.captured.arrivalBefore(0), 0);
    });
  });
}
