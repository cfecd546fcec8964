import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { conformancePath, reportVectors } from "../testing/conformance-data.ts";
import { decodeEncodedWords, encodeWords } from "./encoded-word.ts";

test("encoded words are decoded, white space between two of them is not shown", () => {
  assert.equal(decodeEncodedWords("=?utf-8?Q?gr=C3=BCn?="), "grün");
  assert.equal(decodeEncodedWords("=?ISO-8859-1?q?gr=FCn_und_blau?= ok"), "grün und blau ok");
  assert.equal(decodeEncodedWords("=?utf-8?B?Z3LDvA==?= =?utf-8?b?bg==?="), "grün");
  assert.equal(decodeEncodedWords("=?utf-8*de?Q?a?="), "a");
  assert.equal(decodeEncodedWords("=?no-such-charset?Q?a?= b"), "=?no-such-charset?Q?a?= b");
  assert.equal(decodeEncodedWords("=?utf-8?X?a?= =?="), "=?utf-8?X?a?= =?=");
});

test("whatever the text, it is written as ASCII words of at most 75 characters, and reads back the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const encoded = encodeWords(text);
      assert.match(encoded, /^[\x20-\x7e]*$/);
      assert.equal(decodeEncodedWords(encoded), text);
      if (encoded !== text) for (const word of encoded.split(" ")) assert.ok(word.length <= 75);
    }),
  );
  assert.equal(encodeWords("plain text"), "plain text");
});

test("unstructured values of real mail read as the vectors say", (t) => {
  const path = conformancePath("headers", "unstructured.json");
  if (path === undefined) return t.skip("no data");
  const vectors = JSON.parse(readFileSync(path, "utf8")) as readonly { header: string; expected: string }[];
  const squeeze = (text: string) => text.replaceAll(/\s+/g, "");
  for (const { header, expected } of vectors) {
    // How much white space remains is a matter of taste; the words are not.
    assert.equal(squeeze(decodeEncodedWords(header.replaceAll(/\r?\n/g, ""))), squeeze(expected), header);
  }
  reportVectors(t, { set: "headers/unstructured", passed: vectors.length });
});
