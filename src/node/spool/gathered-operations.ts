/**
 * Operations that wait for their batch, and what goes into the next one: first the commits of fresh mail, since a client
 * waits for each, then a slice of everything else, in order. So a commit waits for one slice that is under way and for
 * that of its own batch, however much else there is to do; and since each batch has a slice, nothing waits forever.
 */
import type { Operation } from "./protocol.ts";

/** More would lengthen the wait of the first for the last; fsync is shared well enough by these. */
const operationsMax = 512;
/** One operation may exceed it (a report of some size); together they stop here. */
const bytesMax = 8 * 1024 * 1024;
/**
 * Rows of a slice: some ten milliseconds of the thread, and many times what its fsync costs. One operation may exceed it,
 * and is a slice by itself; whoever asks for it bounds it.
 */
const sliceRowsMax = 128;

export interface GatheredOperation {
  readonly operation: Operation;
  readonly contents: readonly Uint8Array[];
}

export class GatheredOperations<T extends GatheredOperation> {
  #commits: T[] = [];
  #others: T[] = [];

  /** How many commits wait, and so how many clients. */
  get commits(): number {
    return this.#commits.length;
  }

  get isEmpty(): boolean {
    return this.#commits.length === 0 && this.#others.length === 0;
  }

  add(gathered: T): void {
    if (gathered.operation.kind === "commit") this.#commits.push(gathered);
    else this.#others.push(gathered);
  }

  /** The next batch; empty where nothing waits. */
  takeBatch(): readonly T[] {
    const room = { operations: operationsMax, bytes: bytesMax, rows: Infinity };
    const commits = this.#commits.splice(0, fitting(this.#commits, room));
    return commits.concat(this.#others.splice(0, fitting(this.#others, { ...room, rows: sliceRowsMax })));
  }

  /** Everything, as nothing more will be done. */
  takeAll(): readonly T[] {
    return [...this.#commits.splice(0), ...this.#others.splice(0)];
  }
}

interface Room {
  readonly operations: number;
  readonly bytes: number;
  readonly rows: number;
}

/** How many of the first fit; the first always does. */
function fitting(waiting: readonly GatheredOperation[], room: Room): number {
  let [bytes, rows] = [0, 0];
  for (const [index, { operation, contents }] of waiting.entries()) {
    rows += rowsOf(operation);
    for (const content of contents) bytes += content.length;
    if (index === room.operations || (index > 0 && (bytes > room.bytes || rows > room.rows))) return index;
  }
  return waiting.length;
}

/** About how many rows of recipients, or of as much work, the operation changes or reads. */
function rowsOf(operation: Operation): number {
  switch (operation.kind) {
    case "settle":
      return operation.changes.length;
    case "warn":
      return operation.recipients.length;
    case "claim":
    case "prune":
      return operation.limit;
    case "verb":
    case "delete-captured":
    case "trim-captured":
    case "shrink":
    case "next-due":
      return sliceRowsMax;
    default:
      return 1;
  }
}
