import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { decodeEncodedWords, encodeWords } from "./encoded-word.ts";

test("encoded words are decoded, white space between two of them is not shown", () => {
  assert.equal(decodeEncodedWords("=?utf-8?Q?gr=C3=BCn?="), "grün");
  assert.equal(decodeEncodedWords("=?ISO-8859-1?q?gr=FCn_und_blau?= ok"), "grün und blau ok");
  assert.equal(decodeEncodedWords("=?utf-8?B?Z3LDvA==?= =?utf-8?b?bg==?="), "grün");
  assert.equal(decodeEncodedWords("=?utf-8*de?Q?a?="), "a");
  assert.equal(decodeEncodedWords("=?no-such-charset?Q?a?= b"), "=?no-such-charset?Q?a?= b");
  assert.equal(decodeEncodedWords("=?utf-8?X?a?= =?="), "=?utf-8?X?a?= =?=");
});

test("a letter that was divided between two words of one character set is one letter", () => {
  const cases = [
    // UTF-8: in base 64, in Q, and from one into the other.
    ["=?UTF-8?B?4pw=?= =?utf-8?B?ky4=?=", "✓."],
    ["=?utf-8?Q?caf=C3?=\r\n =?utf-8?Q?=A9_bar?=", "café bar"],
    ["=?utf-8?Q?caf=C3?= =?utf8?B?qQ==?= x", "café x"],
    ["=?utf-8?B?5pel5pys6A==?= =?utf-8?B?qp7jga7ku7Y=?= =?utf-8?B?5ZCN?=", "日本語の件名"],
    // The base 64 itself is cut where it pleased.
    ["=?utf-8?B?4py?= =?utf-8?B?TLg==?=", "✓."],
    ["=?gb2312?B?1tDOxA==?= =?gb2312?Q?=D6?= =?GB2312?Q?=D0=CE=C4?=", "中文中文"],
    ["=?x-sjis?B?k/qWew==?= =?shift-jis?B?jOo=?=", "日本語"],
    // Words of ISO-2022-JP each begin in ASCII.
    ["=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= =?iso-2022-jp?B?GyRCOGw=?= =?iso-2022-jp?B?YQ==?=", "日本語a"],
    ["=?iso-2022-jp?B?GyRCRnxL?= =?iso-2022-jp?B?XDhsGyhC?=", "日本語"],
    // Not joined: another character set, or text in between.
    ["=?utf-8?Q?=C3?= =?iso-8859-1?Q?=A9?=", "\ufffd©"],
    ["=?utf-8?Q?=C3?= x =?utf-8?Q?=A9?=", "\ufffd x \ufffd"],
  ] as const;
  for (const [encoded, shown] of cases) assert.equal(decodeEncodedWords(encoded), shown, encoded);
});

test("the character set of an encoded word may be in quotation marks or by another of its names", () => {
  for (const name of ["'UTF8'", '"utf-8"', "utf_8", "cp65001"]) {
    assert.equal(decodeEncodedWords(`=?${name}?Q?gr=C3=BCn?=`), "grün");
  }
  assert.equal(decodeEncodedWords("=?ks_c_5601-1987?B?x9Gx2w==?="), "한글");
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

test("unstructured values of real mail read as the vectors say", async (t) => {
  const vectors = readVectors<readonly { header: string; expected: string }[]>(t, "headers", "unstructured.json");
  if (vectors === undefined) return;
  const squeeze = (text: string) => text.replaceAll(/\s+/g, "");
  await runVectors(
    t,
    "headers/unstructured",
    vectors,
    ({ header }) => header,
    ({ header, expected }) => {
      // How much white space remains is a matter of taste; the words are not.
      assert.equal(squeeze(decodeEncodedWords(header.replaceAll(/\r?\n/g, ""))), squeeze(expected));
    },
  );
});
