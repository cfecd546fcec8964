/** Header sections, MIME structure, and what is read from single fields. */
import assert from "node:assert/strict";
import PostalMime from "postal-mime";
import { parseAddressList } from "../../../src/message/address-list.ts";
import { ContentScanner } from "../../../src/message/content-scanner.ts";
import { parseContentType } from "../../../src/message/content-type.ts";
import { decodeEncodedWords } from "../../../src/message/encoded-word.ts";
import { foldField } from "../../../src/message/fold.ts";
import { HeaderCollector, parseHeaderFields, type HeaderResult } from "../../../src/message/header-section.ts";
import { isValidMessageId } from "../../../src/message/message-id.ts";
import { isReceivedBy } from "../../../src/message/received-field.ts";
import { checkHeaderAddresses, editSubmission } from "../../../src/message/submission-edits.ts";
import { hostileContent } from "../../../src/testing/hostile-headers.ts";
import { SeededRandom } from "../../../src/testing/seeded-random.ts";
import { storeContent } from "../../../src/testing/stored-content.ts";
import { inPieces, type FuzzTarget } from "../target.ts";
import { conformanceFiles, texts } from "../seeds.ts";

const headerWords = [
  "\r\n", "\r\n ", "\r\n\t", "\n", "\r", "\0", ":", ": ", " :", ",", ";", "<", ">", "@", "\"", "(", ")", "\\", "=", "--", "--b\r\n", "--b--\r\n",
  "From", "From: a@b.test\r\n", "To: ", "Subject: ", "DKIM-Signature: ", "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: message/rfc822\r\n",
  "boundary=\"", "multipart/digest", "=?utf-8?q?=C3=A9?=", "=?utf-8?b?w6k=?=", "=?", "?=", "\xc3\xa9", "\xff", "group: a@b.test;", "\r\n\r\n", "Received: from a by b; ",
]; // prettier-ignore

const messages = () => [
  ...texts(
    "From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\n\r\nbody\r\n",
    "Received: from a by mail.test; Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: \"A (b)\" <a@b.test>,\r\n g: x@y.test, z@w.test;\r\nMessage-ID: <1@b.test>\r\n\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \xc3\xa9\r\n\r\n.\r\n--b--\r\n",
  ),
  ...conformanceFiles("mime", { bytesMax: 4096, count: 300 }),
]; // prettier-ignore

function collect(
  input: Iterable<Buffer>,
  headerBytesMax = 3000,
): { readonly result: HeaderResult; readonly rest: Buffer } {
  const collector = new HeaderCollector({ headerBytesMax });
  const rest: Buffer[] = [];
  let result: HeaderResult | undefined;
  for (const piece of input) {
    if (result !== undefined) {
      rest.push(piece);
      continue;
    }
    const progress = collector.push(piece);
    if (progress.kind !== "need-more") result = progress;
  }
  return { result: result ?? collector.end(), rest: Buffer.concat(rest) };
}

const headers: FuzzTarget = {
  name: "header-section",
  family: "headers",
  seeds: messages,
  words: headerWords,
  bytesMax: 4096,
  stretchMax: 512 * 1024,
  run(input) {
    const whole = collect([input]);
    const cut = collect(inPieces(input));
    assert.equal(cut.result.kind, whole.result.kind);
    if (whole.result.kind === "too-large" || cut.result.kind === "too-large") return;
    assert.ok(cut.result.header.equals(whole.result.header));
    assert.ok(Buffer.concat([cut.result.header, cut.result.rest, cut.rest]).equals(input));
    const section = parseHeaderFields(whole.result.header);
    let end = 0;
    for (const field of section.fields) {
      assert.equal(field.start, end);
      end = field.end;
      assert.ok(field.raw.length > 0 && field.name.length > 0);
      assert.ok(!field.value.includes("\r\n"));
    }
    assert.equal(end, section.bytes.length);
    checkHeaderAddresses(section);
  },
};

const submission: FuzzTarget = {
  name: "submission-edits",
  family: "headers",
  seeds: messages,
  words: headerWords,
  bytesMax: 4096,
  stretchMax: 512 * 1024,
  run(input) {
    const { result } = collect([input]);
    if (result.kind === "too-large") return;
    const edited = editSubmission(parseHeaderFields(result.header), {
      now: 1_700_000_000_000,
      makeMessageId: () => "<made@here.test>",
      author: "ann@here.test",
    });
    const again = parseHeaderFields(edited.header.bytes);
    assert.equal(again.fields.length, edited.header.fields.length);
    assert.equal(again.all("bcc").length, 0);
    assert.equal(again.all("message-id").length > 0 && again.all("date").length > 0, true);
  },
};

const ownField = Buffer.from("Received: by here.test;\r\n\tThu, 1 Jan 2026 00:00:00 +0000\r\n");

/** What is stored under a field of ours is read as what was judged: nothing continues our field, nothing joins the header. */
const stored: FuzzTarget = {
  name: "stored-header",
  family: "headers",
  seeds: () => {
    const random = new SeededRandom(1);
    return [...messages(), ...Array.from({ length: 100 }, () => hostileContent(random))];
  },
  words: headerWords,
  bytesMax: 4096,
  stretchMax: 512 * 1024,
  async run(input) {
    const whole = storeContent([input]);
    assert.deepEqual(storeContent(inPieces(input)), whole);
    if (whole.kind === "refused") return;
    const bytes = Buffer.concat([ownField, whole.bytes]);
    const { result } = collect([bytes], 512 * 1024);
    assert.ok(result.kind === "complete");
    assert.ok(result.header.equals(Buffer.concat([ownField, whole.header.bytes])));
    const { headers: seen } = await PostalMime.parse(bytes.subarray(0, result.header.length + 100));
    assert.deepEqual(
      seen.map(({ key }) => key),
      ["received", ...whole.header.fields.map(({ name }) => name)],
    );
  },
};

function scan(header: Buffer, pieces: Iterable<Buffer>) {
  const scanner = new ContentScanner(parseHeaderFields(header), { checkLineEnds: true });
  for (const piece of pieces) scanner.push(piece);
  return scanner.end();
}

const mime: FuzzTarget = {
  name: "mime-structure",
  family: "MIME",
  seeds: messages,
  words: headerWords,
  bytesMax: 4096,
  stretchMax: 512 * 1024,
  run(input) {
    const { result } = collect([input]);
    if (result.kind === "too-large") return;
    assert.deepEqual(scan(result.header, inPieces(result.rest)), scan(result.header, [result.rest]));
  },
};

/** Fields whose value is a text: what is read from it, and that reading ends. */
const fields: FuzzTarget = {
  name: "field-values",
  family: "headers",
  seeds: () =>
    texts(
      "A <a@b.test>, g: c@d.test;, \"q\\\"x\" (c(n)) <e@f.test>",
      "multipart/mixed; boundary=\"b\"; name*0*=utf-8''%C3%A9; name*1=x",
      "from a (b [192.0.2.1]) by mail.test with ESMTP id x for <c@d.test>; Mon, 1 Jan 2024 00:00:00 +0000",
      "=?utf-8?q?=C3=A9?= =?iso-8859-1?b?6Q==?= x",
      "mail.test 1; spf=pass (c) smtp.mailfrom=b.test; dkim=fail reason=\"x y\" header.d=b.test",
      "<1@b.test>",
    ), // prettier-ignore
  words: headerWords,
  bytesMax: 2048,
  stretchMax: 512 * 1024,
  run(input) {
    const value = input.toString("latin1");
    const list = parseAddressList(value);
    assert.ok(list !== undefined);
    parseContentType(value);
    decodeEncodedWords(value);
    isValidMessageId(value);
    isReceivedBy(value, "mail.test");
    for (const line of foldField("X-Field", value.replaceAll(/[\r\n]/g, " "))
      .split("\r\n ")
      .slice(1)) {
      assert.ok(!line.startsWith("\n"));
    }
  },
};

export const messageTargets: readonly FuzzTarget[] = [headers, submission, stored, mime, fields];
