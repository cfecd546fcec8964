/** The real disk, in a temporary folder. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { FileError } from "../../ports/files.ts";
import { NodeFiles } from "./node-files.ts";

const files = new NodeFiles();

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "posthaste-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("files are made private, appended to, read in parts, synced", () =>
  inFolder(async (folder) => {
    const path = join(folder, "message");
    {
      await using file = await files.open(path, "create");
      await file.write(Buffer.from("one "));
      await file.write(Buffer.alloc(0));
      await file.write(Buffer.from("two"));
      await file.sync();
      await file.close();
      await file.close();
    }
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await using more = await files.open(path, "append");
    await more.write(Buffer.from(" three"));
    await using reader = await files.open(path, "read");
    assert.equal(Buffer.from(await reader.read(4, 3)).toString(), "two");
    assert.equal(Buffer.from(await reader.read(8, 100)).toString(), "three");
    assert.equal((await reader.read(13, 10)).length, 0);
    assert.equal(Buffer.from(await files.readFile(path)).toString(), "one two three");
    const facts = await files.stat(path);
    assert.equal(facts?.kind, "file");
    assert.equal(facts.size, 13);
  }));

test("failures carry the system's code", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a");
    await files.replaceFile(path, Buffer.from("1"));
    for (const [work, code] of [
      [() => files.open(path, "create"), "EEXIST"],
      [() => files.open(join(folder, "no", "where"), "append"), "ENOENT"],
      [() => files.readFile(join(folder, "b")), "ENOENT"],
      [() => files.rename(join(folder, "b"), path), "ENOENT"],
      [() => files.makeDirectory(path), "EEXIST"],
      [() => files.list(path), "ENOTDIR"],
      [() => files.syncDirectory(join(folder, "b")), "ENOENT"],
      [() => files.replaceFile(folder, Buffer.from("1")), "EISDIR"],
    ] as const) {
      await assert.rejects(
        work,
        (error) => error instanceof FileError && error.code === code && error.message.length > 0,
        code,
      );
    }
    assert.equal(await files.stat(join(path, "below")), undefined);
    assert.equal(await files.stat(join(folder, "b")), undefined);
    await files.remove(join(folder, "b"));
  }));

test("replaceFile leaves no temporary name, whether it succeeds or fails", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a");
    await files.replaceFile(path, Buffer.from("1"), 0o640);
    await files.replaceFile(path, Buffer.from("2"), 0o640);
    assert.equal(Buffer.from(await files.readFile(path)).toString(), "2");
    assert.equal((await stat(path)).mode & 0o777, 0o640);
    await files.makeDirectory(join(folder, "d", "e"));
    await assert.rejects(files.replaceFile(join(folder, "d"), Buffer.from("1")));
    assert.deepEqual((await readdir(folder)).toSorted(), ["a", "d"]);
    assert.deepEqual(await files.list(join(folder, "d")), ["e"]);
    assert.equal((await stat(join(folder, "d", "e"))).mode & 0o777, 0o700);
    await files.makeDirectory(join(folder, "d", "e"));
  }));

test("permissions are told and changed", () =>
  inFolder(async (folder) => {
    const path = join(folder, "d");
    await files.makeDirectory(path);
    await files.setPermissions(path, 0o755);
    assert.equal((await files.stat(path))?.permissions, 0o755);
    await files.setPermissions(path, 0o700);
    assert.equal((await stat(path)).mode & 0o7777, 0o700);
    await assert.rejects(files.setPermissions(join(folder, "b"), 0o700), { code: "ENOENT" });
  }));

test("renames and free space, also for a path that is not there yet", () =>
  inFolder(async (folder) => {
    await files.replaceFile(join(folder, "tmp"), Buffer.from("mail"));
    await files.rename(join(folder, "tmp"), join(folder, "new"));
    await files.syncDirectory(folder);
    assert.deepEqual((await files.list(folder)).toSorted(), ["new"]);
    assert.ok((await files.freeBytes(folder)) > 0);
    assert.ok((await files.freeBytes(join(folder, "not", "yet"))) > 0);
  }));
