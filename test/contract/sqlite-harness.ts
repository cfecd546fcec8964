/** Folders, files and crashes for tests of the SQLite spool. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import type { SqliteSpool, SqliteSpoolOptions } from "../../src/node/spool/sqlite-spool.ts";
import type { Files } from "../../src/ports/files.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** The spools of one test, each in a folder of its own; disposing closes and removes them all. */
export class SqliteBench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly #opened: SqliteSpool[] = [];
  readonly #folders: string[] = [];

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "posthaste-spool-"));
    this.#folders.push(folder);
    return folder;
  }

  async open(directory: string, options: Partial<SqliteSpoolOptions> = {}): Promise<SqliteSpool> {
    const { clock, log } = this;
    const spool = await openSqliteSpool({ directory, clock, log, files: new NodeFiles(), ...options });
    this.#opened.push(spool);
    return spool;
  }

  /** What a crash of the process would leave at this moment: a copy of the files as they are, nothing closed or flushed. */
  async image(directory: string): Promise<string> {
    const copy = await this.folder();
    // The log before the database: pages that a checkpoint moves meanwhile are then found twice, never missed.
    for (const name of ["spool.db-wal", "spool.db", "content"]) {
      await cp(join(directory, name), join(copy, name), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
    }
    return copy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const spool of this.#opened) await spool.close();
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

/** The real disk, with a hook before each operation; it may throw, or look at what is there. */
export function hookedFiles(before: (operation: keyof Files, path: string) => Promise<void> | void): Files {
  const files = new NodeFiles();
  return {
    open: async (path, mode, permissions) => (await before("open", path), await files.open(path, mode, permissions)),
    readFile: async (path) => (await before("readFile", path), await files.readFile(path)),
    replaceFile: async (path, bytes) => (await before("replaceFile", path), await files.replaceFile(path, bytes)),
    makeDirectory: async (path) => (await before("makeDirectory", path), await files.makeDirectory(path)),
    setPermissions: async (path, permissions) => {
      await before("setPermissions", path);
      await files.setPermissions(path, permissions);
    },
    syncDirectory: async (path) => (await before("syncDirectory", path), await files.syncDirectory(path)),
    rename: async (from, to) => (await before("rename", to), await files.rename(from, to)),
    remove: async (path) => (await before("remove", path), await files.remove(path)),
    list: async (path) => (await before("list", path), await files.list(path)),
    stat: async (path) => (await before("stat", path), await files.stat(path)),
    freeBytes: async (path) => (await before("freeBytes", path), await files.freeBytes(path)),
  };
}
