import assert from "node:assert/strict";
import { test } from "node:test";
import { readContent } from "../readable-content.ts";
import { withKnownCharsets } from "./body-charsets.ts";

const grün = Buffer.from("gr\u00fcn", "utf8");

async function shownText(contentType: string, body: Buffer): Promise<string> {
  const head = Buffer.from(`Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: ${contentType}\r\n\r\n`, "latin1");
  return (await readContent(Buffer.concat([head, body]))).text.trim();
}

test("charset='UTF8' and its kin are decoded as what they mean", async () => {
  for (const name of ["'UTF8'", "\"'utf-8'\"", "utf8", "UTF_8", '"utf-8;"', "cp65001", "unknown-8bit", "x-unknown"]) {
    assert.equal(await shownText(`text/plain; charset=${name}; format=fixed`, grün), "grün", name);
  }
  for (const name of ["'latin1'", "cp1252", "ISO_8859-1", "windows_1252"]) {
    assert.equal(
      await shownText(`text/plain;\r\n charset = ${name}`, Buffer.from("gr\u00fcn", "latin1")),
      "grün",
      name,
    );
  }
  for (const [name, hex, text] of [
    ["x-sjis", "93fa967b8cea", "日本語"],
    ["'Shift-JIS'", "93fa967b8cea", "日本語"],
    ["ks_c_5601-1987", "c7d1b1db", "한글"],
    ["'gb2312'", "d6d0cec4", "中文"],
    ["iso-8859-8-i", "f9ece5ed", "שלום"],
    ["KOI8R", "f0d2c9d7c5d4", "Привет"],
  ] as const) {
    assert.equal(await shownText(`text/plain; charset=${name}`, Buffer.from(hex, "hex")), text, name);
  }
});

test("each part of a multipart has its own character set, those of a multipart inside it too", async () => {
  const raw = [
    "Content-Type: multipart/mixed; boundary=\"outer 1\"\r\n\r\n--outer 1\r\n",
    "Content-Type: text/plain; charset='latin1'\r\n\r\ngr\u00fcn\r\n--outer 1\r\n",
    "Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\n",
    "Content-Type: text/plain; charset='win-1251'\r\n\r\n\u00ef\u00f0\r\n--inner--\r\n--outer 1--\r\n",
  ].join(""); // prettier-ignore
  const { text } = await readContent(Buffer.from(raw, "latin1"));
  assert.match(text, /grün/);
  assert.match(text, /пр/);
});

test("text that only looks like a Content-Type field stays as it is", () => {
  const raw = Buffer.from(
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nContent-Type: text/plain; charset='UTF8'\r\n--c\r\nContent-Type: a/b; charset=x-sjis\r\n--b--\r\n",
  );
  assert.equal(withKnownCharsets(raw), raw);
});

test("a code in an encoded subject is found, whatever its character set is called", async () => {
  const raw =
    "Subject: =?'UTF8'?B?w5ZmZm5lOiA0ODI5?=\r\n =?'UTF8'?Q?13_ist_Ihr_Best=C3?=\r\n =?utf8?Q?=A4tigungscode?=\r\n\r\nx\r\n";
  assert.deepEqual((await readContent(Buffer.from(raw))).codes, ["482913"]);
});
