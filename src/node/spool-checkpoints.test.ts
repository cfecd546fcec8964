import assert from "node:assert/strict";
import { test } from "node:test";
import { checkpointsAreSafe, SpoolCheckpoints } from "./spool-checkpoints.ts";

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

test("with an SQLite whose checkpoints may lose pages beside a writer, only the writer makes them", () => {
  for (const version of ["3.50.4", "3.51.2", "3.7.0", "2.99.99"]) {
    assert.equal(checkpointsAreSafe(version), false, version);
    const { checkpoints, asked } = checkpointsWith(version);
    checkpoints.noteChanged(100_000);
    assert.equal(asked(), 0);
  }
  for (const version of ["3.51.3", "3.52.0", "3.53.4", "4.0.0"])
    assert.equal(checkpointsAreSafe(version), true, version);
});
