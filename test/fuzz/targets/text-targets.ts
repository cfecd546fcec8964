/** Texts of strangers on their way to people: facts of a message, what logs and pages show, what is read out of sentences. */
import assert from "node:assert/strict";
import { damageOf, doubledName, misprintOf } from "../../../src/admin/dns-checks/published-text.ts";
import { withKnownCharsets } from "../../../src/admin/reading/body-charsets.ts";
import { paragraph, visible } from "../../../src/dsn/plain-text.ts";
import { encodeQuotedPrintable } from "../../../src/message/seven-bit/transfer-encoders.ts";
import { plain, quoted } from "../../../src/history/words.ts";
import { withoutForgedResults } from "../../../src/intake/header-edit.ts";
import { parseIpNetwork } from "../../../src/lib/ip-network.ts";
import { charsetLabel } from "../../../src/message/charset.ts";
import { ContentScanner } from "../../../src/message/content-scanner.ts";
import { buildFacts } from "../../../src/message/facts.ts";
import { parseHeaderFields } from "../../../src/message/header-section.ts";
import { commentText, printableText, quotedText } from "../../../src/message/safe-text.ts";
import { wishedDelayMs } from "../../../src/queue/retry-wish.ts";
import { parsePlain } from "../../../src/sasl/plain.ts";
import { parseScramVerifier } from "../../../src/sasl/scram-verifier.ts";
import { decodeBase64 } from "../../../src/sasl/strict-base64.ts";
import { prepareString } from "../../../src/sasl/string-preparation.ts";
import { parseQueueId } from "../../../src/spool/queue-id.ts";
import { conformanceFiles, texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

/** Nothing that ends a line or moves a terminal's cursor. */
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/;

const shown: FuzzTarget = {
  name: "shown-text",
  family: "texts",
  seeds: () =>
    texts(
      "450 4.7.1 Greylisted, please try again in 300 seconds",
      "a subject\r\nwith \"quotes\" (and brackets) \\ and \x1b[31m colour \xe2\x80\xae turned",
      "\"v=spf1 -all\"",
      "v=DMARC1\\; p=none",
      "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
      "\0ann\0secret",
      "AGFubgBzZWNyZXQ=",
      "192.0.2.0/24",
      "2001:db8::/32",
      "charset=\"utf-8\"",
    ), // prettier-ignore
  words: [
    " ", "\r\n", "\0", "\x1b[", "\xc2\x9b", "\xe2\x80\xae", "\"", "\\", "(", ")", "\\;", "v=spf1", "greylisted", "try again in ", "minutes", "300", "wait ", "=", "A",
    "AAAA", "$", ":", "4096", ".", "::", "/", "windows-", "x-", "cs", "iso-8859-", "\xcc\x81", "\xef\xbb\xbf", "\xed\xa0\x80",
  ], // prettier-ignore
  bytesMax: 2048,
  stretchMax: 256 * 1024,
  run(input) {
    const text = input.toString("utf8");
    for (const one of [printableText(text), plain(text), quoted(text), visible(text)])
      assert.doesNotMatch(one, controls);
    assert.match(quotedText(text), /^"(?:[^"\\]|\\.)*"$/);
    assert.match(commentText(text), /^\([^()\\]*\)$/);
    for (const line of paragraph(text).split("\r\n")) assert.ok(line.length <= 998);
    for (const line of encodeQuotedPrintable(input).toString("latin1").split("\r\n")) assert.ok(line.length <= 76);
    const delay = wishedDelayMs(text);
    assert.ok(delay === undefined || delay > 0);
    misprintOf(text, "v=spf1");
    damageOf(text);
    doubledName(text, text);
    charsetLabel(text);
    decodeBase64(text);
    prepareString(text);
    parsePlain(input);
    parseScramVerifier(text);
    parseIpNetwork(text);
    parseQueueId(text);
  },
};

const messages: FuzzTarget = {
  name: "message-facts",
  family: "texts",
  seeds: () => [
    ...texts(
      "From: =?utf-8?q?A?= <a@b.test>\r\nSubject: =?utf-8?b?w6k=?= x\r\nMessage-ID: <1@b.test>\r\nAuto-Submitted: auto-replied (x); y=z\r\n\r\nbody\r\n",
      "Delivered-To: <a@b.test>\r\nReceived: from a (b) by mail.test (c) with ESMTP; Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\n",
      "Authentication-Results: \"mail.test\" (c) 1; spf=pass smtp.mailfrom=a.test\r\nauthentication-results: other.test; none\r\n\r\n",
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset='UTF8'\r\n\r\nx\r\n--b--\r\n",
    ),
    ...conformanceFiles("mime", { bytesMax: 2048, count: 100 }),
  ], // prettier-ignore
  words: [
    "\r\n", "\r\n ", "\n", "\r", ": ", ";", "(", ")", "\"", "\\", "=", "<", ">", "--b\r\n", "--b--\r\n", "by mail.test", "from ", "Received: ", "Delivered-To: ",
    "Auto-Submitted: ", "Authentication-Results: ", "mail.test", "MAIL.TEST", "Content-Type: message/rfc822\r\n\r\n", "charset=", "=?utf-8?q?", "?=", "\xe9",
  ], // prettier-ignore
  bytesMax: 4096,
  stretchMax: 512 * 1024,
  run(input) {
    const separator = input.indexOf("\r\n\r\n");
    const end = separator === -1 ? input.length : separator + 2;
    const header = parseHeaderFields(input.subarray(0, end));
    const scanner = new ContentScanner(header, { checkLineEnds: true });
    scanner.push(input.subarray(end));
    const facts = buildFacts({ header, findings: scanner.end(), hostName: "mail.test" });
    assert.ok(facts.receivedCount >= 0);
    const kept = withoutForgedResults(header, ["mail.test"]);
    assert.equal(withoutForgedResults(kept, ["mail.test"]).fields.length, kept.fields.length);
    withKnownCharsets(input);
  },
};

export const textTargets: readonly FuzzTarget[] = [shown, messages];
