/** The thread for strangers' octets: faults stay with the piece of work that has them, and the main thread goes on. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { BackgroundThread, ThreadLimitError } from "./background-thread.ts";

const folder = mkdtempSync(path.join(tmpdir(), "posthaste-thread-"));
after(() => rmSync(folder, { recursive: true }));
const root = path.join(folder, "root.mjs");
writeFileSync(
  root,
  `import { serveThread } from ${JSON.stringify(new URL("./background-thread.ts", import.meta.url).href)};
  serveThread(({ what, bytes }) => {
    if (what === "for ever") for (;;);
    if (what === "memory") for (const all = []; ; ) all.push(new Array(100_000).fill({}).map(() => ({ a: {} })));
    if (what === "throw") throw new Error("a fault of ours");
    if (what === "exit") process.exit(3);
    if (what === "busy") for (let sum = 0, end = 3e8; sum < end; sum++);
    return [what, bytes?.length];
  });`,
);

interface Work {
  readonly what: string;
  readonly bytes?: Uint8Array;
}

function open(more: { readonly limitMs?: number; readonly idleMs?: number } = {}) {
  const options = { name: "test", limitMs: 60_000, heapMaxMiB: 32, idleMs: 60_000, ...more };
  return new BackgroundThread<Work, readonly unknown[]>(pathToFileURL(root), options);
}

test("work is done in order, memory is handed over, and the main thread takes its turns meanwhile", async () => {
  const thread = open();
  const bytes = new Uint8Array(1000);
  assert.deepEqual(await thread.run({ what: "first", bytes }, [bytes.buffer]), ["first", 1000]);
  assert.equal(bytes.length, 0, "it is not here any more");
  const order: unknown[] = [];
  const all = ["busy", "second", "third"].map(async (what) => order.push(...(await thread.run({ what })).slice(0, 1)));
  let turns = 0;
  while (order.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  await Promise.all(all);
  assert.deepEqual(order, ["busy", "second", "third"]);
  assert.ok(turns > 10, `${turns} turns`);
  await thread.close();
});

test("what takes too long, or too much memory, ends itself and not the next", async () => {
  const thread = open({ limitMs: 300 });
  const limitOf = (what: string) =>
    thread.run({ what }).then(
      () => assert.fail("it ended"),
      (error: unknown) => (error instanceof ThreadLimitError ? error.limit : error),
    );
  assert.equal(await limitOf("for ever"), "time");
  const other = open();
  const memory = await other.run({ what: "memory" }).catch((error: unknown) => error);
  assert.ok(memory instanceof ThreadLimitError && memory.limit === "memory", String(memory));
  assert.deepEqual(await other.run({ what: "next" }), ["next", undefined]);
  await Promise.all([thread.close(), other.close()]);
});

test("a fault of ours is told and costs no thread; one that ends the thread costs one piece of work", async () => {
  const thread = open();
  await assert.rejects(thread.run({ what: "throw" }), /a fault of ours/);
  await assert.rejects(thread.run({ what: "exit" }), /thread test ended/);
  assert.deepEqual(await thread.run({ what: "next" }), ["next", undefined]);
  await thread.close();
  await assert.rejects(thread.run({ what: "late" }), /is closed/);
});

test("a thread that has nothing to do ends, and the next work begins another", async () => {
  const thread = open({ idleMs: 1 });
  assert.deepEqual(await thread.run({ what: "first" }), ["first", undefined]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(await thread.run({ what: "second" }), ["second", undefined]);
  await thread.close();
});
