/**
 * A spool of every version of the stored format opens, tells what it should, and drains; it can be taken back one
 * version, and a newer one is refused. A changed schema without a step of its own and a fixture fails here.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as realDelay } from "node:timers/promises";
import { test } from "node:test";
import { owedNamespace } from "../../src/reporting/owed-record.ts";
import { RewritingKeys } from "../../src/forwarding/rewriting-keys.ts";
import { UserStore } from "../../src/accounts/user-store.ts";
import { spoolPolicyStore } from "../../src/route/spool-policy-store.ts";
import { KeyStore } from "../../src/signing/key-store.ts";
import { readRows } from "../../src/reporting/dmarc-aggregate/report-rows.ts";
import { downgradeSpool } from "../../src/node/spool/downgrade.ts";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { openSqliteSpool } from "../../src/node/spool/open-sqlite-spool.ts";
import { formatVersion, type FormatStep, type FormatSteps, formatSteps, migrate } from "../../src/node/spool/schema.ts";
import type { CapturedEntry } from "../../src/spool/captured-mail.ts";
import type { Spool, StoredMessage } from "../../src/spool/spool.ts";
import { senderOf } from "../../src/spool/turns.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { isSpoolError } from "../contract/spool-fixture.ts";
import { SqliteBench } from "../contract/sqlite-harness.ts";
import { hour, minute, SimulatedWorld } from "../system/support.ts";
import { expectedOf, fixtureVersions, namespacesOf, schemaOf, tellingOf, unpackFixture } from "./fixture.ts";
import { BanStore } from "../../src/policy/ban-store.ts";
import { appPasswordDigest, keyDigest, openDomains } from "./story.ts";

const versions = fixtureVersions();

function open(folder: string): DatabaseSync {
  return new DatabaseSync(join(folder, "spool.db"));
}

function withDatabase<T>(folder: string, look: (database: DatabaseSync) => T): T {
  const database = open(folder);
  try {
    return look(database);
  } finally {
    database.close();
  }
}

/** What an empty spool made by these steps looks like. */
function freshSchema(steps: FormatSteps): readonly unknown[] {
  const database = new DatabaseSync(":memory:");
  try {
    migrate(database, steps);
    return schemaOf(database);
  } finally {
    database.close();
  }
}

function stepsUpTo(version: number): FormatSteps {
  const [first, ...rest] = formatSteps;
  return [first, ...rest.slice(0, version - 1)];
}

test("every version of the format has its fixture", () => {
  const all = Array.from({ length: formatVersion }, (_, index) => index + 1);
  assert.deepEqual(versions, all, "npm run upgrade:fixture makes the newest");
});

test("the newest fixture has records of every namespace", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(formatVersion, folder);
  const declared = globSync("src/**/*.ts")
    .filter((file) => !file.endsWith(".test.ts"))
    .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/^(?:export )?const \w*[nN]amespace = "([\w-]+)"/gm)])
    .map(([, name = ""]) => name);
  assert.deepEqual(withDatabase(folder, namespacesOf), [...new Set(declared)].toSorted());
});

for (const version of versions) {
  test(`format ${version}: the steps still make what they made when it was new`, async () => {
    await using bench = new SqliteBench();
    const folder = await bench.folder();
    unpackFixture(version, folder);
    const changed = `a released step was edited: a change is a step of its own, with a fixture`;
    assert.deepEqual(freshSchema(stepsUpTo(version)), withDatabase(folder, schemaOf), changed);
    withDatabase(folder, (database) => migrate(database));
    assert.deepEqual(withDatabase(folder, schemaOf), freshSchema(formatSteps), "an upgraded spool is as a new one");
  });

  test(`format ${version}: everything in it is read as it was meant`, async () => {
    await using bench = new SqliteBench();
    const folder = await bench.folder();
    unpackFixture(version, folder);
    const namespaces = withDatabase(folder, namespacesOf);
    await using spool = await bench.open(folder);
    await spool.checked;
    assert.deepEqual(bench.log.of("spool-recovered"), [{ recipients: 1 }], "the claim that a crash left");
    assert.deepEqual(await tellingOf(spool, namespaces), expectedOf(version));
    await readRecords(spool, bench);
    await readNewestRecords(spool, version);
  });

  test(`format ${version}: it drains, each recipient to where it belongs`, async () => {
    await using bench = new SqliteBench();
    const folder = await bench.folder();
    unpackFixture(version, folder);
    await drain(folder, version);
  });
}

/** By the parts that own them; they throw where they cannot. */
async function readRecords(spool: Spool, { clock }: SqliteBench): Promise<void> {
  assert.deepEqual(
    (await new UserStore(spool).list()).map(({ address }) => address),
    ["made@example.org"],
  );
  assert.deepEqual(
    (await new KeyStore(spool).list()).map(({ selector }) => selector),
    ["fixture"],
  );
  const log = new CollectingLog();
  const keys = await RewritingKeys.open({ spool, clock, random: new SeededRandom(6), log }, []);
  assert.equal(keys.all.length, 1, "the stored key, and no new one");
  await keys.close();
  assert.equal((await readRows(spool, "2025-12-31", "counted.test"))?.rows[0]?.count, 3);
}

/** Those that no older format had. */
async function readNewestRecords(spool: Spool, version: number): Promise<void> {
  const isNewest = version === formatVersion;
  const { keys, appPasswords, grants } = new UserStore(spool);
  assert.deepEqual(
    (await keys.list()).map(({ user, label }) => `${user} ${label}`),
    isNewest ? ["made@example.org laptop"] : [],
  );
  assert.equal((await keys.uses.last(keyDigest)) !== undefined, isNewest);
  assert.deepEqual(
    (await appPasswords.list()).map(({ user, label, scopes }) => `${user} ${label} ${scopes.join(" ")}`),
    isNewest ? ["made@example.org phone send reports"] : [],
  );
  assert.equal((await appPasswords.uses.last(appPasswordDigest)) !== undefined, isNewest);
  const granted = (await grants.list()).map(({ user, address }) => `${user} ${address}`);
  assert.deepEqual(granted, isNewest ? ["made@example.org *@example.org"] : []);
  const { bans, signedIn } = await new BanStore(spool).read();
  const networks = [bans.map(({ network }) => network), signedIn.map(([network]) => network)];
  assert.deepEqual(networks, isNewest ? [["192.0.2.66"], ["192.0.2.1"]] : [[], []]);
  const kept = await spoolPolicyStore(spool).get("policy.test");
  assert.equal(kept?.current?.policy.mode, isNewest ? "enforce" : undefined);
}

/** A whole server on the spool, in simulated time, with a server for every domain. */
async function drain(folder: string, version: number): Promise<void> {
  // Format 1 had captured mail in a folder of its own, and gathered no reports.
  const hasCaptured = version > 1;
  const hasOwedReport = version > 1;
  await using world = new SimulatedWorld();
  const { clock } = world;
  await clock.advance(hour);
  const log = new CollectingLog();
  const spool = await openSqliteSpool({ directory: folder, clock, log, files: new NodeFiles() });
  world.wrapSpool = () => spool;
  const peers = new Map<string, Awaited<ReturnType<SimulatedWorld["peer"]>>>();
  for (const domain of openDomains) {
    peers.set(domain, await world.peer(domain, { keywords: ["8BITMIME", "SMTPUTF8", "DSN"] }));
  }
  await world.start();
  await spool.release({}, "test");
  // The spool's threads answer in real time.
  for (let round = 0; round < 200; round++) {
    const { scheduled, claimed, held } = await spool.stats();
    if (scheduled + claimed + held === 0) break;
    await world.advance(minute);
    await realDelay(5);
  }
  // The daily report for counted.test is due within minutes, and goes out if the threads are slow to answer.
  const states = (await spool.find({ states: finals }, { limit: 1000 }))
    .filter(({ recipient }) => !recipient.address.endsWith("@counted.test"))
    .map(({ recipient }) => `${recipient.address} ${recipient.state}`);
  const capturedStates = [
    "ann@captured.test delivered",
    "ann@captured.test delivered",
    "bob@captured.test delivered",
    "bob@captured.test delivered",
  ];
  assert.deepEqual(states.toSorted(), [
    ...(hasCaptured ? capturedStates : []),
    "cara@claimed.test relayed",
    "delivered@delivered.test delivered",
    "delivered@delivered.test delivered",
    "expired@expired.test expired",
    "failed@failed.test failed",
    "far@elsewhere.test relayed",
    "held@held.test relayed",
    "jörg@elsewhere.test relayed",
    "lara@large.test relayed",
    "later@later.test relayed",
    ...(hasCaptured ? ["queued@captured.test relayed"] : []),
    "relayed@relayed.test relayed",
    "removed@removed.test removed",
    "sender@origin.test relayed",
    ...(hasOwedReport ? ["sender@origin.test relayed"] : []),
  ]);
  const received = [...peers].flatMap(([domain, peer]) =>
    peer.messages.map(({ content }) => `${domain} ${content.toString("latin1")}`),
  );
  assert.equal(received.length, version > 1 ? 9 : 7);
  assert.ok(
    received.some((text) => text.startsWith("large.test") && text.length > 300_000),
    "content of a file",
  );
  assert.ok(received.some((text) => text.startsWith("origin.test") && text.includes("could not be delivered")));
  // It is removed behind the commit that ends the last recipient.
  const kept = hasCaptured ? 1 : 0;
  const contents = () => globSync("content/*/*.eml", { cwd: folder });
  while (contents().length > kept) await realDelay(5);
  assert.equal(contents().length, kept, "content goes with the last recipient, but that of captured mail stays");
  await spool.captured.delete({});
  while (contents().length > 0) await realDelay(5);
  assert.deepEqual(contents(), [], "until it is deleted");
}

const finals = ["delivered", "relayed", "failed", "expired", "removed"] as const;

/** What a next version might do: a table, a column with a value for every row, and another shape of stored JSON. */
const futureStep: FormatStep = {
  up: `
    CREATE TABLE notes (seq INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
    ALTER TABLE recipients ADD COLUMN priority INTEGER NOT NULL DEFAULT 5;
    UPDATE messages SET message = json_set(json_remove(message, '$.reversePath'), '$.sender', message ->> '$.reversePath');
  `,
  down: `
    DROP TABLE notes;
    ALTER TABLE recipients DROP COLUMN priority;
    UPDATE messages SET message = json_set(json_remove(message, '$.sender'), '$.reversePath', message ->> '$.sender');
  `,
};

test("a step up is refused by the program before, in words that help, and taken back without loss", async () => {
  const [first, ...rest] = formatSteps;
  const future: FormatSteps = [first, ...rest, futureStep];
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(formatVersion, folder);
  withDatabase(folder, (database) => migrate(database, future));
  assert.notDeepEqual(withDatabase(folder, schemaOf), freshSchema(formatSteps));

  const text = `spool.db has format ${formatVersion + 1}; this program knows formats up to ${formatVersion}`;
  const refused = (error: unknown) =>
    isSpoolError("newer-format")(error) && error instanceof Error && error.message.endsWith(text);
  await assert.rejects(bench.open(folder), refused);
  assert.throws(() => downgradeSpool(folder, formatVersion), refused, "only the newer program knows the way back");

  assert.deepEqual(downgradeSpool(folder, undefined, future), { from: formatVersion + 1, to: formatVersion });
  assert.deepEqual(withDatabase(folder, schemaOf), freshSchema(formatSteps));
  const namespaces = withDatabase(folder, namespacesOf);
  const spool = await bench.open(folder);
  assert.deepEqual(await tellingOf(spool, namespaces), expectedOf(formatVersion));
  await spool.close();
  await drain(folder, formatVersion);
});

test("format 2 goes back to format 1 with its captured mail in files, and forward again with nothing lost", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(2, folder);
  const listed = async (spool: Spool) => await spool.captured.list({ limit: 10, order: "oldest first" });
  const before = await bench.open(folder);
  const entries = (await listed(before)).map(({ entry }) => entry);
  await before.close();
  assert.equal(entries.length, 3);
  await forgetOwed(folder);
  assert.deepEqual(downgradeSpool(folder, 1), { from: formatVersion, to: 1 });
  assert.deepEqual(withDatabase(folder, schemaOf), freshSchema(stepsUpTo(1)));
  for (const [place, start] of ["Subject: captured", "Subject: large", "Subject: q"].entries()) {
    const entry = entries[place] ?? assert.fail();
    const text = readFileSync(join(folder, "captured", `${entry.id}.eml`), "latin1");
    assert.match(text, new RegExp(`^Received: [^]*\\r\\n${start}\\r\\n`));
    assert.equal(text.length, entry.size);
  }
  const left = withDatabase(folder, (database) => database.prepare("SELECT count(*) AS n FROM contents").get()?.["n"]);
  const open = withDatabase(
    folder,
    (database) => database.prepare("SELECT count(*) AS n FROM open_messages").get()?.["n"],
  );
  assert.ok(Number(left) <= Number(open), "no content of a message that is done");

  const again = await bench.open(folder);
  const upgraded = (await listed(again)).map(({ entry }) => entry);
  // By their ids now: all that format 1 knows of an order.
  const plain = entries.map((entry) => ({ ...withoutAuthors(entry), in_folder: true }));
  assert.deepEqual(upgraded.map(({ id }) => id).toSorted(), entries.map(({ id }) => id).toSorted());
  for (const entry of plain)
    assert.deepEqual(
      upgraded.find(({ id }) => id === entry.id),
      entry,
    );
  const toAnn = await again.captured.list({ filter: { to: "ann@captured.test" }, limit: 10, order: "oldest first" });
  assert.equal(toAnn.length, 2, "and found by their recipients");
  assert.equal(await again.captured.delete({}), 3);
  await again.close();
  assert.deepEqual(globSync("captured/*", { cwd: folder }), []);
});

/** As the report does that tells it. */
async function forgetOwed(folder: string): Promise<void> {
  await using bench = new SqliteBench();
  await using spool = await bench.open(folder);
  await spool.changeRecords([{ kind: "clear", namespace: owedNamespace }]);
}

test("format 1 is refused as long as a sender has something to hear, with the messages, and nothing is changed", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(formatVersion, folder);
  const before = withDatabase(folder, schemaOf);
  assert.throws(() => downgradeSpool(folder, 1), /a report about 2C3RD8G0EEEE, and format 1 cannot keep that/);
  assert.deepEqual(withDatabase(folder, schemaOf), before, "no step of the way is made");
  const spool = await bench.open(folder);
  assert.equal((await spool.listRecords(owedNamespace, { limit: 9 })).length, 1);
  await spool.close();
  await forgetOwed(folder);
  assert.deepEqual(downgradeSpool(folder, 1), { from: formatVersion, to: 1 });
});

test("format 3 goes back to format 2 and forward again, and every waiting recipient has its sender", async () => {
  for (const version of versions) {
    await using bench = new SqliteBench();
    const folder = await bench.folder();
    unpackFixture(version, folder);
    withDatabase(folder, (database) => migrate(database));
    const before = withDatabase(folder, sendersIn);
    downgradeSpool(folder, 2);
    assert.deepEqual(withDatabase(folder, schemaOf), freshSchema(stepsUpTo(2)));
    withDatabase(folder, (database) => migrate(database));
    assert.deepEqual(withDatabase(folder, sendersIn), before);
    const { senders, lanes } = before;
    assert.ok(senders.length >= 6 && senders.some(({ sender }) => String(sender).startsWith("login ")));
    for (const { sender, message } of senders) {
      assert.equal(sender, senderOf(JSON.parse(String(message)) as StoredMessage));
    }
    assert.ok(lanes.length > 0);
  }
});

function sendersIn(database: DatabaseSync) {
  const senders = database
    .prepare("SELECT key, sender, message FROM recipients JOIN messages ON seq = key / 65536 WHERE state <= 2")
    .all();
  // One that has nothing scheduled any more goes when somebody looks.
  const lanes = database
    .prepare(
      "SELECT domain, sender FROM lanes WHERE (domain, sender) IN (SELECT domain, sender FROM recipients WHERE state = 0)",
    )
    .all();
  return { senders, lanes };
}

function withoutAuthors(entry: CapturedEntry): CapturedEntry {
  const rest: { authors?: readonly string[] } & Omit<CapturedEntry, "authors"> = { ...entry };
  delete rest.authors;
  return rest;
}

test("below the first format there is nothing to go back to", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(1, folder);
  assert.throws(() => downgradeSpool(folder, undefined), /format 1, the first there was/);
  assert.throws(() => downgradeSpool(folder, 1), /format 1, the first there was/);
  withDatabase(folder, (database) => assert.equal(database.prepare("PRAGMA user_version").get()?.["user_version"], 1));
});

test("a step that fails leaves the spool at the step before", async () => {
  const [first, ...rest] = formatSteps;
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  unpackFixture(formatVersion, folder);
  const broken: FormatStep = {
    up: "CREATE TABLE notes (a) STRICT; SELECT nothing;",
    down: "DROP TABLE recipients; SELECT nothing;",
  };
  const database = open(folder);
  assert.throws(() => migrate(database, [first, ...rest, broken]));
  database.close();
  assert.deepEqual(withDatabase(folder, schemaOf), freshSchema(formatSteps));
  withDatabase(folder, (upgraded) => migrate(upgraded, [first, ...rest, { ...broken, up: "" }]));
  assert.throws(() => downgradeSpool(folder, undefined, [first, ...rest, broken]));
  withDatabase(folder, (still) => {
    assert.equal(still.prepare("PRAGMA user_version").get()?.["user_version"], formatVersion + 1);
    assert.deepEqual(schemaOf(still), freshSchema(formatSteps));
  });
});
