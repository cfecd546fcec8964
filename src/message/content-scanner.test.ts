import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ContentFindings, ContentScanner } from "./content-scanner.ts";
import { HeaderCollector, parseHeaderFields } from "./header-section.ts";

/** Findings of a whole message whose body arrives in slices of `sliceLength`. */
function scan(message: string | Buffer, sliceLength = Infinity, checkLineEnds = true): ContentFindings {
  const bytes = typeof message === "string" ? Buffer.from(message) : message;
  const collector = new HeaderCollector();
  const progress = collector.push(bytes);
  const result = progress.kind === "need-more" ? collector.end() : progress;
  assert.equal(result.kind, "complete");
  if (result.kind !== "complete") throw new Error("unreachable");
  const scanner = new ContentScanner(parseHeaderFields(result.header), { checkLineEnds });
  for (let at = 0; at < result.rest.length; at += sliceLength) {
    scanner.push(result.rest.subarray(at, Math.min(result.rest.length, at + sliceLength)));
  }
  return scanner.end();
}

const clean: ContentFindings = { eightBit: false, nul: false, longLine: false, bareLineEnd: false, utf8Header: false };

const line998 = "x".repeat(998);
const flat: readonly { readonly name: string; readonly body: string; readonly finds: Partial<ContentFindings> }[] = [
  { name: "plain", body: "hello\r\nworld\r\n", finds: {} },
  { name: "empty", body: "", finds: {} },
  { name: "8-bit", body: "grün\r\n", finds: { eightBit: true } },
  { name: "NUL", body: "a\0b\r\n", finds: { nul: true } },
  { name: "998 octets", body: `${line998}\r\n${line998}\r\n`, finds: {} },
  { name: "999 octets", body: `a\r\n${line998}x\r\nb\r\n`, finds: { longLine: true } },
  { name: "999 octets at the end", body: `a\r\n${line998}x`, finds: { longLine: true } },
  { name: "998 octets at the end", body: `a\r\n${line998}`, finds: {} },
  { name: "bare LF", body: "a\nb\r\n", finds: { bareLineEnd: true } },
  { name: "bare CR", body: "a\rb\r\n", finds: { bareLineEnd: true } },
  { name: "CR at the end", body: "a\r\nb\r", finds: { bareLineEnd: true } },
  { name: "CR CR LF", body: "a\r\r\nb\r\n", finds: { bareLineEnd: true } },
  { name: "LF CR", body: "a\n\rb\r\n", finds: { bareLineEnd: true } },
];

for (const { name, body, finds } of flat) {
  test(`EXT-014: content that is ${name}`, () => {
    for (const length of [Infinity, 1, 2, 7, 499, 1000]) {
      assert.deepEqual(scan(`Subject: x\r\n\r\n${body}`, length), { ...clean, ...finds }, `slices of ${length}`);
    }
  });
}

test("line ends are not looked at where the decoder of DATA has done so", () => {
  assert.deepEqual(scan("\r\na\nb\r\n", Infinity, false), clean);
});

test("EAI-006: octets above 127 in the header need SMTPUTF8, in a body they do not", () => {
  assert.deepEqual(scan("Subject: grün\r\n\r\nhello\r\n"), { ...clean, eightBit: true, utf8Header: true });
  assert.deepEqual(scan("Subject: x\r\n\r\ngrün\r\n"), { ...clean, eightBit: true });
});

test("EAI-006: octets of another character set in a header are no UTF-8 and need no SMTPUTF8", () => {
  const latin1 = Buffer.from("Subject: gr\xfcn\r\n", "latin1");
  const scanner = new ContentScanner(parseHeaderFields(latin1));
  scanner.push(Buffer.from("\r\nhello\r\n"));
  assert.deepEqual(scanner.end(), { ...clean, eightBit: true });

  const nestedLatin1 = new ContentScanner(
    parseHeaderFields(Buffer.from("Content-Type: multipart/mixed; boundary=b\r\n")),
  );
  nestedLatin1.push(Buffer.from("\r\n--b\r\nX: gr\xfcn\r\n\r\nx\r\n", "latin1"));
  assert.equal(nestedLatin1.end().utf8Header, false);
  nestedLatin1.push(Buffer.from("--b\r\nX: grün\r\n\r\nx\r\n"));
  assert.equal(nestedLatin1.end().utf8Header, true, "and what follows is still looked at");
});

test("a long line in the header counts too", () => {
  assert.deepEqual(scan(`X: ${"y".repeat(1000)}\r\n\r\nhello\r\n`), { ...clean, longLine: true });
});

const multipart = (type: string, ...parts: readonly string[]) =>
  `Content-Type: multipart/${type}; boundary="b 1"\r\n\r\npreamble\r\n${parts.map((part) => `--b 1\r\n${part}\r\n`).join("")}--b 1--\r\nepilogue\r\n`;
const inner = (header: string) =>
  `Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n${header}\r\n\r\ntext\r\n--in--\r\n`;

const nested: readonly { readonly name: string; readonly message: string; readonly utf8Header: boolean }[] = [
  { name: "part header", message: multipart("mixed", "Content-Description: grün\r\n\r\nx"), utf8Header: true },
  { name: "part body", message: multipart("mixed", "Content-Type: text/plain\r\n\r\ngrün: x"), utf8Header: false },
  { name: "second part", message: multipart("mixed", "\r\nx", "X: grün\r\n\r\nx"), utf8Header: true },
  { name: "nested multipart", message: multipart("mixed", inner("X: grün")), utf8Header: true },
  {
    name: "outer part after an inner multipart",
    message: multipart("mixed", inner("X: y"), "X: grün\r\n\r\nx"),
    utf8Header: true,
  },
  {
    name: "part after an unclosed inner one",
    message: multipart("mixed", inner("X: y").replace("--in--", ""), "X: ü\r\n\r\n"),
    utf8Header: true,
  },
  {
    name: "attached message",
    message: multipart("mixed", "Content-Type: message/rfc822\r\n\r\nSubject: grün\r\n\r\nx"),
    utf8Header: true,
  },
  { name: "message in a digest", message: multipart("digest", "\r\nSubject: grün\r\n\r\nx"), utf8Header: true },
  {
    name: "body of an attached message",
    message: multipart("mixed", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ngrün"),
    utf8Header: false,
  },
  {
    name: "encoded attached message",
    message: multipart(
      "mixed",
      "Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n\r\nSubject: ü\r\n\r\n",
    ),
    utf8Header: false,
  },
  {
    name: "message as the whole content",
    message: "Content-Type: message/rfc822\r\n\r\nSubject: grün\r\n\r\nx",
    utf8Header: true,
  },
  {
    name: "multipart in an attached message",
    message: multipart("mixed", `Content-Type: message/rfc822\r\n\r\n${inner("X: grün")}`),
    utf8Header: true,
  },
  {
    name: "preamble and epilogue",
    message: multipart("mixed", "\r\nx").replaceAll("logue", "lögue").replace("amble", "ämble"),
    utf8Header: false,
  },
  {
    name: "line that only begins like the delimiter",
    message: multipart("mixed", "\r\nx\r\n--b 12\r\nX: grün\r\n\r\n"),
    utf8Header: false,
  },
  {
    name: "delimiter with padding",
    message: multipart("mixed", "\r\nx\r\n--b 1 \t\r\nX: grün\r\n\r\n"),
    utf8Header: true,
  },
  {
    name: "text after the closing delimiter",
    message: multipart("mixed", "\r\nx\r\n--b 1--\r\n--b 1\r\nX: grün\r\n\r\n"),
    utf8Header: false,
  },
  {
    name: "multipart without boundary",
    message: "Content-Type: multipart/mixed\r\n\r\n--x\r\nX: grün\r\n\r\n",
    utf8Header: false,
  },
];

for (const { name, message, utf8Header } of nested) {
  test(`EAI-006: octets above 127 in: ${name}`, () => {
    for (const length of [Infinity, 1, 2, 3, 17]) {
      assert.deepEqual(scan(message, length), { ...clean, eightBit: /[^\0-\x7f]/.test(message), utf8Header });
    }
  });
}

test("any split gives the same findings", () => {
  const piece = fc.constantFrom(
    "\r\n",
    "--b 1",
    "--in",
    "--",
    "-",
    "\n",
    "\r",
    "ü",
    "X: y",
    "Content-Type: message/rfc822",
    "\0",
    "x".repeat(500),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.integer({ min: 1, max: 40 }), (pieces, length) => {
      const message = multipart("mixed", pieces.join(""), inner(pieces.join("")));
      assert.deepEqual(scan(message, length), scan(message));
    }),
    { numRuns: 300 },
  );
});

test("content made of nothing but delimiters and nesting ends in findings, not in unbounded work", () => {
  const deep = Array.from(
    { length: 2000 },
    (_, level) => `--b${level}\r\nContent-Type: multipart/mixed; boundary=b${level + 1}\r\n\r\n`,
  );
  assert.equal(scan(`Content-Type: multipart/mixed; boundary=b0\r\n\r\n${deep.join("")}`).utf8Header, false);
  assert.equal(scan(multipart("mixed", "--b 1\r\n".repeat(50_000))).utf8Header, false);
  assert.equal(scan(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${"\n--".repeat(300_000)}`).utf8Header, false);
});
