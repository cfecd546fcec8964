/** Decides when the write-ahead log is copied into the database: when enough rows have changed, one copy at a time. */
import type { SpoolChannel } from "./channel.ts";

/**
 * A changed row dirties a quarter of a page (fresh mail, whose rows lie together) to one page (a queue of millions), so
 * the log has 24 to 96 MiB by then. Measured on fresh mail, a third of it cost a tenth of the accept rate: pages that
 * are written and freed soon after were copied in between, and the copy's fsync is what a commit's waits for.
 */
const rowsBetween = 24_000;

/** Patch versions apart; the first that checkpoints safely beside a writer. */
const safeSqlite = [3, 51, 3] as const;

/**
 * Before SQLite 3.51.3, a checkpoint that follows another at once, while a writer starts the log over, may take pages
 * that it never copied for copied, and lose them (sqlite.org/wal.html, "the WAL-reset bug"). Node 24 may bring such a
 * version. There the writer alone copies the log, when it has grown to its bound: slower, and safe.
 */
export function checkpointsAreSafe(sqliteVersion: string): boolean {
  const parts = sqliteVersion.split(".").map(Number);
  for (const [index, wanted] of safeSqlite.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

export class SpoolCheckpoints {
  readonly #thread: Pick<SpoolChannel, "send">;
  readonly #safe: boolean;
  #rows = 0;
  #truncateNext = false;
  #running: Promise<void> | undefined;

  constructor(thread: Pick<SpoolChannel, "send">, sqliteVersion = process.versions["sqlite"] ?? "0") {
    this.#thread = thread;
    this.#safe = checkpointsAreSafe(sqliteVersion);
  }

  noteChanged(rows: number): void {
    if (!this.#safe) return;
    this.#rows += rows;
    if (this.#rows < rowsBetween || this.#running !== undefined) return;
    this.#copy(false);
  }

  /** After much was removed: the database's file is cut only when the log is copied, and the log's by this. */
  giveSpaceBack(): void {
    if (!this.#safe) return;
    if (this.#running === undefined) this.#copy(true);
    else this.#truncateNext = true;
  }

  #copy(truncate: boolean): void {
    this.#rows = 0;
    this.#running = this.#thread
      .send({ kind: "checkpoint", truncate })
      .then(
        () => {},
        // Everything stays in the log, and the next one takes it along; the writer checkpoints by itself in need.
        () => {},
      )
      .finally(() => {
        this.#running = undefined;
        if (!this.#truncateNext) return;
        this.#truncateNext = false;
        this.#copy(true);
      });
  }
}
