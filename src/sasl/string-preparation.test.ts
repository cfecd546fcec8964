import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { prepareString } from "./string-preparation.ts";
import { matchesScramVerifier, parseScramVerifier } from "./scram-verifier.ts";

test("AUTH-018: names and passwords are prepared by SASLprep; what is prohibited or empty fails", () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["USER", "USER"],
    ["user name", "user name"],
    ["I\u00adX", "IX"],
    ["\u2168", "IX"],
    ["\u00aa", "a"],
    ["a\u00a0b", "a b"],
    ["a\u3000b", "a b"],
    ["e\u0301", "\u00e9"],
    ["\u0627\u0031\u0628", "\u0627\u0031\u0628"],
    ["\u0627\u0031", undefined],
    ["\u0627a\u0628", undefined],
    ["\u0007", undefined],
    ["\u007f", undefined],
    ["\ue000", undefined],
    ["\ufffd", undefined],
    ["\u00ad", undefined],
    ["\u{e0041}", undefined],
    ["", undefined],
  ];
  for (const [given, prepared] of cases) assert.equal(prepareString(given), prepared, JSON.stringify(given));
});

test("a SCRAM verifier accepts its password only, and absurd ones are no verifiers", () => {
  const salt = Buffer.from("0123456789abcdef");
  const salted = pbkdf2Sync("pencil", salt, 4096, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  const text = `SCRAM-SHA-256$4096:${salt.toString("base64")}$${storedKey}:${serverKey}`;
  const verifier = parseScramVerifier(text);
  assert.ok(verifier);
  assert.equal(matchesScramVerifier(salted, verifier), true);
  assert.equal(matchesScramVerifier(pbkdf2Sync("pencils", salt, 4096, 32, "sha256"), verifier), false);
  for (const broken of [
    text.replace("4096", "1000"),
    text.replace("4096", "999999"),
    text.replace("256", "512"),
    text.replace(storedKey, "AAAA"),
    "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA",
    "",
  ]) {
    assert.equal(parseScramVerifier(broken), undefined, broken);
  }
});
