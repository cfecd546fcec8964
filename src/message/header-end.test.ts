import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderCollector } from "./header-section.ts";
import { judgeHeaderEnd } from "./header-end.ts";

function judge(content: string): string {
  const collector = new HeaderCollector();
  const progress = collector.push(Buffer.from(content));
  const result = progress.kind === "need-more" ? collector.end() : progress;
  assert.ok(result.kind === "complete");
  const end = judgeHeaderEnd(result.header, result.rest);
  return end.kind === "ambiguous" ? end.fault : end.kind;
}

const cases: Readonly<Record<string, readonly string[]>> = {
  separated: ["A: 1\r\n\r\nbody", "\r\nbody", "", "A: 1\r\n", "A: 1", "A : 1\r\n 2\r\n \r\n\r\n", "\r\n body", "A: 1\r\n\r\n\n\0\r"],
  unseparated: ["hello", "hello\r\n", "A: 1\r\nhello\r\n", "From ann@x.test Thu Jan 1\r\nA: 1\r\n\r\n", ": x\r\n", "A: 1\r\nB\0: 2\r\n", "h\ne\rllo"],
  "begins-with-white-space": [" A: 1\r\n\r\n", "\tA: 1\r\n", " ", " \r\nFrom: a@b.test\r\n\r\n"],
  "stray-octets": ["A: 1\nB: 2\r\n\r\n", "A: 1\rB: 2\r\n\r\n", "A: \0\r\n\r\n", "A: 1\r\n\nB", "A: 1\r\n\rB", "A: 1\r", "\n", "\r", "\nFrom: a@b.test\r\n", "A: 1\r\r\n\r\n"],
}; // prettier-ignore

test("a reply about a stray octet names its field and its place there", () => {
  const placeOf = (header: string) => {
    const end = judgeHeaderEnd(Buffer.from(header, "latin1"), Buffer.from("\r\n"));
    return end.kind === "ambiguous" ? end.place : undefined;
  };
  assert.equal(placeOf("A: 1\r\nSubject: a\rb\r\nC: 2\r\n"), 'CR in the field "Subject", character 11');
  assert.equal(placeOf("A: 1\r\n\tx\r\n y\0\r\n"), 'NUL in the field "A", character 13');
  assert.equal(placeOf("A : 1\nB: 2\r\n"), 'LF in the field "A", character 6');
  assert.equal(placeOf(`${"n".repeat(60)}: \0\r\n`), "NUL in its octet 63");
  assert.equal(placeOf("A: 1\r\n"), undefined);
});

for (const [expected, contents] of Object.entries(cases)) {
  test(`what ends a header section: ${expected}`, () => {
    for (const content of contents) assert.equal(judge(content), expected, JSON.stringify(content));
  });
}
