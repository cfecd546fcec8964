import { test } from "node:test";
import assert from "node:assert/strict";
import { MemorySpool, MemoryStore } from "../../src/testing/spool/memory-spool.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { spoolContract } from "./spool-contract.ts";
import { contentOf, draft, isSpoolError, put, type SpoolHarness } from "./spool-fixture.ts";

spoolContract("memory-spool", async (): Promise<SpoolHarness> => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  return {
    clock,
    spool: new MemorySpool({ clock, store }),
    crash: async () => new MemorySpool({ clock, store }),
    [Symbol.asyncDispose]: async () => {},
  };
});

test("memory-spool: above its capacity a commit fails with no-space and keeps nothing", async () => {
  const spool = new MemorySpool({ clock: new ManualClock(), capacityBytes: 1000 });
  const first = draft(["ann@a.test"]);
  await put(spool, first, { content: Buffer.alloc(800) });
  const second = draft(["bob@b.test"]);
  await assert.rejects(put(spool, second, { content: Buffer.alloc(201) }), isSpoolError("no-space"));
  assert.equal(await spool.message(second.id), undefined);
  await spool.remove({ message: first.id }, "operator");
  await put(spool, second, { content: Buffer.alloc(1000) });
  assert.equal((await contentOf(spool, second.id))?.length, 1000);
});
