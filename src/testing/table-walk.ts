/** Which rows of a table of states happen while a test runs, so that it can walk them all. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import { type TransitionRows, TransitionTable } from "../lib/transition-table.ts";

type Table = TransitionTable<TransitionRows<string, string>>;

/** Every row, as `state, event: state` or `state, event: ignored`; each has to happen during `walk`, and nothing else may. */
export async function assertWalksEveryRow(table: unknown, walk: () => Promise<void>): Promise<void> {
  const { rows } = table as Table;
  const seen = new Set<string>();
  const asked = mock.method(
    TransitionTable.prototype,
    "transition",
    function (this: Table, state: string, event: string) {
      const to = this.rows[state]?.[event] ?? "fault";
      if (this === table) seen.add(`${state}, ${event}: ${to}`);
      return to;
    },
  );
  try {
    await walk();
  } finally {
    asked.mock.restore();
  }
  const declared = Object.entries(rows).flatMap(([state, row]) =>
    Object.entries(row).map(([event, to]) => `${state}, ${event}: ${to}`),
  );
  assert.deepEqual([...seen].toSorted(), declared.toSorted());
}
