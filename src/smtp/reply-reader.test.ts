import { test } from "node:test";
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { linesWithoutStatus, ReplyReader, replyText, statusAtStart, type ReceivedReply } from "./reply-reader.ts";

function readAll(wire: Buffer | string, pieceBytes = Number.MAX_SAFE_INTEGER): ReceivedReply[] {
  const bytes = Buffer.from(wire);
  const reader = new ReplyReader();
  const replies: ReceivedReply[] = [];
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    reader.receive(Uint8Array.from(bytes.subarray(offset, offset + pieceBytes)));
    for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
  }
  return replies;
}

interface Vector {
  readonly wire?: string;
  readonly wire_b64_gzip?: string;
  readonly ok: boolean;
  readonly notes: string;
  readonly code?: number;
  readonly enhanced?: string | null;
  readonly lines?: readonly string[];
  readonly rest?: string;
}

test("SMTPC-009 SMTPC-010: every reply vector is read the same whole and octet by octet", async (t) => {
  const vectors = readVectors<readonly Vector[]>(t, "smtp", "replies.json");
  if (vectors === undefined) return;
  const nameOf = ({ notes }: Vector, index: number): string => `${index + 1}, ${notes ?? ""}`;
  await runVectors(t, "smtp/replies", vectors, nameOf, (vector) => {
    const wire =
      vector.wire_b64_gzip === undefined
        ? Buffer.from(vector.wire ?? "", "utf8")
        : gunzipSync(Buffer.from(vector.wire_b64_gzip, "base64"));
    for (const pieceBytes of [Number.MAX_SAFE_INTEGER, 1]) {
      if (vector.ok) assertRead(vector, wire, pieceBytes);
      else assertRefused(wire, pieceBytes);
    }
  });
});

function assertRefused(wire: Buffer, pieceBytes: number): void {
  let replies: readonly ReceivedReply[] = [];
  try {
    replies = readAll(wire, pieceBytes);
  } catch (error) {
    assert.equal((error as Error).name, "ReplySyntaxError");
  }
  assert.deepEqual(replies, []);
}

function assertRead(vector: Vector, wire: Buffer, pieceBytes: number): void {
  const reader = new ReplyReader();
  let reply: ReceivedReply | undefined;
  let used = 0;
  while (reply === undefined && used < wire.length) {
    reader.receive(Uint8Array.from(wire.subarray(used, used + pieceBytes)));
    used += pieceBytes;
    reply = reader.next();
  }
  assert.equal(reply?.code, vector.code);
  if (reply === undefined) return;
  if (vector.enhanced !== undefined) assert.equal(reply.status ?? null, vector.enhanced);
  if (vector.lines !== undefined) assert.deepEqual(linesWithoutStatus(reply), vector.lines);
  assert.equal(reader.hasBytes, pieceBytes > 1 && vector.rest !== undefined);
}

test("SMTPC-010: a 20-line 550 in one-octet pieces is one result", () => {
  const wire = Array.from({ length: 20 }, (_, index) => `550${index === 19 ? " " : "-"}5.7.1 line ${index}\r\n`).join(
    "",
  );
  const replies = readAll(wire, 1);
  assert.equal(replies.length, 1);
  assert.equal(replies[0]?.code, 550);
  assert.equal(replies[0]?.status, "5.7.1");
  assert.equal(replies[0]?.lines.length, 20);
});

test("SMTPC-009: text, space and known numbers may be missing", () => {
  assert.deepEqual(
    readAll("250\r\n299 x\r\n599 x\r\n250OK\r\n250 LF only\n").map(({ code, lines }) => [code, ...lines]),
    [
      [250, ""],
      [299, "x"],
      [599, "x"],
      [250, "OK"],
      [250, "LF only"],
    ],
  );
});

test("a line that never ends and a reply that never ends fail within bounds", () => {
  const long = Buffer.alloc(200_000, "x");
  assert.throws(() => readAll(Buffer.concat([Buffer.from("250 "), long]), 1000), /never ends/);
  assert.throws(() => readAll("250-more\r\n".repeat(300)), /more than 200 lines/);
});

test("a long line is cut and what follows it is still understood", () => {
  const wire = `550 ${"y".repeat(20_000)}\r\n250 next\r\n`;
  for (const pieceBytes of [Number.MAX_SAFE_INTEGER, 4000]) {
    const [first, second] = readAll(wire, pieceBytes);
    assert.ok((first?.lines[0]?.length ?? 0) <= 8192);
    assert.ok((first?.lines[0]?.length ?? 0) > 8000);
    assert.deepEqual(second?.lines, ["next"]);
  }
});

test("control characters and such as reorder text do not get into logs", () => {
  const [reply] = readAll("550 a\u0000b\u001b[31mc\td\re\u202eevil é\r\n");
  assert.equal(reply?.lines[0], "a?b?[31mc d?e?evil é");
});

test("ESC-008: a status counts only at the start, whole, and when its class agrees", () => {
  assert.equal(statusAtStart("5.1.10 null MX", 550), "5.1.10");
  assert.equal(statusAtStart("5.1.1", 550), "5.1.1");
  assert.equal(statusAtStart("5.1.1x", 550), undefined);
  assert.equal(statusAtStart("5.1.1.2 is your address", 550), undefined);
  assert.equal(statusAtStart("sorry 5.1.1 x", 550), undefined);
  assert.equal(statusAtStart("5.1.1 x", 450), undefined);
  assert.equal(statusAtStart("5.01.1 x", 550), undefined);
  assert.equal(statusAtStart("3.0.0 go", 354), undefined);
});

test("ESC-007: unknown subject and detail are kept", () => {
  assert.equal(readAll("550 5.99.123 x\r\n")[0]?.status, "5.99.123");
});

test("DSN-015: a multi-line reply becomes one text, its codes told once", () => {
  const [reply] = readAll("550-5.7.1 part one\r\n550-5.7.1 part two\r\n550 5.7.1 part three\r\n");
  assert.equal(reply && replyText(reply), "550 5.7.1 part one part two part three");
  const [bare] = readAll("250\r\n");
  assert.equal(bare && replyText(bare), "250");
});
