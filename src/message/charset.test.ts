import assert from "node:assert/strict";
import { test } from "node:test";
import { charsetLabel, decodeCharset } from "./charset.ts";

const names: readonly (readonly [string, readonly string[]])[] = [
  ["utf-8", ["utf-8", "UTF8", "'UTF8'", '"utf-8"', "utf_8", "utf 8", "cp65001", "UTF-8;", "csUTF8", "utf8mb4", "utf-8*de", "unicode-1-1-utf-8"]],
  ["windows-1252", ["latin1", "Latin-1", "ISO_8859-1", "iso8859_1", "ISO-8859-1:1987", "8859-1", "us-ascii", "ANSI_X3.4-1968", "cp1252", "CP-1252", "windows_1252", "win1252", "x-ansi", "'cp1252'"]],
  ["iso-8859-2", ["iso-8859-2", "latin2", "ISO8859_2", "8859-2"]],
  ["iso-8859-15", ["latin9", "Latin-9", "ISO_8859-15", "l9"]],
  ["iso-8859-8", ["iso-8859-8", "ISO-8859-8-E", "visual"]],
  ["iso-8859-8-i", ["iso-8859-8-i", "ISO_8859-8-I", "logical"]],
  ["iso-8859-6", ["iso-8859-6-i", "ISO_8859-6-E"]],
  ["windows-1251", ["cp1251", "win-1251", "Windows1251", "x-cp1251", "ms-1251"]],
  ["windows-874", ["tis-620", "TIS620", "iso-8859-11", "cp874"]],
  ["koi8-r", ["koi8-r", "KOI8R", "koi"]],
  ["koi8-u", ["koi8-u", "koi8-ru"]],
  ["ibm866", ["cp866", "IBM-866", "866"]],
  ["gbk", ["gb2312", "GB_2312-80", "gbk", "euc-cn", "cp936", "x-gbk", "'gb2312'"]],
  ["gb18030", ["gb18030", "GB-18030"]],
  ["big5", ["big5", "Big5-HKSCS", "x-x-big5", "cn-big5", "cp950"]],
  ["euc-kr", ["euc-kr", "ks_c_5601-1987", "KS_C_5601", "ksc5601", "cp949", "ms949", "uhc", "x-windows-949"]],
  ["shift_jis", ["shift_jis", "Shift-JIS", "shiftjis", "sjis", "x-sjis", "cp932", "windows-31j", "MS_Kanji", "x-ms-cp932", "csShiftJIS"]],
  ["euc-jp", ["euc-jp", "x-euc-jp", "eucJP", "ujis", "euc_jp"]],
  ["iso-2022-jp", ["iso-2022-jp", "ISO2022JP", "iso-2022-jp-2", "csISO2022JP", "cp50221", "junet"]],
  ["macintosh", ["macintosh", "x-mac-roman", "mac"]],
  ["x-mac-cyrillic", ["x-mac-cyrillic", "x-mac-ukrainian"]],
  ["utf-16le", ["utf-16", "UTF16LE", "ucs-2"]],
]; // prettier-ignore

for (const [label, spellings] of names) {
  test(`${label} is known by every name that mail uses for it`, () => {
    assert.deepEqual(
      spellings.map((name) => [name, charsetLabel(name)]),
      spellings.map((name) => [name, label]),
    );
  });
}

test("names that stand for no character set have no decoder, whatever their length", () => {
  for (const name of [
    "",
    "x-unknown",
    "unknown-8bit",
    "no-such",
    "utf-7",
    "iso-2022-kr",
    "x-".repeat(10_000),
    "constructor",
  ]) {
    assert.equal(charsetLabel(name), undefined, name.slice(0, 20));
    assert.equal(decodeCharset(Buffer.from("a"), name), undefined);
  }
});

test("octets become letters", () => {
  assert.equal(decodeCharset(Buffer.from("8376815b8358", "hex"), "x-sjis"), "プース");
  assert.equal(decodeCharset(Buffer.from("c7d1b1db", "hex"), "ks_c_5601-1987"), "한글");
  assert.equal(decodeCharset(Buffer.from("f9ece5ed", "hex"), "iso-8859-8-i"), "שלום");
});
