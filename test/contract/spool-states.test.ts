/**
 * Visits every row of the table of states in docs/spool.md, on the SQLite spool. "Just before" and "just after" a crash
 * are images of the files at that moment, opened as a new process would.
 */
import { existsSync } from "node:fs";
import { readFile, readdir, truncate, unlink } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import assert from "node:assert/strict";
import { formatVersion } from "../../src/node/spool/schema.ts";
import type { SqliteSpool, SqliteSpoolOptions } from "../../src/node/spool/sqlite-spool.ts";
import type { ClaimedMessage, NewRecipient, RecipientState, Spool } from "../../src/spool/spool.ts";
import {
  accepted,
  contentOf,
  deferred,
  delivered,
  draft,
  isSpoolError,
  put,
  recipient,
  recipientsOf,
  request,
  settle,
  statesOf,
  terms,
} from "./spool-fixture.ts";
import { SqliteBench, hookedFiles } from "./sqlite-harness.ts";

const largeContent = Buffer.alloc(300_000, "large ");

/** One spool with crashes at will. */
class Scene {
  readonly bench: SqliteBench;
  readonly directory: string;
  spool: SqliteSpool;

  constructor(bench: SqliteBench, directory: string, spool: SqliteSpool) {
    this.bench = bench;
    this.directory = directory;
    this.spool = spool;
  }

  get now(): number {
    return this.bench.clock.now();
  }

  /** What the next start would find if the process died now. */
  async afterCrash(): Promise<SqliteSpool> {
    const spool = await this.bench.open(await this.bench.image(this.directory));
    await spool.checked;
    return spool;
  }

  async claimed(to: readonly (string | NewRecipient)[] = ["ann@a.test"], content?: Buffer): Promise<ClaimedMessage> {
    const claimed = await put(
      this.spool,
      draft(to),
      content === undefined ? { claim: terms } : { claim: terms, content },
    );
    assert.ok(claimed);
    return claimed;
  }

  /** Claimed for the second time. */
  async claimedAgain(): Promise<ClaimedMessage> {
    const first = await this.claimed();
    await settle(this.spool, first, [deferred(0, this.now)]);
    const [again] = await this.spool.claim(request());
    assert.ok(again);
    return again;
  }

  /** State, attempts and due time (from now) of the first recipient. */
  async first(id: string, spool: SqliteSpool = this.spool): Promise<readonly [RecipientState, number, number]> {
    const [one] = await recipientsOf(spool, id);
    assert.ok(one);
    return [one.state, one.attempts, one.due - this.now];
  }

  /** S-13 and S-14: what a crash makes of a claim. */
  async isTriedAgain(id: string, attempts: number, due: number): Promise<void> {
    assert.deepEqual(await this.first(id, await this.afterCrash()), ["scheduled", attempts, due]);
  }
}

async function isEmpty(spool: SqliteSpool): Promise<void> {
  assert.deepEqual(await spool.find({}, { limit: 1 }), []);
  assert.equal((await spool.checked).damaged.length, 0);
}

async function fileNames(directory: string): Promise<string[]> {
  const entries = await readdir(`${directory}/content`, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const final = ["delivered", "relayed", "failed", "expired"] as const;
const later = 300_000;

interface Visit {
  readonly options?: (scene: () => Scene) => Partial<SqliteSpoolOptions>;
  readonly visit: (scene: Scene) => Promise<void>;
}

const visits: Readonly<Record<string, Visit["visit"] | Visit>> = {
  "S-01": async ({ spool, ...scene }) => {
    await using writer = spool.begin();
    await writer.append(Buffer.from("Subject: small\r\n"));
    assert.equal(writer.size, 16);
    assert.deepEqual(await fileNames(scene.directory), []);
  },

  "S-02": async (scene) => {
    await using writer = scene.spool.begin();
    // So much that we are asked to wait: then the file is there.
    const written = writer.append(Buffer.alloc(8_000_000, "large "));
    assert.ok(written);
    await written;
    assert.match((await fileNames(scene.directory)).join(), /^1-1$/);
    const image = await scene.bench.image(scene.directory);
    const after = await scene.bench.open(image);
    assert.equal((await after.checked).orphansRemoved, 1);
    assert.deepEqual(await fileNames(image), []);
    await isEmpty(after);
  },

  "S-03": async (scene) => {
    for (const size of [10, largeContent.length]) {
      const writer = scene.spool.begin();
      await writer.append(Buffer.alloc(size));
      await writer.abort();
    }
    assert.deepEqual(await fileNames(scene.directory), []);
    await isEmpty(await scene.afterCrash());
  },

  "S-04": {
    // The crash comes when the folder's fsync is over: the row is what is missing.
    options: (scene) => ({
      files: hookedFiles(async (operation, path) => {
        if (operation !== "syncDirectory" || !/content\/..$/.test(path)) return;
        const image = await scene().bench.image(scene().directory);
        const [name = ""] = await fileNames(image);
        assert.match(name, /\.eml$/);
        const after = await scene().bench.open(image);
        assert.equal((await after.checked).orphansRemoved, 1);
        assert.deepEqual(await fileNames(image), []);
        await isEmpty(after);
      }),
    }),
    visit: async (scene) => {
      const message = draft(["ann@a.test"]);
      await put(scene.spool, message, { content: largeContent });
      assert.deepEqual(await fileNames(scene.directory), [`${message.id}.eml`]);
    },
  },

  "S-05": async (scene) => {
    const message = draft(["ann@a.test", "bob@b.test"]);
    await put(scene.spool, message, { content: largeContent });
    const after = await scene.afterCrash();
    assert.deepEqual(await statesOf(after, message.id), ["scheduled", "scheduled"]);
    assert.ok((await contentOf(after, message.id))?.equals(largeContent));
    assert.equal((await after.events(message.id)).length, 1);
  },

  "S-06": async (scene) => {
    const message = draft(["ann@a.test", "bob@b.test"]);
    const writer = scene.spool.begin();
    await writer.append(Buffer.from("small"));
    await isEmpty(await scene.afterCrash());
    await writer.commit(message, { events: [accepted(message, 5)] });
    const after = await scene.afterCrash();
    assert.deepEqual(await statesOf(after, message.id), ["scheduled", "scheduled"]);
    assert.deepEqual(await contentOf(after, message.id), Buffer.from("small"));
    assert.deepEqual(await after.events(message.id), [accepted(message, 5)]);
  },

  "S-07": {
    options: () => ({ databaseBytesMax: 300_000 }),
    visit: async (scene) => {
      const message = draft(["ann@a.test"]);
      await assert.rejects(put(scene.spool, message, { content: Buffer.alloc(250_000) }), isSpoolError("no-space"));
      await assert.rejects(put(scene.spool, draft([]), { content: largeContent }), isSpoolError("failed"));
      assert.deepEqual(await fileNames(scene.directory), []);
      await isEmpty(scene.spool);
      await isEmpty(await scene.afterCrash());
    },
  },

  "S-08": async (scene) => {
    const { message } = await scene.claimed();
    assert.deepEqual(await scene.first(message.id), ["claimed", 1, later]);
    await scene.isTriedAgain(message.id, 1, 0);
  },

  "S-09": async (scene) => {
    const message = draft([recipient("ann@a.test", { due: scene.now + 5000 })]);
    assert.equal(await put(scene.spool, message, { claim: terms }), undefined);
    assert.deepEqual(await scene.first(message.id), ["scheduled", 0, 5000]);
    await scene.isTriedAgain(message.id, 0, 5000);
  },

  "S-10": async (scene) => {
    const held = { by: "policy", reason: "loop" };
    const message = draft([recipient("ann@a.test", { held })]);
    assert.equal(await put(scene.spool, message, { claim: terms }), undefined);
    const [one] = await recipientsOf(await scene.afterCrash(), message.id);
    assert.deepEqual([one?.state, one?.held], ["held", held]);
  },

  "S-11": async (scene) => {
    const message = draft(["ann@a.test"]);
    await put(scene.spool, message);
    await scene.isTriedAgain(message.id, 0, 0);
    assert.equal((await scene.spool.claim(request())).length, 1);
    assert.deepEqual(await scene.first(message.id), ["claimed", 1, later]);
    await scene.isTriedAgain(message.id, 1, 0);
  },

  "S-12": async (scene) => {
    const message = draft([recipient("ann@a.test", { due: scene.now + 1 }), "bob@b.test"]);
    await put(scene.spool, message);
    assert.deepEqual(await scene.spool.claim(request({ excludeDomains: ["b.test"] })), []);
    for (const spool of [scene.spool, await scene.afterCrash()]) {
      assert.deepEqual(await statesOf(spool, message.id), ["scheduled", "scheduled"]);
    }
  },

  "S-13": async (scene) => {
    const { message } = await scene.claimed();
    await scene.bench.clock.advance(1000);
    const after = await scene.afterCrash();
    assert.deepEqual(await scene.first(message.id, after), ["scheduled", 1, 0]);
    assert.equal((await after.claim(request())).length, 1);
    assert.deepEqual(await scene.first(message.id, after), ["claimed", 2, 600_000], "the attempt counted");
  },

  "S-14": async (scene) => {
    const { message } = await scene.claimedAgain();
    await scene.bench.clock.advance(1000);
    const after = await scene.afterCrash();
    assert.deepEqual(await scene.first(message.id, after), ["scheduled", 2, 599_000]);
    assert.deepEqual(await after.claim(request()), []);
  },

  "S-15": async (scene) => {
    const lost = await scene.claimed();
    await scene.bench.clock.advance(60_000);
    const [again] = await scene.spool.claim(request());
    assert.equal(again?.recipients[0]?.attempts, 2);
    assert.equal(await settle(scene.spool, lost, [delivered(0)]), false);
  },

  "S-16": async (scene) => {
    const lost = await scene.claimedAgain();
    await scene.bench.clock.advance(60_000);
    assert.deepEqual(await scene.spool.claim(request()), []);
    assert.deepEqual(await scene.first(lost.message.id), ["scheduled", 2, 540_000]);
    assert.equal(await settle(scene.spool, lost, [delivered(0)]), false);
    await scene.isTriedAgain(lost.message.id, 2, 540_000);
  },

  "S-17": async (scene) => {
    const kept = await scene.claimed();
    await scene.bench.clock.advance(59_999);
    assert.deepEqual(await scene.spool.renew([kept.token], 60_000), []);
    await scene.isTriedAgain(kept.message.id, 1, 0);
    await scene.bench.clock.advance(59_999);
    assert.deepEqual(await scene.spool.claim(request()), []);
    assert.equal(await settle(scene.spool, kept, [delivered(0)]), true);
  },

  "S-18": async (scene) => {
    for (const to of final) {
      const { message, token } = await scene.claimed(["ann@a.test", "bob@b.test"]);
      await scene.isTriedAgain(message.id, 1, 0);
      const changes = [{ index: 0, to, reply: "so it is" }];
      const { id } = message;
      assert.equal(await scene.spool.settle({ message: id, token, changes, reports: [], events: [] }), true);
      const after = await scene.afterCrash();
      assert.deepEqual(await statesOf(after, message.id), [to, "scheduled"]);
      assert.ok(await contentOf(after, message.id));
    }
  },

  "S-19": async (scene) => {
    for (const to of final) {
      const claimed = await scene.claimed();
      await settle(scene.spool, claimed, [{ index: 0, to, reply: "so it is" }]);
      for (const spool of [scene.spool, await scene.afterCrash()]) {
        assert.deepEqual(await statesOf(spool, claimed.message.id), [to]);
        assert.equal(await contentOf(spool, claimed.message.id), undefined);
      }
    }
  },

  "S-20": {
    // The crash comes when the file would be unlinked.
    options: (scene) => ({
      files: hookedFiles(async (operation, path) => {
        if (operation !== "remove" || !path.endsWith(".eml")) return;
        const image = await scene().bench.image(scene().directory);
        const after = await scene().bench.open(image);
        assert.equal((await after.checked).orphansRemoved, 1);
        assert.deepEqual(await fileNames(image), []);
        const states = (await after.find({ states: ["delivered"] }, { limit: 9 })).map(
          (found) => found.recipient.state,
        );
        assert.deepEqual(states, ["delivered"]);
      }),
    }),
    visit: async (scene) => {
      const claimed = await scene.claimed(["ann@a.test"], largeContent);
      await scene.isTriedAgain(claimed.message.id, 1, 0);
      await settle(scene.spool, claimed, [delivered(0)]);
      await scene.spool.close();
      assert.deepEqual(await fileNames(scene.directory), []);
      assert.deepEqual(scene.bench.log.of("internal-error"), []);
    },
  },

  "S-21": async (scene) => {
    const claimed = await scene.claimed();
    const report = draft(["sender@origin.test"], { reversePath: "", reportOn: claimed.message.id });
    const before = await scene.afterCrash();
    assert.equal(await before.message(report.id), undefined);
    assert.deepEqual(await scene.first(claimed.message.id, before), ["scheduled", 1, 0]);
    await settle(scene.spool, claimed, [{ index: 0, to: "failed", reply: "550 no" }], {
      reports: [{ message: report, content: Buffer.from("the report") }],
      events: [accepted(report)],
    });
    const after = await scene.afterCrash();
    assert.deepEqual(await statesOf(after, claimed.message.id), ["failed"]);
    assert.deepEqual(await scene.first(report.id, after), ["scheduled", 0, 0]);
    assert.deepEqual(await contentOf(after, report.id), Buffer.from("the report"));
    assert.equal((await after.events(report.id)).length, 1);
  },

  "S-22": async (scene) => {
    const claimed = await scene.claimed();
    await settle(scene.spool, claimed, [deferred(0, scene.now + 1234, { warned: true })]);
    for (const spool of [scene.spool, await scene.afterCrash()]) {
      const [one] = await recipientsOf(spool, claimed.message.id);
      assert.deepEqual([one?.lastReply, one?.warned], ["451 4.3.0 later", true]);
      assert.deepEqual(await scene.first(claimed.message.id, spool), ["scheduled", 1, 1234]);
    }
  },

  "S-23": async (scene) => {
    const claimed = await scene.claimed();
    await settle(scene.spool, claimed, [deferred(0, scene.now, { uncounted: true })]);
    assert.deepEqual(await scene.first(claimed.message.id), ["scheduled", 0, 0]);
    await scene.isTriedAgain(claimed.message.id, 0, 0);
  },

  "S-24": async (scene) => {
    const claimed = await scene.claimed();
    await settle(scene.spool, claimed, [{ index: 0, to: "held", by: "queue", reason: "a loop" }]);
    for (const spool of [scene.spool, await scene.afterCrash()]) {
      const [one] = await recipientsOf(spool, claimed.message.id);
      assert.deepEqual([one?.state, one?.held], ["held", { by: "queue", reason: "a loop" }]);
    }
  },

  "S-25": async (scene) => {
    const lost = await scene.claimed();
    await scene.bench.clock.advance(60_000);
    await scene.spool.claim(request());
    const report = draft(["sender@origin.test"]);
    const stale = await settle(scene.spool, lost, [delivered(0)], {
      reports: [{ message: report, content: Buffer.from("no") }],
      events: [accepted(report)],
      records: [{ kind: "put", namespace: "n", key: "k", value: 1 }],
    });
    assert.equal(stale, false);
    for (const spool of [scene.spool, await scene.afterCrash()]) {
      assert.equal(await spool.message(report.id), undefined);
      assert.deepEqual(await spool.events(report.id), []);
      assert.equal(await spool.getRecord("n", "k"), undefined);
      assert.ok(await contentOf(spool, lost.message.id));
    }
  },

  "S-26": {
    options: () => ({ databaseBytesMax: 300_000 }),
    visit: async (scene) => {
      const claimed = await scene.claimed();
      const report = { message: draft(["sender@origin.test"]), content: Buffer.alloc(400_000) };
      const settling = settle(scene.spool, claimed, [delivered(0)], { reports: [report] });
      await assert.rejects(settling, isSpoolError("no-space"));
      assert.deepEqual(await scene.first(claimed.message.id), ["claimed", 1, later]);
      await scene.isTriedAgain(claimed.message.id, 1, 0);
      assert.equal(await settle(scene.spool, claimed, [delivered(0)]), true, "and can be settled otherwise");
    },
  },

  "S-27": async (scene) => {
    const { message } = await scene.claimed();
    const { spool } = scene;
    const counts = [await spool.hold({}, "o", "r"), await spool.retry({}, "o"), await spool.remove({}, "o")];
    assert.deepEqual(counts, [0, 0, 0]);
    assert.deepEqual(await scene.first(message.id), ["claimed", 1, later]);
    await scene.isTriedAgain(message.id, 1, 0);
  },

  "S-28": async (scene) => {
    const message = draft(["ann@a.test"]);
    await put(scene.spool, message);
    assert.equal(await scene.spool.hold({}, "operator", "why"), 1);
    const after = await scene.afterCrash();
    assert.deepEqual(await statesOf(after, message.id), ["held"]);
    assert.equal((await after.events(message.id)).at(-1)?.kind, "recipient-held");
  },

  "S-29": async (scene) => {
    const message = draft([recipient("ann@a.test", { due: scene.now + 9000 })]);
    await put(scene.spool, message);
    assert.equal(await scene.spool.retry({}, "operator"), 1);
    assert.deepEqual(await scene.first(message.id, await scene.afterCrash()), ["scheduled", 0, 0]);
  },

  "S-30": async (scene) => {
    const message = draft(["ann@a.test"]);
    await put(scene.spool, message);
    assert.equal(await scene.spool.remove({}, "operator"), 1);
    const after = await scene.afterCrash();
    assert.deepEqual(await statesOf(after, message.id), ["removed"]);
    assert.equal(await contentOf(after, message.id), undefined);
  },

  "S-31": async (scene) => {
    const message = draft(["ann@a.test"]);
    await put(scene.spool, message);
    await scene.spool.hold({}, "operator", "why");
    await scene.bench.clock.advance(5000);
    assert.deepEqual(await statesOf(await scene.afterCrash(), message.id), ["held"]);
    assert.equal(await scene.spool.release({}, "operator"), 1);
    const after = await scene.afterCrash();
    assert.deepEqual(await scene.first(message.id, after), ["scheduled", 0, 0]);
    assert.equal((await after.claim(request())).length, 1);
  },

  "S-32": async (scene) => {
    const message = draft(["ann@a.test"]);
    await put(scene.spool, message, { content: largeContent });
    await scene.spool.hold({}, "operator", "why");
    assert.equal(await scene.spool.remove({}, "operator"), 1);
    const after = await scene.afterCrash();
    assert.deepEqual(await statesOf(after, message.id), ["removed"]);
    assert.equal(await contentOf(after, message.id), undefined);
  },

  "S-33": async (scene) => {
    const due = scene.now + 1000;
    const held = { by: "t", reason: "r" };
    const to = ["ann@a.test", recipient("bob@b.test", { due }), recipient("cat@c.test", { held })];
    const claimed = await scene.claimed(to);
    await settle(scene.spool, claimed, [delivered(0)]);
    const before = await scene.spool.message(claimed.message.id);
    const after = await scene.afterCrash();
    assert.deepEqual(await after.message(claimed.message.id), before);
    assert.deepEqual(await after.stats(), await scene.spool.stats());
    assert.deepEqual(await after.events(claimed.message.id), await scene.spool.events(claimed.message.id));
  },

  "S-34": async (scene) => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) {
      const claimed = await scene.claimed();
      ids.push(claimed.message.id);
      await settle(scene.spool, claimed, [delivered(0)]);
    }
    await scene.bench.clock.advance(1000);
    assert.ok((await scene.spool.prune(scene.now, 4)) > 0);
    const after = await scene.afterCrash();
    while ((await after.prune(scene.now, 4)) > 0);
    for (const id of ids) {
      assert.equal(await after.message(id), undefined);
      assert.deepEqual(await after.events(id), []);
    }
  },

  "S-35": async (scene) => {
    const [missing, short] = [draft(["ann@a.test"]), draft(["bob@b.test"])];
    for (const message of [missing, short]) await put(scene.spool, message, { content: largeContent });
    const path = ({ id }: { readonly id: string }) => `${scene.directory}/content/${id.slice(-2)}/${id}.eml`;
    await unlink(path(missing));
    await truncate(path(short), 10);
    const after = await scene.afterCrash();
    for (const { id } of [missing, short]) {
      const [one] = await recipientsOf(after, id);
      assert.equal(one?.state, "held");
      assert.match(one.held?.reason ?? "", /missing or damaged/);
    }
  },

  "S-36": async (scene) => {
    const claimed = await scene.claimed(["ann@a.test"], largeContent);
    const { id } = claimed.message;
    await unlink(`${scene.directory}/content/${id.slice(-2)}/${id}.eml`);
    assert.equal(await scene.spool.openContent(id), undefined);
    assert.deepEqual(await scene.first(id), ["claimed", 1, later]);
    const short = await scene.claimed(["bob@b.test"], largeContent);
    await truncate(`${scene.directory}/content/${short.message.id.slice(-2)}/${short.message.id}.eml`, 10);
    assert.equal(await scene.spool.openContent(short.message.id), undefined);
    assert.equal(
      await settle(scene.spool, claimed, [{ index: 0, to: "held", by: "queue", reason: "no content" }]),
      true,
    );
  },

  "S-37": async (scene) => {
    const claimed = await scene.claimed();
    await scene.spool.changeRecords([
      { kind: "put", namespace: "n", key: "old", value: 1 },
      { kind: "put", namespace: "n", key: "short", value: 1, expiresAt: scene.now + 10 },
      { kind: "put", namespace: "other", key: "k", value: 1 },
    ]);
    assert.equal(await (await scene.afterCrash()).getRecord("n", "old"), 1);
    await settle(scene.spool, claimed, [delivered(0)], {
      records: [
        { kind: "put", namespace: "n", key: "old", value: 2 },
        { kind: "put", namespace: "n", key: "new", value: 3 },
        { kind: "clear", namespace: "other" },
      ],
    });
    await scene.spool.changeRecords([{ kind: "delete", namespace: "n", key: "new" }]);
    await scene.bench.clock.advance(10);
    const after = await scene.afterCrash();
    assert.deepEqual(await after.listRecords("n", { limit: 9 }), [{ key: "old", value: 2 }]);
    assert.deepEqual(await after.listRecords("other", { limit: 9 }), []);
  },

  "S-38": async (scene) => {
    await put(scene.spool, draft(["ann@a.test"]));
    const image = await scene.bench.image(scene.directory);
    const database = new DatabaseSync(`${image}/spool.db`);
    database.exec(`PRAGMA user_version = ${formatVersion + 7}; PRAGMA wal_checkpoint(TRUNCATE);`);
    database.close();
    const before = await readFile(`${image}/spool.db`);
    await assert.rejects(scene.bench.open(image), isSpoolError("newer-format"));
    assert.ok((await readFile(`${image}/spool.db`)).equals(before));
    assert.equal(existsSync(`${image}/content/incoming/1-1`), false);
  },

  "S-39": async (scene) => {
    const message = capturedDraft();
    await put(scene.spool, message, { claim: terms });
    const after = await scene.afterCrash();
    assert.deepEqual(await listedIn(after), [message.id]);
    assert.deepEqual(await statesOf(after, message.id), ["scheduled"]);
  },

  "S-40": async (scene) => {
    for (const content of ["small", largeContent]) {
      const claimed = await put(scene.spool, capturedDraft(), { claim: terms, content });
      assert.ok(claimed);
      assert.equal((await listedIn(await scene.afterCrash())).at(-1), claimed.message.id);
      await settle(scene.spool, claimed, [delivered(0)]);
      const after = await scene.afterCrash();
      assert.equal((await listedIn(after)).at(-1), claimed.message.id);
      while ((await after.prune(scene.now + 1e12, 100)) > 0);
      assert.ok((await contentOf(after, claimed.message.id))?.equals(Buffer.from(content)));
      assert.deepEqual(await statesOf(after, claimed.message.id), ["delivered"]);
    }
  },

  "S-41": async (scene) => {
    const claimed = await scene.claimed();
    assert.deepEqual(await listedIn(await scene.afterCrash()), []);
    await settle(scene.spool, claimed, [delivered(0)], { captured: [0] });
    const after = await scene.afterCrash();
    assert.deepEqual(await listedIn(after), [claimed.message.id]);
    assert.ok(await contentOf(after, claimed.message.id));
  },

  "S-42": async (scene) => {
    const claimed = await put(scene.spool, capturedDraft(), { claim: terms });
    assert.ok(claimed);
    assert.equal(await scene.spool.captured.delete({}), 1);
    assert.deepEqual(await listedIn(await scene.afterCrash()), []);
    await settle(scene.spool, claimed, [delivered(0)]);
    const after = await scene.afterCrash();
    assert.deepEqual(await listedIn(after), []);
    assert.equal(await after.openContent(claimed.message.id), undefined);
  },

  "S-43": async (scene) => {
    const ids: string[] = [];
    for (const content of ["small", largeContent]) {
      const claimed = await put(scene.spool, capturedDraft(), { claim: terms, content });
      assert.ok(claimed);
      await settle(scene.spool, claimed, [delivered(0)]);
      ids.push(claimed.message.id);
    }
    assert.deepEqual(await listedIn(await scene.afterCrash()), ids);
    assert.equal(await scene.spool.captured.delete({}), 2);
    const after = await scene.afterCrash();
    assert.deepEqual(await listedIn(after), []);
    for (const id of ids) assert.equal(await after.openContent(id), undefined);
    while ((await after.prune(scene.now, 100)) > 0);
    for (const id of ids) assert.equal(await after.message(id), undefined);
  },

  "S-44": async (scene) => {
    const claimed = await scene.claimed();
    const owed = { namespace: "owed-reports", key: `${claimed.message.id}/failed/0` };
    await settle(scene.spool, claimed, [{ index: 0, to: "failed", reply: "550 no" }], {
      records: [{ kind: "put", ...owed, value: { told: "later" } }],
    });
    const before = await scene.afterCrash();
    assert.deepEqual(await before.getRecord(owed.namespace, owed.key), { told: "later" });
    assert.equal(await contentOf(before, claimed.message.id), undefined);
    const report = draft(["sender@origin.test"], { reversePath: "", reportOn: claimed.message.id });
    await using writer = scene.spool.begin();
    await writer.append(Buffer.from("the report"));
    await writer.commit(report, { events: [accepted(report)], records: [{ kind: "delete", ...owed }] });
    const after = await scene.afterCrash();
    assert.equal(await after.getRecord(owed.namespace, owed.key), undefined);
    assert.deepEqual(await scene.first(report.id, after), ["scheduled", 0, 0]);
  },
};

function capturedDraft() {
  return draft([recipient("ann@a.test", { captured: true })]);
}

/** Oldest first. */
async function listedIn(spool: Spool): Promise<readonly string[]> {
  const listed = await spool.captured.list({ limit: 10, order: "oldest first" });
  return listed.map(({ entry }) => entry.id);
}

const table = await readFile(new URL("../../docs/spool.md", import.meta.url), "utf8");
const rows = [...table.matchAll(/^\| (S-\d+) +\| (.*?) +\| (.*?) +\| (.*?) +\|/gm)];

for (const [, id = "", before, who, after] of rows) {
  test(`${id}: ${before}; ${who}: ${after}`, async () => {
    const given = visits[id];
    assert.ok(given, `no visit for row ${id}`);
    const { visit, options } = typeof given === "function" ? { visit: given, options: undefined } : given;
    await using bench = new SqliteBench();
    const directory = await bench.folder();
    const scene: Scene = new Scene(
      bench,
      directory,
      await bench.open(
        directory,
        options?.(() => scene),
      ),
    );
    await scene.spool.checked;
    await visit(scene);
  });
}

test("every row of the table is visited, and there is no visit without a row", () => {
  assert.ok(rows.length > 30);
  assert.deepEqual(
    rows.map(([, id]) => id),
    Object.keys(visits),
  );
});
