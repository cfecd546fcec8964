import assert from "node:assert/strict";
import { test } from "node:test";
import { compileFilter, compilePattern, indexTermOf, termsOf } from "./captured-filter.ts";
import type { CapturedEntry, CapturedFilter } from "./captured-mail.ts";

const entry: CapturedEntry = {
  id: "4QJ7ZC2M9KXD",
  from: "Bounce+123@Shop.test",
  to: ["Ann@Example.org", "bob@bücher.example"],
  subject: "Grüße aus dem Shop",
  received_at: "2026-01-01T00:00:00.000Z",
  size: 1,
  authors: ["shop@shop.test"],
};

const matching: readonly CapturedFilter[] = [
  {},
  { to: "ann@example.org" },
  { to: '"ann"@EXAMPLE.ORG' },
  { to: "bob@xn--bcher-kva.example" },
  { to_contains: "@EXAMPLE" },
  { to_pattern: "*@example.org" },
  { to: "ann@example.org", to_contains: "ann" },
  { from: "bounce+123@shop.test" },
  { from: "shop@shop.test" },
  { subject: "GRÜSSE aus dem shop".replace("SS", "ß") },
  { subject_pattern: "gr*shop" },
  { subject_contains: "aus dem" },
  { to: "ann@example.org", from_pattern: "*", subject_contains: "Shop" },
];

const others: readonly CapturedFilter[] = [
  { to: "nn@example.org" },
  { to: "ann@example.or" },
  { to: "ann@example.org", to_contains: "bob" },
  { from: "ann@example.org" },
  { from: "" },
  { subject: "Grüße" },
  { subject_pattern: "Grüße" },
  { subject_pattern: "shop*" },
  { to: "ann@example.org", subject_contains: "nothing" },
];

test("a filter finds what it says, and under one of the terms of the entry", () => {
  const terms = new Set(termsOf(entry));
  for (const filter of matching) {
    assert.ok(compileFilter(filter)(entry), JSON.stringify(filter));
    const term = indexTermOf(filter);
    assert.ok(term === undefined || terms.has(term), JSON.stringify(filter));
  }
  for (const filter of others) assert.ok(!compileFilter(filter)(entry), JSON.stringify(filter));
});

test("values that agree in what the index knows of them are told apart by the filter", () => {
  const long = "x".repeat(300);
  const one = { ...entry, subject: `${long}1` };
  const filter = { subject: `${long}2` };
  assert.ok(termsOf(one).includes(indexTermOf(filter) ?? ""));
  assert.ok(!compileFilter(filter)(one));
});

test("a star stands for any text, the ends are fixed, and pieces do not overlap", () => {
  const cases: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
    ["", "", true],
    ["*", "", true],
    ["**", "anything", true],
    ["a", "a", true],
    ["a", "ab", false],
    ["a*", "ab", true],
    ["*b", "ab", true],
    ["a*b", "ab", true],
    ["ab*ba", "aba", false],
    ["ab*ba", "abba", true],
    ["a*b*c", "a-c-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["*aa*aa*", "aaa", false],
    ["*.*", "[^.]", true],
    ["a?c", "abc", false],
  ];
  for (const [pattern, text, matches] of cases) {
    assert.equal(compilePattern(pattern)(text), matches, `${pattern} and ${text}`);
  }
});

test("a pattern agrees with the regular expression that means the same, on every short text", () => {
  const texts = shortTexts("ab", 6);
  for (const pattern of shortTexts("ab*", 4)) {
    const expression = new RegExp(`^${pattern.replaceAll("*", ".*")}$`);
    const matches = compilePattern(pattern);
    for (const text of texts) assert.equal(matches(text), expression.test(text), `${pattern} and ${text}`);
  }
});

function shortTexts(letters: string, lengthMax: number): readonly string[] {
  const texts = [""];
  for (const text of texts) if (text.length < lengthMax) texts.push(...[...letters].map((letter) => text + letter));
  return texts;
}
