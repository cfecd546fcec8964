/** What the test inbox reads out of messages: links, codes, HTML, and the character sets of parts. */
import assert from "node:assert/strict";
import { withKnownCharsets } from "../../../src/admin/reading/body-charsets.ts";
import { findLinksAndCodes, type Findings } from "../../../src/admin/reading/find.ts";
import { readHtml } from "../../../src/admin/reading/html-text.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

const words = [
  "<a href=\"", "<a href='https://a.test/?b&amp;c'>", "</a>", "<style>", "</style>", "<script", "<!--", "-->", "<![", "<td>", "<br>", "<p>", "<pre>", "<base href=https://a.test/>",
  "<", ">", "\"", "'", "=", "/", "&", "&#", "&#x2F;", "&amp", "&NotEqualTilde;", ";", "http://", "https://a.test/", "app://", "<https://a.test/\n b>", "://", "(", ")", "[", "]", "{", "}",
  "code", "Your code is ", "code: ", "is your code", "PIN ", "order ", "order no. ", "password: ", "use ", "verification ", "de un solo uso", "123456", "12 34 56", "1 2 3 4", "1\n2\n3\n4\n", "G-261764", "I6R-B2W",
  "k7f9q2", "2026", "Nov ", "1,234.56", "+49 30 123456", " EUR", "$", "#", "**", "@", "a@b.test", "\n", "\n\n", " ", "\t", "-", ".", ":",
  "\xe9\xaa\x8c\xe8\xaf\x81\xe7\xa0\x81", "\xe8\xaa\x8d\xe8\xa8\xbc\xe3\x82\xb3\xe3\x83\xbc\xe3\x83\x89", "\xef\xbc\x91\xef\xbc\x92", "\xe3\x80\x82", "\xe2\x80\x8b", "\xcc\x81",
]; // prettier-ignore

function check({ links, link_details, codes, code_candidates }: Findings): void {
  assert.ok(links.length <= 1_000 && link_details.length <= 1_000 && code_candidates.length <= 50);
  assert.equal(new Set(links).size, links.length);
  const urls = new Set(link_details.map(({ url }) => url));
  for (const link of links) {
    assert.ok(urls.has(link));
    assert.match(link, /^[a-z][a-z0-9+.-]+:[^\t\r\n]+$/i);
  }
  for (const { text } of link_details) assert.ok(text.length <= 200 && !/[\r\n]/.test(text));
  assert.deepEqual(
    codes,
    code_candidates.slice(0, codes.length).map(({ value }) => value),
  );
  let before = 100;
  for (const { value, score, reason, where } of code_candidates) {
    const characters = value.replaceAll("-", "");
    assert.match(characters, /^[A-Za-z0-9]{4,10}$/);
    assert.ok(score >= 0 && score <= before && reason !== "" && where.length > 0);
    before = score;
  }
}

const findings: FuzzTarget = {
  name: "links-and-codes",
  family: "test inbox",
  seeds: () =>
    texts(
      "Your code\nHi, your verification code is 483-920. Order no. 12345678\n\nhttps://a.test/x_(y).",
      "x\n<p>Your code</p><table><tr><td>4</td><td>8</td><td>3</td><td>9</td></tr></table><a href='https://a.test/?a&amp;b'>Go</a>",
      "482913 is your code\n<!-- c --><style>p{}</style>&copy; 2026, 10115 Berlin <https://a.test/\n b> app://x",
    ),
  words,
  bytesMax: 4096,
  stretchMax: 256 * 1024,
  run(input) {
    const text = input.toString("utf8");
    const [subject = ""] = text.split("\n", 1);
    check(findLinksAndCodes({ subject, text, html: "" }));
    check(findLinksAndCodes({ subject: "", text: "", html: text }));
    assert.doesNotMatch(readHtml(text).text, /\n\n\n/);
  },
};

const charsets: FuzzTarget = {
  name: "body-charsets",
  family: "test inbox",
  seeds: () =>
    texts(
      "Content-Type: text/plain; charset='UTF8'\r\n\r\nx\r\n",
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=x-sjis\r\n\r\nx\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: a/b;\r\n charset=\"cp-1252\"\r\n\r\n--b--\r\n",
    ), // prettier-ignore
  words: [
    "\r\n", "\n", "\r\n\r\n", "\r\n ", "--b\r\n", "--b--", "Content-Type: ", "content-type : ", "text/plain", "multipart/x; boundary=b", "message/rfc822", "; charset=", "charset = ", "'UTF8'", "\"x-sjis\"",
    "x-unknown", "us-ascii*en", "(", ")", "\"", "\\", ";", "=", " ", "\xc3\xa9", "\xff", "\0",
  ], // prettier-ignore
  bytesMax: 2048,
  stretchMax: 512 * 1024,
  run(input) {
    const known = Buffer.from(withKnownCharsets(input));
    assert.ok(Buffer.from(withKnownCharsets(known)).equals(known));
  },
};

export const readingTargets: readonly FuzzTarget[] = [findings, charsets];
