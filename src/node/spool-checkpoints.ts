/** Decides when the write-ahead log is copied into the database: when enough rows have changed, one copy at a time. */
import type { SpoolChannel } from "./spool-channel.ts";

/**
 * A changed row dirties a quarter of a page (fresh mail, whose rows lie together) to one page (a queue of millions), so
 * the log has 24 to 96 MiB by then. Measured on fresh mail, a third of it cost a tenth of the accept rate: pages that
 * are written and freed soon after were copied in between, and the copy's fsync is what a commit's waits for.
 */
const ROWS_BETWEEN = 24_000;

export class SpoolCheckpoints {
  readonly #thread: SpoolChannel;
  #rows = 0;
  #running: Promise<void> | undefined;

  constructor(thread: SpoolChannel) {
    this.#thread = thread;
  }

  noteChanged(rows: number): void {
    this.#rows += rows;
    if (this.#rows < ROWS_BETWEEN || this.#running !== undefined) return;
    this.#rows = 0;
    this.#running = this.#thread
      .send({ kind: "checkpoint" })
      .then(
        () => {},
        // Everything stays in the log, and the next one takes it along; the writer checkpoints by itself in need.
        () => {},
      )
      .finally(() => (this.#running = undefined));
  }
}
