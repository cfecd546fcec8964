/**
 * The committed spools, one for each version of the stored format: `spools/vN/` has the database and large content, packed,
 * and what must be read from them. `scripts/make-upgrade-fixture.ts` makes the newest; older ones are never made again.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import type { Spool } from "../../src/spool/spool.ts";
import { contentOf } from "../contract/spool-fixture.ts";

export const spoolsFolder = path.join(import.meta.dirname, "spools");
export const packed = ".gz";

export function fixtureVersions(): readonly number[] {
  return globSync("v*/", { cwd: spoolsFolder })
    .map((name) => Number(path.basename(name).slice(1)))
    .toSorted((a, b) => a - b);
}

/** Lays the fixture out as a data directory. */
export function unpackFixture(version: number, folder: string): void {
  const from = path.join(spoolsFolder, `v${version}`);
  for (const name of globSync(`**/*${packed}`, { cwd: from })) {
    const target = path.join(folder, name.slice(0, -packed.length));
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, gunzipSync(readFileSync(path.join(from, name))));
  }
}

export function expectedOf(version: number): unknown {
  return JSON.parse(readFileSync(path.join(spoolsFolder, `v${version}`, "expected.json"), "utf8"));
}

const everyState = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"] as const;

/** Everything that the spool tells, as JSON: messages, recipients, events, content, records. */
export async function tellingOf(spool: Spool, namespaces: readonly string[]): Promise<unknown> {
  const found = await spool.find({ states: everyState }, { limit: 1000 });
  const messages = new Map(found.map(({ message }) => [message.id, message]));
  const told = [];
  for (const id of [...messages.keys()].toSorted()) {
    const content = (await contentOf(spool, id))?.toString("latin1");
    // Large content is the same line over and over.
    const text = content === undefined ? null : content.length > 1000 ? `${content.length} octets` : content;
    told.push({ ...(await spool.message(id)), events: await spool.events(id), content: text });
  }
  const records: Record<string, unknown> = {};
  for (const namespace of namespaces) records[namespace] = await spool.listRecords(namespace, { limit: 1000 });
  return JSON.parse(JSON.stringify({ messages: told, records }));
}

/** The tables and indexes as they were declared. */
export function schemaOf(database: DatabaseSync): readonly unknown[] {
  return database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").all();
}

export function namespacesOf(database: DatabaseSync): readonly string[] {
  const rows = database.prepare("SELECT DISTINCT namespace FROM records ORDER BY namespace").all();
  return rows.map(({ namespace }) => String(namespace));
}
