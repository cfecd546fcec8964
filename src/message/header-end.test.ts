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

for (const [expected, contents] of Object.entries(cases)) {
  test(`what ends a header section: ${expected}`, () => {
    for (const content of contents) assert.equal(judge(content), expected, JSON.stringify(content));
  });
}
