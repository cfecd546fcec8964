/**
 * A prepared statement whose rows come as tuples in the order of its columns: no object and no names for each row.
 *
 * A limit that is bound is written `LIMIT ? + 0`: SQLite plans a statement with a bare `LIMIT ?` anew whenever it is bound,
 * to look at the number, and that costs more than finding a few rows.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

export class Query<Row extends readonly unknown[]> {
  readonly #statement: StatementSync;

  constructor(database: DatabaseSync, sql: string) {
    this.#statement = database.prepare(sql);
    this.#statement.setReturnArrays(true);
  }

  get(...values: SQLInputValue[]): Row | undefined {
    return this.#statement.get(...values) as unknown as Row | undefined;
  }

  all(...values: SQLInputValue[]): readonly Row[] {
    return this.#statement.all(...values) as unknown as readonly Row[];
  }
}
