import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedBudget } from "./shared-budget.ts";

/** Takes octet by octet, in turn, until nobody gets more; what each has. */
function fill(budget: SharedBudget, takers: number): number[] {
  const held = Array.from({ length: takers }, () => 0);
  for (let granted = true; granted;) {
    granted = false;
    for (const [index, octets] of held.entries()) {
      if (!budget.take(octets, 1)) continue;
      held[index] = octets + 1;
      granted = true;
    }
  }
  return held;
}

test("one alone gets half, ten get a tenth of what ten may have, and the next small one still gets some", () => {
  assert.deepEqual(fill(new SharedBudget(1000), 1), [500]);
  const budget = new SharedBudget(1100);
  assert.deepEqual(
    fill(budget, 10),
    Array.from({ length: 10 }, () => 100),
  );
  assert.equal(budget.take(0, 50), true);
  assert.equal(budget.take(100, 1), false);
});

test("what is refused is not taken, and what is given back can be taken again", () => {
  const budget = new SharedBudget(100);
  assert.equal(budget.take(0, 51), false);
  assert.equal(budget.used, 0);
  assert.equal(budget.take(0, 50), true);
  assert.equal(budget.take(0, 26), false);
  budget.giveBack(50);
  assert.equal(budget.take(0, 26), true);
});

test("a budget that is made smaller takes nothing away, and gives nothing until there is room again", () => {
  const budget = new SharedBudget(1000);
  assert.equal(budget.take(0, 400), true);
  budget.resize(300);
  assert.equal(budget.take(0, 1), false);
  budget.giveBack(300);
  assert.equal(budget.take(100, 50), true);
});
