/**
 * Makes a new spool of everything that a damaged one still has. The damaged one is only read. The new one comes into being
 * under a name of its own and gets its final one when it is durable, so there is never half of it.
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import { SpoolError } from "../../spool/spool.ts";
import { syncToDisk } from "../spool/captured-files.ts";
import { Damage } from "../spool/database-rows.ts";
import { claimedState } from "../spool/protocol.ts";
import { Query } from "../spool/query.ts";
import { formatVersion, formatSteps, migrate, type FormatSteps } from "../spool/schema.ts";
import { type Losses, MessageMender } from "./mend-messages.ts";
import { deriveTables, leaveOrphansApart, leaveOwedReportsApart, mendCaptured } from "./mend-rest.ts";
import { PageImage } from "../spool/page-image.ts";
import { type SavedRow, savedRow, type SavedTable } from "./row-forms.ts";
import { SavedFiles } from "./saved-files.ts";
import { Staging } from "./staging.ts";
import { type DamagedPage, TreeWalk } from "./tree-walk.ts";

export interface SalvageOptions {
  /** The data directory with the damaged spool; the caller holds its lock. */
  readonly from: string;
  /** A folder that does not exist yet. */
  readonly to: string;
  readonly now: Instant;
  /** The operator knows that the log is lost: whatever waits may have been delivered. */
  readonly logLost?: boolean;
  readonly progress?: (done: number, all: number, what: "pages" | "messages") => void;
}

export interface Salvaged extends Losses {
  readonly pages: number;
  readonly damagedPages: readonly { readonly page: number; readonly table: string; readonly reason: string }[];
  /** Why the end of SQLite's log must be taken as lost; then everything that waited is held. */
  readonly logLoss: string | undefined;
  readonly kept: {
    readonly messages: number;
    readonly recipients: number;
    readonly scheduled: number;
    readonly held: number;
    readonly events: number;
    readonly records: number;
    readonly captured: number;
  };
  /** Files below `to`: what has no place in a spool any more. */
  readonly remains: readonly string[];
  /** Everything that the spool had is in the new one; something may be held nevertheless. */
  readonly nothingLost: boolean;
}

const magic = "SQLite format 3\0";
/** Higher ones are damage, not a newer program. */
const formatPlausibleMax = 1000;

/** In this order; a recipient is judged by what came before it. Tables that are not here follow from others. */
const tablesRead: readonly (readonly [name: string, table: SavedTable])[] = [
  ["state", "state"],
  ["messages", "messages"],
  ["sqlite_autoindex_messages_1", "message_ids"],
  ["open_messages", "open_messages"],
  ["closed_messages", "closed_messages"],
  ["recipients", "recipients"],
  ["contents", "contents"],
  ["content_files", "content_files"],
  ["events", "events"],
  ["records", "records"],
  ["captured_state", "captured_state"],
  ["captured", "captured"],
];
/** What these have lost is found elsewhere, too. */
const derived: readonly SavedTable[] = ["state", "message_ids", "open_messages", "closed_messages", "captured_state"];
const withoutRowIds: readonly SavedTable[] = ["message_ids", "closed_messages", "records"];

/** Throws {@link SpoolError}: where a newer program wrote the spool, or where the new one cannot be written. */
export function salvageSpool(options: SalvageOptions): Salvaged {
  const { from, to } = options;
  if (existsSync(to)) throw new SpoolError("failed", `${to} exists already`);
  using image = new PageImage(`${from}/spool.db`);
  const version = versionOf(image);
  let work: string | undefined;
  try {
    work = mkdtempSync(join(dirname(to), `.${basename(to)}-`));
    const salvaged = fill(options, image, { work, version });
    syncToDisk(dirname(work));
    renameSync(work, to);
    work = undefined;
    syncToDisk(dirname(to));
    return salvaged;
  } catch (error) {
    if (error instanceof SpoolError) throw error;
    throw new SpoolError("failed", `${to} cannot be written: ${(error as Error).message}`, { cause: error });
  } finally {
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
  }
}

function fill(
  options: SalvageOptions,
  image: PageImage,
  { work, version }: { readonly work: string; readonly version: number },
): Salvaged {
  const { from, now, logLost = false, progress = () => {} } = options;
  const staging = new Staging(join(work, "spool.db"), version);
  const { database } = staging;
  try {
    const { damagedPages, losesRows } = readRows(image, staging, version, (done) =>
      progress(done, image.count, "pages"),
    );
    const logLoss =
      image.logLoss ??
      lossByClaims(image, database) ??
      (logLost ? "the operator says that its log is lost" : undefined);
    staging.finish();
    const files = new SavedFiles(from, work);
    const holdAll = logLoss === undefined ? undefined : `${logLoss}: it may have been delivered already`;
    const mender = new MessageMender(staging, { now, files, holdAll });
    leaveOrphansApart(database, mender, files);
    const messages = countOf(database, "messages");
    let done = 0;
    mender.run(() => progress(++done, messages, "messages"));
    mendCaptured(database, mender, files);
    if (logLoss !== undefined) leaveOwedReportsApart(database, mender, files);
    deriveTables(database);
    const kept = keptIn(database);
    staging.close();
    files.makeDurable();
    const { lost, held } = mender.losses;
    const nothingLost = !losesRows && logLoss === undefined && lost.length === 0;
    return { pages: image.count, damagedPages, logLoss, kept, lost, held, remains: files.remains, nothingLost };
  } finally {
    if (database.isOpen) database.close();
  }
}

function readRows(image: PageImage, staging: Staging, version: number, step: (done: number) => void) {
  const { roots, damaged } = rootsOf(image, version);
  const tables = new Map(tablesRead.flatMap(([name, table]) => (roots.has(name) ? [[roots.get(name), table]] : [])));
  const walk = new TreeWalk<SavedRow>(
    image,
    (row, root) => savedRow(row, root === undefined ? undefined : tables.get(root)),
    step,
  );
  const add = (value: SavedRow, doubt: string | undefined): void => {
    // A wrong number would make a message of its own.
    if (value.table !== "message_ids" || doubt === undefined) staging.add(value, doubt ?? value.doubt);
  };
  for (const [name] of tablesRead) {
    const root = roots.get(name);
    if (root === undefined) continue;
    for (const { value, doubt } of walk.rows(root)) add(value, doubt);
  }
  if (walk.damaged.length > 0) for (const { value, doubt } of walk.strays()) add(value, doubt);
  const names = new Map([...roots].map(([name, root]) => [root, name]));
  const damagedPages = [...damaged, ...walk.damaged].map(({ page, root, reason }) => ({
    page,
    table: names.get(root) ?? "sqlite_schema",
    reason,
  }));
  const losesRows = walk.damaged.some(({ root, isAbove }) => {
    const table = tables.get(root);
    return table !== undefined && !derived.includes(table) && !(isAbove && !withoutRowIds.includes(table));
  });
  return { damagedPages, losesRows };
}

/** A server that ends in order leaves no claim, and one that does not leaves a log. */
function lossByClaims(image: PageImage, database: DatabaseSync): string | undefined {
  if (image.hasLog) return undefined;
  const [noted, found] = new Query<[noted: number | null, found: number]>(
    database,
    `SELECT (SELECT claimed FROM state), EXISTS (SELECT 1 FROM recipients WHERE state = ${claimedState})`,
  ).get() ?? [0, 0];
  return (noted ?? 0) > 0 || found > 0 ? "its log is missing, and attempts were in progress" : undefined;
}

function versionOf(image: PageImage): number {
  let version = 0;
  try {
    const bytes = image.read(1);
    if (bytes.toString("latin1", 0, magic.length) === magic) version = bytes.readUInt32BE(60);
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
  }
  if (version > formatVersion && version <= formatPlausibleMax) {
    const text = `the spool has format ${version}; this program knows formats up to ${formatVersion}`;
    throw new SpoolError("newer-format", text);
  }
  return version >= 1 && version <= formatVersion ? version : formatVersion;
}

/** First pages by table: as the spool says; where that is lost, as every spool of the format has them. */
function rootsOf(
  image: PageImage,
  version: number,
): { readonly roots: ReadonlyMap<string, number>; readonly damaged: readonly DamagedPage[] } {
  const roots = usualRoots(version);
  const schema = new TreeWalk<readonly [name: string, root: number]>(
    image,
    ({ values: [, name, , root] }) => (typeof name === "string" && typeof root === "number" ? [name, root] : undefined),
    () => {},
  );
  for (const { value, doubt } of schema.rows(1)) {
    const [name, root] = value;
    if (doubt === undefined && roots.has(name) && root >= 2 && root <= image.count) roots.set(name, root);
  }
  return { roots, damaged: schema.damaged };
}

/** SQLite gives first pages in the order in which tables are made, and keeps them together with `auto_vacuum`. */
function usualRoots(version: number): Map<string, number> {
  const database = new DatabaseSync(":memory:");
  try {
    const [first, ...others] = formatSteps;
    const known: FormatSteps = [first, ...others.slice(0, version - 1)];
    migrate(database, known);
    return new Map(new Query<[name: string, root: number]>(database, "SELECT name, rootpage FROM sqlite_schema").all());
  } finally {
    database.close();
  }
}

function keptIn(database: DatabaseSync): Salvaged["kept"] {
  return {
    messages: countOf(database, "messages"),
    recipients: countOf(database, "recipients"),
    scheduled: countOf(database, "recipients WHERE state = 0"),
    held: countOf(database, "recipients WHERE state = 2"),
    events: countOf(database, "events"),
    records: countOf(database, "records"),
    captured: countOf(database, "captured"),
  };
}

function countOf(database: DatabaseSync, rows: string): number {
  return new Query<[number]>(database, `SELECT count(*) FROM ${rows}`).get()?.[0] ?? 0;
}
