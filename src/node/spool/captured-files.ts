/** Captured mail as format 1 of the spool keeps it: a file for each message, `captured/ID.eml`, as it would have gone out. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { contentFileName } from "./content-files.ts";
import { Query } from "./query.ts";
import { entryFromJson, messageFromJson } from "./rows.ts";

/** Nobody else has the spool open. A file that is there already is written again. */
export function writeCapturedFiles(database: DatabaseSync): void {
  const directory = path.dirname(database.location() ?? "");
  const folder = path.join(directory, "captured");
  const page = new Query<[arrival: number, entry: string, message: string, bytes: Uint8Array | null]>(
    database,
    `SELECT c.arrival, c.entry, m.message, b.bytes FROM captured c JOIN messages m ON m.seq = c.seq
      LEFT JOIN contents b ON b.seq = c.seq WHERE c.arrival > ? ORDER BY c.arrival LIMIT 1`,
  );
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let row = page.get(0); row !== undefined; row = page.get(row[0])) {
    const [, json, messageJson, bytes] = row;
    const entry = entryFromJson(json);
    const { headerBlock, forwarded } = messageFromJson(messageJson);
    const top = `${entry.forwarded ? (forwarded?.headerBlock ?? "") : ""}${headerBlock}`;
    const file = path.join(directory, "content", contentFileName(entry.id));
    // A damaged spool must not keep the rest from going back.
    const content = bytes ?? (existsSync(file) ? readFileSync(file) : undefined);
    if (content !== undefined) writeDurably(path.join(folder, `${entry.id}.eml`), [Buffer.from(top), content]);
  }
  syncToDisk(folder);
}

function writeDurably(file: string, parts: readonly Uint8Array[]): void {
  const handle = openSync(file, "w", 0o600);
  try {
    for (const part of parts) for (let at = 0; at < part.length;) at += writeSync(handle, part, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Returns when the file or folder at `path` is durable as it is now. */
export function syncToDisk(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
