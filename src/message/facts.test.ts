import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { vectorPath } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { ContentScanner } from "./content-scanner.ts";
import { buildFacts } from "./facts.ts";
import { HeaderCollector, type HeaderProgress, parseHeaderFields } from "./header-section.ts";
import type { MessageFacts } from "./message-facts.ts";

function factsOf(content: string, options: { readonly declaredBinary?: boolean } = {}): MessageFacts {
  const facts = factsInSlices(Buffer.from(content), Infinity, options);
  assert.ok(facts !== undefined);
  return facts;
}

test("facts of an ordinary message", () => {
  assert.deepEqual(
    factsOf("From: Ann <a@b>\r\nSubject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=\r\nMessage-ID:\r\n <x@y>\r\n\r\nhello\r\n"),
    {
      receivedCount: 0,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: false,
      binary: false,
      subject: "grüße",
      messageId: "<x@y>",
      from: "Ann <a@b>",
    },
  );
});

test("OPT-012: TLS-Required: No counts once, in any case, and in no other words", () => {
  const optional = (...fields: readonly string[]) =>
    factsOf(`From: a@b\r\n${fields.map((value) => `TLS-Required: ${value}\r\n`).join("")}\r\n`).tlsOptional;
  for (const value of ["No", "no", " NO ", "No (as the sender asked)"]) assert.equal(optional(value), true, value);
  for (const value of ["Yes", "", "No, thanks", "Nо"]) assert.equal(optional(value), undefined, value);
  assert.equal(optional("No", "No"), undefined);
  assert.equal(optional(), undefined);
});

test("loops: hops are counted, our own Received and every Delivered-To are seen", () => {
  const facts = factsOf(
    "Received: from a by b; date\r\nReceived: from c\r\n\tby MAIL.example.org (x)\r\n\twith SMTP; date\r\n" +
      "Delivered-To: Ann@Example.ORG\r\nDelivered-To: <bob@example.org>\r\n\r\n",
  );
  assert.equal(facts.receivedCount, 2);
  assert.equal(facts.ownReceived, true);
  assert.equal(facts.ownReceivedCount, 1);
  assert.deepEqual(facts.deliveredTo, ["ann@example.org", "bob@example.org"]);
  assert.equal(factsOf("Received: by other; date\r\n\r\n").ownReceived, false);
});

test("Auto-Submitted counts unless it says no", () => {
  for (const [value, expected] of [
    ["auto-replied", true],
    ["Auto-Generated (by x); type=y", true],
    ["no", false],
    ["No (really)", false],
    ["", false],
  ] as const) {
    assert.equal(factsOf(`Auto-Submitted: ${value}\r\n\r\n`).autoSubmitted, expected, value);
  }
});

test("EAI-010, EXT-014: what the next hop must be able to carry", () => {
  assert.equal(factsOf("Subject: grün\r\n\r\n").utf8Header, true);
  const body = factsOf("Subject: x\r\n\r\ngrün\r\n");
  assert.deepEqual([body.utf8Header, body.eightBit, body.binary], [false, true, false]);
  assert.equal(factsOf("Subject: x\r\n\r\na\nb\r\n").binary, true);
});

test("text with long lines or NUL is no binary content, unless it was declared to be: the field is full of it", () => {
  const long = `Subject: x\r\n\r\n${"x".repeat(999)}\r\n`;
  const nul = "Subject: x\r\n\r\na\0b\r\n";
  assert.deepEqual([factsOf(long).binary, factsOf(long).longLines], [false, true]);
  assert.deepEqual([factsOf(nul).binary, factsOf(nul).longLines], [false, undefined]);
  assert.equal(factsOf(long, { declaredBinary: true }).binary, true);
  assert.equal(factsOf(nul, { declaredBinary: true }).binary, true);
  assert.equal(factsOf("Subject: x\r\n\r\nplain\r\n", { declaredBinary: true }).binary, false);
});

test("texts kept with the message are bounded and on one line", () => {
  const facts = factsOf(`Subject: ${"a\r\n b\0".repeat(5000)}\r\nFrom: ${"x".repeat(5000)}\r\n\r\n`);
  assert.ok((facts.subject?.length ?? 0) <= 998 && (facts.from?.length ?? 0) <= 998);
  assert.doesNotMatch(facts.subject ?? "", /[\0-\x1f]/);
  assert.equal(factsOf("Delivered-To: a@b\r\n".repeat(1000)).deliveredTo.length, 200);
});

/** Facts of content that arrives in slices of `length`; undefined for a header section over the limit. */
function factsInSlices(
  content: Buffer,
  length: number,
  options: { readonly declaredBinary?: boolean } = {},
): MessageFacts | undefined {
  const collector = new HeaderCollector();
  let at = Math.min(length, content.length);
  let result: HeaderProgress = collector.push(content.subarray(0, at));
  for (; result.kind === "need-more" && at < content.length; at += length) {
    result = collector.push(content.subarray(at, at + length));
  }
  if (result.kind === "need-more") result = collector.end();
  if (result.kind === "too-large") return undefined;
  const header = parseHeaderFields(result.header);
  const scanner = new ContentScanner(header, { checkLineEnds: true });
  scanner.push(result.rest);
  for (; at < content.length; at += length) scanner.push(content.subarray(at, at + length));
  return buildFacts({ header, findings: scanner.end(), ...options, hostName: "mail.example.org" });
}

test("every message of the collections gives the same facts in any slices", async (t) => {
  const folder = vectorPath(t, "mime");
  if (folder === undefined) return;
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".eml"));
  const nameOf = (entry: string): string => entry;
  await runVectors(t, "mime/messages", entries, nameOf, (entry) => {
    const content: Buffer = readFileSync(join(folder, entry));
    // As kept, and as it would travel: many files have the line ends of a disk.
    const travelling: Buffer = Buffer.from(content.toString("latin1").replaceAll(/\r?\n/g, "\r\n"), "latin1");
    for (const bytes of [content, travelling]) {
      const whole = factsInSlices(bytes, bytes.length + 1);
      assert.deepEqual(factsInSlices(bytes, 61), whole);
    }
    assert.notEqual(factsInSlices(travelling, travelling.length + 1), undefined);
  });
});
