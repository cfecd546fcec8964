/** What is the SQLite spool's own: format, full disks, large content's files, threads that die. See also test/contract. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, stat, truncate, unlink, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  contentOf,
  draft,
  isSpoolError,
  put,
  recipient,
  request,
  settle,
  delivered,
  statesOf,
  terms,
} from "../../../test/contract/spool-fixture.ts";
import type { CommitAnswer } from "../../../test/contract/spool-committer.ts";
import { SqliteBench, hookedFiles } from "../../../test/contract/sqlite-harness.ts";
import { FileError } from "../../ports/files.ts";
import { ContentCache } from "./content-cache.ts";
import { formatVersion } from "./schema.ts";

const largeContent = Buffer.alloc(400_000, "large ");

/** Every file under content/, without folders. */
async function contentFiles(directory: string): Promise<string[]> {
  const entries = await readdir(`${directory}/content`, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test("a new database has its format written down", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  await using spool = await bench.open(directory);
  await put(spool, draft(["ann@a.test"]));
  for (const name of ["spool.db", "spool.db-wal"]) {
    assert.equal((await stat(`${directory}/${name}`)).mode & 0o777, 0o600, `${name} is the owner's alone`);
  }
  const database = new DatabaseSync(`${directory}/spool.db`, { readOnly: true });
  const pragma = (name: string) => database.prepare(`PRAGMA ${name}`).get()?.[name];
  assert.equal(pragma("user_version"), formatVersion);
  assert.equal(pragma("journal_mode"), "wal");
  assert.equal(pragma("auto_vacuum"), 2, "incremental");
  assert.equal(pragma("page_size"), 4096);
  assert.equal(pragma("application_id"), 0x50486173);
  assert.equal(pragma("integrity_check"), "ok");
  database.close();
  await spool.close();
  assert.equal(existsSync(`${directory}/spool.db-wal`), false, "closing in order leaves one file");
});

test("a spool of a newer program is refused and left as it is", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  await (await bench.open(directory)).close();
  const database = new DatabaseSync(`${directory}/spool.db`);
  database.exec(`PRAGMA user_version = ${formatVersion + 1}`);
  database.close();
  await assert.rejects(bench.open(directory), isSpoolError("newer-format"));
  const after = new DatabaseSync(`${directory}/spool.db`);
  assert.equal(after.prepare("PRAGMA user_version").get()?.["user_version"], formatVersion + 1);
  assert.equal(after.prepare("SELECT incarnation FROM state").get()?.["incarnation"], 1);
  after.close();
});

test("a file that is no database is refused", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  await writeFile(`${directory}/spool.db`, "This is a letter to aunt Emma, not a database. ".repeat(100));
  await assert.rejects(bench.open(directory), isSpoolError("damaged"));
});

test("a folder that is not there is refused", async () => {
  await using bench = new SqliteBench();
  await assert.rejects(bench.open(`${await bench.folder()}/none`), isSpoolError("failed"));
});

test("SMTP-040: in a full database a commit fails with no-space, keeps nothing, and outcomes still get through", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory, { databaseBytesMax: 600_000 });
  const kept = [];
  let refused: string | undefined;
  for (let count = 0; count < 200 && refused === undefined; count++) {
    const message = draft(["ann@a.test"]);
    try {
      const claimed = await put(spool, message, { content: Buffer.alloc(20_000, "x"), claim: terms });
      assert.ok(claimed);
      kept.push(claimed);
    } catch (error) {
      assert.ok(isSpoolError("no-space")(error), String(error));
      refused = message.id;
    }
  }
  assert.ok(refused !== undefined && kept.length > 5);
  assert.equal(await spool.message(refused), undefined);
  assert.deepEqual(await spool.events(refused), []);
  assert.equal((await spool.stats()).claimed, kept.length);
  const [first, ...others] = kept;
  assert.ok(first);
  // In one batch with a commit that does not fit: the outcome is kept all the same.
  const [outcome, again] = await Promise.allSettled([
    settle(spool, first, [delivered(0)]),
    put(spool, draft(["bob@b.test"]), { content: Buffer.alloc(200_000, "y") }),
  ]);
  assert.deepEqual(outcome, { status: "fulfilled", value: true });
  assert.ok(again.status === "rejected" && isSpoolError("no-space")(again.reason));
  assert.ok(bench.log.of("spool-failed").every(({ code }) => code === "no-space"));
  for (const claimed of others) assert.equal(await settle(spool, claimed, [delivered(0)]), true);
  await put(spool, draft(["cat@c.test"]), { content: Buffer.alloc(20_000, "x") });
  assert.deepEqual(await spool.stats(), { scheduled: 1, claimed: 0, held: 0, oldestSeconds: 0 });
});

test("large content is durable, and its name, before the row that names it", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const done: string[] = [];
  let arriving = false;
  const message = draft(["ann@a.test"]);
  const rows = () => {
    const database = new DatabaseSync(`${directory}/spool.db`, { readOnly: true });
    const { n } = database.prepare("SELECT count(*) AS n FROM messages").get() ?? {};
    database.close();
    return n;
  };
  const real = hookedFiles((operation, path) => {
    if (!arriving) return;
    assert.equal(rows(), 0, `${operation} comes before the row`);
    done.push(`${operation} ${path.slice(directory.length + 1)}`);
  });
  const files = {
    ...real,
    open: async (...given: Parameters<typeof real.open>) => {
      const file = await real.open(...given);
      return {
        write: (bytes: Uint8Array) => (done.push("write"), file.write(bytes)),
        read: (position: number, length: number) => file.read(position, length),
        sync: () => (done.push("sync"), file.sync()),
        close: () => file.close(),
        [Symbol.asyncDispose]: () => file.close(),
      };
    },
  };
  const spool = await bench.open(directory, { files });
  await spool.checked;
  arriving = true;
  await put(spool, message, { content: largeContent });
  assert.equal(rows(), 1);
  const folder = message.id.slice(-2);
  assert.deepEqual(
    done.filter((what, at) => !what.startsWith("stat") && !(what === "write" && done[at - 1] === "write")),
    [
      "open content/incoming/1-1",
      "write",
      "sync",
      `makeDirectory content/${folder}`,
      "syncDirectory content",
      `rename content/${folder}/${message.id}.eml`,
      `syncDirectory content/${folder}`,
    ],
  );
});

for (const [code, expected] of [
  ["ENOSPC", "no-space"],
  ["EDQUOT", "no-space"],
  ["EIO", "failed"],
] as const) {
  for (const failing of ["open", "rename", "syncDirectory"] as const) {
    test(`large content whose ${failing} fails with ${code} is refused as ${expected}, and nothing is left`, async () => {
      await using bench = new SqliteBench();
      const directory = await bench.folder();
      let broken = false;
      const files = hookedFiles((operation) => {
        if (broken && operation === failing) throw new FileError(code, `${code}: ${failing}`);
      });
      const spool = await bench.open(directory, { files });
      broken = true;
      const message = draft(["ann@a.test"]);
      await assert.rejects(put(spool, message, { content: largeContent }), isSpoolError(expected));
      broken = false;
      assert.deepEqual(
        bench.log.of("spool-failed").map(({ code: told }) => told),
        [expected],
      );
      assert.equal(await spool.message(message.id), undefined);
      assert.deepEqual(await contentFiles(directory), []);
      await put(spool, message, { content: largeContent });
      assert.ok((await contentOf(spool, message.id))?.equals(largeContent));
    });
  }
}

test("large content whose row is refused leaves no file, and harms no other's", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const small = draft(["ann@a.test"]);
  const large = draft(["bob@b.test"]);
  await put(spool, small);
  await put(spool, large, { content: largeContent });
  await assert.rejects(put(spool, small, { content: largeContent }), isSpoolError("failed"));
  await assert.rejects(put(spool, large, { content: Buffer.alloc(300_000) }), isSpoolError("failed"));
  assert.deepEqual(await contentFiles(directory), [`${large.id}.eml`]);
  assert.ok((await contentOf(spool, large.id))?.equals(largeContent));
});

test("a large message's file goes when its last recipient is final", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const claimed = await put(spool, draft(["ann@a.test", "bob@b.test"]), { content: largeContent, claim: terms });
  assert.ok(claimed);
  await settle(spool, claimed, [delivered(0)]);
  assert.equal((await contentFiles(directory)).length, 1);
  await settle(spool, claimed, [delivered(1)]);
  await spool.close();
  assert.deepEqual(await contentFiles(directory), []);
});

test("what a crash left without a row is removed, what has one stays, what lost its file is held", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const [whole, missing, short] = [draft(["a@a.test"]), draft(["b@b.test"]), draft(["c@c.test"])];
  for (const message of [whole, missing, short]) await put(spool, message, { content: largeContent });
  const image = await bench.image(directory);
  const path = ({ id }: { readonly id: string }) => `${image}/content/${id.slice(-2)}/${id}.eml`;
  await unlink(path(missing));
  await truncate(path(short), 399_999);
  await mkdir(`${image}/content/ZZ`, { recursive: true });
  await writeFile(`${image}/content/ZZ/4QJ7ZC2M9KZZ.eml`, "no row");
  await writeFile(`${image}/content/incoming/1-77`, "never finished");
  const again = await bench.open(image);
  const { orphansRemoved, damaged } = await again.checked;
  assert.equal(orphansRemoved, 2);
  assert.deepEqual(damaged.toSorted(), [missing.id, short.id].toSorted());
  assert.ok(!(await contentFiles(image)).includes("4QJ7ZC2M9KZZ.eml"));
  assert.deepEqual(await statesOf(again, whole.id), ["scheduled"]);
  assert.ok((await contentOf(again, whole.id))?.equals(largeContent));
  for (const { id } of [missing, short]) {
    assert.deepEqual(await statesOf(again, id), ["held"]);
    const [event] = (await again.events(id)).slice(-1);
    assert.ok(event?.kind === "recipient-held" && /content/.test(event.reason));
  }
  assert.deepEqual(
    bench.log.of("recipient-held").map(({ message }) => message),
    damaged,
  );
});

test("content that cannot be opened is told, and its recipients are held", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const message = draft(["ann@a.test"]);
  await put(spool, message, { content: largeContent });
  await spool.checked;
  await unlink(`${directory}/content/${message.id.slice(-2)}/${message.id}.eml`);
  assert.equal(await spool.openContent(message.id), undefined);
  assert.deepEqual(await statesOf(spool, message.id), ["held"]);
});

test("content that ends early is an error, never a shorter message", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const message = draft(["ann@a.test"]);
  await put(spool, message, { content: largeContent });
  await using open = await spool.openContent(message.id);
  assert.ok(open);
  await truncate(`${directory}/content/${message.id.slice(-2)}/${message.id}.eml`, 300_000);
  await assert.rejects(async () => {
    for await (const chunk of open.chunks()) assert.ok(chunk.length > 0);
  }, isSpoolError("damaged"));
  // Opened only now, it is found before anything is read; what waits for it is held.
  assert.equal(await contentOf(spool, message.id), undefined);
  assert.deepEqual(await statesOf(spool, message.id), ["held"]);
});

test("when its thread dies, what was under way and all that follows fails; what was told is there afterwards", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const told = draft(["ann@a.test"]);
  await put(spool, told);
  const underWay = put(spool, draft(["bob@b.test"]));
  const rejected = assert.rejects(underWay, isSpoolError("failed"));
  await spool.kill();
  await rejected;
  await assert.rejects(put(spool, draft(["cat@c.test"])));
  const again = await bench.open(directory);
  assert.deepEqual(await statesOf(again, told.id), ["scheduled"]);
});

test("a thread that ends by itself is told of, one that was closed is not", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const gone: string[] = [];
  const onThreadGone = ({ message }: Error) => void gone.push(message);
  await (await bench.open(directory, { onThreadGone })).close();
  assert.deepEqual(gone, []);
  await (await bench.open(directory, { onThreadGone })).kill();
  assert.equal(gone.length, 3);
  assert.match(gone.join(), /writer thread has ended/);
});

test("small content of fresh mail is kept in memory, bounded, and forgotten when final", async () => {
  const cache = new ContentCache(1000);
  for (const [id, size] of [
    ["a", 400],
    ["b", 400],
    ["c", 400],
    ["big", 2000],
  ] as const) {
    cache.set(id, Buffer.alloc(size));
  }
  assert.deepEqual([cache.get("a"), cache.get("big")], [undefined, undefined]);
  assert.equal(cache.get("b")?.length, 400);
  assert.equal(cache.bytes, 800);
  cache.set("b", Buffer.alloc(10));
  assert.equal(cache.bytes, 410);
  cache.delete("b");
  cache.delete("b");
  assert.equal(cache.bytes, 400);
});

test("content is the same from memory and from the database", async () => {
  await using bench = new SqliteBench();
  const spool = await bench.open(await bench.folder(), { cacheBytes: 100 });
  const [small, larger] = [draft(["a@a.test"]), draft(["b@b.test"])];
  await put(spool, small, { content: "short" });
  await put(spool, larger, { content: Buffer.alloc(5000, "not kept in memory ") });
  assert.deepEqual(await contentOf(spool, small.id), Buffer.from("short"));
  assert.deepEqual(await contentOf(spool, larger.id), Buffer.alloc(5000, "not kept in memory "));
});

test("a buffer that is reused after the commit does not change the message", async () => {
  await using bench = new SqliteBench();
  const spool = await bench.open(await bench.folder());
  const shared = Buffer.from("first message, second message");
  const message = draft(["a@a.test"]);
  await put(spool, message, { content: shared.subarray(0, 13) });
  shared.fill("z");
  assert.deepEqual(await contentOf(spool, message.id), Buffer.from("first message"));
});

test("the database shrinks when most of it is free", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const claims = await Promise.all(
    Array.from({ length: 100 }, () =>
      put(spool, draft(["a@a.test"]), { content: Buffer.alloc(200_000), claim: terms }),
    ),
  );
  await Promise.all(claims.map((claimed) => claimed && settle(spool, claimed, [delivered(0)])));
  const pages = (name: string) => {
    const database = new DatabaseSync(`${directory}/spool.db`, { readOnly: true });
    const count = Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
    database.close();
    return count;
  };
  const before = pages("page_count");
  assert.ok(before > 4500, `${before} pages`);
  for (let step = 0; step < 12; step++) await spool.prune(0, 100);
  assert.ok(pages("freelist_count") <= 2048, `${pages("freelist_count")} free`);
  assert.ok(pages("page_count") < before - 2000);
});

/** Of recipients, from the rows. */
function recount(folder: string) {
  const database = new DatabaseSync(`${folder}/spool.db`, { readOnly: true });
  const one = (state: number) =>
    database.prepare("SELECT count(*) AS n FROM recipients WHERE state = ?").get(state)?.["n"];
  const counts = { scheduled: one(0), claimed: one(1), held: one(2), oldestSeconds: 0 };
  database.close();
  return counts;
}

test("counts of recipients agree with the rows, also after a crash", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  for (let count = 0; count < 30; count++) {
    await put(
      spool,
      draft(["a@a.test", recipient("b@b.test", { held: { by: "t", reason: "r" } }), "c@c.test"]),
      count % 3 === 0 ? { claim: terms } : {},
    );
  }
  const [claimed] = await spool.claim(request({ limit: 20 }));
  assert.ok(claimed);
  await settle(spool, claimed, [delivered(claimed.recipients[0]?.index ?? 0)]);
  await spool.hold({ domain: "c.test" }, "operator", "wait");
  assert.deepEqual(await spool.stats(), recount(directory));
  const image = await bench.image(directory);
  const again = await bench.open(image);
  assert.deepEqual(await again.stats(), recount(image));
  assert.equal((await again.stats()).claimed, 0);
});

test("a commit that changes one count alone writes it down", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const held = recipient("b@b.test", { held: { by: "t", reason: "r" } });
  for (const commit of [
    () => put(spool, draft(["a@a.test"])),
    () => put(spool, draft([held])),
    () => put(spool, draft(["c@c.test"]), { claim: terms }),
  ]) {
    await commit();
    const image = await bench.image(directory);
    assert.deepEqual(await (await bench.open(image)).stats(), recount(image));
  }
});

const run = promisify(execFile);

const committer = fileURLToPath(new URL("../../../test/contract/spool-committer.ts", import.meta.url));

function lines(output: string, word: CommitAnswer): string[] {
  return [...output.matchAll(new RegExp(`^${word} (\\S+)`, "gm"))].map(([, id = ""]) => id);
}

test("a process killed under load loses nothing that it was told is durable", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  for (const killAfter of [50, 900]) {
    const folder = `${directory}/${killAfter}`;
    await mkdir(folder);
    const child = await run(process.execPath, [committer, folder, `${killAfter}`]).catch(
      (error: { signal?: string; stdout: string; stderr: string }) => error,
    );
    assert.equal("signal" in child ? child.signal : undefined, "SIGKILL", child.stderr);
    const told = lines(child.stdout, "told");
    assert.ok(told.length > killAfter / 2, `${told.length} were told`);
    const spool = await bench.open(folder);
    await spool.checked;
    const found = await spool.find({}, { limit: 100_000 });
    const whole = new Map<string, number>();
    for (const { message, recipient: one } of found) {
      assert.deepEqual([one.state, one.attempts], ["scheduled", 1]);
      whole.set(message.id, (whole.get(message.id) ?? 0) + 1);
    }
    for (const id of told) assert.equal(whole.get(id), 2, `${id} is there with both recipients`);
    for (const [id, recipients] of whole) {
      assert.equal(recipients, 2, `${id} is whole`);
      const content = await contentOf(spool, id);
      assert.ok(content?.subarray(0, 12).equals(Buffer.from(id)), `${id} has its content`);
    }
    // At most one message for each committer was committed and not told.
    assert.ok(whole.size - told.length <= 20, `${whole.size} there, ${told.length} told`);
    assert.equal((await spool.stats()).scheduled, whole.size * 2);
  }
});

test("a write that the system refuses is told as failed, and nothing of it comes back", async () => {
  await using bench = new SqliteBench();
  const folder = await bench.folder();
  // In 512-octet blocks: the log or a content file soon reaches it.
  const limited = `ulimit -f 3000; exec "$0" "$1" "$2" 1000000`;
  const { stdout } = await run("sh", ["-c", limited, process.execPath, committer, folder]);
  const told = lines(stdout, "told");
  const refused = lines(stdout, "refused");
  assert.ok(told.length > 20 && refused.length > 0, stdout.slice(-500));
  const spool = await bench.open(folder);
  for (const id of told) assert.deepEqual(await statesOf(spool, id), ["scheduled", "scheduled"]);
  for (const id of refused) assert.equal(await spool.message(id), undefined, `${id} was refused`);
});

test("deleting captured mail gives its space back to the system", async () => {
  await using bench = new SqliteBench();
  const directory = await bench.folder();
  const spool = await bench.open(directory);
  const content = "x".repeat(10_000);
  const sizes = async () =>
    await Promise.all(["spool.db", "spool.db-wal"].map(async (name) => (await stat(`${directory}/${name}`)).size));
  for (let round = 0; round < 4; round++) {
    const messages = Array.from({ length: 1000 }, () => draft([recipient("ann@a.test", { captured: true })]));
    const claims = await Promise.all(messages.map((message) => put(spool, message, { claim: terms, content })));
    await Promise.all(claims.map((claimed) => claimed && settle(spool, claimed, [delivered(0)])));
  }
  const [full = 0] = await sizes();
  assert.ok(full > 30_000_000, `${full}`);
  assert.equal(await spool.captured.delete({}), 4000);
  while ((await spool.prune(bench.clock.now(), 500)) > 0);
  // The checkpoint is made by a thread of its own, in real time.
  while (Math.max(...(await sizes())) > 12_000_000) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const [database = 0, log = 0] = await sizes();
  assert.ok(database < 12_000_000, `${database} octets are left of ${full}`);
  assert.equal(log, 0);
});
