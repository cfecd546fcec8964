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

interface Telling {
  readonly records: { readonly captured?: readonly { readonly value: object }[] };
}

/** What this program reads from the fixture: format 1 had the captured mail among the records. */
export function expectedOf(version: number): unknown {
  const expected = JSON.parse(readFileSync(path.join(spoolsFolder, `v${version}`, "expected.json"), "utf8")) as Telling;
  if (version > 1) return expected;
  const { captured = [], ...records } = expected.records;
  return { ...expected, records, captured: captured.map(({ value }) => ({ ...value, in_folder: true })) };
}

const everyState = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"] as const;

/** Everything that the spool tells, as JSON: messages, recipients, events, content, records, captured mail. */
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
  const captured = (await spool.captured.list({ limit: 1000, order: "oldest first" })).map(({ entry }) => entry);
  return JSON.parse(JSON.stringify({ messages: told, records, captured }));
}

/** The tables and indexes as they were declared. */
export function schemaOf(database: DatabaseSync): readonly unknown[] {
  return database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").all();
}

export function namespacesOf(database: DatabaseSync): readonly string[] {
  const rows = database
    // Of format 1: a table of its own since.
    .prepare("SELECT DISTINCT namespace FROM records WHERE namespace <> 'captured' ORDER BY namespace")
    .all();
  return rows.map(({ namespace }) => String(namespace));
}
