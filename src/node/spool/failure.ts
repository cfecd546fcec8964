/** What callers of the SQLite spool are told of a failure: a full disk is another reply (452) than any other (451). */
import { errorText } from "../../lib/error-text.ts";
import { SpoolError } from "../../spool/spool.ts";
import type { Failure } from "./thread-messages.ts";

/** SQLite's primary result codes. */
const sqliteBusy = 5;
const sqliteIoerr = 10;
export const sqliteCorrupt = 11;
const sqliteNotadb = 26;
const sqliteFull = 13;

export function failureOf(error: unknown): Omit<Failure, "index"> {
  if (error instanceof SpoolError) return { code: error.code, text: error.message };
  const text = errorText(error);
  return { code: spoolCode(sqliteCode(error)), text };
}

function spoolCode(code: number | undefined): Failure["code"] {
  switch (code) {
    case sqliteFull:
      return "no-space";
    case sqliteCorrupt:
    case sqliteNotadb:
      return "damaged";
    default:
      return "failed";
  }
}

/** The disk does not do what it should, or not in time: no operation of the batch would fare better alone. */
export function isDiskFailure(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === sqliteBusy || code === sqliteIoerr;
}

export function sqliteCode(error: unknown): number | undefined {
  // The extended codes carry the primary one in their lowest octet.
  return error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : undefined;
}
