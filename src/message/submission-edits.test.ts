import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formatMailbox } from "../address/mailbox-text.ts";
import { vectorPath } from "../testing/conformance-data.ts";
import { HeaderCollector, parseHeaderFields } from "./header-section.ts";
import { checkHeaderAddresses, editSubmission, type SubmissionContext } from "./submission-edits.ts";

const context: SubmissionContext = {
  now: Date.UTC(2026, 0, 1, 12),
  makeMessageId: () => "<new@mail.example.org>",
  author: "ann@example.org",
};
const complete = "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: a@b\r\nMessage-ID: <x@y>\r\n";
const edit = (header: string, overrides: Partial<SubmissionContext> = {}) => {
  const { header: edited, edits } = editSubmission(parseHeaderFields(Buffer.from(header)), {
    ...context,
    ...overrides,
  });
  return { text: edited.bytes.toString(), edits };
};

test("SUB-006: a complete header is passed on untouched, as the very same object", () => {
  const header = parseHeaderFields(Buffer.from(`${complete}Subject:  two  spaces\r\n\tfold \r\n`));
  const edited = editSubmission(header, context);
  assert.equal(edited.header, header);
  assert.deepEqual(edited.edits, []);
});

test("SUB-006: Date, Message-ID and From are added where missing, on top; the rest keeps its octets", () => {
  const { text, edits } = edit("Subject: x\r\n y\r\nTo: b@c\r\n");
  assert.equal(
    text,
    "Date: Thu, 1 Jan 2026 12:00:00 +0000\r\nFrom: ann@example.org\r\nMessage-ID: <new@mail.example.org>\r\n" +
      "Subject: x\r\n y\r\nTo: b@c\r\n",
  );
  assert.deepEqual(edits, ["date-added", "from-added", "message-id-added"]);
});

for (const bad of ["", "<>", "no brackets@x", "<<a@b>>", "<a@b", "<a b@c>"]) {
  test(`SUB-006: Message-ID ${JSON.stringify(bad)} is replaced`, () => {
    const { text, edits } = edit(`Date: x\r\nMessage-ID: ${bad}\r\nFrom: a@b\r\n`);
    assert.equal(text, "Message-ID: <new@mail.example.org>\r\nDate: x\r\nFrom: a@b\r\n");
    assert.deepEqual(edits, ["message-id-replaced"]);
  });
}

for (const [given, completed] of [
  ["From: root (Cron Daemon)", 'From: "root (Cron Daemon)" <ann@example.org>'],
  ["From: root", 'From: "root" <ann@example.org>'],
  ["From:\r\n root", 'From: "root" <ann@example.org>'],
  ['From: "root\\" x"', 'From: "\\"root\\\\\\" x\\"" <ann@example.org>'],
  ["From: Cron Daemon <root>", "From: Cron Daemon <ann@example.org>"],
  ["From: =?utf-8?q?Cron?= <root> (web1)", "From: =?utf-8?q?Cron?= <ann@example.org> (web1)"],
  ["From: <root>", "From: <ann@example.org>"],
  ["From: a@b\r\nSender: root", 'Sender: "root" <ann@example.org>\r\nFrom: a@b'],
] as const) {
  test(`an author without a domain becomes the login's address: ${JSON.stringify(given)}`, () => {
    const rest = "Date: x\r\nMessage-ID: <x@y>\r\n";
    const { text, edits } = edit(`${given}\r\n${rest}`, { completesAuthors: true });
    assert.equal(text, `${completed}\r\n${rest}`);
    assert.deepEqual(edits, ["author-completed"]);
    // Without a login nobody knows who it is.
    assert.deepEqual(edit(`${given}\r\n${rest}`).edits, []);
    const checked = checkHeaderAddresses(parseHeaderFields(Buffer.from(text)));
    assert.equal(checked.kind, "ok");
  });
}

for (const given of [
  "From: ann@example.org", "From: root, bob", "From: root bob", "From: root <ann@example.org>", "From: root@", "From: <root", "From: root>", "From: a <b> <c>", "From: g: root;",
  "From: (root)", "From: ", "From: root\r\nFrom: root", "From: r\u00f6ot", `From: ${"x".repeat(201)}`, "From: <>", "From: a <b> c",
] as const) {
  test(`an author who is anything but one name without a domain is left: ${JSON.stringify(given.slice(0, 30))}`, () => {
    const header = `${given}\r\nDate: x\r\nMessage-ID: <x@y>\r\n`;
    assert.deepEqual(edit(header, { completesAuthors: true }), { text: header, edits: [] });
  });
} // prettier-ignore

test("SUB-006: two Message-IDs are none", () => {
  const { text, edits } = edit(`${complete}Message-ID: <z@y>\r\n`);
  assert.equal(text.match(/^message-id:/gim)?.length, 1);
  assert.deepEqual(edits, ["message-id-replaced"]);
});

test("SUB-006: an invalid Date is the sender's own; it is not replaced", () => {
  assert.deepEqual(edit("Date: yesterday\r\nFrom: a@b\r\nMessage-ID: <x@y>\r\n").edits, []);
});

test("SUB-014: Bcc goes in every spelling, with its folding, wherever it stands; its neighbours stay", () => {
  const { text, edits } = edit(`Bcc: a@b,\r\n\tc@d\r\n${complete}BCC : e@f\r\nX-Bcc: stays\r\nResent-Bcc: g@h\r\n`);
  assert.equal(text, `${complete}X-Bcc: stays\r\n`);
  assert.deepEqual(edits, ["bcc-removed"]);
});

test("without a known author no From is invented", () => {
  const { author: _author, ...anonymous } = context;
  const { edits } = editSubmission(parseHeaderFields(Buffer.from("Date: x\r\nMessage-ID: <x@y>\r\n")), anonymous);
  assert.deepEqual(edits, []);
});

const check = (header: string) => {
  const result = checkHeaderAddresses(parseHeaderFields(Buffer.from(header)));
  if (result.kind === "bad") return `${result.field}: ${result.reason}`;
  return [...result.from, ...(result.sender === undefined ? [] : [result.sender])].map(formatMailbox).join(" ");
};

test("SUB-007: the authors and the sender are found, however they are written", () => {
  assert.equal(check("From: ann@example.org\r\n"), "ann@example.org");
  assert.equal(check("From: Ann\r\n (ceo@victim.example)\r\n <ann@example.org>\r\n"), "ann@example.org");
  assert.equal(check("From: =?utf-8?Q?ceo=40victim.example?= <ann@example.org>\r\n"), "ann@example.org");
  assert.equal(check('From: "a@evil.example x"@good.example\r\n'), '"a@evil.example x"@good.example');
  assert.equal(check("From: a@b, Group: c@d, e@f;\r\nSender: g@h\r\n"), "a@b c@d e@f g@h");
});

test("SUB-004: a From or Sender that cannot be read in one way only is refused", () => {
  assert.match(check("From: <a@@b>\r\n"), /^From: An address is malformed \(From field, character 1\)/);
  assert.match(check("From: a@b, root, c@d\r\n"), /^From: An address is malformed \(From field, character 6\)/);
  assert.match(check('From: a@b, "c\r\n'), /^From: A quoted string is not closed \(From field, character 6\)/);
  assert.match(check("From: a@b\0\r\n"), /^From: The field has a control character \(From field, character 4\)/);
  assert.match(check("Subject: x\r\n"), /^From: The message has no From/);
  assert.match(check("From:\r\n"), /^From: The From field contains no address/);
  assert.match(check("From: nobody:;\r\n"), /^From: The From field contains no address/);
  assert.match(check("From: a@b\r\nfrom : c@d\r\n"), /^From: The message has several/);
  assert.match(check("From: a@b\r\nSender: c@d, e@f\r\n"), /^Sender: /);
  assert.match(check("From: a@b\r\nSender: c@d\r\nSender: e@f\r\n"), /^Sender: /);
  assert.match(check("From: a@b\r\nSender: c d\r\n"), /^Sender: /);
  assert.match(check(`From: ${"a@b,\r\n ".repeat(40_000)}c@d\r\n`), /^From: The field is too long/);
});

test("messages made to be misread: one author or a refusal, and edits that keep every other octet", (t) => {
  const folder = vectorPath(t, "mime", "own");
  const names = ["hostile-dup-from.eml", "hostile-dup-date-msgid.eml"] as const;
  if (folder === undefined || names.some((name) => vectorPath(t, "mime", "own", name) === undefined)) return;
  const read = (name: string) => {
    const collector = new HeaderCollector();
    const bytes = readFileSync(`${folder}/${name}`);
    const progress = collector.push(bytes);
    const result = progress.kind === "need-more" ? collector.end() : progress;
    if (result.kind !== "complete") throw new Error(`${name} is ${result.kind}`);
    return parseHeaderFields(result.header);
  };
  assert.equal(checkHeaderAddresses(read("hostile-dup-from.eml")).kind, "bad");
  const twice = read("hostile-dup-date-msgid.eml");
  const { header, edits } = editSubmission(twice, context);
  assert.deepEqual(edits, ["message-id-replaced"]);
  assert.equal(header.all("message-id").length, 1);
  assert.equal(header.all("date").length, twice.all("date").length);
});
