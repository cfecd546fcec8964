import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, printableJson, printableLines, printableOutput, withoutControls } from "./printable-text.ts";

/** Each on its own does something to a terminal, or hides something from a reader. */
const hostile = [
  "\0", "\u0007", "\u0008", "\r", "\u001b", "\u007f", "\u0080", "\u009b", "\u009d", "\u009f", "\u061c", "\u200b", "\u200e", "\u200f", "\u2028", "\u2029",
  "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\ufeff", "\ufff9", "\ud800", "\udc00",
]; // prettier-ignore

test("no unsafe character is shown as it is, and all others are", () => {
  for (const character of hostile) {
    const shown = printable(`a${character}b`);
    assert.match(shown, /^a\\x[0-9a-f]{2,4}b$/, JSON.stringify(character));
    assert.equal(printable(`a${character}b`, "?"), "a?b");
    assert.ok(!printableLines(`x\n${character}y`).includes(character));
    const json = printableJson({ text: character });
    assert.match(json, /^[\x20-\x7e]+$/, JSON.stringify(character));
    assert.deepEqual(JSON.parse(json), { text: character });
    assert.ok(!printableOutput(`a${character}b`).includes(character), JSON.stringify(character));
  }
  const kept = "é 日本語 שלום 👩\u200d💻 \u200c";
  for (const same of [printable(kept), printableOutput(kept), JSON.parse(printableJson(kept)) as string]) {
    assert.equal(same, kept);
  }
  assert.equal(printable("a\tb"), "a b");
  assert.equal(printableLines("a\r\nb\u001b\n"), "a\nb\\x1b\n");
});

test("of escape sequences a command's output keeps its own, and no others", () => {
  const own = "\u001b[1mbold\u001b[0m\ttab\n\r\u001b[K50 %\r\nnext";
  assert.equal(printableOutput(own), own);
  for (const other of [
    "\u001b]0;title\u0007",
    "\u001b[2J",
    "\u001b[1;1H",
    "\u001bc",
    "\rover",
    "\u009b31m",
    "\u001b[31",
  ]) {
    assert.notEqual(printableOutput(other), other, JSON.stringify(other));
  }
  assert.equal(printableOutput('{"a":"\u009b31m"}'), '{"a":"\\u009b31m"}');
});

test("what is only kept loses its control characters and nothing else", () => {
  assert.equal(withoutControls("a\r\n\u009bb\u200fc", " "), "a b\u200fc");
});
