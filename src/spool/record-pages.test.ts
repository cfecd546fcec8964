import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { recordPages } from "./record-pages.ts";

const namespace = "things";

async function spoolWith(keys: readonly string[]) {
  const spool = new MemorySpool({ clock: new ManualClock() });
  await spool.changeRecords(keys.map((key) => ({ kind: "put", namespace, key, value: { of: key } })));
  await spool.changeRecords([{ kind: "put", namespace: "others", key: "b", value: {} }]);
  return spool;
}

async function pagesOf(keys: readonly string[], options?: { readonly prefix?: string; readonly limit?: number }) {
  const pages: string[] = [];
  for await (const page of recordPages(await spoolWith(keys), namespace, options)) {
    pages.push(page.map(({ key }) => key).join(" "));
  }
  return pages;
}

const rows: readonly (readonly [string, readonly string[], Parameters<typeof pagesOf>[1], readonly string[]])[] = [
  ["nothing", [], {}, []],
  ["less than a page", ["b", "a"], { limit: 3 }, ["a b"]],
  ["a full page", ["a", "b", "c"], { limit: 3 }, ["a b c"]],
  ["one more than a page", ["a", "b", "c", "d"], { limit: 3 }, ["a b c", "d"]],
  ["a prefix in the middle", ["a/1", "b/1", "b/2", "b/3", "c/1"], { prefix: "b/", limit: 2 }, ["b/1 b/2", "b/3"]],
  ["a prefix that ends with a page", ["b/1", "b/2", "c/1"], { prefix: "b/", limit: 2 }, ["b/1 b/2"]],
  ["a prefix that nothing has", ["a/1", "c/1"], { prefix: "b/", limit: 2 }, []],
];
for (const [name, keys, options, expected] of rows) {
  test(name, async () => assert.deepEqual(await pagesOf(keys, options), expected));
}

test("what was given may be removed while the next page is read", async () => {
  const spool = await spoolWith(["a", "b", "c", "d", "e"]);
  const seen: unknown[] = [];
  for await (const page of recordPages(spool, namespace, { limit: 2 })) {
    seen.push(...page.map(({ value }) => (value as { readonly of: string }).of));
    await spool.changeRecords(page.map(({ key }) => ({ kind: "delete", namespace, key })));
  }
  assert.deepEqual(seen, ["a", "b", "c", "d", "e"]);
  assert.deepEqual(await spool.listRecords(namespace, { limit: 10 }), []);
});
