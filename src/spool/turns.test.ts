/** Which of what is due a page takes, and for how many lanes the last turn is remembered. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { type DueInLane, LastTurns, senderOf, takeTurns } from "./turns.ts";

const origin = { listener: "mx", protocol: "ESMTP" } as const;

test("mail is the account's, else that of the reverse-path's domain", () => {
  assert.equal(senderOf({ origin: { ...origin, login: "ann@a.test" }, reversePath: "x@b.test" }), "login ann@a.test");
  assert.equal(senderOf({ origin, reversePath: '"x@y"@B.Test' }), "from b.test");
  assert.equal(senderOf({ origin, reversePath: "" }), "<>");
});

test("each sender gets an equal share of a domain and of the page; what one leaves goes to the others", () => {
  const due = [..."aaaaaabbbbbbc"].map((sender, due): DueInLane => ({ domain: "d.test", sender, due }));
  due.push(...[13, 14].map((at) => ({ domain: "e.test", sender: "a", due: at })));
  const taken = (limit: number, perDomainMax: number) =>
    takeTurns(due, { limit, perDomainMax }, (first) => first.due).map(({ sender, due: at }) => `${sender}${at}`);
  assert.deepEqual(taken(100, 5), ["a0", "a1", "b6", "b7", "c12", "a13", "a14"]);
  assert.deepEqual(taken(5, 5), ["a0", "a1", "b6", "b7", "c12"]);
  assert.deepEqual(taken(100, 100).length, 15);
});

test("a lane's turn comes after its last one, and a clock that is set back does not delay it", () => {
  const turns = new LastTurns();
  const lane = { domain: "d.test", sender: "a", due: 10 };
  assert.equal(turns.turnOf(lane, 100), 10);
  turns.note(lane, 50);
  assert.equal(turns.turnOf(lane, 100), 50);
  assert.equal(turns.turnOf({ ...lane, due: 70 }, 100), 70);
  assert.equal(turns.turnOf(lane, 20), 20);
});

test("the last turns of ten thousand lanes are remembered, the latest ones", () => {
  const turns = new LastTurns();
  const lane = (number: number) => ({ domain: "d.test", sender: `from ${number}.test`, due: 0 });
  for (let number = 0; number < 10_500; number++) turns.note(lane(number), 5);
  const remembered = Array.from({ length: 10_500 }, (_, number) => turns.turnOf(lane(number), 9));
  assert.equal(remembered.filter((at) => at === 5).length, 10_000);
  assert.equal(remembered[499], 0);
});
