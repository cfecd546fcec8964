/** Small values that other parts keep in the spool, by namespace and key. */
import { describe } from "node:test";
import assert from "node:assert/strict";
import { type Check, draft, put } from "../spool-fixture.ts";

export function recordContract(name: string, check: Check): void {
  describe(`${name}: records`, () => {
    check("values are put, replaced, read, deleted and cleared by namespace", async ({ spool }) => {
      const value = { since: 1, text: "ü", list: [1, null, true] };
      await spool.changeRecords([
        { kind: "put", namespace: "a", key: "k", value },
        { kind: "put", namespace: "a", key: "l", value: "old" },
        { kind: "put", namespace: "a", key: "l", value: "new" },
        { kind: "put", namespace: "b", key: "k", value: 7 },
      ]);
      assert.deepEqual(await spool.getRecord("a", "k"), value);
      assert.equal(await spool.getRecord("a", "l"), "new");
      assert.equal(await spool.getRecord("a", "none"), undefined);
      await spool.changeRecords([{ kind: "delete", namespace: "a", key: "k" }]);
      assert.equal(await spool.getRecord("a", "k"), undefined);
      await spool.changeRecords([{ kind: "clear", namespace: "a" }]);
      assert.deepEqual(await spool.listRecords("a", { limit: 10 }), []);
      assert.equal(await spool.getRecord("b", "k"), 7);
    });

    check("a change may come with what the history tells of it", async ({ spool }) => {
      const message = draft(["ann@a.test"]);
      await put(spool, message);
      const facts = { at: 1, message: message.id, reason: "nobody to tell", recipients: ["ann@a.test"] };
      const event = { kind: "report-withheld", ...facts } as const;
      await spool.changeRecords([{ kind: "put", namespace: "a", key: "k", value: 1 }], [event]);
      assert.deepEqual((await spool.events(message.id)).at(-1), event);
      assert.equal(await spool.getRecord("a", "k"), 1);
      await spool.changeRecords([], [event]);
      assert.equal((await spool.events(message.id)).length, 3);
    });

    check("records are listed in the order of their keys, in pages", async ({ spool }) => {
      const keys = ["b", "a", "B", "", "ü", "a\u0000", "\u{1f4ee}", "\uffee"];
      await spool.changeRecords(keys.map((key) => ({ kind: "put", namespace: "n", key, value: key })));
      const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const first = await spool.listRecords("n", { limit: 3 });
      const rest = await spool.listRecords("n", { limit: 100, after: first.at(-1)?.key ?? "" });
      assert.deepEqual(
        [...first, ...rest].map(({ key }) => key),
        sorted,
      );
      assert.deepEqual(
        [...first, ...rest].map(({ value }) => value),
        sorted,
      );
    });

    check("an expired record is gone, and may be put again", async ({ spool, clock }) => {
      const put1 = { kind: "put", namespace: "n", key: "k", value: 1, expiresAt: clock.now() + 1000 } as const;
      await spool.changeRecords([put1, { kind: "put", namespace: "n", key: "l", value: 2 }]);
      await clock.advance(999);
      assert.equal(await spool.getRecord("n", "k"), 1);
      await clock.advance(1);
      assert.equal(await spool.getRecord("n", "k"), undefined);
      assert.deepEqual(await spool.listRecords("n", { limit: 10 }), [{ key: "l", value: 2 }]);
      await spool.changeRecords([{ ...put1, value: 3, expiresAt: clock.now() + 1 }]);
      assert.equal(await spool.getRecord("n", "k"), 3);
    });
  });
}
