/** Every statement of the SQLite spool finds its rows by an index: none walks over all messages or recipients. */
import { DatabaseSync, StatementSync } from "node:sqlite";
import { test } from "node:test";
import assert from "node:assert/strict";
import { SqliteBench } from "../../../test/contract/sqlite-harness.ts";
import { newMessage } from "../../testing/queue-fixture.ts";
import { SpoolReader } from "./reader.ts";
import { SpoolWriter } from "./writer.ts";

test("no statement scans a table that grows, or sorts what it found", async (context) => {
  await using bench = new SqliteBench();
  const data = { path: `${await bench.folder()}/spool.db`, now: 0, cacheKiB: 1024, databaseBytesMax: 0 };
  const { mock } = context.mock.method(DatabaseSync.prototype, "prepare");
  const writer = new SpoolWriter({ ...data, role: "writer" });
  const reader = new SpoolReader({ ...data, role: "reader" });
  const prepared = mock.calls.map(({ arguments: [sql] }) => sql).filter((sql) => /^(SELECT|UPDATE|DELETE)/.test(sql));
  mock.restore();
  const database = new DatabaseSync(data.path);
  const scanning = new Set<string>();
  for (const sql of prepared) {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
    if (plan.some(({ detail }) => /SCAN|TEMP B-TREE/.test(String(detail)))) scanning.add(sql);
  }
  database.close();
  reader.close();
  writer.close();
  assert.ok(prepared.length > 50, `${prepared.length} statements`);
  assert.deepEqual(
    [...scanning].toSorted(),
    [
      // A table of one row.
      "SELECT incarnation FROM state",
      "SELECT scheduled, claimed, held FROM state",
      "UPDATE state SET scheduled = ?, claimed = ?, held = ?",
      "SELECT entries FROM captured_state",
      "UPDATE captured_state SET entries = entries - 1",
      "UPDATE captured_state SET last_arrival = last_arrival + 1, entries = entries + 1 RETURNING last_arrival",
      // The first rows in the table's own order.
      "SELECT arrival, seq, entry, captured_at FROM captured ORDER BY arrival LIMIT ? + 0",
      "SELECT received_at FROM open_messages ORDER BY seq LIMIT 1",
      // No table at all.
      "SELECT total_changes()",
    ].toSorted(),
  );
});

test("no statement is planned again each time it is run, as one with a bare LIMIT parameter is", async (context) => {
  await using bench = new SqliteBench();
  const { mock } = context.mock.method(DatabaseSync.prototype, "prepare");
  const data = { path: `${await bench.folder()}/spool.db`, now: 0, cacheKiB: 1024, databaseBytesMax: 0 };
  new SpoolWriter({ ...data, role: "writer" }).close();
  new SpoolReader({ ...data, role: "reader" }).close();
  const prepared = mock.calls.map(({ arguments: [sql] }) => sql);
  mock.restore();
  assert.ok(prepared.filter((sql) => /LIMIT \?\d* \+ 0/.test(sql)).length > 15);
  assert.deepEqual(
    prepared.filter((sql) => /LIMIT \?(?!\d* \+ 0)/.test(sql)),
    [],
  );
});

test("a start reads no scheduled recipient, however many there are", async (context) => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const due = bench.clock.now() + 3_600_000;
  const to = Array.from({ length: 500 }, (_, index) => ({ address: `u${index}@a.test`, domain: "a.test", due }));
  const writer = spool.begin();
  await writer.append(Buffer.from("Subject: x\r\n\r\nx\r\n"));
  await writer.commit(newMessage("4QJ7ZC2M9KXD", bench.clock.now(), { to }), { events: [] });
  await spool.close();

  const run = new Set<string>();
  const note = (statement: StatementSync) => run.add(statement.sourceSQL.replaceAll(/\s+/g, " "));
  for (const method of ["get", "all", "run", "iterate"] as const) {
    const real = StatementSync.prototype[method] as (this: StatementSync, ...values: unknown[]) => unknown;
    context.mock.method(StatementSync.prototype, method, function (this: StatementSync, ...values: unknown[]) {
      note(this);
      return real.apply(this, values);
    });
  }
  const data = { path: `${directory}/spool.db`, now: due, cacheKiB: 1024, databaseBytesMax: 0 };
  const opened = new SpoolWriter({ ...data, role: "writer" });
  assert.equal(opened.counts()?.scheduled, 500);
  context.mock.restoreAll();
  opened.close();
  assert.ok(run.size > 0);
  assert.deepEqual(
    [...run].filter((sql) => /recipients/.test(sql)),
    [],
  );
});
