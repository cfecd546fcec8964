/** The simulated disk forgets what was not synced, and fails when told to. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { MemoryFiles } from "./memory-files.ts";

const text = async (files: MemoryFiles, path: string) => Buffer.from(await files.readFile(path)).toString();

test("a crash keeps synced content under synced names and nothing else", async () => {
  const files = new MemoryFiles();
  await files.makeDirectory("/m/tmp");
  await files.makeDirectory("/m/new");
  const file = await files.open("/m/tmp/1", "create", 0o600);
  await file.write(Buffer.from("one"));
  await file.sync();
  await file.write(Buffer.from("two"));
  await files.syncDirectory("/m/tmp");
  await files.rename("/m/tmp/1", "/m/new/1");
  files.crash();
  assert.deepEqual(files.paths, ["/m/tmp/1"]);
  assert.equal(await text(files, "/m/tmp/1"), "one");
  await assert.rejects(file.write(Buffer.from("x")), { code: "EBADF" });
  await files.rename("/m/tmp/1", "/m/new/1");
  await files.syncDirectory("/m/new");
  await files.syncDirectory("/m/tmp");
  files.crash();
  assert.deepEqual(files.paths, ["/m/new/1"]);
  assert.equal(files.permissionsOf("/m/new/1"), 0o600);
});

test("replaceFile is old or new, create does not overwrite, removal of what is absent is no error", async () => {
  const files = new MemoryFiles();
  await files.replaceFile("/a", Buffer.from("1"));
  files.failNext("replaceFile", "EIO");
  await assert.rejects(files.replaceFile("/a", Buffer.from("2")), { code: "EIO" });
  assert.equal(await text(files, "/a"), "1");
  await assert.rejects(files.open("/a", "create"), { code: "EEXIST" });
  await files.remove("/nowhere");
  await assert.rejects(files.open("/no/where", "create"), { code: "ENOENT" });
  assert.deepEqual(await files.list("/"), ["a"]);
});

test("a full disk takes what fits and fails with ENOSPC; space comes back with removal", async () => {
  const files = new MemoryFiles({ space: 4 });
  await using file = await files.open("/f", "create");
  await assert.rejects(file.write(Buffer.from("abcdef")), { name: "FileError", code: "ENOSPC" });
  assert.equal(await text(files, "/f"), "abcd");
  assert.equal(await files.freeBytes("/"), 0);
  await files.remove("/f");
  assert.equal(await files.freeBytes("/"), 4);
});

test("faults can be aimed at one path, counted, and the trace shows the order", async () => {
  const files = new MemoryFiles();
  files.failNext("sync", "EIO", { path: "/f", times: 2 });
  const other = await files.open("/g", "create");
  await other.sync();
  const file = await files.open("/f", "create");
  await assert.rejects(file.sync(), { code: "EIO" });
  await assert.rejects(file.sync(), { code: "EIO" });
  await file.sync();
  assert.deepEqual(files.trace, ["open /g create", "sync /g", "open /f create", "sync /f", "sync /f", "sync /f"]);
});
