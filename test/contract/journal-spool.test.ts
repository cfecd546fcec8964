import { test } from "node:test";
import assert from "node:assert/strict";
import type { JournalFormat } from "../../src/testing/spool/journal-format.ts";
import { JournalSpool } from "../../src/testing/spool/journal-spool.ts";
import { downgradeJournal } from "../../src/testing/spool/journal.ts";
import { ManualClock, settle } from "../../src/testing/manual-clock.ts";
import { MemoryFiles } from "../../src/testing/memory-files.ts";
import { spoolContract } from "./spool-contract.ts";
import { contentOf, draft, isSpoolError, put, request, statesOf, type SpoolHarness } from "./spool-fixture.ts";

const directory = "/data/journal";

spoolContract("journal-spool", async (): Promise<SpoolHarness> => {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const open = () => JournalSpool.open({ clock, files, directory });
  return {
    clock,
    spool: await open(),
    crash: async () => {
      files.crash();
      return await open();
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

spoolContract("journal-spool that changes its format at each crash", async (): Promise<SpoolHarness> => {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  let knows: JournalFormat = 1;
  const open = () => JournalSpool.open({ clock, files, directory, knows });
  return {
    clock,
    spool: await open(),
    crash: async () => {
      files.crash();
      knows = knows === 1 ? 2 : 1;
      if (knows === 1) {
        await assert.rejects(open(), isSpoolError("newer-format"));
        await downgradeJournal(files, directory, knows);
      }
      return await open();
    },
    [Symbol.asyncDispose]: async () => {},
  };
});

test("journal-spool: a full disk refuses with no-space, and what comes after has room is kept", async () => {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const spool = await JournalSpool.open({ clock, files, directory });
  const first = draft(["ann@a.test"]);
  await put(spool, first);
  files.space = 100;
  const second = draft(["bob@b.test"]);
  await assert.rejects(put(spool, second, { content: Buffer.alloc(500) }), isSpoolError("no-space"));
  assert.equal(await spool.message(second.id), undefined);
  files.space = 1_000_000;
  const third = draft(["cid@c.test"]);
  await put(spool, third, { content: "third" });
  files.crash();
  const again = await JournalSpool.open({ clock, files, directory });
  assert.deepEqual(await statesOf(again, first.id), ["scheduled"]);
  assert.equal(await again.message(second.id), undefined, "what was refused does not come back");
  assert.equal((await contentOf(again, third.id))?.toString(), "third");
});

test("journal-spool: a failed sync refuses, and what was refused stays refused after a restart", async () => {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const spool = await JournalSpool.open({ clock, files, directory });
  const refused = draft(["ann@a.test"]);
  files.failNext("sync", "EIO");
  await assert.rejects(put(spool, refused), isSpoolError("failed"));
  const kept = draft(["bob@b.test"]);
  await put(spool, kept);
  await spool.close();
  const again = await JournalSpool.open({ clock, files, directory });
  assert.equal(await again.message(refused.id), undefined);
  assert.deepEqual(await statesOf(again, kept.id), ["scheduled"]);
});

test("journal-spool: a file that was begun in vain is passed over", async () => {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const spool = await JournalSpool.open({ clock, files, directory });
  const first = draft(["ann@a.test"]);
  await put(spool, first);
  files.failNext("write", "EIO");
  await assert.rejects(put(spool, draft(["bob@b.test"])), isSpoolError("failed"));
  // The next file is there, whole, and its name may not last: the one after it counts.
  files.failNext("syncDirectory", "EIO");
  await assert.rejects(put(spool, draft(["cid@c.test"])), isSpoolError("failed"));
  const kept = draft(["dan@d.test"]);
  await put(spool, kept);
  await spool.close();
  const again = await JournalSpool.open({ clock, files, directory });
  for (const { id } of [first, kept]) assert.deepEqual(await statesOf(again, id), ["scheduled"]);
});

test("journal-spool: what a killed process wrote and did not sync is synced before anything is built upon it", async () => {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const first = draft(["ann@a.test"]);
  const killed = await JournalSpool.open({ clock, files, directory });
  // The sync never ends, since the process does.
  const never = new Promise<void>(() => undefined);
  const open = files.open.bind(files);
  files.open = async (...given) => Object.assign(await open(...given), { sync: () => never });
  void put(killed, first);
  await settle();
  files.open = open;
  const second = await JournalSpool.open({ clock, files, directory });
  const known = (await second.message(first.id)) !== undefined;
  const next = draft(["bob@b.test"]);
  await put(second, next);
  files.crash();
  const third = await JournalSpool.open({ clock, files, directory });
  assert.deepEqual(await statesOf(third, next.id), ["scheduled"]);
  assert.equal((await third.message(first.id)) !== undefined, known);
});

test("journal-spool: a crash at any operation of the disk loses nothing that was told, and keeps nothing by half", async () => {
  for (let at = 1; ; at++) {
    const clock = new ManualClock();
    const files = new MemoryFiles();
    const spool = await JournalSpool.open({ clock, files, directory });
    const told: string[] = [];
    const sent: string[] = [];
    let operations = 0;
    files.before = () => {
      if (++operations === at) files.crash();
    };
    const work = async () => {
      for (let count = 0; count < 4; count++) {
        const message = draft(["ann@a.test", "bob@b.test"]);
        sent.push(message.id);
        await put(spool, message, { content: message.id });
        told.push(message.id);
        const [claimed] = await spool.claim(request({ limit: 2 }));
        if (claimed === undefined) continue;
        const { message: claimedMessage, token } = claimed;
        const changes = [{ index: 0, to: "relayed", reply: "250 2.0.0 Ok" }] as const;
        await spool.settle({ message: claimedMessage.id, token, changes, reports: [], events: [] });
      }
    };
    await work().catch((error: unknown) => {
      if (!isSpoolError("failed")(error)) throw error;
    });
    const whole = operations < at;
    files.before = undefined;
    const again = await JournalSpool.open({ clock, files, directory });
    for (const id of told) assert.equal((await statesOf(again, id)).length, 2, `crash at ${at}: ${id}`);
    for (const id of sent) {
      if ((await again.message(id)) === undefined) continue;
      assert.equal((await contentOf(again, id))?.toString(), id, `crash at ${at}: ${id} has its content`);
    }
    if (whole) return assert.equal(told.length, 4);
  }
});
