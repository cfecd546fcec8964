/** What a person asks of the queue: hold, release, retry, remove, find, statistics, history. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import type { HistoryEvent } from "../../../src/events/history-event.ts";
import type { Spool } from "../../../src/spool/spool.ts";
import {
  type Check,
  contentOf,
  delivered,
  draft,
  put,
  putClaimed,
  recipient,
  recipientsOf,
  request,
  settle,
  statesOf,
  terms,
} from "../spool-fixture.ts";

export function operatorContract(name: string, check: Check): void {
  describe(`${name}: operators`, () => {
    check("hold, release, retry and remove move what the filter selects, with an event each", async (harness) => {
      const { spool, clock } = harness;
      const later = clock.now() + 1_000_000;
      const at = (address: string) => recipient(address, { due: later });
      const first = draft([at("ann@a.test"), at("bob@b.test")]);
      const second = draft([at("cat@a.test")], { reversePath: "Other@Origin.test" });
      for (const message of [first, second]) await put(spool, message, { events: [] });
      assert.equal(await spool.hold({ domain: "a.test" }, "operator", "investigating"), 2);
      assert.deepEqual(await statesOf(spool, first.id), ["held", "scheduled"]);
      assert.deepEqual((await recipientsOf(spool, first.id))[0]?.held, { by: "operator", reason: "investigating" });
      assert.equal(await spool.hold({ domain: "a.test" }, "operator", "again"), 0);
      assert.equal(await spool.retry({ domain: "a.test" }, "operator"), 0);
      assert.equal(await spool.release({ from: "other@origin.test" }, "operator"), 1);
      const [released] = await recipientsOf(spool, second.id);
      assert.deepEqual([released?.state, released?.due, released?.held], ["scheduled", clock.now(), undefined]);
      assert.equal(await spool.retry({ message: first.id }, "operator"), 1);
      assert.equal((await recipientsOf(spool, first.id))[1]?.due, clock.now());
      assert.equal(await spool.remove({ to: "ANN@a.test" }, "operator"), 1);
      const [removed] = await recipientsOf(spool, first.id);
      assert.deepEqual([removed?.state, removed?.finalAt, removed?.held], ["removed", clock.now(), undefined]);
      const common = { at: clock.now(), message: first.id, by: "operator" };
      assert.deepEqual(await spool.events(first.id), [
        { ...common, kind: "recipient-held", recipient: 0, address: "ann@a.test", reason: "investigating" },
        { ...common, kind: "recipient-retried", recipient: 1, address: "bob@b.test" },
        { ...common, kind: "recipient-removed", recipient: 0, address: "ann@a.test" },
      ]);
      assert.deepEqual(
        (await spool.events(second.id)).map(({ kind }) => kind),
        ["recipient-held", "recipient-released"],
      );
      assert.deepEqual(await spool.stats(), { scheduled: 2, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("what is being attempted is left to its attempt", async ({ spool }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      assert.equal(await spool.hold({}, "o", "r"), 0);
      assert.equal(await spool.remove({}, "o"), 0);
      assert.equal(await spool.retry({ states: ["claimed"] }, "o"), 0);
      assert.equal(await settle(spool, claimed, [delivered(0)]), true);
      assert.equal(await spool.remove({ states: ["delivered"] }, "o"), 0, "what is final stays so");
    });

    check("held recipients are not due until released", async ({ spool, clock }) => {
      await put(spool, draft(["ann@a.test"]));
      await spool.hold({}, "operator", "wait");
      assert.deepEqual(await spool.claim(request()), []);
      assert.equal(await spool.nextDue([]), undefined);
      await clock.advance(86_400_000);
      assert.equal(await spool.release({}, "operator"), 1);
      assert.equal((await spool.claim(request())).length, 1);
    });

    check("removing the last recipient closes the message", async ({ spool }) => {
      const message = draft(["ann@a.test", "bob@b.test"]);
      await put(spool, message);
      assert.equal(await spool.remove({ message: message.id }, "operator"), 2);
      assert.equal(await contentOf(spool, message.id), undefined);
      assert.deepEqual(await spool.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("bulk verbs reach every recipient of a long queue", async ({ spool, clock }) => {
      const later = clock.now() + 1_000_000;
      for (let count = 0; count < 12; count++) {
        const many = Array.from({ length: 250 }, (_, n) => recipient(`u${n}@d${n % 7}.test`, { due: later }));
        await put(spool, draft(many));
      }
      assert.equal(await spool.hold({}, "operator", "all"), 3000);
      assert.equal((await spool.stats()).held, 3000);
      assert.equal(await spool.release({ domain: "d3.test" }, "operator"), 12 * 36);
      assert.equal(await spool.remove({}, "operator"), 3000);
      assert.deepEqual(await spool.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
    });

    check("find gives the newest first, in pages, and by default only what is not final", async ({ spool }) => {
      const messages = [];
      for (let count = 0; count < 5; count++) {
        const message = draft([`a${count}@a.test`, `b${count}@b.test`], { reversePath: `s${count % 2}@origin.test` });
        messages.push(message);
        await put(spool, message);
      }
      const final = await putClaimed(spool, ["done@a.test"]);
      await settle(spool, final, [delivered(0)]);
      const all: string[] = [];
      let after: { message: string; index: number } | undefined;
      for (;;) {
        const page = await spool.find({}, after === undefined ? { limit: 3 } : { limit: 3, after });
        const last = page.at(-1);
        if (last === undefined) break;
        all.push(...page.map(({ recipient: { address } }) => address));
        after = { message: last.message.id, index: last.recipient.index };
      }
      assert.deepEqual(
        all,
        [4, 3, 2, 1, 0].flatMap((count) => [`a${count}@a.test`, `b${count}@b.test`]),
      );
      const addresses = async (filter: Parameters<Spool["find"]>[0]) =>
        (await spool.find(filter, { limit: 100 })).map(({ recipient: { address } }) => address);
      assert.deepEqual(await addresses({ states: ["delivered"] }), ["done@a.test"]);
      assert.deepEqual(await addresses({ states: ["delivered", "scheduled"], domain: "a.test" }), [
        "done@a.test",
        "a4@a.test",
        "a3@a.test",
        "a2@a.test",
        "a1@a.test",
        "a0@a.test",
      ]);
      assert.deepEqual(await addresses({ from: "S1@origin.test", domain: "B.TEST" }), ["b3@b.test", "b1@b.test"]);
      assert.deepEqual(await addresses({ to: "A2@a.test" }), ["a2@a.test"]);
      assert.deepEqual(await addresses({ message: final.message.id }), []);
      assert.deepEqual(await addresses({ message: messages[1]?.id ?? "", states: ["scheduled"] }), [
        "a1@a.test",
        "b1@b.test",
      ]);
      assert.deepEqual(await addresses({ message: "no such id" }), []);
      assert.deepEqual(await addresses({ states: [] }), []);
    });

    check("find matches the address a recipient was accepted as", async ({ spool }) => {
      await put(spool, draft([recipient("ann@a.test", { acceptedAs: "info@a.test" })]));
      assert.equal((await spool.find({ to: "Info@a.test" }, { limit: 5 })).length, 1);
    });

    check("a page can go on after a row that has been pruned since", async ({ spool, clock }) => {
      const old = draft(["old@a.test"]);
      await put(spool, old);
      const claimed = await putClaimed(spool, ["done@a.test"]);
      await settle(spool, claimed, [delivered(0)]);
      await put(spool, draft(["new@a.test"]));
      await clock.advance(1000);
      while ((await spool.prune(clock.now(), 100)) > 0);
      const page = await spool.find({}, { limit: 5, after: { message: claimed.message.id, index: 0 } });
      assert.deepEqual(
        page.map(({ recipient: { address } }) => address),
        ["old@a.test"],
      );
    });

    check("stats tell the age of the oldest message that is not final", async ({ spool, clock }) => {
      const first = draft(["ann@a.test"], { receivedAt: clock.now() });
      const claimed = await put(spool, first, { claim: terms });
      assert.ok(claimed);
      await clock.advance(10_000);
      await put(spool, draft(["bob@b.test"], { receivedAt: clock.now() }));
      await clock.advance(5_500);
      assert.equal((await spool.stats()).oldestSeconds, 15);
      await settle(spool, claimed, [delivered(0)]);
      assert.equal((await spool.stats()).oldestSeconds, 5);
    });

    check("events come back in the order in which they were written", async ({ spool, clock }) => {
      const claimed = await putClaimed(spool, ["ann@a.test"]);
      const note = (reason: string): HistoryEvent => ({
        kind: "report-withheld",
        at: clock.now(),
        message: claimed.message.id,
        reason,
        recipients: [],
      });
      await settle(spool, claimed, [], { events: [note("2"), note("1")] });
      await settle(spool, claimed, [], { events: [note("0")] });
      const reasons = (await spool.events(claimed.message.id)).map((event) =>
        event.kind === "report-withheld" ? event.reason : event.kind,
      );
      assert.deepEqual(reasons, ["message-accepted", "2", "1", "0"]);
      assert.deepEqual(await spool.events("no such id"), []);
    });
  });
}
