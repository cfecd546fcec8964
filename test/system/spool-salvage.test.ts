/** The real command, from a damaged data directory to a spool that a server opens. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lockDataDir } from "../../src/node/files/data-dir-lock.ts";
import { formatVersion } from "../../src/node/spool/schema.ts";
import { SqliteBench } from "../contract/sqlite-harness.ts";
import { unpackFixture } from "../upgrade/fixture.ts";

const main = join(import.meta.dirname, "..", "..", "src", "main.ts");

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("spool salvage writes a spool that check finds whole, says by its exit code whether anything was lost, and overwrites nothing", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(formatVersion, folder);
  // The log as a checkpoint leaves it.
  writeFileSync(join(folder, "spool.db-wal"), "");
  const lock = lockDataDir(folder);
  const used = run("spool", "salvage", "--data-dir", folder);
  lock.release();
  assert.equal(used.status, 69);
  assert.match(used.stderr, /in use by another process/);
  const saved = run("spool", "salvage", "--data-dir", folder);
  assert.equal(saved.status, 0, saved.stderr);
  assert.match(saved.stdout, /Nothing was lost\.\n$/);
  const salvaged = join(folder, "salvaged");
  assert.deepEqual(run("spool", "check", "--data-dir", salvaged).status, 0);
  const again = run("spool", "salvage", "--data-dir", folder);
  assert.deepEqual([again.status, again.stdout], [69, ""]);
  assert.match(again.stderr, /salvaged exists already/);
  rmSync(join(folder, "content"), { recursive: true });
  const damaged = run("spool", "salvage", "--data-dir", folder, "--to", join(folder, "second"), "--json");
  assert.equal(damaged.status, 65);
  const told = JSON.parse(damaged.stdout) as { readonly lost: readonly { readonly what: string }[] };
  assert.ok(told.lost.some(({ what }) => what === "its content"));
});
