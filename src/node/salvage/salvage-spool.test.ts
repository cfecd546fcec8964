/** Real spools, damaged at pages that a seed chooses: salvage invents nothing, and all that lies elsewhere comes back. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  closeSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import {
  accepted,
  contentOf,
  deferred,
  delivered,
  draft,
  put,
  putClaimed,
  recipient,
  request,
  settle,
  statesOf,
  terms,
} from "../../../test/contract/spool-fixture.ts";
import { SqliteBench } from "../../../test/contract/sqlite-harness.ts";
import { expectedOf, fixtureVersions, tellingOf, unpackFixture } from "../../../test/upgrade/fixture.ts";
import type { HistoryEvent } from "../../events/history-event.ts";
import type { NewMessage } from "../../spool/spool.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { DatabasePages } from "../spool/database-pages.ts";
import { PageImage } from "../spool/page-image.ts";
import { pageBytes, type StoredRow } from "../spool/database-rows.ts";
import { checkSpool } from "../spool/check.ts";
import { formatVersion } from "../spool/schema.ts";
import { salvageSpool, type Salvaged, type SalvageOptions } from "./salvage-spool.ts";

const seeds = Number(process.env["SALVAGE_SEEDS"] ?? 12);
const states = ["scheduled", "claimed", "held", "delivered", "relayed", "failed", "expired", "removed"] as const;

function salvage(from: string, options: Partial<SalvageOptions> = {}): Salvaged & { readonly to: string } {
  const to = join(from, "salvaged");
  return { ...salvageSpool({ from, to, now: 1_800_000_000_000, ...options }), to };
}

/** Messages of all sorts, closed in order: large and small, waiting, deferred, done with, held, captured; and records. */
async function mixedSpool(bench: SqliteBench): Promise<string> {
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  for (let count = 0; count < 40; count++) {
    const to = Array.from(
      { length: 1 + (count % 7) * 4 },
      (_, index) => `${"r".repeat(30)}${index}@far${count % 5}.test`,
    );
    const content = `Subject: ${count}\r\n\r\n${"x".repeat(count % 10 === 3 ? 300_000 : (count * 977) % 30_000)}\r\n`;
    const claim = count % 3 === 0 ? terms : undefined;
    const claimed = await put(spool, draft(to), { content, ...(claim && { claim }) });
    if (claimed === undefined) continue;
    const changes = to.map((_, index) =>
      index % 2 === 0 || count % 2 === 0 ? delivered(index) : deferred(index, bench.clock.now() + 600_000),
    );
    const events = changes.map(({ index, to: state }) =>
      attempted(claimed.message.id, index, to[index] ?? "", state === "delivered"),
    );
    await settle(spool, claimed, changes, { events });
  }
  for (let count = 0; count < 5; count++) {
    const captured = recipient(`ann${count}@captured.test`, { captured: true });
    const claimed = await putClaimed(spool, [captured]);
    await settle(spool, claimed, [delivered(0)]);
  }
  const held = draft([recipient("ann@held.test", { held: { by: "somebody", reason: "why" } })]);
  await put(spool, held);
  await spool.changeRecords(
    Array.from({ length: 200 }, (_, index) => ({
      kind: "put" as const,
      namespace: `part${index % 3}`,
      key: `key${index}`,
      value: { text: "v".repeat(index) },
    })),
  );
  await spool.close();
  return directory;
}

function attempted(message: string, index: number, address: string, isDelivered: boolean): HistoryEvent {
  const diagnostic = { type: "smtp" as const, text: "as it is" };
  const facts = { at: 5, message, recipient: index, address };
  const attempt = { number: 1, durationMs: 1, route: "mx" };
  if (isDelivered) {
    const outcome = { kind: "delivered", status: "2.0.0", diagnostic } as const;
    return { kind: "recipient-delivered", ...facts, attempt: { ...attempt, outcome } };
  }
  const outcome = { kind: "deferred", status: "4.3.0", owner: "remote-trouble", reason: "later", diagnostic } as const;
  return { kind: "recipient-deferred", ...facts, attempt: { ...attempt, outcome }, due: 6 };
}

function rootsOf(directory: string): ReadonlyMap<number, string> {
  const database = new DatabaseSync(`${directory}/spool.db`, { readOnly: true });
  try {
    const rows = database.prepare("SELECT rootpage, name FROM sqlite_schema WHERE rootpage > 0").all();
    return new Map(rows.map(({ rootpage, name }) => [Number(rootpage), String(name)]));
  } finally {
    database.close();
  }
}

interface Truth {
  readonly rows: readonly (StoredRow & { readonly table: string })[];
  readonly pages: number;
}

function truthOf(directory: string): Truth {
  const roots = rootsOf(directory);
  using pages = new DatabasePages(`${directory}/spool.db`);
  const rows = [...pages.rows()].flatMap((row) => {
    const table = roots.get(row.root);
    return table === undefined ? [] : [{ ...row, table }];
  });
  return { rows, pages: pages.count };
}

function overwrite(path: string, page: number, bytes: Uint8Array, at = 0): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, (page - 1) * pageBytes + at);
  closeSync(file);
}

function chance(random: SeededRandom, below: number): number {
  return Math.floor(random.next() * below);
}

/** Values of a table in the new spool, as DatabasePages gives them, by key. */
function valuesIn(directory: string, table: string): ReadonlyMap<string, StoredRow> {
  return new Map(
    truthOf(directory)
      .rows.filter((row) => row.table === table)
      .map((row) => [keyOf(row), row]),
  );
}

function keyOf({ rowid, values }: StoredRow): string {
  return rowid === undefined ? `${String(values[0])} ${String(values[1])}` : String(rowid);
}

/** Final stays final; what waits is as it was, or held. */
function compareRecipients(before: StoredRow, after: StoredRow): void {
  const [was, is] = [Number(before.values[1]), Number(after.values[1])];
  assert.equal(after.values[7], before.values[7], "its address");
  if (was > 2) assert.equal(is, was, "what was settled stays settled");
  else assert.ok(is === 2 || (is === was && is === 0), `${was} became ${is}`);
}

test("nothing is damaged: the new spool tells what the old one told, in every format there was; claims are held", async () => {
  for (const version of fixtureVersions()) {
    await using bench = new SqliteBench();
    const folder = await bench.folder();
    unpackFixture(version, folder);
    for (const id of version === 1 ? ["2C3RD8G0AAAA"] : []) {
      mkdirSync(join(folder, "captured"));
      writeFileSync(join(folder, "captured", `${id}.eml`), "Subject: captured\r\n\r\n");
    }
    // As a checkpoint leaves it. Without it, and with a claim that nobody settled, the log would be lost.
    writeFileSync(join(folder, "spool.db-wal"), "");
    const { to, ...told } = salvage(folder);
    assert.deepEqual([told.damagedPages, told.lost, told.nothingLost], [[], [], true]);
    assert.deepEqual(
      told.held.map(({ recipients }) => recipients),
      [1],
    );
    const spool = await bench.open(to);
    const expected = JSON.parse(JSON.stringify(expectedOf(version))) as Expected;
    const claimed = expected.messages.find(({ recipients }) => recipients[0]?.["address"] === "cara@claimed.test");
    assert.ok(claimed?.recipients[0]);
    const found = (await tellingOf(spool, Object.keys(expected.records))) as Expected;
    const mended = found.messages.find(({ message }) => message.id === claimed.message.id);
    assert.equal(mended?.recipients[0]?.["state"], "held");
    assert.equal(mended.events.at(-1)?.["kind"], "recipient-held");
    const others = (all: Expected) => ({
      ...all,
      messages: all.messages.filter(({ message }) => message.id !== claimed.message.id),
    });
    assert.deepEqual(others(found), others(expected));
  }
});

interface Expected {
  readonly messages: readonly {
    readonly message: { readonly id: string };
    readonly recipients: readonly Record<string, unknown>[];
    readonly events: readonly Record<string, unknown>[];
  }[];
  readonly records: Readonly<Record<string, unknown>>;
}

test("pages that a seed chooses are damaged: all that lies elsewhere comes back, nothing is invented or sent again", async () => {
  await using bench = new SqliteBench();
  const source = await mixedSpool(bench);
  const truth = truthOf(source);
  const saved = ["messages", "recipients", "events", "records"];
  for (let seed = 1; seed <= seeds; seed++) {
    const random = new SeededRandom(seed);
    const folder = await bench.folder();
    cpSync(source, folder, { recursive: true });
    const damaged = new Set<number>();
    for (let count = 1 + chance(random, 4); count > 0; count--) {
      const page = 1 + chance(random, truth.pages);
      damaged.add(page);
      const fills = [Buffer.alloc(pageBytes, 0xff), Buffer.alloc(pageBytes), random.bytes(pageBytes)];
      overwrite(`${folder}/spool.db`, page, fills[chance(random, 3)] ?? Buffer.alloc(0));
    }
    const before = digestOf(folder);
    const { to, damagedPages, kept, nothingLost } = salvage(folder);
    assert.equal(digestOf(folder), before, "the damaged spool is only read");
    const hint = `seed ${seed}, pages ${[...damaged].join(" ")}: ${JSON.stringify(damagedPages)}`;
    const lostRows = truth.rows.filter((row) => saved.includes(row.table) && damaged.has(row.page));
    if (lostRows.length > 0) assert.equal(nothingLost, false, hint);
    for (const table of saved) {
      const after = valuesIn(to, table);
      const known = new Map(truth.rows.filter((row) => row.table === table).map((row) => [keyOf(row), row]));
      for (const row of truth.rows) {
        if (row.table !== table || damaged.has(row.page) || !hasMessage(row, truth, damaged)) continue;
        if (table === "records" && isRestOf(row)) continue;
        assert.ok(after.has(keyOf(row)), `${table} ${keyOf(row)} is lost; ${hint}`);
      }
      for (const [key, row] of after) {
        const original = known.get(key);
        if (original === undefined) assert.equal(table, "events", `${table} ${key} is invented; ${hint}`);
        else if (table === "recipients") compareRecipients(original, row);
        else if (table !== "events") assert.deepEqual(row.values, original.values, hint);
      }
    }
    const { badPages, faults } = checkSpool(to, () => {});
    assert.deepEqual([badPages, faults], [[], []], hint);
    await using spool = await bench.open(to);
    const { scheduled, held } = await spool.stats();
    assert.deepEqual([scheduled, held], [kept.scheduled, kept.held]);
    const claims = await spool.claim(request({ limit: 2000, perDomainMax: 2000 }));
    for (const { message } of claims) assert.equal((await contentOf(spool, message.id))?.length, message.size, hint);
    rmSync(folder, { recursive: true });
  }
});

/** Rows of recipients and events come back with their message only. */
function hasMessage(
  { table, rowid = 0, values }: StoredRow & { readonly table: string },
  truth: Truth,
  damaged: ReadonlySet<number>,
): boolean {
  if (table !== "recipients" && table !== "events") return true;
  return truth.rows.some(
    (row) =>
      row.table === "messages" &&
      !damaged.has(row.page) &&
      (table === "events" ? row.values[1] === values[1] : row.rowid === Math.floor(rowid / 65_536)),
  );
}

/** A part of it may lie on another page. */
function isRestOf({ values }: StoredRow): boolean {
  return values.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 8), 0) > 900;
}

function digestOf(folder: string): string {
  const hash = createHash("sha256");
  for (const name of ["spool.db", ...globSync("content/*/*", { cwd: folder }).toSorted()]) {
    hash.update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

test("octets that are flipped within pages: salvage ends, and what lies on other pages is as it was", async () => {
  await using bench = new SqliteBench();
  const source = await mixedSpool(bench);
  const truth = truthOf(source);
  for (let seed = 1; seed <= seeds; seed++) {
    const random = new SeededRandom(1000 + seed);
    const folder = await bench.folder();
    cpSync(source, folder, { recursive: true });
    const page = 1 + chance(random, truth.pages);
    overwrite(`${folder}/spool.db`, page, random.bytes(1 + chance(random, 64)), chance(random, pageBytes - 64));
    const { to } = salvage(folder);
    const after = valuesIn(to, "recipients");
    for (const row of truth.rows) {
      if (row.table !== "recipients" || row.page === page || !hasMessage(row, truth, new Set([page]))) continue;
      const found = after.get(keyOf(row));
      assert.ok(found, `seed ${seed}, page ${page}`);
      compareRecipients(row, found);
    }
    rmSync(folder, { recursive: true });
  }
});

/** A spool that was killed with all in its log, a checkpoint in the middle; then each recipient of `done` was delivered. */
async function killedSpool(bench: SqliteBench) {
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const messages: NewMessage[] = [];
  for (let count = 0; count < 30; count++) {
    const message = draft([`ann@far${count}.test`, `bob@far${count}.test`]);
    messages.push(message);
    await put(spool, message);
  }
  const checkpoint = new DatabaseSync(`${directory}/spool.db`);
  checkpoint.exec("PRAGMA wal_checkpoint(PASSIVE)");
  checkpoint.close();
  const done: string[] = [];
  for (let round = 0; round < 10; round++) {
    for (const claimed of await spool.claim(request({ limit: 2 }))) {
      await settle(
        spool,
        claimed,
        claimed.recipients.map(({ index }) => delivered(index)),
      );
      done.push(claimed.message.id);
    }
  }
  const image = await bench.folder();
  for (const name of ["spool.db", "spool.db-wal", "spool.db-shm"]) cpSync(join(directory, name), join(image, name));
  return { image, messages, done };
}

test("the log is read with the database, and what it settled is settled", async () => {
  await using bench = new SqliteBench();
  const { image, messages, done } = await killedSpool(bench);
  const { to, nothingLost, logLoss, kept } = salvage(image);
  assert.deepEqual([nothingLost, logLoss, kept.messages], [true, undefined, messages.length]);
  const spool = await bench.open(to);
  for (const { id } of messages) {
    const expected = done.includes(id) ? "delivered" : "scheduled";
    assert.ok((await statesOf(spool, id)).includes(expected));
  }
});

test("a log that is lost, cut or damaged: whoever waited is held, and nothing that it settled is sent again", async () => {
  await using bench = new SqliteBench();
  const { image, done } = await killedSpool(bench);
  // What a log before it left after its end is nobody's loss.
  const frames = readFileSync(join(image, "spool.db-shm")).readUInt32LE(16);
  const size = 32 + frames * (24 + pageBytes);
  assert.ok(size <= statSync(join(image, "spool.db-wal")).size);
  for (let seed = 1; seed <= seeds; seed++) {
    const random = new SeededRandom(2000 + seed);
    const folder = await bench.folder();
    cpSync(image, folder, { recursive: true });
    const log = join(folder, "spool.db-wal");
    const kind = chance(random, 3);
    // Without the log's index, which a power loss may take, the log itself has to show it.
    if (kind !== 1 && random.next() < 0.5) rmSync(`${folder}/spool.db-shm`);
    if (kind === 0) truncateSync(log, chance(random, size - 1));
    else if (kind === 1) rmSync(log);
    else overwrite(log, 1 + chance(random, Math.floor(size / pageBytes)), random.bytes(64), chance(random, 4000));
    const { to, logLoss, nothingLost } = salvage(folder);
    const isFound = logLoss !== undefined;
    assert.equal(nothingLost, !isFound);
    const spool = await bench.open(to);
    for (const { message, recipient: found } of await spool.find({ states }, { limit: 1000 })) {
      if (done.includes(message.id)) assert.notEqual(found.state, "scheduled", `seed ${seed}: ${found.address}`);
      if (isFound) assert.notEqual(found.state, "scheduled");
    }
    await spool.close();
  }
});

test("of a log that nothing shows to be lost the operator says so", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  await put(spool, draft(["ann@far.test"]));
  await spool.changeRecords([{ kind: "put", namespace: "owed-reports", key: "0ABC/failed/0", value: { owed: true } }]);
  await spool.close();
  const { held, remains, nothingLost, kept } = salvage(directory, { logLost: true });
  assert.match(held[0]?.reason ?? "", /may have been delivered/);
  assert.deepEqual(remains, ["remains/owed-reports.json"], "a report that may have left is not made again");
  assert.deepEqual([nothingLost, kept.scheduled, kept.held], [false, 0, 1]);
});

test("a file that was cut: what is left of it comes back", async () => {
  await using bench = new SqliteBench();
  const source = await mixedSpool(bench);
  const truth = truthOf(source);
  for (let seed = 1; seed <= 10; seed++) {
    const folder = await bench.folder();
    cpSync(source, folder, { recursive: true });
    const pages = chance(new SeededRandom(3000 + seed), truth.pages);
    truncateSync(`${folder}/spool.db`, pages * pageBytes + chance(new SeededRandom(seed), pageBytes));
    const { to, nothingLost } = salvage(folder);
    assert.equal(nothingLost, false);
    const cut = new Set(Array.from({ length: truth.pages - pages }, (_, index) => pages + 1 + index));
    const after = valuesIn(to, "recipients");
    for (const row of truth.rows) {
      if (row.table !== "recipients" || row.page > pages || !hasMessage(row, truth, cut)) continue;
      assert.ok(after.has(keyOf(row)), `${pages} pages: ${keyOf(row)} on ${row.page}`);
    }
    rmSync(folder, { recursive: true });
  }
});

test("content that is lost: its recipients are held, and the file that a lost row named is found", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const messages = [draft(["ann@far.test"]), draft(["bob@far.test"]), draft(["cara@far.test"])] as const;
  const [cut, missing, unnamed] = messages;
  for (const message of messages) await put(spool, message, { content: Buffer.alloc(400_000, "x") });
  await spool.close();
  const fileOf = (folder: string, id: string) => join(folder, "content", id.slice(-2), `${id}.eml`);
  truncateSync(fileOf(directory, cut.id), 10);
  rmSync(fileOf(directory, missing.id));
  const database = new DatabaseSync(`${directory}/spool.db`);
  database.exec(`DELETE FROM content_files WHERE seq = (SELECT seq FROM messages WHERE id = '${unnamed.id}')`);
  database.close();
  const { to, lost, held } = salvage(directory);
  assert.deepEqual(
    lost.map(({ message, what }) => [message, what]),
    [cut, missing].map(({ id }) => [id, "its content"]),
  );
  assert.deepEqual(
    held.map(({ message, reason }) => [message, reason]),
    [cut, missing].map(({ id }) => [id, "its content is lost"]),
  );
  const again = await bench.open(to);
  await again.checked;
  assert.deepEqual(await statesOf(again, unnamed.id), ["scheduled"]);
  assert.equal((await contentOf(again, unnamed.id))?.length, 400_000);
  assert.deepEqual(await statesOf(again, missing.id), ["held"]);
});

test("a message whose own row is lost is left apart, with its content, recipients and history", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const [lost, whole] = [draft(["ann@far.test"]), draft(["bob@far.test"])] as const;
  await put(spool, lost, { content: "Subject: lost\r\n\r\nHello.\r\n" });
  await put(spool, whole);
  await spool.close();
  const database = new DatabaseSync(`${directory}/spool.db`);
  // Its text is no JSON any more.
  database.exec(`UPDATE messages SET message = substr(message, 2) WHERE id = '${lost.id}'`);
  database.close();
  const told = salvage(directory);
  assert.deepEqual(told.remains, [`remains/${lost.id}.eml`, `remains/${lost.id}.json`]);
  assert.equal(readFileSync(join(told.to, `remains/${lost.id}.eml`), "utf8"), "Subject: lost\r\n\r\nHello.\r\n");
  const facts = JSON.parse(readFileSync(join(told.to, `remains/${lost.id}.json`), "utf8")) as {
    recipients: unknown[][];
  };
  assert.deepEqual(facts.recipients[0]?.slice(0, 3), [0, 0, "ann@far.test"]);
  const again = await bench.open(told.to);
  assert.equal(await again.message(lost.id), undefined);
  assert.deepEqual(await statesOf(again, whole.id), ["held"], "its page is damaged, so it is not sent unseen");
});

test("a recipient whose row is lost comes back from its history: final if that says so, else held", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const message = draft(["ann@far.test", "bob@far.test", "cara@far.test"]);
  const claimed = await put(spool, message, { claim: terms, events: [accepted(message)] });
  assert.ok(claimed);
  await settle(spool, claimed, [delivered(0), deferred(1, bench.clock.now()), deferred(2, bench.clock.now())], {
    events: [attempted(message.id, 0, "ann@far.test", true), attempted(message.id, 1, "bob@far.test", false)],
  });
  await spool.close();
  const database = new DatabaseSync(`${directory}/spool.db`);
  database.exec("DELETE FROM recipients WHERE key % 65536 < 2");
  database.close();
  const { to, held } = salvage(directory);
  const again = await bench.open(to);
  assert.deepEqual(await statesOf(again, message.id), ["delivered", "held", "scheduled"]);
  assert.match(held[0]?.reason ?? "", /from its history/);
});

test("recipients whose rows and history are lost are counted and, where the message's acceptance names them, named", async () => {
  await using bench = new SqliteBench();
  for (const [gone, names, what] of [
    ["= 0", true, "1 recipient, perhaps ann@far.test"],
    ["< 2", true, "2 recipients, perhaps ann@far.test, bob@far.test"],
    ["< 2", false, "2 recipients"],
    ["< 3", true, "all recipients, perhaps ann@far.test, bob@far.test, cara@far.test"],
  ] as const) {
    const directory = await bench.folder();
    const spool = await bench.open(directory);
    const message = draft(["ann@far.test", "bob@far.test", "cara@far.test"]);
    await put(spool, message, { events: names ? [accepted(message)] : [] });
    await spool.close();
    const database = new DatabaseSync(`${directory}/spool.db`);
    database.exec(`DELETE FROM recipients WHERE key % 65536 ${gone}`);
    database.close();
    const { lost, nothingLost } = salvage(directory);
    assert.deepEqual([lost, nothingLost], [[{ message: message.id, what }], false]);
  }
});

test("what stands in a log after its last commit is a loss, unless a log before it can have left it", async () => {
  await using bench = new SqliteBench();
  const { image } = await killedSpool(bench);
  const path = join(image, "spool.db");
  const frames = readFileSync(`${path}-shm`).readUInt32LE(16);
  rmSync(`${path}-shm`);
  truncateSync(`${path}-wal`, 32 + frames * (24 + pageBytes));
  const whole = readFileSync(`${path}-wal`);
  const lossOf = (after: Uint8Array) => {
    writeFileSync(`${path}-wal`, Buffer.concat([whole, after]));
    using pages = new PageImage(path);
    return pages.logLoss;
  };
  /** A frame of a log that began so many logs before this one. */
  const frame = (before: number) => {
    const bytes = Buffer.alloc(24 + pageBytes);
    bytes.writeUInt32BE((whole.readUInt32BE(16) - before) >>> 0, 8);
    return bytes;
  };
  assert.equal(lossOf(Buffer.alloc(0)), undefined);
  for (const before of [1, 2, 1_000_000]) assert.equal(lossOf(frame(before)), undefined, `${before} before`);
  for (const before of [0, -1, 1_000_001]) assert.match(lossOf(frame(before)) ?? "", /damaged or cut/, `${before}`);
  assert.equal(lossOf(frame(1).subarray(0, 24)), undefined);
  assert.match(lossOf(frame(1).subarray(0, 23)) ?? "", /damaged or cut/);
  assert.match(lossOf(Buffer.concat([frame(1), frame(0)])) ?? "", /damaged or cut/);
});

test("refused: a folder that exists, a spool of a newer program; a failure leaves nothing", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  await put(spool, draft(["ann@far.test"]));
  await spool.close();
  assert.throws(() => salvage(directory, { to: directory }), /exists already/);
  const missing = join(directory, "not", "there");
  assert.throws(() => salvage(directory, { to: missing }), { code: "failed" });
  assert.equal(existsSync(missing), false);
  const database = new DatabaseSync(`${directory}/spool.db`);
  database.exec(`PRAGMA user_version = ${formatVersion + 1}`);
  database.close();
  assert.throws(() => salvage(directory), { code: "newer-format" });
  assert.deepEqual(readdirSync(directory).toSorted(), ["content", "spool.db"]);
});
