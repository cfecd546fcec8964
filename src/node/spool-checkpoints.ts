/** Decides when the write-ahead log is copied into the database: when enough rows have changed, one copy at a time. */
import type { SpoolChannel } from "./spool-channel.ts";

/**
 * A changed row dirties a quarter of a page (fresh mail, whose rows lie together) to one page (a queue of millions), so
 * the log has 8 to 32 MiB by then. Fewer rows would write hot pages more often; more would lengthen the next start.
 */
const ROWS_BETWEEN = 8000;

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
