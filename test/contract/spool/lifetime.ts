/** The ends: pruning what is over, crashes, and close. */
import { describe } from "node:test";
import assert from "node:assert/strict";
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
} from "../spool-fixture.ts";

export function lifetimeContract(name: string, check: Check): void {
  describe(`${name}: lifetime`, () => {
    check("prune removes what has been final long enough, in bounded steps, and nothing else", async (harness) => {
      const { spool, clock } = harness;
      const old: string[] = [];
      for (let count = 0; count < 20; count++) {
        const claimed = await putClaimed(spool, ["ann@a.test"]);
        old.push(claimed.message.id);
        await settle(spool, claimed, [delivered(0)]);
      }
      const open = draft(["bob@b.test"]);
      await put(spool, open);
      await spool.changeRecords([
        { kind: "put", namespace: "n", key: "short", value: 1, expiresAt: clock.now() + 5 },
        { kind: "put", namespace: "n", key: "long", value: 1, expiresAt: clock.now() + 5_000_000 },
        { kind: "put", namespace: "n", key: "always", value: 1 },
      ]);
      await clock.advance(10_000);
      const before = clock.now();
      await clock.advance(10_000);
      const recent = await putClaimed(spool, ["cat@c.test"]);
      await settle(spool, recent, [delivered(0)]);
      let rows = 0;
      let steps = 0;
      for (let went = -1; went !== 0; steps++) {
        went = await spool.prune(before, 10);
        assert.ok(went <= 15, `${went} rows in one step`);
        rows += went;
      }
      assert.ok(steps > 4);
      assert.equal(rows, 20 * 3 + 1);
      for (const id of old) {
        assert.equal(await spool.message(id), undefined);
        assert.deepEqual(await spool.events(id), []);
      }
      assert.deepEqual(await statesOf(spool, open.id), ["scheduled"]);
      assert.deepEqual(await statesOf(spool, recent.message.id), ["delivered"]);
      assert.deepEqual(
        (await spool.listRecords("n", { limit: 10 })).map(({ key }) => key),
        ["always", "long"],
      );
    });

    check("a crash keeps what was committed and nothing else", async (harness) => {
      const { spool, clock } = harness;
      const kept = draft(["ann@a.test"]);
      const large = draft(["big@a.test"]);
      await put(spool, kept, { content: "kept" });
      await put(spool, large, { content: Buffer.alloc(500_000, "y") });
      await spool.changeRecords([{ kind: "put", namespace: "n", key: "k", value: 1 }]);
      await using half = spool.begin();
      await half.append(Buffer.alloc(400_000));
      const restarted = await harness.crash();
      assert.deepEqual(await statesOf(restarted, kept.id), ["scheduled"]);
      assert.deepEqual(await contentOf(restarted, kept.id), Buffer.from("kept"));
      assert.ok((await contentOf(restarted, large.id))?.equals(Buffer.alloc(500_000, "y")));
      assert.deepEqual(await restarted.events(kept.id), [accepted(kept, 4)]);
      assert.equal(await restarted.getRecord("n", "k"), 1);
      assert.deepEqual(await restarted.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
      assert.equal((await restarted.find({}, { limit: 10 })).length, 2);
      assert.equal(await restarted.nextDue([]), clock.now());
    });

    check("after a crash, first attempts are due at once and later ones at the recorded time", async (harness) => {
      const { clock } = harness;
      let { spool } = harness;
      const first = await putClaimed(spool, ["ann@a.test"]);
      const again = await putClaimed(spool, ["bob@b.test"]);
      await settle(spool, again, [deferred(0, clock.now())]);
      const [second] = await spool.claim(request());
      assert.ok(second);
      await clock.advance(1000);
      spool = await harness.crash();
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 1 });
      const [one] = await recipientsOf(spool, first.message.id);
      assert.deepEqual([one?.state, one?.attempts, one?.due], ["scheduled", 1, clock.now()]);
      const [other] = await recipientsOf(spool, again.message.id);
      assert.deepEqual([other?.state, other?.attempts, other?.due], ["scheduled", 2, clock.now() - 1000 + 600_000]);
      const page = await spool.claim(request());
      assert.deepEqual(
        page.map(({ message }) => message.id),
        [first.message.id],
      );
      spool = await harness.crash();
      assert.deepEqual(await spool.claim(request()), [], "a second crash does not make it due again");
    });

    check("tokens of before a crash are stale after it", async (harness) => {
      const before = await putClaimed(harness.spool, ["ann@a.test"]);
      const spool = await harness.crash();
      assert.equal(await settle(spool, before, [delivered(0)]), false);
      const [now] = await spool.claim(request());
      assert.ok(now);
      assert.equal(await settle(spool, before, [delivered(0)]), false);
      assert.deepEqual(await spool.renew([before.token], 1000), [before.token]);
      assert.equal(await settle(spool, now, [delivered(0)]), true);
    });

    check("after close everything rejects with closed; what was under way is finished", async ({ spool }) => {
      const writer = spool.begin();
      await writer.append(Buffer.from("x"));
      const message = draft(["ann@a.test"]);
      const underWay = spool.begin();
      await underWay.append(Buffer.from("y"));
      const large = spool.begin();
      await large.append(Buffer.alloc(500_000));
      const committing = [
        underWay.commit(message, { events: [] }),
        large.commit(draft(["big@b.test"]), { events: [] }),
        spool.settle({ message: message.id, token: 1, changes: [], reports: [], events: [] }),
      ];
      await spool.close();
      await Promise.all(committing);
      const closed = isSpoolError("closed");
      await assert.rejects(writer.commit(draft(["bob@b.test"]), { events: [] }), closed);
      await assert.rejects(spool.claim(request()), closed);
      await assert.rejects(spool.renew([], 1), closed);
      await assert.rejects(
        spool.settle({ message: message.id, token: 1, changes: [], reports: [], events: [] }),
        closed,
      );
      await assert.rejects(spool.nextDue([]), closed);
      await assert.rejects(spool.openContent(message.id), closed);
      await assert.rejects(spool.hold({}, "o", "r"), closed);
      await assert.rejects(spool.find({}, { limit: 1 }), closed);
      await assert.rejects(spool.message(message.id), closed);
      await assert.rejects(spool.events(message.id), closed);
      await assert.rejects(spool.stats(), closed);
      await assert.rejects(spool.prune(0, 1), closed);
      await assert.rejects(spool.getRecord("n", "k"), closed);
      await assert.rejects(spool.changeRecords([]), closed);
      await spool.close();
    });
  });
}
