/** Marks recipients as warned about in the transaction of the warning; by which claim they are held makes no difference. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { SpoolDamage } from "./damage.ts";
import type { ContentCursor, SpoolMessages } from "./messages.ts";
import type { WarnOperation } from "./protocol.ts";
import { Query } from "./query.ts";
import { firstKey } from "./schema.ts";

export class SpoolWarnings {
  readonly #messages: SpoolMessages;
  readonly #damage: SpoolDamage;
  readonly #unwarned: Query<[1]>;
  readonly #mark: StatementSync;

  constructor(database: DatabaseSync, messages: SpoolMessages, damage: SpoolDamage) {
    this.#messages = messages;
    this.#damage = damage;
    this.#unwarned = new Query(database, "SELECT 1 FROM recipients WHERE key = ? AND state <= 1 AND warned = 0");
    this.#mark = database.prepare("UPDATE recipients SET warned = 1 WHERE key = ?");
  }

  /** false: one of the recipients waits no more, or was warned about. */
  warn({ message, recipients, reports, events, now }: WarnOperation, content: ContentCursor): boolean {
    const seq = this.#messages.seqOf(message);
    if (seq === undefined) return false;
    const keys = recipients.map((index) => firstKey(seq) + index);
    const isUnwarned = (key: number) => !this.#damage.has(key) && this.#unwarned.get(key) !== undefined;
    if (!keys.every(isUnwarned)) return false;
    for (const key of keys) this.#damage.change(key, () => this.#mark.run(key));
    for (const report of reports) this.#messages.insert(report, content, now, undefined);
    this.#messages.addEvents(events);
    return true;
  }
}
