/**
 * `npm run upgrade:fixture`: packs a spool of the present format for the tests in test/upgrade. Once a format is released
 * its fixture stays as it is; while it is not, `--again` replaces it.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { formatVersion } from "../src/node/spool/schema.ts";
import { SqliteBench } from "../test/contract/sqlite-harness.ts";
import { fixtureVersions, namespacesOf, packed, spoolsFolder, tellingOf } from "../test/upgrade/fixture.ts";
import { tellStory } from "../test/upgrade/story.ts";

const target = path.join(spoolsFolder, `v${formatVersion}`);
if (fixtureVersions().includes(formatVersion)) {
  if (!process.argv.includes("--again")) {
    console.error(
      `there is a fixture of format ${formatVersion}; --again replaces it, if the format was never released`,
    );
    process.exit(1);
  }
  rmSync(target, { recursive: true });
}

await using bench = new SqliteBench();
const directory = await bench.folder();
const spool = await bench.open(directory);
await tellStory(spool, bench.clock);
const image = await bench.image(directory);
await spool.close();

// The log goes into the database, so that one file holds it all; nothing else is changed, claims stay.
const database = new DatabaseSync(path.join(image, "spool.db"));
database.exec("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA journal_mode = DELETE;");
const namespaces = namespacesOf(database);
database.close();
for (const name of ["spool.db", ...globSync("content/??/*.eml", { cwd: image })]) {
  const file = path.join(target, `${name}${packed}`);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, gzipSync(readFileSync(path.join(image, name)), { level: 9 }));
}
const opened = await bench.open(image);
const expected = await tellingOf(opened, namespaces);
writeFileSync(path.join(target, "expected.json"), `${JSON.stringify(expected, undefined, 2)}\n`);
console.log(`${path.relative(process.cwd(), target)}: a spool of format ${formatVersion}`);
