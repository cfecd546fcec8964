/**
 * Copies the write-ahead log into the database, in a thread of its own: the writer goes on committing while most of the
 * pages are written and synced, and waits only for those that it wrote meanwhile. Then the log starts over.
 */
import { DatabaseSync } from "node:sqlite";
import { failureOf } from "./failure.ts";
import type { CheckpointOperation } from "./protocol.ts";
import type { Batch, Failure, SpoolThreadData, ThreadReply } from "./thread-messages.ts";
import { Query } from "./query.ts";

/** How long the writer may be held up while a search still reads the log; then the next checkpoint tries again. */
const busyMs = 20;

type Outcome = [busy: number, framesInLog: number, framesCopied: number];

export class SpoolCheckpointer {
  readonly #database: DatabaseSync;
  readonly #copy: Query<Outcome>;
  readonly #copyRestAndStartOver: Query<Outcome>;
  readonly #copyRestAndTruncate: Query<Outcome>;

  constructor(data: SpoolThreadData) {
    this.#database = new DatabaseSync(data.path, { timeout: busyMs });
    this.#database.exec("PRAGMA synchronous = FULL; PRAGMA cache_size = -512;");
    this.#copy = new Query(this.#database, "PRAGMA wal_checkpoint(PASSIVE)");
    this.#copyRestAndStartOver = new Query(this.#database, "PRAGMA wal_checkpoint(RESTART)");
    this.#copyRestAndTruncate = new Query(this.#database, "PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Each operation is a checkpoint; nothing is lost where one fails, since everything stays in the log. */
  run(batch: Batch): Extract<ThreadReply, { kind: "answers" }> {
    const failures: Failure[] = [];
    const results = batch.operations.map((operation, index) => {
      try {
        // The second takes what the writer added during the first, so that little is left for the writer to wait for.
        this.#copy.get();
        this.#copy.get();
        const { truncate } = operation as CheckpointOperation;
        return (truncate ? this.#copyRestAndTruncate : this.#copyRestAndStartOver).get()?.[1] ?? 0;
      } catch (error) {
        failures.push({ index, ...failureOf(error) });
        return undefined;
      }
    });
    return { kind: "answers", results, failures, rowsChanged: 0, counts: undefined };
  }

  close(): void {
    this.#database.close();
  }
}
