/** What callers of the SQLite spool are told of a failure: a full disk is another reply (452) than any other (451). */
import { SpoolError } from "../spool/spool.ts";
import type { Failure } from "./spool-protocol.ts";

/** SQLite's primary result codes. */
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;

export function failureOf(error: unknown): Omit<Failure, "index"> {
  if (error instanceof SpoolError) return { code: error.code, text: error.message };
  const text = error instanceof Error ? error.message : String(error);
  return { code: sqliteCode(error) === SQLITE_FULL ? "no-space" : "failed", text };
}

/** The disk does not do what it should, or not in time: no operation of the batch would fare better alone. */
export function isDiskFailure(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_BUSY || code === SQLITE_IOERR || code === SQLITE_CORRUPT;
}

function sqliteCode(error: unknown): number | undefined {
  // The extended codes carry the primary one in their lowest octet.
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;
}
