/** A claim holds as long as its lease; after that its token settles nothing, and the recipient falls due again. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import {
  type Check,
  accepted,
  deferred,
  delivered,
  draft,
  putClaimed,
  recipient,
  request,
  settle,
  statesOf,
} from "../spool-fixture.ts";

export function leaseContract(name: string, check: Check): void {
  describe(`${name}: leases and tokens`, () => {
    check("a first attempt whose lease ends is due at once, and counts", async ({ spool, clock }) => {
      const first = await putClaimed(spool, ["ann@a.test"]);
      await clock.advance(60_000);
      const [second] = await spool.claim(request());
      assert.ok(second);
      assert.equal(second.message.id, first.message.id);
      assert.equal(second.recipients[0]?.attempts, 2);
      assert.notEqual(second.token, first.token);
    });

    check("a later attempt whose lease ends waits for the time its claim recorded", async ({ spool, clock }) => {
      const start = clock.now();
      await putClaimed(spool, ["ann@a.test"]);
      await clock.advance(60_000);
      await spool.claim(request());
      await clock.advance(60_000);
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await spool.nextDue([]), start + 60_000 + 600_000);
      assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 0, held: 0, oldestSeconds: 120 });
    });

    check("a lost lease cannot settle: the token is stale and nothing is changed", async ({ spool, clock }) => {
      const first = await putClaimed(spool, ["ann@a.test"]);
      await clock.advance(60_000);
      const [second] = await spool.claim(request());
      assert.ok(second);
      const report = { message: draft(["sender@origin.test"], { reversePath: "" }), content: Buffer.from("report") };
      const stale = await settle(spool, first, [delivered(0)], {
        reports: [report],
        events: [accepted(report.message)],
        records: [{ kind: "put", namespace: "n", key: "k", value: 1 }],
      });
      assert.equal(stale, false);
      assert.deepEqual(await statesOf(spool, first.message.id), ["claimed"]);
      assert.equal(await spool.message(report.message.id), undefined);
      assert.deepEqual(await spool.events(report.message.id), []);
      assert.equal(await spool.getRecord("n", "k"), undefined);
      assert.equal(await settle(spool, second, [delivered(0)]), true);
      assert.equal(await settle(spool, second, [delivered(0)]), false);
    });

    check("a token settles only its own message and recipients", async ({ spool, clock }) => {
      const other = await putClaimed(spool, ["bob@b.test"]);
      const due = clock.now() + 1;
      const claimed = await putClaimed(spool, ["ann@a.test", recipient("cat@c.test", { due })]);
      assert.equal(await settle(spool, claimed, [delivered(0), delivered(1)]), false);
      assert.equal(await settle(spool, { ...claimed, token: other.token }, [delivered(0)]), false);
      assert.equal(await settle(spool, claimed, [delivered(7)]), false);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["claimed", "scheduled"]);
    });

    check("renewed leases last; tokens no longer valid are told", async ({ spool, clock }) => {
      const kept = await putClaimed(spool, ["ann@a.test"]);
      const lost = await putClaimed(spool, ["bob@b.test"]);
      const settled = await putClaimed(spool, ["cat@c.test"]);
      await settle(spool, settled, [delivered(0)]);
      await clock.advance(59_000);
      assert.deepEqual(await spool.renew([kept.token, settled.token, 123_456_789], 60_000), [
        settled.token,
        123_456_789,
      ]);
      await clock.advance(1000);
      const page = await spool.claim(request());
      assert.deepEqual(
        page.map(({ message }) => message.id),
        [lost.message.id],
      );
      assert.deepEqual(await spool.renew([lost.token, kept.token], 60_000), [lost.token]);
      assert.equal(await settle(spool, kept, [delivered(0)]), true);
    });

    check("a claim may be settled in parts; its lease covers the rest", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["ann@a.test", "bob@b.test", "cat@c.test"]);
      assert.equal(await settle(spool, claimed, [delivered(1)]), true);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["claimed", "delivered", "claimed"]);
      assert.equal(await settle(spool, claimed, [delivered(1)]), false);
      assert.equal(await settle(spool, claimed, [deferred(0, clock.now() + 9)]), true);
      assert.deepEqual(await spool.renew([claimed.token], 60_000), []);
      assert.equal(await settle(spool, claimed, [delivered(2)]), true);
      assert.deepEqual(await spool.renew([claimed.token], 60_000), [claimed.token]);
      assert.deepEqual(await statesOf(spool, claimed.message.id), ["scheduled", "delivered", "delivered"]);
    });
  });
}
