import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeXtext } from "./xtext.ts";
import { encodeXtext } from "../testing/encode-xtext.ts";

test("DSN-006 trap 21: + = space and everything unprintable become +HH in upper case", () => {
  assert.equal(encodeXtext("a+b=c@x"), "a+2Bb+3Dc@x");
  assert.equal(encodeXtext(" \r\n\0\u007fé"), "+20+0D+0A+00+7F+C3+A9");
  assert.equal(encodeXtext(""), "");
});

test("DSN-002: broken xtext is recognised", () => {
  for (const bad of ["+", "+1", "+G1", "a=b", "a b", "é", "+2", "a\r", "\u007f", "++2B", "+ 1"]) {
    assert.equal(decodeXtext(bad), undefined, bad);
  }
  assert.equal(decodeXtext("e+3Dmc2@example.com")?.toString(), "e=mc2@example.com");
  assert.equal(decodeXtext("+3d")?.toString(), "=");
});

test("property: decoding undoes encoding", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = encodeXtext(text);
      assert.match(encoded, /^[!-~]*$/);
      assert.equal(decodeXtext(encoded)?.toString(), Buffer.from(text).toString());
    }),
  );
});
