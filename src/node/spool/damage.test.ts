/** Damaged pages of the real database: what lies on them is left out and told, everything else goes on. */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { delivered, draft, put, request, settle, statesOf } from "../../../test/contract/spool-fixture.ts";
import { SqliteBench } from "../../../test/contract/sqlite-harness.ts";
import { DatabasePages } from "./database-pages.ts";
import { pageBytes } from "./database-rows.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { checkSpool } from "./check.ts";
import { SpoolDamage } from "./damage.ts";
import { quickCheck } from "./quick-check.ts";

const messageCount = 10;
const recipientCount = 100;

const addresses = Array.from({ length: recipientCount }, (_, index) => `${"r".repeat(30)}${index}@far.test`);

/** Of ten messages, closed in order; then one leaf of a table in the middle is overwritten. */
async function damagedSpool(bench: SqliteBench, table: string, fill = 0xff) {
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const messages = Array.from({ length: messageCount }, () => draft(addresses));
  for (const message of messages) await put(spool, message);
  await spool.close();
  const path = `${directory}/spool.db`;
  const database = new DatabaseSync(path);
  const root = Number(database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(table)?.["rootpage"]);
  database.close();
  using pages = new DatabasePages(path);
  const rows = [...pages.rows()].filter((row) => row.root === root);
  assert.deepEqual(pages.bad, []);
  const leaves = [...new Set(rows.map(({ page }) => page))];
  // New rows go to the end of a table: a spool whose last page of messages is lost takes no mail.
  const page = leaves[Math.floor((leaves.length - 1) / 2)] ?? 0;
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(pageBytes, fill), 0, pageBytes, (page - 1) * pageBytes);
  closeSync(file);
  const lost = rows.filter((row) => row.page === page).map(({ rowid = 0 }) => rowid);
  assert.ok(lost.length > 0 && lost.length < rows.length);
  return { directory, messages, lost };
}

test("a damaged page of recipients: all others are claimed, settled and listed, and the damage is told", async () => {
  await using bench = new SqliteBench();
  const { directory, messages, lost } = await damagedSpool(bench, "recipients");
  const spool = await bench.open(directory);
  assert.ok(bench.log.of("spool-damaged").length > 0, "the check at the start tells it");
  const got = new Set<string>();
  for (;;) {
    const claims = await spool.claim(request());
    if (claims.length === 0) break;
    for (const claimed of claims) {
      for (const { index } of claimed.recipients) got.add(`${claimed.message.id} ${index}`);
      const changes = claimed.recipients.map(({ index }) => delivered(index));
      assert.equal(await settle(spool, claimed, changes), true);
    }
  }
  // Beside those on the page, a row whose change would need it is left out.
  assert.ok(got.size <= messageCount * recipientCount - lost.length);
  assert.ok(got.size >= messageCount * recipientCount - 3 * lost.length, `${got.size} of 1000, ${lost.length} damaged`);
  const far = await spool.nextDue([]);
  assert.ok(far === undefined || far > bench.clock.now(), "what is left out does not keep the queue awake");
  const fresh = draft(["ann@near.test"]);
  await put(spool, fresh);
  assert.deepEqual(await statesOf(spool, fresh.id), ["scheduled"]);
  const listed = await spool.find({ states: ["delivered"] }, { limit: 2000 });
  const whole = new Set(listed.map(({ message }) => message.id));
  assert.ok(whole.size >= messageCount - 2, "messages off the page are listed");
  assert.ok(messages.length - whole.size <= 2);
  assert.equal(await spool.hold({ states: ["scheduled"] }, "test", "why"), 1, "a verb reaches what can be read");
});

test("claims that a process left on a damaged page do not keep the next from starting", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  for (let count = 0; count < messageCount; count++) await put(spool, draft(addresses));
  const claimed = await spool.claim(request({ limit: 1000, perDomainMax: 1000 }));
  assert.equal(claimed.flatMap(({ recipients }) => recipients).length, 1000);
  await spool.kill();
  const path = `${directory}/spool.db`;
  const database = new DatabaseSync(path);
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const root = Number(
    database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'recipients'").get()?.["rootpage"],
  );
  database.close();
  using pages = new DatabasePages(path);
  const rows = [...pages.rows()].filter((row) => row.root === root);
  const { page } = rows[500] ?? { page: 0 };
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(pageBytes, 0xff), 0, pageBytes, (page - 1) * pageBytes);
  closeSync(file);
  const lost = rows.filter((row) => row.page === page).length;
  const again = await bench.open(directory);
  const claims = await again.claim(request({ limit: 1000, perDomainMax: 1000 }));
  const count = claims.flatMap(({ recipients }) => recipients).length;
  assert.ok(count <= 1000 - lost && count >= 1000 - 3 * lost, `${count} of 1000, ${lost} damaged`);
});

test("a damaged page of messages: those on it are left out, the others flow", async () => {
  await using bench = new SqliteBench();
  const { directory, lost } = await damagedSpool(bench, "messages");
  const spool = await bench.open(directory);
  const claims = await spool.claim(request({ limit: 1000, perDomainMax: 1000 }));
  assert.equal(claims.length, messageCount - lost.length);
});

test("spool check: nothing to tell of a whole spool; of a damaged one each page and each message that lost recipients", async () => {
  await using bench = new SqliteBench();
  const { directory, lost } = await damagedSpool(bench, "recipients");
  let steps = 0;
  const { pages, messages, recipients, badPages, damaged, faults } = checkSpool(directory, () => steps++);
  assert.equal(steps, pages);
  assert.equal(messages, messageCount);
  assert.equal(recipients, messageCount * recipientCount - lost.length);
  assert.deepEqual(
    badPages.map(({ table }) => table),
    ["recipients"],
  );
  assert.ok(faults.length > 0);
  const told = damaged.reduce((sum, { lost: what }) => sum + Number.parseInt(what, 10), 0);
  assert.ok(told > 0 && told <= lost.length && damaged.length <= 2, JSON.stringify(damaged));
  const whole = await bench.folder();
  const spool = await bench.open(whole);
  await put(spool, draft(addresses));
  const large = draft(["ann@far.test"]);
  await put(spool, large, { content: Buffer.alloc(400_000, "x") });
  await spool.close();
  const clean = checkSpool(whole, () => {});
  assert.deepEqual([clean.badPages, clean.damaged, clean.faults, clean.messages], [[], [], [], 2]);
  truncateSync(`${whole}/content/${large.id.slice(-2)}/${large.id}.eml`, 10);
  assert.match(checkSpool(whole, () => {}).damaged[0]?.lost ?? "", /has 10 octets of 400000/);
});

test("flipped octets: every row on other pages is read as it was", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  for (let count = 0; count < messageCount; count++) await put(spool, draft(addresses));
  await spool.close();
  const path = `${directory}/spool.db`;
  const rowsNow = () => {
    using pages = new DatabasePages(path);
    return [...pages.rows()].map((row) => ({ page: row.page, text: JSON.stringify(row) }));
  };
  const before = rowsNow();
  const random = new SeededRandom(16);
  const leaves = [...new Set(before.map(({ page }) => page))].filter((page) => page > 1);
  for (let round = 0; round < 20; round++) {
    const page = leaves[random.bytes(2).reduce((sum, octet) => sum * 256 + octet, 0) % leaves.length] ?? 0;
    const at = (page - 1) * pageBytes;
    const good = readFileSync(path).subarray(at, at + pageBytes);
    const file = openSync(path, "r+");
    writeSync(file, random.bytes(64), 0, 64, at + (random.bytes(1)[0] ?? 0) * 15);
    const left = new Set(rowsNow().map(({ text }) => text));
    for (const row of before) if (row.page !== page) assert.ok(left.has(row.text), `page ${row.page}`);
    writeSync(file, good, 0, pageBytes, at);
    closeSync(file);
  }
});

test("the check at the start tells damage, and is left out where it would hold the start up", async () => {
  await using bench = new SqliteBench();
  const { directory } = await damagedSpool(bench, "recipients");
  const path = `${directory}/spool.db`;
  const database = new DatabaseSync(path);
  const damage = new SpoolDamage();
  assert.equal(quickCheck(database, path, damage).skipped, undefined);
  assert.ok(damage.takeNotes().length > 0);
  assert.match(quickCheck(database, path, damage, { bytesMax: (1024 * 1024) / 16 }).skipped ?? "", /more than/);
  assert.match(quickCheck(database, path, damage, { readMsMax: -1 }).skipped ?? "", /could not be read within/);
  assert.deepEqual(damage.takeNotes(), [], "what is not checked is not told");
  database.close();
});
