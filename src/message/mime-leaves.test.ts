/** The parts of a message: what real mail has is found, what hostile mail has costs one pass. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mimeLeaves } from "./mime-leaves.ts";
import { decodeTransferEncoding } from "./transfer-encoding.ts";

const limits = { levelsMax: 4, partsMax: 20, headerBytesMax: 4096 };
const scan = (raw: string, more: Partial<typeof limits> = {}) => mimeLeaves(Buffer.from(raw), { ...limits, ...more });
const texts = (raw: string) => scan(raw).leaves.map(({ content }) => content.toString());
const multipart = (boundary: string, ...parts: readonly string[]) =>
  `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join("")}--${boundary}--\r\n`;

test("leaves are found in order, at every level, without the line end that belongs to the delimiter", () => {
  assert.deepEqual(texts("Subject: x\r\n\r\nbody\r\n"), ["body\r\n"]);
  assert.deepEqual(texts(multipart("a", "\r\none", "\r\ntwo\r\n", "\r\n")), ["one", "two\r\n", ""]);
  assert.deepEqual(texts(multipart("a", multipart("b", "\r\n1", "\r\n2"), "\r\n3")), ["1", "2", "3"]);
  assert.deepEqual(texts(multipart("a", multipart("aa", "\r\n1"), "\r\n2")), ["1", "2"]);
  assert.deepEqual(texts(`${multipart("a", "\r\n1")}epilogue\r\n--a\r\n\r\nno\r\n`), ["1"]);
  assert.deepEqual(texts(multipart("a", "\r\n1").replace("\r\n\r\n", "\r\n\r\npreamble\r\n")), ["1"]);
  assert.deepEqual(texts("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nopen end"), ["open end"]);
  assert.deepEqual(
    texts("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a  \t\r\n\r\n1\r\n--ab\r\n--a-\r\n--a--"),
    ["1\r\n--ab\r\n--a-"],
  );
  assert.deepEqual(texts("Content-Type: multipart/mixed\r\n\r\nno boundary"), ["no boundary"]);
});

test("attached messages are entered, encoded ones and those with other line ends too", () => {
  const inner = multipart("i", "\r\ndeep");
  const encoded = Buffer.from(inner.replaceAll("\r\n", "\n")).toString("base64");
  const message = "Content-Type: message/rfc822\r\n";
  assert.deepEqual(texts(multipart("a", `${message}\r\n${inner}`, "\r\nafter")), ["deep", "after"]);
  assert.deepEqual(
    texts(multipart("a", `${message}Content-Transfer-Encoding: base64\r\n\r\n${encoded}`, "\r\nafter")),
    ["deep", "after"],
  );
  const [leaf] = scan(multipart("a", `${message}\r\nSubject: inner\r\n${inner}`)).leaves;
  assert.equal(leaf?.message.first("subject")?.value, "inner");
  assert.deepEqual(texts(multipart("a", `\r\n${inner}`).replace("mixed", "digest")), ["deep"]);
});

test("levels, parts and header octets are bounded, and what is left out is noted", () => {
  const deep = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
  assert.deepEqual(scan(deep), { leaves: [], notes: ["parts nested deeper than 4 levels are not read"] });
  const many = scan(multipart("a", ...Array.from({ length: 10_000 }, () => "\r\nx")));
  assert.deepEqual([many.leaves.length, many.notes], [19, ["only the first 20 parts of the message are read"]]);
  const large = scan(multipart("a", `X: ${"y".repeat(5000)}\r\n\r\nx`, "\r\nz"));
  assert.equal(large.leaves[1]?.content.toString(), "z");
  assert.deepEqual(large.notes, ["a part whose header section is too large is not read"]);
});

test("the encodings are undone, damaged ones as far as they can be", () => {
  const table: readonly (readonly [string, string, string])[] = [
    ["base64", "aGFs\r\nbG8=", "hallo"],
    ["BASE64", "a G-F!s bG8", "hallo"],
    ["base64", "aGFsbG8=aGFs", "hallo"],
    ["base64 (comment)", "aGE", "ha"],
    ["quoted-printable", "a=3Db=\r\nc= \t\r\nd=\ne", "a=bcde"],
    ["quoted-printable", "a=zz=4", "a=zz=4"],
    ["quoted-printable", "end=", "end"],
    ["7bit", "a=3D", "a=3D"],
    ["", "x", "x"],
  ];
  for (const [encoding, given, right] of table) {
    assert.equal(decodeTransferEncoding(Buffer.from(given), encoding).toString(), right, `${encoding}: ${given}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const lines = Buffer.from(bytes).toString("base64").replaceAll(/.{20}/g, "$&\r\n");
      assert.deepEqual(decodeTransferEncoding(Buffer.from(lines), "base64"), Buffer.from(bytes));
    }),
  );
});

test("any octets give leaves within the bounds, and no more octets than there are", () => {
  const piece = fc.constantFrom(
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "--b\r\n",
    "--b--\r\n",
    "\r\n",
    "\n",
    "--",
    "x",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 }), (pieces) => {
      const raw = pieces.join("");
      const { leaves } = scan(raw);
      assert.ok(leaves.length <= limits.partsMax);
      const octets = leaves.reduce((sum, { content }) => sum + content.length, 0);
      assert.ok(octets <= 2 * Buffer.byteLength(raw));
    }),
    { numRuns: 2000 },
  );
});
