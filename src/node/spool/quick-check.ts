/**
 * SQLite's quick check of the spool before mail flows, within a time that no start is delayed by: the file is read first,
 * from its beginning to its end, and checked only if the disk gave it within that time. What is not checked here is found
 * when it is used, or by `posthaste spool check`.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { performance } from "node:perf_hooks";
import type { SpoolDamage } from "./damage.ts";
import { failureOf } from "./failure.ts";
import type { StartCheck } from "./thread-messages.ts";
import { Query } from "./query.ts";

/** Measured on two busy cores: 328 MiB in 1.15 seconds, so at most some four seconds. */
const usualBytesMax = 1024 * 1024 * 1024;
const usualReadMsMax = 2000;
const readBytes = 1024 * 1024;
/** Faults that are told one by one. */
const faultsMax = 20;

export function quickCheck(
  database: DatabaseSync,
  path: string,
  damage: SpoolDamage,
  limits: { readonly bytesMax?: number; readonly readMsMax?: number } = {},
): StartCheck {
  const { bytesMax = usualBytesMax, readMsMax = usualReadMsMax } = limits;
  const { bytes, isRead } = readAhead(path, bytesMax, readMsMax);
  if (bytes > bytesMax) return { bytes, skipped: `it has more than ${bytesMax / 1024 / 1024} MiB` };
  if (!isRead) return { bytes, skipped: `it could not be read within ${readMsMax / 1000} seconds` };
  try {
    const lines = new Query<[string]>(database, `PRAGMA quick_check(${faultsMax})`).all();
    // One line can hold several faults.
    for (const fault of lines.flatMap(([line]) => line.split("\n"))) {
      if (fault !== "ok" && !fault.startsWith("***")) damage.note(fault);
    }
  } catch (error) {
    damage.note(failureOf(error).text);
  }
  return { bytes };
}

function readAhead(
  path: string,
  bytesMax: number,
  msMax: number,
): { readonly bytes: number; readonly isRead: boolean } {
  const file = openSync(path, "r");
  try {
    const bytes = fstatSync(file).size;
    if (bytes > bytesMax) return { bytes, isRead: false };
    const buffer = Buffer.allocUnsafe(readBytes);
    const end = performance.now() + msMax;
    for (let at = 0; at < bytes; at += readBytes) {
      if (performance.now() > end) return { bytes, isRead: false };
      readSync(file, buffer, 0, readBytes, at);
    }
    return { bytes, isRead: true };
  } finally {
    closeSync(file);
  }
}
