/** Records of other parts, and what removes old rows: pruning in bounded steps, and giving freed space back. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import type { SpoolDamage } from "./damage.ts";
import type { SpoolMessages } from "./messages.ts";
import type { RecordRow } from "./protocol.ts";
import { Query } from "./query.ts";
import { firstKey, lastKey } from "./schema.ts";

/** Free pages below this number (8 MiB) are kept for new mail. */
const freePagesKept = 2048;
/** Pages given back by one step: a few milliseconds. */
const vacuumedPagesMax = 512;

export class SpoolUpkeep {
  readonly #database: DatabaseSync;
  readonly #damage: SpoolDamage;
  readonly #messages: SpoolMessages;
  readonly #putRecord: StatementSync;
  readonly #deleteRecord: StatementSync;
  readonly #clearRecords: StatementSync;
  readonly #closedBefore: Query<[closedAt: number, seq: number]>;
  readonly #deleteEvents: StatementSync;
  readonly #deleteRecipients: StatementSync;
  readonly #deleteMessage: StatementSync;
  readonly #deleteClosed: StatementSync;
  readonly #deleteExpired: StatementSync;
  readonly #freePages: Query<[number]>;
  readonly #pages: Query<[number]>;

  constructor(database: DatabaseSync, damage: SpoolDamage, messages: SpoolMessages) {
    this.#database = database;
    this.#damage = damage;
    this.#messages = messages;
    this.#putRecord = database.prepare("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)");
    this.#deleteRecord = database.prepare("DELETE FROM records WHERE namespace = ? AND key = ?");
    this.#clearRecords = database.prepare("DELETE FROM records WHERE namespace = ?");
    this.#closedBefore = new Query(
      database,
      "SELECT closed_at, seq FROM closed_messages WHERE closed_at < ? ORDER BY closed_at, seq LIMIT ? + 0",
    );
    this.#deleteEvents = database.prepare(
      "DELETE FROM events WHERE n IN (SELECT n FROM events WHERE message = ? LIMIT ? + 0)",
    );
    this.#deleteRecipients = database.prepare("DELETE FROM recipients WHERE key BETWEEN ? AND ?");
    this.#deleteMessage = database.prepare("DELETE FROM messages WHERE seq = ?");
    this.#deleteClosed = database.prepare("DELETE FROM closed_messages WHERE closed_at = ? AND seq = ?");
    this.#deleteExpired = database.prepare(`DELETE FROM records WHERE (namespace, key) IN
      (SELECT namespace, key FROM records WHERE expires_at < ? LIMIT ? + 0)`);
    this.#freePages = new Query(database, "PRAGMA freelist_count");
    this.#pages = new Query(database, "PRAGMA page_count");
  }

  changeRecords(changes: readonly RecordRow[]): void {
    for (const [namespace, key, json, expiresAt] of changes) {
      if (key === null) this.#clearRecords.run(namespace);
      else if (json === null) this.#deleteRecord.run(namespace, key);
      else this.#putRecord.run(namespace, key, json, expiresAt);
    }
  }

  prune(before: Instant, limit: number): number {
    let rows = 0;
    for (const [closedAt, seq] of this.#closedBefore.all(before, limit)) {
      if (rows >= limit) return rows;
      const { removed, isGone } = this.#pruneMessage(seq, limit - rows);
      rows += removed;
      if (!isGone) return rows;
      this.#deleteClosed.run(closedAt, seq);
    }
    if (rows < limit) rows += changes(this.#deleteExpired.run(before, limit - rows));
    return rows;
  }

  /** A message with more events than the limit goes in several steps. */
  #pruneMessage(seq: number, limit: number): { readonly removed: number; readonly isGone: boolean } {
    // What is behind it must not wait for a damaged page: its rows stay, and are not looked at again.
    if (this.#damage.hasMessage(seq)) return { removed: 0, isGone: true };
    let removed = 0;
    let isGone = false;
    this.#damage.changeMessage(seq, () => {
      removed = changes(this.#deleteEvents.run(this.#messages.idOf(seq), limit));
      if (removed >= limit) return;
      removed += changes(this.#deleteRecipients.run(firstKey(seq), lastKey(seq)));
      removed += changes(this.#deleteMessage.run(seq));
      isGone = true;
    });
    return { removed, isGone };
  }

  /**
   * Most freed pages are soon used again; only when they are more than half of the file it shrinks, by one step. false:
   * there was nothing to do.
   */
  shrink(): boolean {
    const free = this.#freePages.get()?.[0] ?? 0;
    const pages = this.#pages.get()?.[0] ?? 0;
    if (free <= freePagesKept || free * 2 <= pages) return false;
    this.#database.exec(`PRAGMA incremental_vacuum(${vacuumedPagesMax})`);
    return true;
  }
}

function changes(result: { readonly changes: number | bigint }): number {
  return Number(result.changes);
}
