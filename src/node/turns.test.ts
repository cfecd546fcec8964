/** Jobs in turn: never more than allowed, in order, and a failed job frees its turn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("two run at a time, the rest in order, and one that fails frees its turn", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const finish: ((error?: Error) => void)[] = [];
  const jobs = [0, 1, 2, 3].map((job) =>
    turns.run(
      () =>
        new Promise<number>((resolve, reject) => {
          begun.push(job);
          finish[job] = (error) => (error ? reject(error) : resolve(job));
        }),
    ),
  );
  const results = Promise.allSettled(jobs);
  assert.deepEqual(begun, [0, 1]);
  finish[1]?.(new Error("broken"));
  await assert.rejects(async () => await jobs[1]);
  assert.deepEqual(begun, [0, 1, 2]);
  finish[0]?.();
  await jobs[0];
  assert.deepEqual(begun, [0, 1, 2, 3]);
  finish[2]?.();
  finish[3]?.();
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "fulfilled"],
  );
  assert.equal(await turns.run(async () => 5), 5);
});
