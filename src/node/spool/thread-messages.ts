/**
 * How the spool's main-thread side and its worker threads talk: what a thread begins with, batches of the operations of
 * `protocol.ts`, and the replies. Content of a whole batch travels in one buffer, which is handed over and not copied.
 */
import type { Instant } from "../../lib/instant.ts";
import type { SpoolError } from "../../spool/spool.ts";
import type { Operation } from "./protocol.ts";

/** What `workerData` of a spool thread holds. */
export interface SpoolThreadData {
  readonly role: "writer" | "reader" | "checkpointer";
  /** The database file; its folder exists. */
  readonly path: string;
  /** When claims of an earlier process return to the schedule. */
  readonly now: Instant;
  /** Bound of SQLite's page cache. */
  readonly cacheKiB: number;
  /** Bound of the database file; 0 for none. */
  readonly databaseBytesMax: number;
}

/** Operations that travel, and are committed, together. */
export interface Batch<O extends Operation = Operation> {
  readonly operations: readonly O[];
  /** Octets of all small contents, in the order in which the operations name them. */
  readonly content: Uint8Array<ArrayBuffer>;
  /** Where in `content` those of each operation begin. */
  readonly offsets: readonly number[];
}

export interface Failure {
  readonly index: number;
  readonly code: SpoolError["code"];
  readonly text: string;
}

/** Counted by the writer in the transactions themselves, so that nobody has to count rows. */
export interface SpoolCounts {
  readonly scheduled: number;
  readonly claimed: number;
  readonly held: number;
  /** When the oldest message that is not final was received. */
  readonly oldestReceivedAt: Instant | undefined;
}

/** How much of the database was looked at before the start went on. */
export interface StartCheck {
  readonly bytes: number;
  /** Why it was left out; undefined: the whole database was checked. */
  readonly skipped?: string;
}

export type ThreadReply =
  | {
      readonly kind: "opened";
      readonly incarnation: number;
      /** Recipients whose claim an earlier process left. */
      readonly recovered: number;
      readonly counts: SpoolCounts | undefined;
      readonly check: StartCheck | undefined;
      readonly damage: readonly string[];
    }
  | { readonly kind: "refused"; readonly code: SpoolError["code"]; readonly text: string }
  | {
      readonly kind: "answers";
      /** In the order of the operations; undefined where one failed. */
      readonly results: readonly unknown[];
      readonly failures: readonly Failure[];
      /** How many rows the batch wrote. */
      readonly rowsChanged: number;
      /** What was found damaged since the answer before. */
      readonly damage?: readonly string[];
      readonly counts: SpoolCounts | undefined;
      /** The batch's buffer, for the next one. */
      readonly buffer?: ArrayBuffer;
    }
  | { readonly kind: "closed" };

export type ThreadRequest = Batch | "close";
