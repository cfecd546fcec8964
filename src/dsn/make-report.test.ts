import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import PostalMime from "postal-mime";
import { fieldGroups, lintMessage } from "../testing/message-lint.ts";
import { makeReport } from "./make-report.ts";
import type { ReportedMessage, ReportedRecipient, ReportInput } from "./report.ts";

const at = Date.UTC(2026, 0, 6, 12);
const receivedAt = Date.UTC(2026, 0, 1, 12);

const original: ReportedMessage = {
  id: "4QJ7ZC2M9KXD",
  receivedAt,
  subject: "Lunch",
  messageId: "<lunch@client.example>",
  header: Buffer.from("Received: by mail.example.org; x\r\nFrom: ann@example.org\r\nSubject: Lunch\r\n"),
  utf8Header: false,
  eightBit: false,
  binary: false,
};
const bob: ReportedRecipient = {
  address: "bob@example.net",
  status: "5.1.1",
  fault: "recipient",
  reason: "mx.example.net replied to RCPT: 550 5.1.1 <bob@example.net>: no such user",
  diagnostic: {
    type: "smtp",
    text: "550 5.1.1 <bob@example.net>: no such user here",
    command: "RCPT",
    remoteHost: "mx.example.net",
    remoteAddress: "192.0.2.1",
  },
  lastAttemptAt: at,
};
const input: ReportInput = {
  action: "failed",
  host: "mail.example.org",
  postmaster: "postmaster@mail.example.org",
  to: "ann@example.org",
  at,
  messageId: "<1.abc@mail.example.org>",
  original,
  recipients: [bob],
};

function made(changes: Partial<ReportInput> = {}, options: { readonly utf8?: boolean } = {}) {
  const report = makeReport({ ...input, ...changes });
  const message = lintMessage(report.bytes, options);
  const [text, status, returned] = message.parts;
  assert.ok(text !== undefined && status !== undefined && returned !== undefined && message.parts.length === 3);
  assert.equal(report.eightBit, /[^\x00-\x7f]/.test(report.bytes.toString("latin1")));
  const [perMessage, ...perRecipient] = fieldGroups(status.body);
  assert.ok(perMessage !== undefined);
  return { report, message, text: text.body.toString(), status, perMessage, perRecipient, returned };
}

const withOriginal = (changes: Partial<ReportedMessage>) => ({ original: { ...original, ...changes } });
const withRecipient = (changes: Partial<ReportedRecipient>) => ({ recipients: [{ ...bob, ...changes }] });

test("DSN-013: multipart/report of text, delivery-status and the header of the original", () => {
  const { message, status, returned } = made();
  assert.equal(message.type, "multipart/report");
  assert.match(message.header.first("content-type")?.value ?? "", /report-type=delivery-status/);
  assert.deepEqual(
    message.parts.map(({ type }) => type),
    ["text/plain", "message/delivery-status", "text/rfc822-headers"],
  );
  assert.equal(status.header.first("content-transfer-encoding")?.value, "7bit");
  assert.equal(returned.body.equals(original.header), true);
});

test("DSN-021, HDR-007: the header of the report", () => {
  const { header } = made().message;
  const value = (name: string) => header.first(name)?.value;
  assert.equal(value("from"), "Mail Delivery System <mailer-daemon@mail.example.org>");
  assert.equal(value("to"), "<ann@example.org>");
  assert.equal(value("subject"), "Not delivered: bob@example.net");
  assert.equal(value("date"), "Tue, 6 Jan 2026 12:00:00 +0000");
  assert.equal(value("message-id"), "<1.abc@mail.example.org>");
  assert.equal(value("auto-submitted"), "auto-replied");
  assert.equal(value("in-reply-to"), "<lunch@client.example>");
});

test("DSN-014: the fields of a failure, and no others", () => {
  const { perMessage, perRecipient } = made();
  assert.deepEqual(
    [...perMessage],
    [
      ["reporting-mta", "dns; mail.example.org"],
      ["arrival-date", "Thu, 1 Jan 2026 12:00:00 +0000"],
    ],
  );
  assert.deepEqual(
    perRecipient.map((group) => [...group]),
    [
      [
        ["final-recipient", "rfc822; bob@example.net"],
        ["action", "failed"],
        ["status", "5.1.1"],
        ["remote-mta", "dns; mx.example.net"],
        ["diagnostic-code", "smtp; 550 5.1.1 <bob@example.net>: no such user here"],
        ["last-attempt-date", "Tue, 6 Jan 2026 12:00:00 +0000"],
        ["final-log-id", "4QJ7ZC2M9KXD"],
      ],
    ],
  );
});

test("DSN-014: ENVID and ORCPT appear decoded, where they were given and only there", () => {
  const { perMessage, perRecipient } = made({
    ...withOriginal({ envelopeId: "QQ314159+2Bx+3Dy" }),
    recipients: [{ ...bob, originalRecipient: "rfc822;b+2Bo+3Db@example.net" }, bob],
  });
  assert.equal(perMessage.get("original-envelope-id"), "QQ314159+x=y");
  assert.equal(perRecipient[0]?.get("original-recipient"), "rfc822; b+o=b@example.net");
  assert.equal(perRecipient[1]?.has("original-recipient"), false);
});

test("DSN-014: what is not xtext, or hides a line end, adds no field of its own", () => {
  const { perMessage, perRecipient } = made({
    ...withOriginal({ envelopeId: "a+0D+0AX-Evil:+20yes" }),
    ...withRecipient({ originalRecipient: "rfc822;a+0D+0AAction:+20delivered" }),
  });
  assert.equal(perMessage.has("original-envelope-id"), false);
  assert.equal(perRecipient[0]?.get("original-recipient"), "rfc822; a+0D+0AAction:+20delivered");
  assert.equal(perRecipient[0]?.get("action"), "failed");
});

test("DSN-014: Remote-MTA only where a host was contacted; our own findings are no SMTP replies", () => {
  const { diagnostic: _diagnostic, ...uncontacted } = bob;
  const { perRecipient } = made({
    recipients: [{ ...uncontacted, status: "5.1.2", reason: "example.net does not exist" }],
  });
  assert.equal(perRecipient[0]?.has("remote-mta"), false);
  assert.equal(perRecipient[0]?.get("diagnostic-code"), "x-posthaste; example.net does not exist");
  const literal = (remoteHost: string) =>
    made(withRecipient({ diagnostic: { type: "smtp", text: "550 no", remoteHost } })).perRecipient[0]?.get(
      "remote-mta",
    );
  assert.equal(literal("192.0.2.1"), "dns; [192.0.2.1]");
  assert.equal(literal("2001:db8::1"), "dns; [IPv6:2001:db8::1]");
  assert.equal(literal("a host\r\nX: y"), undefined);
});

test("DSN-014: Will-Retry-Until stands on delayed reports only", () => {
  const delayed = { ...bob, status: "4.2.2", willRetryUntil: at + 86_400_000 } as const;
  const { perRecipient, text } = made({ action: "delayed", recipients: [delayed] });
  assert.equal(perRecipient[0]?.get("will-retry-until"), "Wed, 7 Jan 2026 12:00:00 +0000");
  assert.match(text.replaceAll(/\s+/g, " "), /will keep trying until Wed, 7 Jan 2026 12:00:00 \+0000/);
  assert.equal(made({ recipients: [delayed] }).perRecipient[0]?.has("will-retry-until"), false);
});

test("DSN-015, ESC-007: status and words of the peer are kept, unknown ones too; the words once for programs", () => {
  const { perRecipient, status, text } = made(
    withRecipient({
      status: "5.99.123",
      diagnostic: { type: "smtp", text: "550 5.99.123 first line second  line", remoteHost: "mx.example.net" },
    }),
  );
  assert.equal(perRecipient[0]?.get("status"), "5.99.123");
  assert.equal(perRecipient[0]?.get("diagnostic-code"), "smtp; 550 5.99.123 first line second  line");
  assert.equal(status.body.toString().split("first line").length, 2);
  assert.match(text, /550 5\.99\.123 first line second line/);
});

test("HDR-006, trap 25: a diagnostic of 3 KB, 500 references and a long subject leave every line legal", () => {
  const references = `References:${" <0123456789abcdef@client.example>".repeat(500)}\r\n`;
  for (const said of ["x".repeat(3000), "word ".repeat(600), "<".repeat(5000)]) {
    const { perRecipient } = made({
      ...withOriginal({
        header: Buffer.from(references),
        subject: "s".repeat(900),
        messageId: `<${"m".repeat(900)}@x>`,
      }),
      ...withRecipient({ diagnostic: { type: "smtp", text: `550 ${said}`, remoteHost: "mx.example.net" } }),
    });
    assert.ok(perRecipient[0]?.get("diagnostic-code")?.startsWith("smtp; 550 "));
  }
});

test("SMUG-008: bare CR, bare LF, NUL and endless lines of an original never reach the wire", () => {
  for (const header of [
    "A: b\n.\nMAIL FROM:<x>\r\n",
    "A: b\r.\rc\r\n",
    "A: \0\r\n",
    `A: ${"x".repeat(2000)}\r\n`,
    "A: b\n\n.\r\n",
  ]) {
    const { returned } = made(
      withOriginal({ header: Buffer.from(header), body: Buffer.from("\r\nx\n.\n"), binary: true }),
    );
    assert.equal(returned.type, "text/rfc822-headers");
    assert.equal(returned.body.toString(), header);
  }
  // Even where the facts forgot to say so.
  const { returned } = made(withOriginal({ body: Buffer.from("\r\na\n.\nb\r\n") }));
  assert.equal(returned.type, "text/rfc822-headers");
});

test("DSN-016: the whole message as message/rfc822, 7bit, or 8bit with 8-bit content", () => {
  const plain = made(withOriginal({ body: Buffer.from("\r\nHello\r\n") }));
  assert.equal(plain.returned.type, "message/rfc822");
  assert.equal(plain.returned.body.toString(), `${original.header.toString()}\r\nHello\r\n`);
  assert.equal(plain.report.eightBit, false);
  const eight = made(withOriginal({ body: Buffer.from("\r\ngrün\r\n"), eightBit: true }));
  assert.equal(eight.returned.header.first("content-transfer-encoding")?.value, "8bit");
  assert.equal(eight.message.header.first("content-transfer-encoding")?.value, "8bit");
  assert.deepEqual([eight.report.eightBit, eight.report.utf8Header], [true, false]);
});

const chinese: ReportedRecipient = {
  ...bob,
  address: "你好@例子.example",
  originalRecipient: "utf-8;\\x{4F60}\\x{597D}@例子.example",
};

test("DSN-023: with an ASCII return path the internationalised parts go in 7 bits", () => {
  const { report, status, perRecipient, returned, text } = made({
    ...withOriginal({
      header: Buffer.from("Subject: grün\r\nTo: 你好@例子.example\r\n"),
      utf8Header: true,
      eightBit: true,
    }),
    recipients: [chinese],
  });
  assert.deepEqual([report.eightBit, report.utf8Header], [false, false]);
  assert.equal(status.type, "message/global-delivery-status");
  assert.equal(status.header.first("content-transfer-encoding")?.value, "quoted-printable");
  assert.equal(perRecipient[0]?.get("final-recipient"), "utf-8; 你好@例子.example");
  assert.equal(perRecipient[0]?.get("original-recipient"), "utf-8; 你好@例子.example");
  assert.equal(returned.type, "message/global-headers");
  assert.equal(returned.body.toString(), "Subject: grün\r\nTo: 你好@例子.example\r\n");
  assert.match(text, /你好@例子\.example/);
});

test("DSN-023: with an internationalised return path they go as they are", () => {
  const { report, status, returned } = made(
    {
      to: "grün@bücher.example",
      ...withOriginal({ header: Buffer.from("Subject: grün\r\n"), body: Buffer.from("\r\nx\r\n"), utf8Header: true }),
      recipients: [chinese],
    },
    { utf8: true },
  );
  assert.deepEqual([report.eightBit, report.utf8Header], [true, true]);
  assert.equal(status.header.first("content-transfer-encoding")?.value, "8bit");
  assert.equal(returned.type, "message/global");
  assert.equal(returned.header.first("content-transfer-encoding")?.value, "8bit");
});

test("DSN-023: message/global is encoded for an ASCII return path, and comes back octet for octet", () => {
  const body = Buffer.from("\r\ngrün = x \r\n.\r\n--x\r\n");
  const { returned, report } = made(
    withOriginal({ header: Buffer.from("Subject: ü\r\n"), body, utf8Header: true, eightBit: true }),
  );
  assert.equal(returned.type, "message/global");
  assert.equal(returned.body.toString(), `Subject: ü\r\n${body.toString()}`);
  assert.equal(report.eightBit, false);
});

test("a header in no known character set is returned encoded, never as UTF-8", () => {
  const header = Buffer.from("Subject: gr\xfcn\r\n", "latin1");
  const { returned, report } = made(
    withOriginal({ header, body: Buffer.from("\r\nx\r\n"), utf8Header: true, eightBit: true }),
  );
  assert.equal(returned.type, "text/rfc822-headers");
  assert.equal(returned.body.equals(header), true);
  assert.equal(report.eightBit, false);
});

test("DSN-022, trap 24: utf-8 addresses are decoded whole; what does not conform stays as it was", () => {
  const field = (originalRecipient: string) =>
    made(withRecipient({ originalRecipient })).perRecipient[0]?.get("original-recipient");
  assert.equal(field("utf-8;\\x{4F60}+@x"), "utf-8; 你+@x");
  assert.equal(field("utf-8;a\\x{2B}b@x"), "utf-8; a+b@x");
  assert.equal(field("utf-8;\\x{D800}@x"), "utf-8; \\x{D800}@x");
  assert.equal(field("utf-8;\\x{0A}@x"), "utf-8; \\x{0A}@x");
  assert.equal(field("utf-8;\\x{110000}@x"), "utf-8; \\x{110000}@x");
  assert.equal(field("rfc822;+G1@x"), "rfc822; +G1@x");
  assert.equal(field("rfc822;+C3+BC@x"), "rfc822; +C3+BC@x");
});

test("a peer's words beyond ASCII stay whole for people, and 7-bit for programs", () => {
  const { perRecipient, text } = made(withRecipient({ diagnostic: { type: "smtp", text: "550 Empfänger unbekannt" } }));
  assert.equal(perRecipient[0]?.get("diagnostic-code"), "smtp; 550 Empf?nger unbekannt");
  assert.match(text, /Empfänger/);
});

test("the first paragraph says in plain words what happened, to whom and what to do", () => {
  const { text } = made();
  const lines = text.split("\r\n");
  assert.equal(lines[0], "Your message could not be delivered to this address:");
  assert.equal(lines[2], "    bob@example.net");
  const [first = ""] = text.split("Your message:");
  assert.match(first.replaceAll(/\s+/g, " "), /There is no such address at example\.net\. Please check the spelling/);
  assert.doesNotMatch(first, /SMTP|MTA|DSN|envelope|5\.1\.1|RCPT|550/);
  assert.ok(text.indexOf("550 5.1.1") > text.indexOf("Subject: Lunch"));
  for (const line of lines) assert.ok(line.length <= 78, line);
});

test("each kind of trouble has its own advice, and none speaks of protocol", () => {
  const seen = new Set<string>();
  const faults = [
    "recipient",
    "our-reputation",
    "our-authentication",
    "remote-trouble",
    "content",
    "policy",
    "local-trouble",
  ] as const;
  for (const fault of faults)
    seen.add(made(withRecipient({ status: "5.0.0", fault })).text.split("This server will not try again")[0] ?? "");
  for (const status of [
    "5.1.1",
    "5.1.2",
    "5.1.10",
    "5.2.1",
    "5.2.2",
    "5.3.4",
    "5.4.6",
    "4.4.1",
    "5.6.3",
    "5.6.7",
  ] as const) {
    seen.add(made(withRecipient({ status })).text.split("This server will not try again")[0] ?? "");
  }
  assert.equal(seen.size, 17);
  for (const text of seen) assert.doesNotMatch(text, /SMTP|MTA|\bDSN\b|undefined/);
});

test("a listed server's 5.1.1 does not blame the address", () => {
  const { text } = made(withRecipient({ status: "5.1.1", fault: "our-reputation" }));
  assert.doesNotMatch(text, /no such address/);
  assert.match(text, /The cause is neither you nor the address/);
});

test("many recipients: twenty are told, all are in the part for programs, equal explanations are said once", () => {
  const recipients = Array.from({ length: 300 }, (_, index) => ({ ...bob, address: `user${index}@example.net` }));
  const { text, perRecipient, message } = made({ recipients });
  assert.equal(perRecipient.length, 300);
  assert.match(text, /and 280 more, listed in the technical details/);
  assert.equal(text.split("There is no such address").length, 2);
  assert.equal(message.header.first("subject")?.value, "Not delivered: user0@example.net and 299 others");
});

test("an alias: the sender sees the address that they wrote, and where it led", () => {
  const { text, message, perRecipient } = made(withRecipient({ acceptedAs: "info@example.org" }));
  assert.match(text, /info@example\.org \(forwarded to bob@example\.net\)/);
  assert.equal(message.header.first("subject")?.value, "Not delivered: info@example.org");
  assert.equal(perRecipient[0]?.get("final-recipient"), "rfc822; bob@example.net");
});

for (const action of ["relayed", "delivered", "expanded"] as const) {
  test(`DSN-007, DSN-008, DSN-018: a report of success: ${action}`, () => {
    const { fault: _fault, reason: _reason, ...rest } = bob;
    const recipients = [
      {
        ...rest,
        status: "2.0.0" as const,
        diagnostic: { type: "smtp" as const, text: "250 2.0.0 ok", remoteHost: "mx.example.net" },
      },
    ];
    const { text, perRecipient } = made({ action, recipients });
    assert.equal(perRecipient[0]?.get("action"), action);
    assert.equal(perRecipient[0]?.get("status"), "2.0.0");
    assert.doesNotMatch(text, /What the mail servers reported/);
    assert.doesNotMatch(text, /\r\n\r\n\r\n/);
  });
}

test("postal-mime reads what we write", async () => {
  const email = await PostalMime.parse(
    makeReport({ ...input, ...withOriginal({ body: Buffer.from("\r\nHello\r\n") }), recipients: [bob, chinese] }).bytes,
    { attachmentEncoding: "utf8", rfc822Attachments: true },
  );
  assert.equal(email.subject, "Not delivered: bob@example.net and 1 other");
  assert.match(email.text ?? "", /could not be delivered to these addresses/);
  const types = email.attachments.map(({ mimeType }) => mimeType);
  assert.ok(types.includes("message/rfc822"), types.join());
});

test("HDR-005, HDR-006: whatever a sender or a peer wrote, the report is a legal message with its three parts", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.constantFrom(
      "\r\n.\r\n",
      "\r\n--=_x\r\n",
      "a\r\nBcc: evil@x",
      "\u202egnp",
      "\ud800",
      "=?utf-8?Q?x?=",
      "x".repeat(3000),
      "",
    ),
  );
  fc.assert(
    fc.property(hostile, hostile, hostile, fc.boolean(), (a, b, c, whole) => {
      const report = makeReport({
        ...input,
        original: {
          ...original,
          subject: a,
          messageId: b,
          envelopeId: c,
          header: Buffer.from(`Subject: ${a}\r\n`),
          ...(whole && { body: Buffer.from(`\r\n${b}\r\n`) }),
        },
        recipients: [
          {
            ...bob,
            originalRecipient: `rfc822;${a}`,
            diagnostic: { type: "smtp", text: b, remoteHost: c, command: a },
          },
          { ...chinese, originalRecipient: `utf-8;${b}`, acceptedAs: c },
        ],
      });
      const message = lintMessage(report.bytes);
      assert.equal(message.parts.length, 3);
      const groups = fieldGroups(message.parts[1]?.body ?? Buffer.alloc(0));
      assert.deepEqual(
        groups.map((group) => group.get("action")),
        [undefined, "failed", "failed"],
      );
      assert.equal(message.header.all("bcc").length, 0);
    }),
    { numRuns: 300 },
  );
});

test("content that holds the boundary cannot end its part", () => {
  const boundaryOf = (report: { readonly bytes: Buffer }) =>
    /boundary="([^"]+)"/.exec(report.bytes.toString().replaceAll(/\r\n\s/g, " "))?.[1] ?? "";
  const first = boundaryOf(makeReport(input));
  const second = makeReport({ ...input, ...withOriginal({ body: Buffer.from(`\r\n--${first}--\r\n`) }) });
  assert.notEqual(boundaryOf(second), first);
  assert.equal(lintMessage(second.bytes).parts.length, 3);
});
