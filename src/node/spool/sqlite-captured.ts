/** The captured mail of the SQLite spool: the main thread's side, which turns each call into bounded steps. */
import type { Instant } from "../../lib/instant.ts";
import type {
  Arrival,
  CapturedChoice,
  CapturedMail,
  CapturedPageRequest,
  ListedEntry,
} from "../../spool/captured-mail.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import type { CapturedStep, ClosedMessage, ReadOperation, ResultOf, WriteOperation } from "./protocol.ts";
import { entryFromJson } from "./rows.ts";

interface Parts {
  readonly now: () => Instant;
  readonly read: <O extends ReadOperation>(operation: O) => Promise<ResultOf<O>>;
  readonly write: <O extends WriteOperation>(operation: O) => Promise<ResultOf<O>>;
  /** The content of these messages is no longer needed. */
  readonly closed: (message: ClosedMessage) => void;
  /** Removes the file in which format 1 kept a captured message. */
  readonly removeFile: (id: QueueId) => void;
}

export class SqliteCaptured implements CapturedMail {
  readonly #parts: Parts;
  readonly #watchers = new Set<() => void>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async list(request: CapturedPageRequest): Promise<readonly ListedEntry[]> {
    const { limit, order, after, before, ...rest } = request;
    const found: ListedEntry[] = [];
    let from = order === "newest first" ? before : after;
    while (found.length < limit) {
      const bounds = order === "newest first" ? { after, before: from } : { after: from, before };
      const given = Object.entries(bounds).filter(([, bound]) => bound !== undefined);
      const page = { ...rest, order, limit: limit - found.length, ...Object.fromEntries(given) };
      const { rows, next } = await this.#parts.read({ kind: "list-captured", ...page });
      for (const [arrival, json] of rows) found.push({ arrival, entry: entryFromJson(json) });
      if (next === undefined) break;
      from = next;
    }
    return found;
  }

  async get(id: QueueId): Promise<ListedEntry | undefined> {
    const row = await this.#parts.read({ kind: "captured-entry", id });
    return row && { arrival: row[0], entry: entryFromJson(row[1]) };
  }

  async arrivalBefore(time: Instant): Promise<Arrival> {
    return await this.#parts.read({ kind: "captured-before", time });
  }

  async count(): Promise<number> {
    return await this.#parts.read({ kind: "count-captured" });
  }

  async delete(choice: CapturedChoice): Promise<number> {
    return await this.#inSteps((cursor) =>
      this.#parts.write({ kind: "delete-captured", now: this.#parts.now(), choice, cursor }),
    );
  }

  async trim(limits: { readonly keep: number; readonly before: Instant }): Promise<number> {
    return await this.#inSteps(() => this.#parts.write({ kind: "trim-captured", now: this.#parts.now(), ...limits }));
  }

  watch(listener: () => void): () => void {
    // Each call counts for itself, even with the same function.
    const watcher = () => listener();
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** A commit listed something. */
  notify(): void {
    for (const watcher of this.#watchers) watcher();
  }

  async #inSteps(step: (cursor: CapturedStep["cursor"]) => Promise<CapturedStep>): Promise<number> {
    let removed = 0;
    let cursor: CapturedStep["cursor"];
    do {
      const result = await step(cursor);
      for (const message of result.closed) this.#parts.closed(message);
      for (const id of result.inFolder) this.#parts.removeFile(id);
      removed += result.removed;
      cursor = result.cursor;
    } while (cursor !== undefined);
    return removed;
  }
}
