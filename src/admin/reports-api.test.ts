import assert from "node:assert/strict";
import { test } from "node:test";
import { storeDmarcReport, storeUnreadable } from "../reporting/received/received-report.ts";
import { MemorySpool } from "../spool/memory-spool.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { reportsApi } from "./reports-api.ts";

interface Listed {
  readonly reports: readonly { readonly id: string }[];
  readonly next: string | null;
}

async function setUp() {
  const spool = new MemorySpool({ clock: new ManualClock() });
  for (let number = 0; number < 9; number++) {
    const received = { id: `4QJ7ZC2M900${number}`, at: number, from: "far@far.test", keepMs: 1e13 };
    const policy = { domain: number % 2 === 0 ? "a.test" : "b.test", p: "none" } as const;
    const report = { organization: "", email: "", reportId: "", begin: 0, end: 0, errors: [], policy, rows: [] };
    await spool.changeRecords(
      number === 8 ? storeUnreadable(received, "spam") : storeDmarcReport(received, report, []),
    );
  }
  const app = reportsApi(spool);
  return async (path: string) => {
    const response = await app.request(`http://localhost${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
}

test("the list is newest first, in pages, and by domain and kind", async () => {
  const get = await setUp();
  const page = async (query: string) => {
    const { reports, next } = (await get(`/?${query}`)).body as unknown as Listed;
    return [reports.map(({ id }) => id.slice(-1)).join(""), next?.slice(-1)];
  };
  assert.deepEqual(await page(""), ["876543210", undefined]);
  assert.deepEqual(await page("limit=4"), ["8765", "5"]);
  assert.deepEqual(await page("limit=4&after=4QJ7ZC2M9005"), ["4321", "1"]);
  assert.deepEqual(await page("limit=4&after=4qj7zc2m9001"), ["0", undefined]);
  assert.deepEqual(await page("domain=A.test"), ["6420", undefined]);
  assert.deepEqual(await page("domain=a.test&limit=2&after=4QJ7ZC2M9004"), ["20", undefined]);
  assert.deepEqual(await page("kind=unreadable"), ["8", undefined]);
});

test("one report has its rows and advice; an unreadable one its reason", async () => {
  const get = await setUp();
  const { body } = await get("/4QJ7ZC2M9001");
  assert.deepEqual([body["domain"], body["rows"], body["advice"]], ["b.test", [], ["The report counts no messages."]]);
  assert.deepEqual((await get("/4qj7zc2m9oo8")).body["reason"], "spam");
});

test("wrong questions are answered with what is wrong", async () => {
  const get = await setUp();
  for (const path of ["/?limit=0", "/?kind=x", "/?after=..", "/?nonsense=1"]) {
    const { status, body } = await get(path);
    assert.equal(status, 400, path);
    assert.equal(typeof body["error"], "string");
  }
  for (const path of ["/4QJ7ZC2M9009", "/x", "/__proto__"]) assert.equal((await get(path)).status, 404, path);
});
