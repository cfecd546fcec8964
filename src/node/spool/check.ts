/**
 * Looks at every page and every content file of a spool that nobody has open, and says which messages have lost what. It
 * reads page by page, so one damaged page hides no other.
 */
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { type BadPage, DatabasePages } from "./database-pages.ts";
import type { StoredRow } from "./database-rows.ts";
import { failureOf, sqliteCorrupt, sqliteCode } from "./failure.ts";
import { SpoolError } from "../../spool/spool.ts";
import { heldState } from "./protocol.ts";
import { Query } from "./query.ts";
import { recipientsMax, seqOf } from "./schema.ts";

export interface SpoolCondition {
  readonly pages: number;
  readonly messages: number;
  readonly recipients: number;
  /** In SQLite's words, and what speaks for a damaged log; empty: nothing is wrong. */
  readonly faults: readonly string[];
  readonly badPages: readonly (BadPage & { readonly table: string })[];
  /** `message`: its queue id, or its number where the id is lost, too. */
  readonly damaged: readonly { readonly message: string; readonly lost: string }[];
}

const faultsMax = 100;

interface Found {
  id?: string;
  isOpen: boolean;
  hasContent: boolean;
  fileSize?: number;
  isWaiting: boolean;
  readonly recipients: Set<number>;
}

/** Throws {@link SpoolError} where the file is no database at all. The caller holds the lock of the directory. */
export function checkSpool(directory: string, progress: (done: number, all: number) => void): SpoolCondition {
  const path = `${directory}/spool.db`;
  using pages = new DatabasePages(path);
  const { tables, faults } = askSqlite(path);
  const found = new Map<number, Found>();
  let recipients = 0;
  for (const row of pages.rows((page) => progress(page, pages.count))) {
    const table = tables.get(row.root);
    if (table === "recipients") recipients++;
    if (table !== undefined) note(found, table, row);
  }
  const damaged: { message: string; lost: string }[] = [];
  for (const [seq, message] of [...found].toSorted(([a], [b]) => a - b)) {
    for (const lost of lossesOf(message, directory)) damaged.push({ message: message.id ?? `number ${seq}`, lost });
  }
  const badPages = pages.bad.map((page) => ({ ...page, table: tables.get(page.root ?? 0) ?? "an index" }));
  const messages = [...found.values()].filter(({ id }) => id !== undefined).length;
  const { logLoss } = pages;
  const all = logLoss === undefined ? faults : [logLoss, ...faults];
  return { pages: pages.count, messages, recipients, faults: all, badPages, damaged };
}

/** Asks SQLite which tables there are and what it finds wrong. A connection that may write would cut a damaged log. */
function askSqlite(path: string): { readonly tables: ReadonlyMap<number, string>; readonly faults: readonly string[] } {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const names = new Query<[number, string]>(
      database,
      "SELECT rootpage, name FROM sqlite_schema WHERE type = 'table'",
    );
    return { tables: new Map(names.all()), faults: faultsOf(database) };
  } catch (error) {
    const { code, text } = failureOf(error);
    throw new SpoolError(code, text, { cause: error });
  } finally {
    database.close();
  }
}

function faultsOf(database: DatabaseSync): readonly string[] {
  try {
    const lines = new Query<[string]>(database, `PRAGMA integrity_check(${faultsMax})`).all();
    return lines.flatMap(([line]) => line.split("\n")).filter((line) => line !== "ok" && !line.startsWith("***"));
  } catch (error) {
    if (sqliteCode(error) !== sqliteCorrupt) throw error;
    return [failureOf(error).text];
  }
}

function note(found: Map<number, Found>, table: string, { rowid = 0, values }: StoredRow): void {
  const of = (seq: number): Found => {
    const known = found.get(seq);
    if (known !== undefined) return known;
    const fresh: Found = { isOpen: false, hasContent: false, isWaiting: false, recipients: new Set() };
    found.set(seq, fresh);
    return fresh;
  };
  switch (table) {
    case "messages":
      if (isMessage(values[1], values[3])) of(rowid).id = String(values[1]);
      return;
    case "open_messages":
      of(rowid).isOpen = true;
      return;
    case "contents":
      of(rowid).hasContent = true;
      return;
    case "content_files":
      of(rowid).hasContent = true;
      of(rowid).fileSize = Number(values[1]);
      return;
    case "recipients": {
      const message = of(seqOf(rowid));
      message.recipients.add(rowid % recipientsMax);
      message.isWaiting ||= Number(values[1]) <= heldState;
    }
  }
}

function isMessage(id: unknown, json: unknown): boolean {
  try {
    return (JSON.parse(String(json)) as { readonly id?: unknown }).id === id;
  } catch {
    return false;
  }
}

function* lossesOf(message: Found, directory: string): Iterable<string> {
  const { id, isOpen, hasContent, fileSize, isWaiting, recipients } = message;
  if (id === undefined) yield "the message itself: from whom it is, and how it leaves";
  const last = Math.max(-1, ...recipients);
  const missing = last + 1 - recipients.size;
  if (missing > 0) yield `${missing} of at least ${last + 1} recipients`;
  if (recipients.size === 0) yield "all recipients";
  if ((isOpen || isWaiting) && !hasContent) yield "the content";
  if (fileSize === undefined || id === undefined) return;
  const file = `${directory}/content/${id.slice(-2)}/${id}.eml`;
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size !== fileSize) yield `the content: ${file} has ${size ?? "no"} octets of ${fileSize}`;
}
