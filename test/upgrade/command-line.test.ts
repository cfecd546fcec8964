/** What an operator sees of the stored format: a refusal that says what to do, and the way down. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { lockDataDir } from "../../src/node/files/data-dir-lock.ts";
import { formatVersion } from "../../src/node/spool/schema.ts";
import { SqliteBench } from "../contract/sqlite-harness.ts";
import { unpackFixture } from "./fixture.ts";

const main = join(import.meta.dirname, "..", "..", "src", "main.ts");

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("serve and the commands refuse a newer format, with file, versions and the way back, and change nothing", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(formatVersion, folder);
  const newer = formatVersion + 1;
  const database = new DatabaseSync(join(folder, "spool.db"));
  database.exec(`PRAGMA user_version = ${newer}`);
  database.close();
  const config = join(folder, "posthaste.toml");
  writeFileSync(
    config,
    `hostname = "mail.example.org"
     data_dir = "${folder}"
     admin = { listen = "127.0.0.1:0" }
     [[listener]]
     kind = "mx"
     listen = "127.0.0.1:0"
    `,
  );
  const text =
    `posthaste: ${folder}/spool.db has format ${newer}; this program knows formats up to ${formatVersion}. ` +
    `Start the newer Posthaste, or take the spool back with it: posthaste spool downgrade --to ${formatVersion} [start-spool-newer]\n`;
  for (const command of ["serve", "queue stats"]) {
    assert.deepEqual(run(...command.split(" "), "--config", config), { status: 69, stdout: "", stderr: text });
  }
  const down = run("spool", "downgrade", "--config", config);
  assert.equal(down.status, 65, "this program does not know the way either");
  assert.match(down.stderr, /knows formats up to/);
  const after = new DatabaseSync(join(folder, "spool.db"));
  assert.equal(after.prepare("PRAGMA user_version").get()?.["user_version"], newer);
  assert.equal(after.prepare("SELECT incarnation FROM state").get()?.["incarnation"], 1, "nobody has opened it");
  after.close();
});

test("spool downgrade refuses what it cannot do, and a folder that is in use", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  assert.match(run("spool", "downgrade", "--data-dir", folder).stderr, /no spool is in/);
  unpackFixture(1, folder);
  const first = run("spool", "downgrade", "--data-dir", folder, "--to", "1");
  assert.deepEqual([first.status, first.stdout], [65, ""]);
  assert.match(first.stderr, /which cannot be taken back to 1|format 1, the first there was/);
  assert.match(run("spool", "downgrade", "--data-dir", folder, "--to", "x").stderr, /"x" is not a format/);
  const lock = lockDataDir(folder);
  try {
    const used = run("spool", "downgrade", "--data-dir", folder);
    assert.equal(used.status, 69);
    assert.match(used.stderr, /in use by another process/);
  } finally {
    lock.release();
  }
});
