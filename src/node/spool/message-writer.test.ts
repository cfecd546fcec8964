/** What a message holds in memory while it arrives, in whatever pieces: counted in buffers, not in resident pages. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { MemoryFiles } from "../../testing/memory-files.ts";
import { newMessage } from "../../testing/queue-fixture.ts";
import type { Files, OpenFile } from "../../ports/files.ts";
import { IncomingFile } from "./content-files.ts";
import { SqliteMessageWriter, type Draft } from "./message-writer.ts";

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** Keeps what is committed, and opens files on `files`. */
class Owner {
  readonly files: Files;
  draft: Draft | undefined;
  filesOpened = 0;

  constructor(files: Files = new MemoryFiles()) {
    this.files = files;
  }

  receiveFile(): IncomingFile {
    return new IncomingFile(this.files, `/incoming-${++this.filesOpened}`);
  }

  commit(draft: Draft) {
    this.draft = draft;
    const message = newMessage("4QJ7ZC2M9KXD", 0, { to: ["ann@a.test"] });
    return Promise.resolve({ message: { ...message, size: draft.size }, claimed: undefined });
  }

  /** Octets of all buffers that hold a part of what was committed, used or not. */
  get heldBytes(): number {
    const buffers = new Set((this.draft?.chunks ?? []).map(({ buffer }) => buffer));
    return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
}

async function commit(writer: SqliteMessageWriter): Promise<void> {
  await writer.commit(newMessage("4QJ7ZC2M9KXD", 0, { to: ["ann@a.test"] }), { events: [] });
}

function numbered(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
}

/** Files whose writes wait until they are let go. */
class StalledFiles extends MemoryFiles {
  #go = Promise.withResolvers<void>();

  go(): void {
    this.#go.resolve();
  }

  override async open(...given: Parameters<MemoryFiles["open"]>): Promise<OpenFile> {
    const file = await super.open(...given);
    const stalled = this.#go.promise;
    return {
      write: (bytes) => stalled.then(() => file.write(bytes)),
      read: (position, length) => file.read(position, length),
      sync: () => file.sync(),
      close: () => file.close(),
      [Symbol.asyncDispose]: () => file.close(),
    };
  }
}

test("content that comes octet by octet costs what it holds, and is the same", async () => {
  const owner = new Owner();
  const writer = new SqliteMessageWriter(owner);
  const content = numbered(100 * kibibyte);
  for (const octet of content) assert.equal(writer.append(Uint8Array.of(octet)), undefined);
  await commit(writer);
  assert.ok(Buffer.concat(owner.draft?.chunks ?? []).equals(content));
  assert.ok((owner.draft?.chunks.length ?? 0) <= 32);
  assert.ok(owner.heldBytes <= 2 * content.length, `${owner.heldBytes} octets are held`);
});

test("small pieces of large reads do not keep the reads", async () => {
  const owner = new Owner();
  const writer = new SqliteMessageWriter(owner);
  const content = numbered(1000);
  for (const octet of content) void writer.append(new Uint8Array(64 * kibibyte).fill(octet).subarray(7, 8));
  await commit(writer);
  assert.ok(Buffer.concat(owner.draft?.chunks ?? []).equals(content));
  assert.ok(owner.heldBytes <= 2 * mebibyte, `${owner.heldBytes} octets are held`);
});

test("ordinary pieces are kept as they came, without a copy", async () => {
  const owner = new Owner();
  const writer = new SqliteMessageWriter(owner);
  const pieces = Array.from({ length: 3 }, () => numbered(2000));
  for (const piece of pieces) void writer.append(piece);
  await commit(writer);
  assert.deepEqual(
    owner.draft?.chunks.map(({ buffer }) => buffer),
    pieces.map(({ buffer }) => buffer),
  );
});

for (const pieceBytes of [1, 4096, 65_536, 700_000]) {
  test(`content over 256 KiB goes to a file while it arrives, in pieces of ${pieceBytes}`, async () => {
    const files = new MemoryFiles();
    const owner = new Owner(files);
    const writer = new SqliteMessageWriter(owner);
    const content = numbered(mebibyte);
    let openedAt: number | undefined;
    for (let at = 0; at < content.length; at += pieceBytes) {
      await writer.append(Buffer.from(content.subarray(at, at + pieceBytes)));
      if (owner.filesOpened > 0) openedAt ??= writer.size;
    }
    assert.ok(openedAt !== undefined && openedAt <= 256 * kibibyte + pieceBytes);
    await commit(writer);
    await owner.draft?.file?.finish();
    assert.deepEqual(owner.draft?.chunks, []);
    assert.ok(Buffer.from(await files.readFile("/incoming-1")).equals(content));
  });
}

test("while the disk stalls the caller is asked to wait, after one mebibyte", async () => {
  const files = new StalledFiles();
  const writer = new SqliteMessageWriter(new Owner(files));
  const content = numbered(3 * mebibyte);
  let wait: Promise<void> | undefined;
  let sent = 0;
  for (; wait === undefined; sent += 64 * kibibyte) {
    wait = writer.append(Buffer.from(content.subarray(sent, sent + 64 * kibibyte)));
    // Lets the file open, and the first write begin.
    await Promise.resolve();
  }
  assert.ok(sent <= 1.75 * mebibyte, `${sent} octets were taken`);
  files.go();
  await wait;
  await writer.append(content.subarray(sent));
  await commit(writer);
});

test("a file that fails is told at its end, and what still comes is dropped", async () => {
  const files = new MemoryFiles({ space: 300 * kibibyte });
  const owner = new Owner(files);
  const writer = new SqliteMessageWriter(owner);
  for (let piece = 0; piece < 64; piece++) await writer.append(numbered(64 * kibibyte));
  await commit(writer);
  await assert.rejects(async () => await owner.draft?.file?.finish(), { code: "ENOSPC" });
  await owner.draft?.file?.discard();
  assert.deepEqual(await files.list("/"), []);
});
