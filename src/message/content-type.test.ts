import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { parseContentType } from "./content-type.ts";

const boundaries: readonly (readonly [string, string | undefined])[] = [
  ["multipart/mixed; boundary=abc", "abc"],
  ['MULTIPART/Mixed ; charset=x ;BOUNDARY = "a b\\"c;d" ; x=y', 'a b"c;d'],
  ["multipart/mixed (a; boundary=no) ; (b) boundary (c) = abc (d)", "abc"],
  ['multipart/mixed; boundary="unclosed', "unclosed"],
  ["multipart/mixed; ; boundary==_x", "=_x"],
  ["multipart/mixed; boundary=first; boundary=second", "first"],
  ["multipart/mixed; boundary=", ""],
  ["multipart/mixed", undefined],
];
for (const [value, boundary] of boundaries) {
  test(`boundary of ${value}`, () => {
    const parsed = parseContentType(value);
    assert.equal(`${parsed.type}/${parsed.subtype}`, "multipart/mixed");
    assert.equal(parsed.parameters.get("boundary"), boundary);
  });
}

test("what is no type is text/plain", () => {
  for (const value of ["", "text", "/", "a b/c", ";boundary=x"]) {
    const { type, subtype } = parseContentType(value);
    assert.equal(`${type}/${subtype}`, "text/plain", value);
  }
});

test("a field made to be slow is read in linear time", () => {
  const hostile = `multipart/mixed${";a=".repeat(50_000)}${"(".repeat(50_000)}${' ;"'.repeat(50_000)}`;
  assert.ok(parseContentType(hostile).parameters.size <= 64);
});

test("a megabyte of separators is walked over once: semicolons, blanks, and either before what is no parameter", () => {
  // A reader that began anew at each of them would take hours.
  const count = 1_000_000;
  for (const separators of [";".repeat(count), " ;".repeat(count), "; \t".repeat(count), ";a".repeat(count)]) {
    assert.equal(parseContentType(`text/plain${separators}`).parameters.size, 0);
    const { parameters } = parseContentType(`text/plain${separators};charset=utf-8`);
    assert.deepEqual([...parameters], [["charset", "utf-8"]]);
  }
});

test("types and boundaries of real fields read as the vectors say", async (t) => {
  interface Vector {
    readonly header: string;
    readonly expected: { c_type: string; c_subtype: string | null; attributes: [string, string][] | null } | null;
  }
  const vectors = readVectors<readonly Vector[]>(t, "headers", "content-type.json");
  if (vectors === undefined) return;
  const nameOf = ({ header }: Vector): string => header;
  await runVectors(t, "headers/content-type", vectors, nameOf, ({ header, expected }) => {
    const parsed = parseContentType(header.replaceAll(/\r?\n(?=\s)/g, "").trim());
    if (typeof expected?.c_subtype !== "string" || expected.c_subtype.includes("/")) {
      return { skipped: "no type at all; the other tests have these" };
    }
    assert.equal(`${parsed.type}/${parsed.subtype}`, `${expected.c_type}/${expected.c_subtype}`);
    const boundary = expected.attributes?.find(([name]) => name === "boundary")?.[1];
    if (boundary !== undefined) assert.equal(parsed.parameters.get("boundary"), boundary);
    return undefined;
  });
});
