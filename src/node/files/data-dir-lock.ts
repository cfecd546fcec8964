/**
 * One server to a data directory. The lock is SQLite's own on a small file, so the system lets go of it whatever way the
 * process ends; a pid in a file, which outlives a crash and may then be someone else's, is only for people.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Nothing else happens in this process meanwhile. */
const waitMs = 1500;

export class DataDirInUse extends Error {
  override readonly name = "DataDirInUse";
}

/** Throws {@link DataDirInUse}, which names the process that has it; any other error means that the folder is unusable. */
export function lockDataDir(folder: string): { release(): void } {
  const pidFile = join(folder, "server.pid");
  // A server keeps it; a command that reads the spool has it for a moment only.
  const database = new DatabaseSync(join(folder, "server.lock"), { timeout: waitMs });
  try {
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!/locked/.test((error as Error).message)) throw error;
    throw new DataDirInUse(`${folder} is in use by another process${ownerOf(pidFile)}`, { cause: error });
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return {
    release: () => {
      database.close();
    },
  };
}

function ownerOf(pidFile: string): string {
  try {
    const pid = readFileSync(pidFile, "latin1").trim();
    return /^\d+$/.test(pid) ? ` (${pid})` : "";
  } catch {
    return "";
  }
}
