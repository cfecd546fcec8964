import assert from "node:assert/strict";
import { test } from "node:test";
import { TextCache } from "./text-cache.ts";

function counting(limits: { readonly lengthMax: number; readonly lengthTotalMax: number }) {
  const read: string[] = [];
  const cache = new TextCache((text) => {
    read.push(text);
    return text.length;
  }, limits);
  return { cache, read };
}

test("a text is read once, and the oldest leave when all together are too long", () => {
  const { cache, read } = counting({ lengthMax: 10, lengthTotalMax: 20 });
  for (const text of ["aaaaaaaa", "bbbbbbbb", "aaaaaaaa"]) assert.equal(cache.get(text), 8);
  assert.deepEqual(read, ["aaaaaaaa", "bbbbbbbb"]);
  cache.get("cccccccc");
  assert.equal(cache.lengthTotal, 16);
  cache.get("bbbbbbbb");
  assert.equal(read.length, 3);
  cache.get("aaaaaaaa");
  assert.equal(read.length, 4);
});

test("long texts and those not worth it are read, and not kept", () => {
  const { cache, read } = counting({ lengthMax: 10, lengthTotalMax: 100 });
  for (let round = 0; round < 2; round++) {
    assert.equal(cache.get("x".repeat(11)), 11);
    assert.equal(
      cache.get("short", () => false),
      5,
    );
  }
  assert.equal(read.length, 4);
  assert.equal(cache.lengthTotal, 0);
});
