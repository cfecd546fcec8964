import assert from "node:assert/strict";
import { test } from "node:test";
import { type BareLineEnd, BareLineEndFinder } from "./bare-line-ends.ts";

test("RFC 5321 §2.3.8: the first bare line end is found at every place of a word, whole or in two pieces", () => {
  const octets = [0x00, 0x0a, 0x0d, 0x0e, 0x7f, 0x80, 0xff];
  for (let number = 0; number < octets.length ** 5; number++) {
    const combination = [0, 1, 2, 3, 4].map((place) => octets[Math.floor(number / octets.length ** place) % 7] ?? 0);
    const bytes = Buffer.from([0x41, ...combination, 0x41, 0x42, 0x43]);
    const expected = plainly(bytes);
    assert.equal(found(bytes), expected, bytes.toString("hex"));
    const cut = 1 + (number % 7);
    assert.equal(found(bytes.subarray(0, cut), bytes.subarray(cut)), expected, `${bytes.toString("hex")} at ${cut}`);
  }
});

test("a CR at the very end is bare, an LF behind it in the next piece makes it a line end", () => {
  assert.equal(found(Buffer.from("text\r")), "CR");
  assert.equal(found(Buffer.from("text\r"), Buffer.from("\ntext")), undefined);
  assert.equal(found(Buffer.from("text\r"), Buffer.from("text")), "CR");
});

function found(...pieces: readonly Buffer[]): BareLineEnd | undefined {
  const finder = new BareLineEndFinder();
  for (const piece of pieces) finder.scan(piece, 0, piece.length);
  finder.end();
  return finder.first;
}

/** One octet after the other. */
function plainly(bytes: Buffer): BareLineEnd | undefined {
  for (const [index, octet] of bytes.entries()) {
    if (octet === 0x0d && bytes[index + 1] !== 0x0a) return "CR";
    if (octet === 0x0a && bytes[index - 1] !== 0x0d) return "LF";
  }
  return undefined;
}
