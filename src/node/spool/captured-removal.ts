/** Deleting captured mail in the SQLite spool's writer: by choice, and by the limits of retention, in bounded steps. */
import type { DatabaseSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import { CapturedScan, type CapturedRow } from "./captured-rows.ts";
import type { SpoolMessages } from "./messages.ts";
import type { CapturedDeletion, CapturedStep, CapturedTrim, ClosedMessage } from "./protocol.ts";
import { Query } from "./query.ts";
import { entryFromJson } from "./rows.ts";
import { firstKey, lastKey } from "./schema.ts";

/** Entries that one step looks at and may delete: some 20 ms of the writing thread. */
const entriesMax = 1000;

export class CapturedRemoval {
  readonly #messages: SpoolMessages;
  readonly #scan: CapturedScan;
  readonly #newest: Query<[arrival: number | null]>;
  readonly #byId: Query<CapturedRow>;
  readonly #count: Query<[number]>;
  readonly #oldest: Query<[...CapturedRow, capturedAt: number]>;
  readonly #recipientsOf: Query<[number]>;

  constructor(database: DatabaseSync, messages: SpoolMessages) {
    this.#messages = messages;
    this.#scan = new CapturedScan(database);
    this.#newest = new Query(database, "SELECT max(arrival) FROM captured");
    this.#byId = new Query(database, "SELECT arrival, seq, entry FROM captured WHERE id = ?");
    this.#count = new Query(database, "SELECT entries FROM captured_state");
    this.#oldest = new Query(
      database,
      "SELECT arrival, seq, entry, captured_at FROM captured ORDER BY arrival LIMIT ? + 0",
    );
    this.#recipientsOf = new Query(database, "SELECT count(*) FROM recipients WHERE key BETWEEN ? AND ?");
  }

  delete({ choice, now, cursor }: CapturedDeletion): CapturedStep {
    const { id, filter = {} } = choice;
    if (id !== undefined) {
      const row = this.#byId.get(id);
      return this.#remove(row === undefined ? [] : [row], { now, forget: true });
    }
    // What arrives while the steps are made is left.
    const upTo = cursor?.upTo ?? this.#newest.get()?.[0] ?? 0;
    const after = cursor?.after ?? 0;
    const request = { filter, order: "oldest first", after, before: upTo + 1, limit: entriesMax } as const;
    const { rows, next } = this.#scan.window(request, entriesMax);
    const step = this.#remove(rows, { now, forget: true });
    return next === undefined ? step : { ...step, cursor: { after: next, upTo } };
  }

  trim({ keep, before, now }: CapturedTrim): CapturedStep {
    const excess = (this.#count.get()?.[0] ?? 0) - keep;
    const oldest = this.#oldest.all(entriesMax);
    const stays = oldest.findIndex(([, , , capturedAt], place) => place >= excess && capturedAt >= before);
    const rows = (stays === -1 ? oldest : oldest.slice(0, stays)).map(([arrival, seq, json]): CapturedRow => [
      arrival,
      seq,
      json,
    ]);
    const step = this.#remove(rows, { now, forget: false });
    return rows.length < entriesMax ? step : { ...step, cursor: { after: 0, upTo: 0 } };
  }

  #remove(rows: readonly CapturedRow[], how: { readonly now: Instant; readonly forget: boolean }): CapturedStep {
    const closed: ClosedMessage[] = [];
    const inFolder: string[] = [];
    for (const [arrival, seq, json] of rows) {
      const entry = entryFromJson(json);
      this.#messages.captured.delete(arrival, entry);
      if (seq === null) inFolder.push(entry.id);
      else if (!this.#messages.isOpen(seq)) {
        const wentElsewhere = (this.#recipientsOf.get(firstKey(seq), lastKey(seq))?.[0] ?? 0) > entry.to.length;
        // Of a message that was only captured nothing needs to be known any more: the next prune takes its history.
        const closedAt = how.forget && !wentElsewhere ? 0 : how.now;
        closed.push({ id: entry.id, ...this.#messages.dropContent(seq, closedAt) });
      }
    }
    return { removed: rows.length, closed, inFolder, cursor: undefined };
  }
}
