/** A message is accepted: nothing is seen of it before the commit, all of it after, and of an abort nothing is left. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import { SeededRandom } from "../../../src/testing/seeded-random.ts";
import {
  type Check,
  accepted,
  contentOf,
  delivered,
  draft,
  ids,
  isSpoolError,
  put,
  recipient,
  recipientsOf,
  request,
  settle,
  terms,
} from "../spool-fixture.ts";

export function acceptingContract(name: string, check: Check): void {
  describe(`${name}: accepting`, () => {
    check("a committed message is there whole: message, recipients, first event, content", async ({ spool, clock }) => {
      const message = draft(["ann@a.test", recipient("bob@b.test", { acceptedAs: "info@a.test", notify: ["NEVER"] })], {
        envelopeId: "QQ+2B314159",
        ret: "HDRS",
        tags: ["shop"],
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        reversePath: "",
      });
      await put(spool, message, { content: "Subject: x\r\n\r\n\u0000\xff" });
      const { recipients: given, ...rest } = message;
      const found = await spool.message(message.id);
      assert.deepEqual(found?.message, { ...rest, size: 17 });
      const stored = { message: message.id, state: "scheduled", due: clock.now(), attempts: 0, warned: false };
      assert.deepEqual(
        found?.recipients,
        given.map((one, index) => ({ ...one, ...stored, index })),
      );
      assert.deepEqual(await spool.events(message.id), [accepted(message, 17)]);
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("Subject: x\r\n\r\n\u0000\xff"));
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("before the commit nothing is visible, after it everything is", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await using writer = spool.begin();
      await writer.append(Buffer.from("Subject: x\r\n"));
      assert.equal(writer.size, 12);
      assert.deepEqual(await spool.claim(request()), []);
      assert.deepEqual(await spool.find({}, { limit: 10 }), []);
      assert.equal(await spool.message(message.id), undefined);
      const { message: stored, claimed } = await writer.commit(message, { events: [] });
      assert.equal(stored.size, 12);
      assert.equal(claimed, undefined);
      assert.equal((await spool.find({}, { limit: 10 })).length, 1);
    });

    check("an aborted message leaves nothing, nor does one that is only disposed", async ({ spool }) => {
      for (const size of [10, 600_000]) {
        const aborted = spool.begin();
        await aborted.append(Buffer.alloc(size));
        await aborted.abort();
        await aborted.abort();
        await assert.rejects(aborted.commit(draft(["ann@a.test"]), { events: [] }), isSpoolError("failed"));
        await using disposed = spool.begin();
        await disposed.append(Buffer.alloc(size));
      }
      assert.deepEqual(await spool.find({}, { limit: 10 }), []);
      assert.deepEqual(await spool.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("a second commit of one writer is refused", async ({ spool }) => {
      const writer = spool.begin();
      await writer.append(Buffer.from("x"));
      const message = draft(["ann@a.test"]);
      await writer.commit(message, { events: [] });
      await assert.rejects(writer.commit(draft(["ann@a.test"]), { events: [] }), isSpoolError("failed"));
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("x"));
    });

    check("a queue id that is taken is refused, and the first message stays as it was", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message, { content: "first" });
      const second = { ...message, recipients: [recipient("eve@e.test")] };
      const results = await Promise.allSettled([put(spool, second), put(spool, draft(["bob@b.test"]))]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["rejected", "fulfilled"],
      );
      assert.deepEqual(await contentOf(spool, message.id), Buffer.from("first"));
      assert.equal((await recipientsOf(spool, message.id))[0]?.address, "ann@a.test");
      assert.equal((await spool.events(message.id)).length, 1);
    });

    check("records that come with a message change in its transaction, or not at all", async ({ spool }) => {
      await spool.changeRecords([{ kind: "put", namespace: "owed", key: "a", value: 1 }]);
      for (const size of [10, 600_000]) {
        const key = `told-${size}`;
        const records = [
          { kind: "delete", namespace: "owed", key: "a" },
          { kind: "put", namespace: "owed", key, value: 2 },
        ] as const;
        const report = draft(["ann@a.test"]);
        await using writer = spool.begin();
        await writer.append(Buffer.alloc(size, "x"));
        await writer.commit(report, { events: [], records });
        assert.equal(await spool.getRecord("owed", "a"), undefined);
        assert.equal(await spool.getRecord("owed", key), 2);
        await using refused = spool.begin();
        await refused.append(Buffer.alloc(size, "x"));
        const clear = [{ kind: "clear", namespace: "owed" }] as const;
        await assert.rejects(refused.commit(report, { events: [], records: clear }), isSpoolError("failed"));
        assert.equal(await spool.getRecord("owed", key), 2, "the id was taken, so nothing is changed");
      }
    });

    check("a message without a recipient is refused", async ({ spool }) => {
      await assert.rejects(put(spool, draft([])), isSpoolError("failed"));
    });

    check("content of every size comes back as it was given, in whatever pieces", async ({ spool }) => {
      const random = new SeededRandom(11);
      for (const size of [0, 1, 4096, 262_143, 262_144, 262_145, 700_000, 3_000_000]) {
        const whole = Buffer.alloc(size);
        for (let at = 0; at + 4 <= size; at += 4) whole.writeUInt32LE(Math.floor(random.next() * 2 ** 32), at);
        const message = draft(["ann@a.test"]);
        await using writer = spool.begin();
        for (let at = 0; at < size;) {
          const length = 1 + Math.floor(random.next() * 100_000);
          // The writer may keep what it is given, so it gets its own copy.
          const waiting = writer.append(Buffer.from(whole.subarray(at, at + length)));
          if (size <= 262_144) assert.equal(waiting, undefined, "small content never makes the caller wait");
          await waiting;
          at += length;
        }
        assert.equal(writer.size, size);
        const { message: stored } = await writer.commit(message, { events: [] });
        assert.equal(stored.size, size);
        const back = await contentOf(spool, message.id);
        assert.ok(back?.equals(whole), `${size} octets`);
      }
    });

    check("appends that nobody waits for still arrive in order", async ({ spool }) => {
      const writer = spool.begin();
      const parts = Array.from({ length: 40 }, (_, part) => Buffer.alloc(50_000, part));
      const waits = parts.map((part) => writer.append(part));
      const message = draft(["ann@a.test"]);
      await writer.commit(message, { events: [] });
      await Promise.all(waits);
      assert.ok((await contentOf(spool, message.id))?.equals(Buffer.concat(parts)));
    });

    check("content can be opened twice at once", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message, { content: Buffer.alloc(900_000, "ab") });
      const both = await Promise.all([contentOf(spool, message.id), contentOf(spool, message.id)]);
      for (const one of both) assert.ok(one?.equals(Buffer.alloc(900_000, "ab")));
      assert.equal(await spool.openContent(ids.next()), undefined);
    });

    check("recipients may begin held, or not be due yet", async ({ spool, clock }) => {
      const later = clock.now() + 3_600_000;
      const held = { by: "policy", reason: "loop breaker" };
      const message = draft([recipient("a@a.test", { held }), recipient("b@b.test", { due: later }), "c@c.test"]);
      const claimed = await put(spool, message, { claim: terms });
      assert.deepEqual(
        claimed?.recipients.map(({ address }) => address),
        ["c@c.test"],
      );
      const [first, second] = await recipientsOf(spool, message.id);
      assert.equal(first?.state, "held");
      assert.deepEqual(first?.held, held);
      assert.equal(second?.state, "scheduled");
      assert.equal(second?.due, later);
      assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 1, held: 1, oldestSeconds: 0 });
    });

    check("a commit with a claim hands back what is due, with attempt and next due time recorded", async (harness) => {
      const { spool, clock } = harness;
      const message = draft(["ann@a.test", "bob@b.test"]);
      const claimed = await put(spool, message, { claim: terms });
      assert.ok(claimed);
      assert.equal(claimed.leaseEnd, clock.now() + 60_000);
      assert.equal(claimed.message.id, message.id);
      assert.equal(claimed.message.headerBlock, message.headerBlock);
      assert.deepEqual(claimed.recipients, await recipientsOf(spool, message.id));
      for (const { state, attempts, due } of claimed.recipients) {
        assert.deepEqual([state, attempts, due], ["claimed", 1, clock.now() + 300_000]);
      }
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await settle(spool, claimed, [delivered(0), delivered(1)]), true);
    });

    check("a commit with a claim and nothing due hands back no claim", async ({ spool, clock }) => {
      const claimed = await put(spool, draft([recipient("b@b.test", { due: clock.now() + 1 })]), { claim: terms });
      assert.equal(claimed, undefined);
    });

    check("many commits at once all come back, each with its own content", async ({ spool }) => {
      const messages = Array.from({ length: 200 }, (_, count) => draft([`user${count}@a.test`]));
      const claims = await Promise.all(
        messages.map((message, count) => put(spool, message, { content: `number ${count}`, claim: terms })),
      );
      assert.equal(new Set(claims.map((claimed) => claimed?.token)).size, 200);
      for (const [count, { id }] of messages.entries()) {
        assert.deepEqual(await contentOf(spool, id), Buffer.from(`number ${count}`));
      }
      assert.equal((await spool.stats()).claimed, 200);
    });
  });
}
