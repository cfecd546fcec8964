/** What is due is claimed: oldest first, in pages, no domain before the others, attempts recorded before they begin. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import type { ClaimRequest, Spool } from "../../../src/spool/spool.ts";
import {
  type Check,
  deferred,
  draft,
  put,
  putClaimed,
  recipient,
  request,
  settle,
  statesOf,
} from "../spool-fixture.ts";

/** One message after the other for `big.test`, in order of due time. */
async function mailing(
  spool: Spool,
  given: { readonly count: number; readonly from: number; readonly reversePath: string; readonly name?: string },
): Promise<void> {
  const { count, from, reversePath, name = "u" } = given;
  for (let n = 0; n < count; n++) {
    await put(spool, draft([recipient(`${name}${n}@big.test`, { due: from + n })], { reversePath }));
  }
}

/** The local parts of the page that a claim takes. */
async function page(spool: Spool, changes: Partial<ClaimRequest>): Promise<readonly string[]> {
  const claimed = await spool.claim(request(changes));
  return claimed.flatMap(({ recipients }) => recipients.map(({ address }) => address.slice(0, address.indexOf("@"))));
}

export function claimingContract(name: string, check: Check): void {
  describe(`${name}: claiming`, () => {
    check("due recipients come oldest due first, grouped by message, recipients in order", async (harness) => {
      const { spool, clock } = harness;
      const now = clock.now();
      const at = (address: string, due: number) => recipient(address, { due });
      const first = draft([at("a@a.test", now - 10), at("b@b.test", now - 40), at("c@c.test", now + 10)]);
      const second = draft([at("d@d.test", now - 30)]);
      const third = draft([at("e@e.test", now - 20), at("f@f.test", now)]);
      for (const message of [first, second, third]) await put(spool, message);
      const claimed = await spool.claim(request());
      assert.deepEqual(
        claimed.map(({ message, recipients }) => [message.id, ...recipients.map(({ address }) => address)]),
        [
          [first.id, "a@a.test", "b@b.test"],
          [second.id, "d@d.test"],
          [third.id, "e@e.test", "f@f.test"],
        ],
      );
      assert.equal(new Set(claimed.map(({ token }) => token)).size, 3);
      assert.deepEqual(await statesOf(spool, first.id), ["claimed", "claimed", "scheduled"]);
      assert.deepEqual(claimed[0]?.message, (await spool.message(first.id))?.message);
    });

    check("of mail whose time is over, the oldest comes first, though its domain is left out", async (harness) => {
      const { spool, clock } = harness;
      const now = clock.now();
      const old = draft([recipient("a@a.test", { due: now - 10 }), "b@b.test"], { receivedAt: now - 5_000 });
      const older = draft([recipient("c@a.test", { due: now - 5 })], { receivedAt: now - 4_000 });
      const young = draft(["d@b.test"], { receivedAt: now });
      for (const message of [old, older, young]) await put(spool, message);
      const claimed = await spool.claim(request({ excludeDomains: ["a.test"], receivedBy: now - 4_000, limit: 2 }));
      assert.deepEqual(
        claimed.flatMap(({ recipients }) => recipients.map(({ address }) => address)),
        ["a@a.test", "b@b.test"],
      );
      const next = await spool.claim(request({ excludeDomains: ["a.test"], receivedBy: now - 4_000 }));
      assert.deepEqual(
        next.flatMap(({ recipients }) => recipients.map(({ address }) => address)),
        ["c@a.test"],
      );
    });

    check("the limit counts recipients, and the next page goes on where this one ended", async ({ spool, clock }) => {
      const now = clock.now();
      for (let count = 0; count < 5; count++) {
        await put(
          spool,
          draft([0, 1, 2].map((part) => recipient(`u@d${count}-${part}.test`, { due: now - 100 + count * 3 + part }))),
        );
      }
      const seen: string[] = [];
      for (;;) {
        const page = (await spool.claim(request({ limit: 4 }))).flatMap(({ recipients }) => recipients);
        if (page.length === 0) break;
        assert.ok(page.length === 4 || seen.length === 12);
        seen.push(...page.map(({ domain }) => domain));
      }
      assert.deepEqual(
        seen,
        [0, 1, 2, 3, 4].flatMap((count) => [0, 1, 2].map((part) => `d${count}-${part}.test`)),
      );
    });

    check("one domain cannot fill a page", async ({ spool, clock }) => {
      const old = clock.now() - 1000;
      await put(spool, draft(Array.from({ length: 50 }, (_, n) => recipient(`u${n}@flood.test`, { due: old }))));
      await put(spool, draft(["ann@a.test", "bob@b.test"]));
      const page = (await spool.claim(request({ limit: 10, perDomainMax: 3 }))).flatMap(({ recipients }) => recipients);
      assert.deepEqual(
        page.map(({ address }) => address),
        ["u0@flood.test", "u1@flood.test", "u2@flood.test", "ann@a.test", "bob@b.test"],
      );
    });

    check("a sender's message waits for one of another's mailing, and not for its end", async ({ spool, clock }) => {
      const [from, login] = [
        { reversePath: "news@List.test" },
        { reversePath: "ann@list.test", origin: { listener: "submission", protocol: "ESMTPSA", login: "ann" } },
      ] as const;
      await mailing(spool, { count: 40, from: clock.now() - 1000, ...from });
      await put(spool, draft([recipient("x@big.test", { due: clock.now() - 2 })], login));
      await put(spool, draft([recipient("y@big.test", { due: clock.now() - 1 })], { reversePath: "" }));
      await put(spool, draft([recipient("z@big.test", { due: clock.now() })], { reversePath: "bo@other.test" }));
      assert.deepEqual(await page(spool, { perDomainMax: 6 }), ["u0", "u1", "u2", "x", "y", "z"]);
      assert.deepEqual(await page(spool, { perDomainMax: 6 }), ["u3", "u4", "u5", "u6", "u7", "u8"]);
    });

    check("mailings share a page equally, each in its order", async ({ spool, clock }) => {
      const first = { count: 20, from: clock.now() - 900, reversePath: "a@a.test" };
      const second = { count: 20, from: clock.now() - 500, reversePath: "b@b.test", name: "v" };
      for (const each of [first, second]) await mailing(spool, each);
      for (const start of [0, 3, 6]) {
        const numbers = [start, start + 1, start + 2];
        const expected = [...numbers.map((n) => `u${n}`), ...numbers.map((n) => `v${n}`)];
        assert.deepEqual(await page(spool, { perDomainMax: 6 }), expected);
      }
    });

    check("where more senders wait than a page takes, each has its turn before anyone has two", async (harness) => {
      const { spool, clock } = harness;
      for (let sender = 0; sender < 9; sender++) {
        const reversePath = `x@s${sender}.test`;
        await mailing(spool, { count: 5, from: clock.now() - 1000 + sender * 10, reversePath, name: `s${sender}.` });
      }
      const turns: string[] = [];
      while (turns.length < 45) {
        await clock.advance(1);
        const next = await page(spool, { perDomainMax: 3 });
        assert.equal(next.length, 3);
        turns.push(...next);
      }
      for (let round = 0; round < 5; round++) {
        const inRound = turns.slice(round * 9, round * 9 + 9).toSorted();
        assert.deepEqual(
          inRound,
          Array.from({ length: 9 }, (_, sender) => `s${sender}.${round}`),
        );
      }
    });

    check("a mailing to many domains does not fill the page either", async ({ spool, clock }) => {
      const old = clock.now() - 1000;
      for (let n = 0; n < 12; n++) await put(spool, draft([recipient(`u${n}@d${n}.test`, { due: old + n })]));
      for (const name of ["x", "y"]) {
        await put(spool, draft([recipient(`${name}@late.test`)], { reversePath: "ann@b.test" }));
      }
      assert.deepEqual(await page(spool, { limit: 8 }), ["u0", "u1", "u2", "u3", "u4", "u5", "x", "y"]);
    });

    check("held, removed and deferred mail leaves the turns as they should be", async ({ spool, clock }) => {
      const now = clock.now();
      await mailing(spool, { count: 4, from: now - 100, reversePath: "a@a.test" });
      await put(spool, draft([recipient("v@big.test", { due: now - 50 })], { reversePath: "b@b.test" }));
      await put(spool, draft([recipient("w@big.test", { due: now - 20 })], { reversePath: "c@c.test" }));
      assert.equal(await spool.hold({ from: "a@a.test" }, "tester", "why not"), 4);
      assert.equal(await spool.nextDue([]), now - 50);
      assert.equal(await spool.remove({ from: "b@b.test" }, "tester"), 1);
      assert.equal(await spool.nextDue([]), now - 20);
      const [claimed] = await spool.claim(request());
      assert.ok(claimed);
      await settle(spool, claimed, [deferred(0, now + 1000)]);
      assert.equal(await spool.nextDue([]), now + 1000);
      assert.equal(await spool.release({ from: "a@a.test" }, "tester"), 4);
      await clock.advance(1000);
      assert.deepEqual(await page(spool, { perDomainMax: 2 }), ["u0", "w"]);
      assert.deepEqual(await page(spool, {}), ["u1", "u2", "u3"]);
      assert.deepEqual(await page(spool, {}), []);
    });

    check("excluded domains are passed over, by claim and by nextDue", async ({ spool, clock }) => {
      const now = clock.now();
      await put(spool, draft(Array.from({ length: 30 }, (_, n) => recipient(`u${n}@dead.test`, { due: now - 50 }))));
      await put(spool, draft([recipient("x@gone.test", { due: now - 40 })]));
      await put(spool, draft([recipient("ann@a.test", { due: now - 30 })]));
      await put(spool, draft([recipient("later@a.test", { due: now + 30 })]));
      const excludeDomains = ["dead.test", "gone.test"];
      assert.equal(await spool.nextDue([]), now - 50);
      assert.equal(await spool.nextDue(["dead.test"]), now - 40);
      assert.equal(await spool.nextDue(excludeDomains), now - 30);
      const page = (await spool.claim(request({ excludeDomains }))).flatMap(({ recipients }) => recipients);
      assert.deepEqual(
        page.map(({ address }) => address),
        ["ann@a.test"],
      );
      assert.equal(await spool.nextDue(excludeDomains), now + 30);
    });

    check("what is not due is not claimed until it is", async ({ spool, clock }) => {
      const due = clock.now() + 5000;
      await put(spool, draft([recipient("ann@a.test", { due })]));
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await spool.nextDue([]), due);
      await clock.advance(4999);
      assert.deepEqual(await spool.claim(request()), []);
      await clock.advance(1);
      assert.equal((await spool.claim(request())).length, 1);
    });

    check("attempts count and the recorded next due time follows the schedule, the last repeating", async (harness) => {
      const { spool, clock } = harness;
      let claimed = await putClaimed(spool, ["ann@a.test"]);
      for (const [attempts, delay] of [
        [1, 300_000],
        [2, 600_000],
        [3, 600_000],
      ] as const) {
        assert.equal(claimed.recipients[0]?.attempts, attempts);
        assert.equal(claimed.recipients[0]?.due, clock.now() + delay);
        assert.equal(await settle(spool, claimed, [deferred(0, clock.now() + 1000)]), true);
        await clock.advance(1000);
        const [next] = await spool.claim(request());
        assert.ok(next);
        claimed = next;
      }
    });

    check("nextDue tells of the end of the earliest lease, and of nothing in an empty spool", async (harness) => {
      const { spool, clock } = harness;
      assert.equal(await spool.nextDue([]), undefined);
      await putClaimed(spool, ["ann@a.test"]);
      assert.equal(await spool.nextDue([]), clock.now() + 60_000);
      await put(spool, draft([recipient("bob@b.test", { due: clock.now() + 10 })]));
      assert.equal(await spool.nextDue([]), clock.now() + 10);
      assert.equal(await spool.nextDue(["b.test"]), clock.now() + 60_000);
    });

    check("a claim without a retry schedule is refused and changes nothing", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message);
      await assert.rejects(spool.claim(request({ retryDelaysMs: [] })));
      assert.deepEqual(await statesOf(spool, message.id), ["scheduled"]);
      assert.equal((await spool.claim(request())).length, 1);
      const fresh = draft(["bob@b.test"]);
      await assert.rejects(put(spool, fresh, { claim: { leaseMs: 1, retryDelaysMs: [] } }));
      assert.equal(await spool.message(fresh.id), undefined);
    });
  });
}
