import assert from "node:assert/strict";
import { test } from "node:test";
import { GrowingBytes } from "./growing-bytes.ts";

test("pieces read as one, whatever is dropped in between", () => {
  const bytes = new GrowingBytes();
  let expected = "";
  for (let step = 0; step < 2000; step++) {
    const piece = "abcdefg".slice(0, step % 8);
    bytes.append(Buffer.from(piece));
    expected += piece;
    if (step % 5 === 0) {
      const count = Math.min(step % 17, expected.length);
      bytes.dropFirst(count);
      expected = expected.slice(count);
    }
    if (step % 97 === 0) {
      bytes.cutTo(3);
      expected = expected.slice(0, 3);
    }
    assert.equal(bytes.length, expected.length);
    assert.equal(bytes.view.toString(), expected);
  }
});

test("a piece that comes alone is not copied, and never written to", () => {
  const bytes = new GrowingBytes();
  const large = Buffer.from("12345678");
  bytes.append(large.subarray(0, 4));
  assert.equal(bytes.view.buffer, large.buffer);
  bytes.append(Buffer.from("xy"));
  assert.equal(bytes.view.toString(), "1234xy");
  assert.equal(large.toString(), "12345678");
});
