import assert from "node:assert/strict";
import { test } from "node:test";
import { InTurn } from "./in-turn.ts";

test("work begins when the work before it has ended, also when that failed", async () => {
  const turns = new InTurn();
  const told: string[] = [];
  const work = (name: string, fails = false) =>
    turns.run(async () => {
      told.push(`${name} begins`);
      await Promise.resolve();
      told.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const [first, second, third] = await Promise.allSettled([work("a"), work("b", true), work("c")]);
  assert.deepEqual(told, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  assert.deepEqual([first.status, second.status, third.status], ["fulfilled", "rejected", "fulfilled"]);
});
