/**
 * The reading side of the SQLite spool, in a thread of its own with a read-only connection: searches, history and
 * content never delay a commit. Long searches go window by window, so that no snapshot is held for long.
 */
import { DatabaseSync } from "node:sqlite";
import { CapturedScan } from "./captured-rows.ts";
import { unlessDamaged } from "./damage.ts";
import { filterCondition, filterValues, wantsOnlyOpen } from "./filter.ts";
import type { ContentRow, FileRow, FoundRows, Operation, ReadOperation, RecipientRow } from "./protocol.ts";
import type { Batch, Failure, SpoolThreadData, ThreadReply } from "./thread-messages.ts";
import { Query } from "./query.ts";
import { recipientsMax, firstKey, lastKey, recipientColumns } from "./schema.ts";
import { failureOf } from "./failure.ts";

/** How many messages a search looks at in one snapshot. */
const windowMessages = 20_000;
/** How many open messages are looked at together, where age decides. */
const openPage = 1000;
/** How many captured messages one look goes through: some milliseconds, so that other questions get their turn. */
const windowCaptured = 1000;

type FindRow = readonly [seq: number, ...RecipientRow];

/** The statements of a search over one of the two lists of messages. */
interface Search {
  readonly window: Query<[seq: number | null]>;
  readonly rows: Query<FindRow>;
}

export class SpoolReader {
  readonly #database: DatabaseSync;
  readonly #openSearch: Search;
  readonly #wholeSearch: Search;
  readonly #openFrom: Query<[seq: number, receivedAt: number]>;
  readonly #unwarnedOf: Query<RecipientRow>;
  readonly #seqOf: Query<[seq: number]>;
  readonly #seqBefore: Query<[seq: number]>;
  readonly #messageOf: Query<[json: string]>;
  readonly #recipientsOf: Query<RecipientRow>;
  readonly #events: Query<[json: string]>;
  readonly #content: Query<[bytes: Uint8Array | null, fileSize: number | null]>;
  readonly #record: Query<[json: string]>;
  readonly #records: Query<[key: string, json: string]>;
  readonly #captured: CapturedScan;
  readonly #capturedEntry: Query<[arrival: number, json: string]>;
  readonly #capturedBefore: Query<[arrival: number]>;
  readonly #capturedCount: Query<[number]>;
  readonly #knownFile: Query<[1]>;
  readonly #files: Query<[place: number, id: string, size: number]>;

  constructor(data: SpoolThreadData) {
    const database = new DatabaseSync(data.path, { readOnly: true, timeout: 5000 });
    this.#database = database;
    database.exec(`PRAGMA cache_size = -${data.cacheKiB}; PRAGMA temp_store = MEMORY;`);
    this.#openSearch = prepareSearch(database, "open_messages");
    this.#wholeSearch = prepareSearch(database, "messages");
    this.#openFrom = new Query(
      database,
      "SELECT seq, received_at FROM open_messages WHERE seq >= ? ORDER BY seq LIMIT ? + 0",
    );
    this.#unwarnedOf = new Query(
      database,
      `SELECT ${recipientColumns} FROM recipients
        WHERE key BETWEEN ? AND ? AND state <= 1 AND warned = 0 ORDER BY key LIMIT ? + 0`,
    );
    this.#seqOf = new Query(database, "SELECT seq FROM messages WHERE id = ?");
    this.#seqBefore = new Query(database, "SELECT seq FROM messages WHERE id < ? ORDER BY id DESC LIMIT 1");
    this.#messageOf = new Query(database, "SELECT message FROM messages WHERE seq = ?");
    this.#recipientsOf = new Query(
      database,
      `SELECT ${recipientColumns} FROM recipients WHERE key BETWEEN ? AND ? ORDER BY key`,
    );
    this.#events = new Query(database, "SELECT event FROM events WHERE message = ? ORDER BY n");
    this.#content = new Query(
      database,
      `SELECT c.bytes, f.size FROM messages m
        LEFT JOIN contents c ON c.seq = m.seq LEFT JOIN content_files f ON f.seq = m.seq WHERE m.id = ?`,
    );
    this.#record = new Query(
      database,
      "SELECT value FROM records WHERE namespace = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)",
    );
    this.#records = new Query(
      database,
      `SELECT key, value FROM records WHERE namespace = ?1 AND (?2 IS NULL OR key > ?2)
        AND (expires_at IS NULL OR expires_at > ?3) ORDER BY key LIMIT ?4 + 0`,
    );
    this.#captured = new CapturedScan(database);
    this.#capturedEntry = new Query(database, "SELECT arrival, entry FROM captured WHERE id = ?");
    this.#capturedBefore = new Query(
      database,
      "SELECT arrival FROM captured WHERE captured_at < ? ORDER BY captured_at DESC, arrival DESC LIMIT 1",
    );
    this.#capturedCount = new Query(database, "SELECT entries FROM captured_state");
    this.#knownFile = new Query(
      database,
      "SELECT 1 FROM messages m JOIN content_files f ON f.seq = m.seq WHERE m.id = ?",
    );
    this.#files = new Query(
      database,
      `SELECT f.seq, m.id, f.size FROM content_files f JOIN messages m ON m.seq = f.seq
        WHERE f.seq > ? ORDER BY f.seq LIMIT ? + 0`,
    );
  }

  run(batch: Batch): Extract<ThreadReply, { kind: "answers" }> {
    const failures: Failure[] = [];
    const results = batch.operations.map((operation, index) => {
      try {
        return this.#apply(operation);
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

  #apply(given: Operation): unknown {
    const operation = given as ReadOperation;
    switch (operation.kind) {
      case "find":
        return this.#find(operation);
      case "unwarned":
        return this.#findUnwarned(operation);
      case "message":
        return this.#message(operation.id);
      case "events":
        return this.#events.all(operation.message).map(([json]) => json);
      case "content":
        return this.#contentOf(operation.id);
      case "record":
        return this.#record.get(operation.namespace, operation.key, operation.now)?.[0];
      case "list-records":
        return this.#records.all(operation.namespace, operation.after ?? null, operation.now, operation.limit);
      case "list-captured": {
        const { rows, next } = this.#captured.window(operation, windowCaptured);
        return { rows: rows.map(([arrival, , json]) => [arrival, json]), next };
      }
      case "captured-entry":
        return this.#capturedEntry.get(operation.id);
      case "captured-before":
        return this.#capturedBefore.get(operation.time)?.[0] ?? 0;
      case "count-captured":
        return this.#capturedCount.get()?.[0] ?? 0;
      case "known-files":
        return operation.ids.filter((id) => this.#knownFile.get(id) !== undefined);
      case "list-files":
        return this.#files.all(operation.after, operation.limit) satisfies readonly FileRow[];
      default:
        return operation satisfies never;
    }
  }

  #find({ filter, limit, after }: Extract<ReadOperation, { kind: "find" }>): readonly FoundRows[] {
    const search = wantsOnlyOpen(filter) ? this.#openSearch : this.#wholeSearch;
    const values = filterValues(filter);
    let lowest = 0;
    let highest = Math.floor(Number.MAX_SAFE_INTEGER / recipientsMax);
    let afterSeq = -1;
    if (filter.message !== undefined) {
      const seq = this.#seqOf.get(filter.message)?.[0];
      if (seq === undefined) return [];
      lowest = highest = seq;
    }
    if (after !== undefined) {
      const seq = this.#seqOf.get(after.message)?.[0];
      if (seq !== undefined) afterSeq = seq;
      // Where the last row of the page before has been pruned, ids tell what came before it.
      const start = seq ?? this.#seqBefore.get(after.message)?.[0] ?? 0;
      highest = Math.min(highest, start);
    }
    const afterKey = after === undefined ? -1 : firstKey(afterSeq) + after.index;
    const found: FindRow[] = [];
    let window = windowMessages;
    while (found.length < limit && highest >= lowest) {
      const from = search.window.get(lowest, highest, window)?.[0];
      if (typeof from !== "number") break;
      const rows = unlessDamaged(
        () => search.rows.all(...values, from, highest, afterSeq, afterKey, limit - found.length),
        () => undefined,
      );
      if (rows !== undefined) {
        found.push(...rows);
        highest = from - 1;
        window = Math.min(windowMessages, window * 4);
      } else if (window === 1) {
        // The message lies on the damaged page: the others are shown.
        highest = from - 1;
      } else {
        window = Math.ceil(window / 4);
      }
    }
    return this.#withMessages(found);
  }

  /** In the order of acceptance, up to the first page of messages of which none is so old. */
  #findUnwarned({ receivedBy, limit, after }: Extract<ReadOperation, { kind: "unwarned" }>): readonly FoundRows[] {
    const afterSeq = after === undefined ? undefined : this.#seqOf.get(after.message)?.[0];
    const found: FindRow[] = [];
    for (let from = afterSeq ?? 0; found.length < limit;) {
      const page = this.#openFrom.all(from, openPage);
      const aged = page.filter(([, receivedAt]) => receivedAt <= receivedBy);
      for (const [seq] of aged) {
        const first = firstKey(seq) + (seq === afterSeq && after !== undefined ? after.index + 1 : 0);
        const rows = unlessDamaged(
          () => this.#unwarnedOf.all(first, lastKey(seq), limit - found.length),
          () => [],
        );
        for (const row of rows) found.push([seq, ...row]);
        if (found.length >= limit) break;
      }
      const last = page.at(-1);
      if (last === undefined || aged.length === 0) break;
      from = last[0] + 1;
    }
    return this.#withMessages(found);
  }

  /** Rows of one message follow each other: each message is read once. */
  #withMessages(found: readonly FindRow[]): readonly FoundRows[] {
    const groups: { seq: number; json: string; recipients: RecipientRow[] }[] = [];
    for (const [seq, ...recipient] of found) {
      const last = groups.at(-1);
      if (last?.seq === seq) {
        last.recipients.push(recipient);
        continue;
      }
      const json = unlessDamaged(
        () => this.#messageOf.get(seq)?.[0],
        () => undefined,
      );
      // Damaged, or pruned between two statements.
      if (json !== undefined) groups.push({ seq, json, recipients: [recipient] });
    }
    return groups.map(({ json, recipients }) => ({ json, recipients }));
  }

  #message(id: string): FoundRows | undefined {
    this.#database.exec("BEGIN");
    try {
      const seq = this.#seqOf.get(id)?.[0];
      if (seq === undefined) return undefined;
      const json = this.#messageOf.get(seq)?.[0] ?? "";
      return { json, recipients: this.#recipientsOf.all(firstKey(seq), lastKey(seq)) };
    } finally {
      this.#database.exec("COMMIT");
    }
  }

  #contentOf(id: string): ContentRow | undefined {
    const [bytes, size] = this.#content.get(id) ?? [null, null];
    if (bytes !== null) return { kind: "bytes", bytes };
    return size === null ? undefined : { kind: "file", size };
  }
}

function prepareSearch(database: DatabaseSync, table: "open_messages" | "messages"): Search {
  return {
    window: new Query(
      database,
      `SELECT min(seq) FROM (SELECT seq FROM ${table} WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ? + 0)`,
    ),
    rows: new Query(
      database,
      `SELECT o.seq, ${recipientColumns} FROM ${table} o
        CROSS JOIN messages m ON m.seq = o.seq
        CROSS JOIN recipients r ON r.key BETWEEN o.seq * 65536 AND o.seq * 65536 + 65535
        WHERE ${filterCondition} AND o.seq BETWEEN ?5 AND ?6 AND (o.seq <> ?7 OR r.key > ?8)
        ORDER BY o.seq DESC, r.key LIMIT ?9 + 0`,
    ),
  };
}
