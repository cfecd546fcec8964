import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDate } from "./date.ts";

const table: readonly (readonly [number, number | undefined, string])[] = [
  [Date.UTC(2026, 0, 1), undefined, "Thu, 1 Jan 2026 00:00:00 +0000"],
  [Date.UTC(2026, 11, 31, 23, 59, 59, 999), undefined, "Thu, 31 Dec 2026 23:59:59 +0000"],
  [Date.UTC(2026, 11, 31, 23, 59, 59), 60, "Fri, 1 Jan 2027 00:59:59 +0100"],
  [Date.UTC(2024, 1, 29, 1, 2, 3), -210, "Wed, 28 Feb 2024 21:32:03 -0330"],
  [Date.UTC(2026, 5, 7, 8, 9, 10), 345, "Sun, 7 Jun 2026 13:54:10 +0545"],
];
for (const [at, offset, text] of table) {
  test(`HDR-003: ${text}`, () => {
    assert.equal(formatDate(at, offset), text);
    assert.equal(Date.parse(text), Math.trunc(at / 1000) * 1000);
  });
}
