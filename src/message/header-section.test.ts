import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderCollector, type HeaderResult, parseHeaderFields } from "./header-section.ts";

/** Pushes the slices and gives the result with all that followed. */
function collect(slices: readonly Buffer[], headerBytesMax?: number): HeaderResult {
  const collector = new HeaderCollector(headerBytesMax === undefined ? {} : { headerBytesMax });
  for (const [index, slice] of slices.entries()) {
    const progress = collector.push(slice);
    if (progress.kind === "too-large") return progress;
    if (progress.kind === "complete") {
      return { ...progress, rest: Buffer.concat([progress.rest, ...slices.slice(index + 1)]) };
    }
  }
  return collector.end();
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

const cases: readonly { readonly name: string; readonly content: string; readonly header: string }[] = [
  { name: "fields and body", content: "A: 1\r\nB: 2\r\n\r\nbody\r\n", header: "A: 1\r\nB: 2\r\n" },
  { name: "folded field", content: "A: 1\r\n 2\r\n\t3\r\n\r\nbody", header: "A: 1\r\n 2\r\n\t3\r\n" },
  { name: "no header", content: "\r\nbody\r\n", header: "" },
  { name: "no empty line", content: "A: 1\r\nthis is text\r\n", header: "A: 1\r\n" },
  { name: "text only", content: "hello world\r\n", header: "" },
  { name: "indented first line", content: " A: 1\r\n\r\n", header: "" },
  { name: "header only", content: "A: 1\r\n", header: "A: 1\r\n" },
  { name: "field cut off", content: "A: 1\r\nB: 2", header: "A: 1\r\nB: 2" },
  { name: "name cut off", content: "A: 1\r\nSubj", header: "A: 1\r\n" },
  { name: "space before the colon", content: "Subject \t: x\r\n\r\n", header: "Subject \t: x\r\n" },
  { name: "colon without name", content: ": x\r\n\r\n", header: "" },
  { name: "space in the name", content: "A: 1\r\nX Y: 2\r\n\r\n", header: "A: 1\r\n" },
  { name: "UTF-8 in the name", content: "A: 1\r\nÄ: 2\r\n\r\n", header: "A: 1\r\n" },
  { name: "NUL in the name", content: "A: 1\r\nB\0: 2\r\n\r\n", header: "A: 1\r\n" },
  { name: "bare CR line", content: "A: 1\r\n\rB: 2\r\n\r\n", header: "A: 1\r\n" },
  { name: "bare LF inside", content: "A: 1\n\nB: 2\r\n\r\nx", header: "A: 1\n\nB: 2\r\n" },
  { name: "white line within", content: "A: 1\r\n \r\nB: 2\r\n\r\n", header: "A: 1\r\n \r\nB: 2\r\n" },
  { name: "empty", content: "", header: "" },
  { name: "endless name", content: `A: 1\r\n${"n".repeat(2000)}: 1\r\n\r\n`, header: "A: 1\r\n" },
];

for (const { name, content, header } of cases) {
  test(`HDR-009: header section of: ${name}`, () => {
    const bytes = Buffer.from(content);
    const whole = collect([bytes]);
    assert.equal(whole.kind, "complete");
    if (whole.kind !== "complete") return;
    assert.equal(whole.header.toString(), header);
    assert.equal(Buffer.concat([whole.header, whole.rest]).toString(), content);
    const single = collect(Array.from(bytes, (octet) => Buffer.of(octet)));
    assert.deepEqual(single, whole);
  });
}

test("any split of any content gives the same header section, and no octet is lost", () => {
  const line = fc.constantFrom(
    "A: 1\r\n",
    " fold\r\n",
    "\r\n",
    "Sub",
    "ject: x",
    "\r",
    "\n",
    ":",
    "\0",
    "é",
    " ",
    "--b\r\n",
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.array(fc.nat(200)),
      fc.constantFrom(8, 1000),
      (lines, cuts, max) => {
        const bytes = Buffer.from(lines.join(""));
        const whole = collect([bytes], max);
        assert.deepEqual(collect(split(bytes, cuts), max), whole);
        if (whole.kind === "complete") assert.deepEqual(Buffer.concat([whole.header, whole.rest]), bytes);
      },
    ),
    { numRuns: 500 },
  );
});

test("a header section over the limit is refused, one at the limit is not", () => {
  const header = `A: ${"x".repeat(95)}\r\n`;
  const content = Buffer.from(`${header}\r\nbody`);
  assert.equal(collect([content], header.length).kind, "complete");
  assert.equal(collect([content], header.length - 1).kind, "too-large");
  assert.equal(collect([Buffer.from("A: ".padEnd(200, "x"))], 100).kind, "too-large");
});

test("more than 10,000 fields are refused before they cost memory", () => {
  assert.equal(collect([Buffer.from("a:\r\n".repeat(10_000) + "\r\n")]).kind, "complete");
  assert.equal(collect([Buffer.from("a:\r\n".repeat(10_001) + "\r\n")]).kind, "too-large");
});

test("a large header in small slices is collected whole", () => {
  const header = Buffer.from(`A: x\r\n${` ${"y".repeat(76)}\r\n`.repeat(8000)}`);
  const slices = Array.from({ length: Math.ceil(header.length / 100) }, (_, index) =>
    header.subarray(index * 100, index * 100 + 100),
  );
  const result = collect([...slices, Buffer.from("\r\nbody")]);
  assert.equal(result.kind === "complete" && result.header.length, header.length);
});

test("HDR-009: fields keep their octets, and their values unfold", () => {
  const section = parseHeaderFields(
    Buffer.from("SUBJECT : Hello\r\n  world \r\nReceived: one\r\nreceived: two\r\nX-Empty:\r\n"),
  );
  assert.deepEqual(
    section.fields.map(({ name, value }) => [name, value]),
    [
      ["subject", "Hello  world"],
      ["received", "one"],
      ["received", "two"],
      ["x-empty", ""],
    ],
  );
  assert.equal(section.first("subject")?.raw.toString(), "SUBJECT : Hello\r\n  world \r\n");
  assert.equal(section.all("received").length, 2);
  assert.equal(section.first("to"), undefined);
  assert.equal(Buffer.concat(section.fields.map(({ raw }) => raw)).equals(section.bytes), true);
});

test("values are UTF-8 where they are that, and octets as characters otherwise", () => {
  const section = parseHeaderFields(
    Buffer.concat([Buffer.from("A: grüße\r\nB: gr"), Buffer.of(0xfc), Buffer.from("n\r\n")]),
  );
  assert.equal(section.first("a")?.value, "grüße");
  assert.equal(section.first("b")?.value, "grün");
});
