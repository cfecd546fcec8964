import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { unpack } from "./unpack.ts";

interface Given {
  readonly name: string;
  readonly bytes: Buffer;
  readonly stored?: true;
  readonly flags?: number;
  readonly claimedBytes?: number;
}

/** A zip archive as other programs write it. */
function makeZip(files: readonly Given[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, bytes, stored, flags = 0, claimedBytes = bytes.length } of files) {
    const packed = stored ? bytes : deflateRawSync(bytes);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(stored ? 0 : 8, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(claimedBytes, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), common, tail, Buffer.from(name)]));
    locals.push(local);
    at += local.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, list, end]);
}

const limits = { bytesMax: 2_000_000 };
const text = Buffer.from("<feedback>".repeat(50));

function refusal(bytes: Buffer): string {
  const result = unpack(bytes, limits);
  return result.kind === "refused" ? result.reason : assert.fail("it was taken");
}

function filesOf(bytes: Buffer): readonly Buffer[] {
  const result = unpack(bytes, limits);
  return result.kind === "files" ? result.files : assert.fail(result.reason);
}

test("plain, gzip, zip and gzip within zip give the same content", () => {
  const forms = [
    text,
    gzipSync(text),
    Buffer.concat([gzipSync(text.subarray(0, 100)), gzipSync(text.subarray(100))]),
    Buffer.concat([gzipSync(text), Buffer.from("\r\n")]),
    makeZip([{ name: "a.xml", bytes: text }]),
    makeZip([{ name: "a.xml", bytes: text, stored: true }]),
    makeZip([
      { name: "folder/", bytes: Buffer.alloc(0), stored: true },
      { name: "folder/a.xml.gz", bytes: gzipSync(text) },
    ]),
  ];
  for (const form of forms) assert.deepEqual(filesOf(form), [text]);
});

test("a bomb is refused, whatever its directory says of sizes", () => {
  const zeros = Buffer.alloc(5_000_000);
  assert.match(refusal(gzipSync(zeros)), /more than/);
  assert.match(refusal(makeZip([{ name: "a", bytes: zeros }])), /more than/);
  assert.match(refusal(makeZip([{ name: "a", bytes: zeros, claimedBytes: 10 }])), /more than/);
  assert.match(refusal(gzipSync(gzipSync(zeros))), /more than/);
  const three = Array.from({ length: 3 }, (_, index) => ({ name: `${index}`, bytes: Buffer.alloc(900_000, index) }));
  assert.match(refusal(makeZip(three)), /more than/, "all files count together");
});

test("below the size limit the ratio still counts", () => {
  const result = unpack(gzipSync(Buffer.alloc(1_500_000)), { bytesMax: 100_000_000 });
  assert.equal(result.kind, "refused");
});

test("many entries, encryption, damage, cuts and too many layers are refused with a reason", () => {
  const many = Array.from({ length: 11 }, (_, index) => ({ name: `${index}`, bytes: text }));
  assert.match(refusal(makeZip(many)), /11 files/);
  assert.match(refusal(makeZip([{ name: "a", bytes: text, flags: 1 }])), /encrypted/);
  assert.match(refusal(gzipSync(gzipSync(gzipSync(text)))), /inside/);
  assert.match(refusal(gzipSync(text).subarray(0, 20)), /cut off/);
  const zip = makeZip([{ name: "a", bytes: text }]);
  assert.match(refusal(zip.subarray(0, zip.length - 5)), /cut off/);
  const damaged = Buffer.from(zip);
  damaged[40] = (damaged[40] ?? 0) ^ 0xff;
  assert.match(refusal(damaged), /damaged/);
  assert.match(refusal(Buffer.from("PK\x03\x04")), /cut off/);
});

test("every optional part of a gzip header is passed over", () => {
  const [plain, sum] = [gzipSync(text), Buffer.from([1, 2])];
  const extra = Buffer.from([3, 0, 9, 9, 9]);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 2 | 4 | 8 | 16;
  const parts = [header, extra, Buffer.from("name\0comment\0"), sum, plain.subarray(10)];
  assert.deepEqual(filesOf(Buffer.concat(parts)), [text]);
});

test("any octets give a result, within the limit", () => {
  const start = fc.constantFrom(
    ...[[0x1f, 0x8b, 8], [0x50, 0x4b, 3, 4], [0x50, 0x4b, 5, 6], []].map((b) => Buffer.from(b)),
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (head, rest) => {
      const result = unpack(Buffer.concat([head, rest]), limits);
      assert.ok(result.kind === "refused" || result.files.every(({ length }) => length <= limits.bytesMax));
    }),
    { numRuns: 3000 },
  );
});

test("archives with any octets changed give a result", () => {
  const forms = [
    gzipSync(text),
    makeZip([
      { name: "a", bytes: text },
      { name: "b", bytes: text, stored: true },
    ]),
  ];
  const change = fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.constantFrom(...forms), change, (form, changes) => {
      const bytes = Buffer.from(form);
      for (const [at, octet] of changes) bytes[at % bytes.length] = octet;
      const result = unpack(bytes, limits);
      assert.ok(result.kind === "refused" || result.files.every(({ length }) => length <= limits.bytesMax));
    }),
    { numRuns: 3000 },
  );
});

test("the cost of a file counts every layer, and all that a refused one may have cost", () => {
  const cost = (bytes: Buffer) => unpack(bytes, limits).cost;
  assert.equal(cost(text), 0);
  assert.equal(cost(gzipSync(text)), text.length);
  const inner = gzipSync(text);
  assert.equal(cost(gzipSync(inner)), inner.length + text.length);
  assert.equal(
    cost(makeZip([text, inner].map((bytes, index) => ({ name: `${index}`, bytes })))),
    text.length + inner.length + text.length,
  );
  const bomb = gzipSync(Buffer.alloc(5_000_000));
  assert.equal(cost(bomb), Math.max(1024 * 1024, bomb.length * 250));
});
