import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpoolChannel } from "./channel.ts";
import { checkpointsAreSafe, SpoolCheckpoints } from "./checkpoints.ts";

function checkpointsWith(sqliteVersion?: string): { readonly checkpoints: SpoolCheckpoints; asked: () => number } {
  let asked = 0;
  const thread = { send: () => (asked++, new Promise<never>(() => {})) };
  return { checkpoints: new SpoolCheckpoints(thread, sqliteVersion), asked: () => asked };
}

test("when enough rows have changed the log is copied, once at a time", () => {
  const { checkpoints, asked } = checkpointsWith();
  checkpoints.noteChanged(23_999);
  assert.equal(asked(), 0);
  checkpoints.noteChanged(1);
  checkpoints.noteChanged(100_000);
  assert.equal(asked(), 1);
});

test("space is given back by a checkpoint that empties the log, after the one under way", async () => {
  const sent: boolean[] = [];
  const ends: (() => void)[] = [];
  const checkpoints = new SpoolCheckpoints({
    send: (({ truncate }: { readonly truncate: boolean }) => {
      sent.push(truncate);
      return new Promise<number>((resolve) => ends.push(() => resolve(0)));
    }) as unknown as SpoolChannel["send"],
  });
  checkpoints.noteChanged(24_000);
  checkpoints.giveSpaceBack();
  assert.deepEqual(sent, [false]);
  ends.shift()?.();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent, [false, true]);
  ends.shift()?.();
  await new Promise((resolve) => setImmediate(resolve));
  checkpoints.giveSpaceBack();
  assert.deepEqual(sent, [false, true, true]);
});

test("with an SQLite whose checkpoints may lose pages beside a writer, only the writer makes them", () => {
  for (const version of ["3.50.4", "3.51.2", "3.7.0", "2.99.99"]) {
    assert.equal(checkpointsAreSafe(version), false, version);
    const { checkpoints, asked } = checkpointsWith(version);
    checkpoints.noteChanged(100_000);
    checkpoints.giveSpaceBack();
    assert.equal(asked(), 0);
  }
  for (const version of ["3.51.3", "3.52.0", "3.53.4", "4.0.0"])
    assert.equal(checkpointsAreSafe(version), true, version);
});
