import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { foldField } from "./fold.ts";
import { parseHeaderFields } from "./header-section.ts";

const linesOf = (field: string) => field.split("\r\n").slice(0, -1);

test("HDR-006: fields are folded within 78 octets, and unfold to their value", () => {
  const value = "the quick  brown fox ".repeat(30).trim();
  const field = foldField("Subject", value);
  for (const line of linesOf(field)) assert.ok(line.length <= 78, line);
  assert.equal(parseHeaderFields(Buffer.from(field)).first("subject")?.value, value);
  assert.equal(foldField("A", "b"), "A: b\r\n");
});

test("HDR-006: a word that fits no line is cut below 998 octets", () => {
  for (const value of ["x".repeat(5000), `short ${"ü".repeat(2000)} tail`, "y".repeat(950)]) {
    const field = foldField("Diagnostic-Code", value);
    for (const line of linesOf(field)) assert.ok(Buffer.byteLength(line) <= 998);
    const unfolded = parseHeaderFields(Buffer.from(field)).first("diagnostic-code")?.value ?? "";
    assert.equal(unfolded.replaceAll(" ", ""), value.replaceAll(" ", ""));
  }
});

test("HDR-005: whatever the value, it is one field of legal lines", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (value) => {
      const field = foldField("X", value);
      const section = parseHeaderFields(Buffer.from(field));
      assert.equal(section.fields.length, 1);
      assert.equal(section.fields[0]?.end, section.bytes.length);
      for (const line of linesOf(field)) assert.ok(Buffer.byteLength(line) <= 998 && !/[\r\n\0]/.test(line));
      // No line of white space alone, which some readers take for the end of the header.
      for (const line of linesOf(field).slice(1)) assert.match(line, /[^ \t]/);
    }),
  );
});
