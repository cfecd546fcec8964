/**
 * Captured mail as rows: an entry for each message, in the order of arrival, and the terms under which an exact filter
 * finds it. Both connections read by a {@link CapturedScan}; only the writer has {@link CapturedRows}.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import { entryOf, mergedEntry } from "../../spool/captured-entry.ts";
import { compileFilter, indexTermOf, termsOf } from "../../spool/captured-filter.ts";
import type { Arrival, CapturedEntry, CapturedFilter, CapturedPageRequest } from "../../spool/captured-mail.ts";
import type { RecipientRow } from "./protocol.ts";
import { Query } from "./query.ts";
import { entryFromJson, messageFromJson, recipientFromRow } from "./rows.ts";
import { firstKey, recipientColumns } from "./schema.ts";

export type CapturedRow = readonly [arrival: Arrival, seq: number | null, json: string];

/** What one look found, and where the next one goes on; undefined: there is nothing more. */
export interface CapturedWindow {
  readonly rows: readonly CapturedRow[];
  readonly next: Arrival | undefined;
}

const columns = "c.arrival, c.seq, c.entry";

export class CapturedScan {
  readonly #plain: Readonly<Record<CapturedPageRequest["order"], Query<CapturedRow>>>;
  readonly #byTerm: Readonly<Record<CapturedPageRequest["order"], Query<CapturedRow>>>;

  constructor(database: DatabaseSync) {
    const plain = (order: string) =>
      new Query<CapturedRow>(
        database,
        `SELECT ${columns} FROM captured c WHERE c.arrival > ? AND c.arrival < ? ORDER BY c.arrival ${order} LIMIT ? + 0`,
      );
    const byTerm = (order: string) =>
      new Query<CapturedRow>(
        database,
        `SELECT ${columns} FROM captured_terms t CROSS JOIN captured c ON c.arrival = t.arrival
          WHERE t.arrival > ? AND t.arrival < ? AND t.term = ? ORDER BY t.arrival ${order} LIMIT ? + 0`,
      );
    this.#plain = { "newest first": plain("DESC"), "oldest first": plain("ASC") };
    this.#byTerm = { "newest first": byTerm("DESC"), "oldest first": byTerm("ASC") };
  }

  /** At most `limit` matches among the next `lookedAtMax` rows. */
  window(request: CapturedPageRequest, lookedAtMax: number): CapturedWindow {
    const { filter = {}, order, limit, after = 0, before = Number.MAX_SAFE_INTEGER } = request;
    const isPlain = Object.keys(filter).length === 0;
    const size = isPlain ? Math.min(limit, lookedAtMax) : lookedAtMax;
    const term = indexTermOf(filter);
    const looked =
      term === undefined
        ? this.#plain[order].all(after, before, size)
        : this.#byTerm[order].all(after, before, term, size);
    const found = isPlain ? looked : matching(looked, filter);
    const rows = found.slice(0, limit);
    const last = rows.length < found.length ? rows.at(-1) : looked.at(-1);
    return { rows, next: looked.length < size && rows.length === found.length ? undefined : last?.[0] };
  }
}

function matching(rows: readonly CapturedRow[], filter: CapturedFilter): readonly CapturedRow[] {
  const matches = compileFilter(filter);
  return rows.filter(([, , json]) => matches(entryFromJson(json)));
}

export class CapturedRows {
  readonly #nextArrival: Query<[arrival: Arrival]>;
  readonly #countLess: StatementSync;
  readonly #insert: StatementSync;
  readonly #insertTerm: StatementSync;
  readonly #bySeq: Query<[arrival: Arrival, json: string]>;
  readonly #deleteEntry: StatementSync;
  readonly #deleteTerm: StatementSync;
  readonly #messageOf: Query<[json: string]>;
  readonly #recipient: Query<RecipientRow>;

  constructor(database: DatabaseSync) {
    this.#nextArrival = new Query(
      database,
      "UPDATE captured_state SET last_arrival = last_arrival + 1, entries = entries + 1 RETURNING last_arrival",
    );
    this.#countLess = database.prepare("UPDATE captured_state SET entries = entries - 1");
    this.#insert = database.prepare("INSERT INTO captured VALUES (?, ?, ?, ?, ?)");
    this.#insertTerm = database.prepare("INSERT INTO captured_terms VALUES (?, ?)");
    this.#bySeq = new Query(database, "SELECT arrival, entry FROM captured WHERE seq = ?");
    this.#deleteEntry = database.prepare("DELETE FROM captured WHERE arrival = ?");
    this.#deleteTerm = database.prepare("DELETE FROM captured_terms WHERE term = ? AND arrival = ?");
    this.#messageOf = new Query(database, "SELECT message FROM messages WHERE seq = ?");
    this.#recipient = new Query(database, `SELECT ${recipientColumns} FROM recipients WHERE key = ?`);
  }

  has(seq: number): boolean {
    return this.#bySeq.get(seq) !== undefined;
  }

  /** Puts the message at the end of the list, together with what is listed of it already. */
  list(seq: number, given: CapturedEntry, now: Instant): void {
    const earlier = this.#bySeq.get(seq);
    if (earlier !== undefined) this.delete(earlier[0], entryFromJson(earlier[1]));
    const entry = earlier === undefined ? given : mergedEntry(entryFromJson(earlier[1]), given);
    const arrival = this.#nextArrival.get()?.[0] ?? 0;
    this.#insert.run(arrival, entry.id, seq, Math.floor(now), JSON.stringify(entry));
    for (const term of termsOf(entry)) this.#insertTerm.run(term, arrival);
  }

  /** For recipients that no commit listed. */
  listLate(seq: number, indexes: readonly number[], now: Instant): void {
    if (indexes.length === 0) return;
    const message = messageFromJson(this.#messageOf.get(seq)?.[0] ?? "null");
    const rows = indexes.map((index) => this.#recipient.get(firstKey(seq) + index));
    const recipients = rows.flatMap((row) => (row === undefined ? [] : [recipientFromRow(message.id, row)]));
    this.list(seq, entryOf(message, recipients, now), now);
  }

  delete(arrival: Arrival, entry: CapturedEntry): void {
    this.#deleteEntry.run(arrival);
    this.#countLess.run();
    for (const term of termsOf(entry)) this.#deleteTerm.run(term, arrival);
  }
}
