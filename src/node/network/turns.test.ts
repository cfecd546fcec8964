/** Jobs in turn: never more than allowed, in order, and a failed job frees its turn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("two run at a time, the rest in order, and one that fails frees its turn", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const finish: ((error: Error | null) => void)[] = [];
  const jobs = [0, 1, 2, 3].map((job) =>
    turns.run<number>((done) => {
      begun.push(job);
      finish[job] = (error) => done(error, job);
    }),
  );
  const results = Promise.allSettled(jobs);
  assert.deepEqual(begun, [0, 1]);
  finish[1]?.(new Error("broken"));
  assert.deepEqual(begun, [0, 1, 2], "the turn is passed on at once");
  await assert.rejects(async () => await jobs[1]);
  finish[0]?.(null);
  await jobs[0];
  assert.deepEqual(begun, [0, 1, 2, 3]);
  finish[2]?.(null);
  finish[3]?.(null);
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
  assert.equal(await turns.run<number>((done) => done(null, 5)), 5);
});

test("jobs that cannot even begin free their turns, however many they are", async () => {
  const turns = new Turns(1);
  let finish: ((error: Error | null) => void) | undefined;
  const first = turns.run<number>((done) => (finish = (error) => done(error, 0)));
  const broken = Array.from({ length: 20_000 }, () =>
    turns.run<number>(() => {
      throw new TypeError("no key");
    }),
  );
  finish?.(null);
  await first;
  assert.ok((await Promise.allSettled(broken)).every(({ status }) => status === "rejected"));
  assert.equal(await turns.run<number>((done) => done(null, 5)), 5);
});
