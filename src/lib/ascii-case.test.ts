import assert from "node:assert/strict";
import { test } from "node:test";
import { asciiLowerCase, asciiUpperCase, hasNonAscii, sameIgnoringCase } from "./ascii-case.ts";

test("the letters of ASCII change case, and no other character does", () => {
  for (let code = 0; code <= 0xffff; code++) {
    const character = String.fromCharCode(code);
    const ascii = code < 128;
    assert.equal(hasNonAscii(character), !ascii);
    assert.equal(asciiLowerCase(character), ascii ? character.toLowerCase() : character);
    assert.equal(asciiUpperCase(character), ascii ? character.toUpperCase() : character);
  }
  assert.equal(asciiLowerCase("STRASSE-\u{c9}\u{212a}"), "strasse-\u{c9}\u{212a}");
  assert.equal(asciiUpperCase("stra\u{df}e-\u{17f}\u{131}"), "STRA\u{df}E-\u{17f}\u{131}");
});

test("the Kelvin sign is no k, the long s no s, and the dotless i no i", () => {
  assert.equal(sameIgnoringCase("Kiss", "kISS"), true);
  for (const other of ["\u{212a}iss", "ki\u{17f}s", "k\u{131}ss", "k\u{130}ss", "ki\u{df}"]) {
    assert.equal(sameIgnoringCase("kiss", other), false, other);
  }
});
