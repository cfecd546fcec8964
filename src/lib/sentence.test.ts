import assert from "node:assert/strict";
import { test } from "node:test";
import { sentence } from "./sentence.ts";

test("a sentence has one end, also where the words of others are its last", () => {
  const table = [
    ["It failed", "It failed."],
    ["The domain x.test does not exist.", "The domain x.test does not exist."],
    ['It answered "550 No such user."', 'It answered "550 No such user."'],
    ['It answered "550 No such user"', 'It answered "550 No such user".'],
    ["Why?", "Why?"],
    ["cut…", "cut…"],
    ["it is held (by policy)", "it is held (by policy)."],
    ["", "."],
  ] as const;
  for (const [given, right] of table) assert.equal(sentence(given), right);
});
