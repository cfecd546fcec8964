import assert from "node:assert/strict";
import { test } from "node:test";
import { otherOptionalFields } from "./optional-fields.ts";

/** Assembled, so that the check does not find this file. */
const open = ["..", ".("].join("");

const others: readonly string[] = [
  `{ ${open}value === undefined ? {} : { value }) }`,
  `{ ${open}given ? { value } : {}) }`,
  `{ ${open}value === undefined ? undefined : { value }) }`,
  `{ ${open}given ? made(value, "a)b") : null) }`,
  `{ ${open}given\n    ? {\n        value: "(",\n      }\n    : {}) }`,
  `{ ${open}given && { inner: { ${open}value ? { value } : {}) } }) }`,
];
const accepted: readonly string[] = [
  `{ ${open}value !== undefined && { value }) }`,
  `{ ${open}given && { value: other === "" ? undefined : other }) }`,
  `{ ${open}given && { value: (other ? {} : more) }) }`,
  `{ ${open}first ? { value } : { other }) }`,
  `[${open}given ? [] : [value])]`,
  `{ ${open}given && { text: "? {} :" }) }`,
  `{ ${open}given && { text: \`\${a ? {} : b}\` }) }`,
];

for (const text of others) test(`found: ${text}`, () => assert.equal(otherOptionalFields(`\n${text}`).length, 1));
for (const text of accepted) test(`accepted: ${text}`, () => assert.deepEqual(otherOptionalFields(text), []));

test("the line is that of the spread", () => {
  assert.deepEqual(otherOptionalFields(`a\nb\n${others[4]}\n${others[0]}`), [3, 8]);
});
