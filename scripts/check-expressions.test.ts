/** The proof of linear time: what it must refuse, what it must pass, and that the engine agrees. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { timeOf } from "./expressions/time.ts";

const slow: readonly (readonly [RegExp, string])[] = [
  [/\s+$/, "the search begins anew at each blank"],
  [/^\s+|\s+$/g, "one of two ways is"],
  [/x*y/, "the search begins anew at each x"],
  [/a.*b/, "… at each a"],
  [/\d+(?:px|em)/u, "… at each digit"],
  [/(?<!a)b+c/, "looking behind does not help"],
  [/<style[^]*?<\/style>/gi, "each opening looks for the end in vain"],
  [/(?=a*)b/, "looking ahead is walking"],
  [/a(.*c)?/g, "each match looks on to the end"],
  [/(?:a*c|a)*/, "… and each turn"],
  [/^a*a*b/, "two loops take the same"],
  [/^(?:\s|\t)+x/, "two ways take a tab"],
  [/^(a|a)*b/, "exponential"],
  [/^(?:a*)*b/, "exponential"],
  [/(a+)+b/, "exponential"],
  [/^(?:a|b*)*c/, "exponential"],
  [/^(?:x?y?)*z/, "exponential"],
  [/^[^@]+@[^@.]+(\.?[^@]+)*$/, "an address, as often written"],
  [
    /[\s;]*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;"\s]*))/sy,
    "the parameters of Content-Type, as they once were",
  ],
];
for (const [{ source, flags }, why] of slow) {
  test(`/${source}/${flags} is not linear: ${why}`, () => {
    const time = timeOf(source, flags);
    assert.equal(time.kind, "superlinear", JSON.stringify(time));
  });
}

const fast: readonly RegExp[] = [
  /\s+/,
  /^\s+/,
  /^[^=]+=[^=]+$/,
  /^\s*([^\s;/]+)\s*\/\s*([^\s;/]+)/,
  /^"(?:[^"\\]|\\.)*"$/,
  /[A-Z]/g,
  /\r\n[ \t]/g,
  /%[0-9a-f]{2}/gi,
  /^[\w-]{1,63}(?:\.[\w-]{1,63})*$/,
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/i,
  /[ \t]{1,8}x/,
  /^(?:a|b)*c/,
  /^(?:x?)*y/,
  /^(?:a*b)*c/,
  /(?<=a)b/,
  /^\p{L}+\d/u,
  /^(?:[\w.]+:)?[\w.:]+!/,
  /[[\]]{2}\{x\}a{,2}/,
];
for (const { source, flags } of fast) {
  test(`/${source}/${flags} is linear`, () => {
    assert.deepEqual(timeOf(source, flags), { kind: "linear" });
  });
}

test("what refers back or looks behind without a bound is not proven", () => {
  assert.equal(timeOf("(a+)b\\1", "").kind, "unknown");
  assert.equal(timeOf("(?<=a+b)c", "").kind, "unknown");
});

test("the expression for message ids, which is made of parts, is linear", async () => {
  const { messageIdPattern } = await import("../src/message/message-id.ts");
  assert.deepEqual(timeOf(messageIdPattern.source, messageIdPattern.flags), { kind: "linear" });
});
