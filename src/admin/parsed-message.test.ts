import assert from "node:assert/strict";
import { test } from "node:test";
import { decodedBody, partsMax, scanParts } from "./mime-parts.ts";
import { type MessageAttachment, parseMessage } from "./parsed-message.ts";

function lines(...text: readonly string[]): Buffer {
  return Buffer.from(text.join("\r\n"), "latin1");
}

function mixed(...parts: readonly (readonly string[])[]): Buffer {
  const body = parts.flatMap((part) => ["--b", ...part]);
  return lines(
    "Subject: x",
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "preamble",
    ...body,
    "--b--",
    "epilogue",
  );
}

function shown({ filename, type, content }: MessageAttachment): readonly string[] {
  return [filename, type, Buffer.from(content).toString("latin1")];
}

test("the header is given whole, and its addresses with their names", async () => {
  const { header, subject } = await parseMessage(
    lines(
      "From: =?utf-8?Q?J=C3=B6rg?= <joerg@a.test>",
      "To: Ann <ann@b.test>, Team: bob@b.test, Eve <eve@b.test>;",
      "Cc: carl@b.test",
      "Bcc: hidden@b.test",
      "Reply-To: Support <help@a.test>",
      "Sender: robot@a.test",
      "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
      "Message-ID: <1@a.test>",
      "Date: Thu, 1 Jan 2026 01:00:00 +0100",
      "X-Tag: one",
      "X-Tag: two,",
      "\tfolded",
      "",
      "hello",
    ),
  );
  assert.equal(subject, "Grüße");
  assert.deepEqual(header.header_from, [{ name: "Jörg", address: "joerg@a.test" }]);
  assert.deepEqual(header.header_to, [
    { name: "Ann", address: "ann@b.test" },
    { name: "", address: "bob@b.test" },
    { name: "Eve", address: "eve@b.test" },
  ]);
  assert.deepEqual(header.cc, [{ name: "", address: "carl@b.test" }]);
  assert.deepEqual(header.bcc, [{ name: "", address: "hidden@b.test" }]);
  assert.deepEqual(header.reply_to, [{ name: "Support", address: "help@a.test" }]);
  assert.deepEqual(header.sender, [{ name: "", address: "robot@a.test" }]);
  assert.equal(header.message_id, "<1@a.test>");
  assert.equal(header.date, "2026-01-01T00:00:00.000Z");
  assert.deepEqual(
    header.headers.filter(({ name }) => name === "X-Tag").map(({ value }) => value.replaceAll(/\s+/g, " ")),
    ["one", "two, folded"],
  );
});

test("a message without a header has empty members, and no message makes it fail", async () => {
  for (const raw of ["", "hello", "\r\n\r\nhello", "\0\0\0", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b"]) {
    const { header, attachments } = await parseMessage(Buffer.from(raw));
    assert.deepEqual([header.header_from, header.cc, header.message_id, header.date], [[], [], null, null]);
    assert.deepEqual(attachments, []);
  }
});

test("attachments are the octets of the decoded parts, line ends as they were", async () => {
  const { attachments, text } = await parseMessage(
    mixed(
      ["Content-Type: text/plain", "", "the text"],
      ['Content-Type: text/csv; name="a.csv"', "", "1,2", "3,4", ""],
      ["Content-Type: text/plain", "Content-Disposition: attachment; filename=b.txt", "", "one", "two"],
      [
        "Content-Type: text/plain; charset=iso-8859-1",
        "Content-Disposition: attachment; filename=c.txt",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "gr=FC=DFe=20=",
        " =",
        "end",
      ],
      ["Content-Type: application/pdf", "Content-Transfer-Encoding: base64", "", "AAEC", "Aw=="],
      ["Content-Type: text/calendar; method=REQUEST", "", "BEGIN:VCALENDAR", "END:VCALENDAR"],
    ),
  );
  assert.equal(text.trim(), "the text");
  assert.deepEqual(attachments.map(shown), [
    ["a.csv", "text/csv", "1,2\r\n3,4\r\n"],
    ["b.txt", "text/plain", "one\r\ntwo"],
    ["c.txt", "text/plain", "grüße  end"],
    ["", "application/pdf", "\0\x01\x02\x03"],
    ["", "text/calendar", "BEGIN:VCALENDAR\r\nEND:VCALENDAR"],
  ]);
});

test("a line of quoted-printable goes on where = stands before its end, white space added on the way or not", () => {
  const decoded = (text: string) =>
    decodedBody({ ...quotedPrintablePart(), body: Buffer.from(text, "latin1") }).toString("latin1");
  for (const [text, expected] of [
    ["a=\r\nb", "ab"],
    ["a=\nb", "ab"],
    ["a= \t\r\nb", "ab"],
    ["a=\t\nb", "ab"],
    // The end of the body is the end of its last line.
    ["a=", "a"],
    ["a= \t", "a"],
    // No line ends here, so it is an equals sign.
    ["a=\rb", "a=\rb"],
    ["a= b", "a= b"],
    ["a=zz", "a=zz"],
    ["a=3", "a=3"],
    ["a=3db=3D", "a=b="],
    [`a=${" ".repeat(1000)}\nb`, "ab"],
    [`a=${" ".repeat(1001)}\nb`, `a=${" ".repeat(1001)}\nb`],
  ] as const) {
    assert.equal(decoded(text), expected, JSON.stringify(text.slice(0, 20)));
  }
});

function quotedPrintablePart() {
  const [part] = scanParts(lines("Content-Transfer-Encoding: quoted-printable", "", "x")).leaves;
  return part ?? assert.fail();
}

test("an attached message is an attachment: its text is not the text, and its codes are not found", async () => {
  const inner = ["From: x@y.test", "Subject: inner", "", "Your code is 999999", ""];
  for (const disposition of [
    [],
    ["Content-Disposition: inline"],
    ["Content-Disposition: attachment; filename=m.eml"],
  ]) {
    const { attachments, text, omission } = await parseMessage(
      mixed(["", "outer"], ["Content-Type: message/rfc822", ...disposition, "", ...inner]),
    );
    assert.equal(text.trim(), "outer");
    assert.equal(attachments.length, 1);
    assert.equal(attachments[0]?.type, "message/rfc822");
    assert.equal(Buffer.from(attachments[0].content).toString(), inner.join("\r\n"));
    assert.equal(omission, undefined);
  }
});

test("content ids and dispositions are told", async () => {
  const { attachments } = await parseMessage(
    mixed(["Content-Type: image/png", "Content-ID: <logo@a>", "Content-Disposition: inline", "", "x"]),
  );
  assert.deepEqual([attachments[0]?.content_id, attachments[0]?.disposition], ["logo@a", "inline"]);
});

test("parts are found in any nesting, with any line ends, and whatever stands around them", () => {
  const raw = lines(
    "Content-Type: multipart/mixed; boundary=o",
    "",
    "--inner is no delimiter yet",
    "--o  ",
    "Content-Type: multipart/alternative; boundary=inner",
    "",
    "--inner",
    "",
    "plain",
    "--inner",
    "Content-Type: text/html",
    "",
    "<p>html",
    "--inner--",
    "ignored",
    "--o",
    "Content-Type: multipart/digest; boundary=d",
    "",
    "--d",
    "",
    "Subject: in a digest",
    "",
    "--d--",
    "--o",
    "Content-Type: image/png",
    "",
    "--o-- trailing text is no end",
    "--o--",
    "--o",
    "",
    "after the end",
  );
  const found = [raw, Buffer.from(raw.toString("latin1").replaceAll("\r", ""))].map((bytes) =>
    scanParts(bytes).leaves.map((part) => [part.type, decodedBody(part).toString("latin1").replaceAll("\r", "")]),
  );
  const expected = [
    ["text/plain", "plain"],
    ["text/html", "<p>html"],
    ["message/rfc822", "Subject: in a digest\n"],
    ["image/png", "--o-- trailing text is no end"],
  ];
  assert.deepEqual(found, [expected, expected]);
});

test("a message with very many parts is shown in part, and says so", async () => {
  const { attachments, omission } = await parseMessage(
    mixed(...Array.from({ length: partsMax + 500 }, () => ["Content-Type: image/png", "", "x"])),
  );
  assert.equal(attachments.length, partsMax);
  assert.match(omission ?? "", /^only 500 parts/);
});

test("a message that nests without end is shown in part, and says so", async () => {
  const levels = Array.from({ length: 5000 }, (_, level) => [
    `Content-Type: multipart/mixed; boundary=b${level}`,
    "",
    `--b${level}`,
  ]).flat();
  const { omission } = await parseMessage(lines("Subject: deep", ...levels, "", "text"));
  assert.match(omission ?? "", /levels/);
});

test("the header of a message whose parts cannot be parsed is shown, and says so", async () => {
  const longHeader = Array.from({ length: 25_000 }, () => ` ${"a".repeat(78)}`);
  const { header, subject, text, omission } = await parseMessage(
    lines(
      "From: Ann <ann@example.org>",
      "Subject: =?utf-8?q?gr=C3=BCn?=",
      "Content-Type: multipart/mixed; boundary=b",
      "",
      "--b",
      "X-Long:",
      ...longHeader,
      "",
      "text",
      "--b--",
    ),
  );
  assert.deepEqual(header.header_from, [{ name: "Ann", address: "ann@example.org" }]);
  assert.deepEqual([subject, text], ["grün", ""]);
  assert.match(omission ?? "", /^the parts of this message cannot be shown: /);
});

test("the scan takes steps in proportion to the message, whatever its delimiters", () => {
  // Counted in octets that are looked at: each search begins where the last one ended.
  const hostile = [
    (n: number) => mixed(...Array.from({ length: 3 }, () => ["", "--".repeat(n)])),
    (n: number) => mixed(["", ...Array.from({ length: n }, () => "--")]),
    (n: number) => mixed(["", ...Array.from({ length: n }, () => "--bb")]),
    (n: number) => mixed([`Content-Type: ${"a".repeat(n)}`, "", "x"]),
    (n: number) => mixed([...Array.from({ length: n }, () => "Content-Type: text/plain"), "", "x"]),
    (n: number) => mixed(["Content-Transfer-Encoding: quoted-printable", "", "= ".repeat(n)]),
  ];
  for (const make of hostile) {
    const octets = countReads(make(20_000)) / countReads(make(5_000));
    assert.ok(octets < 6, `${octets} times the work for four times the message`);
  }
});

/** How many octets the scan reads, however it does. */
function countReads(raw: Buffer): number {
  let count = 0;
  const counting = new Proxy(raw, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof property === "string" && /^\d+$/.test(property)) count++;
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        const result = (value as (...values: unknown[]) => unknown).apply(target, given);
        const from = typeof given[1] === "number" ? given[1] : 0;
        if (property === "indexOf") count += (Number(result) === -1 ? target.length : Number(result)) - from + 1;
        if (typeof result === "string") count += result.length;
        return result;
      };
    },
  });
  for (const part of scanParts(counting).leaves) count += decodedBody(part).length;
  return count;
}
