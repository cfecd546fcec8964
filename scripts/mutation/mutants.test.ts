import assert from "node:assert/strict";
import { test } from "node:test";
import { mutantsOf } from "./mutants.ts";

/** The text with each mutant planted. */
function planted(text: string): string[] {
  return mutantsOf(text).map(({ start, end, after }) => text.slice(0, start) + after + text.slice(end));
}

test("a comparison moves its boundary, a condition becomes constant, a number grows", () => {
  assert.deepEqual(planted("if (a < 1) b();"), [
    "if (true) b();",
    "if (false) b();",
    "if (a <= 1) b();",
    "if (a < 2) b();",
  ]);
});

test("operators become their opposite, also where a type stands between", () => {
  assert.deepEqual(planted("const a = (b as number) - c;"), ["const a = (b as number) + c;"]);
  assert.deepEqual(planted("a = !b && c;"), ["a = !b || c;", "a = b && c;"]);
  assert.deepEqual(planted("a += b; c++;"), ["a -= b; c++;", "a += b; c--;"]);
});

test("texts that are joined stay joined, and become empty; an empty one does not", () => {
  assert.deepEqual(planted('a = b + "x" + c;'), ['a = b + "" + c;']);
  assert.deepEqual(planted('a = "";'), ['a = "mutant";']);
  assert.deepEqual(planted("a = `x${b}`;"), ['a = "";']);
});

test("types, imports and names of properties stay", () => {
  for (const text of [
    'import { a } from "b";',
    'export { a } from "b";',
    'type A = "b" | 3;',
    "interface A { readonly b: 1 | true }",
    'const a = { "b-c": d };',
    'const a = await import("./b.ts");',
  ]) {
    assert.deepEqual(planted(text), [], text);
  }
});

test("a loop whose condition is a constant is only ended", () => {
  assert.deepEqual(planted("while (a) b();"), ["while (false) b();"]);
  assert.deepEqual(planted("for (;;) b();"), []);
});

test("a fallback that only the types ask for stays", () => {
  assert.deepEqual(planted('const [a, b = ""] = match; c(list[0] ?? 0);'), [
    'const [a, b = ""] = match; c(list[0] && 0);',
    'const [a, b = ""] = match; c(list[1] ?? 0);',
  ]);
  assert.deepEqual(planted('a ??= b ?? "x";'), ['a ??= b && "x";', 'a ??= b ?? "";']);
});
