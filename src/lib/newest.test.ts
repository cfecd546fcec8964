import assert from "node:assert/strict";
import { test } from "node:test";
import { keepNewest } from "./newest.ts";

test("a map holds the newest entries and no more than it may; what is set again is new", () => {
  const map = new Map<string, number>();
  for (const [value, key] of ["a", "b", "c", "a", "d"].entries()) keepNewest(map, key, value, 3);
  assert.deepEqual(
    [...map],
    [
      ["c", 2],
      ["a", 3],
      ["d", 4],
    ],
  );
  for (let number = 0; number < 10_000; number++) keepNewest(map, `k${number}`, number, 100);
  assert.equal(map.size, 100);
  assert.equal(map.keys().next().value, "k9900");
});
