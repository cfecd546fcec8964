/**
 * The new spool while it is filled: the rows that were found, as they were found, beside what speaks against some of them.
 * `mend-messages.ts` then makes it a spool that agrees with itself.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Value } from "../spool/database-rows.ts";
import { heldState } from "../spool/protocol.ts";
import { Query } from "../spool/query.ts";
import { formatSteps, migrate } from "../spool/schema.ts";
import type { SavedRow, SavedTable } from "./row-forms.ts";

/** Rows of one transaction. */
const rows = 20_000;

/** Goes with the connection. */
const notes = `
  CREATE TEMP TABLE doubts (of TEXT, key INTEGER, reason TEXT, PRIMARY KEY (of, key)) WITHOUT ROWID;
  CREATE TEMP TABLE message_ids (seq INTEGER PRIMARY KEY, id TEXT);
  CREATE TEMP TABLE was_open (seq INTEGER PRIMARY KEY, received_at INTEGER);
  CREATE TEMP TABLE was_closed (seq INTEGER PRIMARY KEY, closed_at INTEGER);
`;

const inserts: Readonly<Record<SavedTable, string>> = {
  messages: "INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?)",
  open_messages: "INSERT OR IGNORE INTO was_open VALUES (?, ?)",
  closed_messages: "INSERT OR IGNORE INTO was_closed VALUES (?2, ?1)",
  contents: "INSERT OR IGNORE INTO contents VALUES (?, ?)",
  content_files: "INSERT OR IGNORE INTO content_files VALUES (?, ?)",
  recipients: "INSERT OR IGNORE INTO recipients VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
  events: "INSERT OR IGNORE INTO events VALUES (?, ?, ?)",
  records: "INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?)",
  captured: "INSERT OR IGNORE INTO captured VALUES (?, ?, ?, ?, ?)",
  captured_state: "UPDATE captured_state SET last_arrival = max(last_arrival, ?2), entries = ?3 WHERE id = ?1",
  state: "UPDATE state SET incarnation = ?2, claimed = ?4, scheduled = ?3, held = ?5 WHERE id = ?1",
  message_ids: "INSERT OR IGNORE INTO message_ids VALUES (?2, ?1)",
};

/** Before this format a recipient's row has no sender, which is its last column. */
const senderSince = 3;
const insertWithoutSender = inserts.recipients.replace("?, ?)", "?)");

export class Staging {
  readonly database: DatabaseSync;
  readonly #statements = new Map<SavedTable, StatementSync>();
  readonly #doubt: StatementSync;
  readonly #version: number;
  readonly #stateOf: Query<[state: number]>;
  readonly #forget: StatementSync;
  #rows = 0;

  /** `version`: the format that the rows have. The file is new. */
  constructor(path: string, version: number) {
    const [first, ...others] = formatSteps;
    this.#version = version;
    this.database = new DatabaseSync(path);
    migrate(this.database, [first, ...others.slice(0, version - 1)]);
    // The whole folder is made durable before it gets its name.
    this.database.exec(`PRAGMA synchronous = OFF; ${notes} BEGIN`);
    this.#doubt = this.database.prepare("INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)");
    this.#stateOf = new Query(this.database, "SELECT state FROM recipients WHERE key = ?");
    this.#forget = this.database.prepare("DELETE FROM recipients WHERE key = ?");
  }

  /** The first row of a key stays; but of a recipient's two the one that says that it is done with. */
  add({ table, values }: SavedRow, doubt: string | undefined): void {
    if (this.#version === 1 && table.startsWith("captured")) return;
    if (doubt !== undefined && typeof values[0] === "number") this.#doubt.run(table, values[0], doubt);
    if (table === "recipients") this.#preferFinal(values);
    const isOlder = table === "recipients" && this.#version < senderSince;
    this.#statement(table).run(...(isOlder ? values.slice(0, -1) : values));
    if (++this.#rows % rows === 0) this.database.exec("COMMIT; BEGIN");
  }

  /** All rows are there: in the present format from here on. */
  finish(): void {
    this.database.exec("COMMIT");
    migrate(this.database);
    this.database.exec("PRAGMA synchronous = OFF; BEGIN");
  }

  /** Everything is in the database file. */
  close(): void {
    if (this.database.isTransaction) this.database.exec("COMMIT");
    this.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.database.close();
  }

  #preferFinal([key, state]: readonly Value[]): void {
    const known = this.#stateOf.get(Number(key))?.[0];
    if (known === undefined) return;
    if (known <= heldState && Number(state) > heldState) this.#forget.run(Number(key));
    else if (known <= heldState) this.#doubt.run("recipients", Number(key), "two rows tell of it");
  }

  #statement(table: SavedTable): StatementSync {
    const known = this.#statements.get(table);
    if (known !== undefined) return known;
    const isOlder = table === "recipients" && this.#version < senderSince;
    const statement = this.database.prepare(isOlder ? insertWithoutSender : inserts[table]);
    this.#statements.set(table, statement);
    return statement;
  }
}
