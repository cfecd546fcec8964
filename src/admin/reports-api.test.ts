import assert from "node:assert/strict";
import { test } from "node:test";
import {
  commonOf,
  keepDmarcReport,
  reportDetailsNamespace,
  reportKey,
  storeReport,
  storeUnreadable,
} from "../reporting/received/received-report.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
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
    const kept = keepDmarcReport(commonOf(received, 1), { report, problems: [], octetsMax: 1000 });
    await spool.changeRecords(number === 8 ? storeUnreadable(received, "spam") : storeReport(received, kept));
    if (number !== 3) continue;
    const second = keepDmarcReport(commonOf(received, 2), { report, problems: [], octetsMax: 1000 });
    await spool.changeRecords(storeReport({ ...received, junk: true }, second));
    // As a spool of an earlier program has it.
    const value = { kind: "dmarc", report };
    const key = reportKey(received.id);
    await spool.changeRecords([{ kind: "put", namespace: reportDetailsNamespace, key, value }]);
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
    return [reports.map(({ id }) => id.slice(11)).join(" "), next?.slice(11)];
  };
  assert.deepEqual(await page(""), ["8 7 6 5 4 3 3.2 2 1 0", undefined]);
  assert.deepEqual(await page("limit=4"), ["8 7 6 5", "5"]);
  assert.deepEqual(await page("limit=4&after=4QJ7ZC2M9005"), ["4 3 3.2 2", "2"]);
  assert.deepEqual(await page("limit=2&after=4qj7zc2m9003.2"), ["2 1", "1"]);
  assert.deepEqual(await page("limit=4&after=4qj7zc2m9001"), ["0", undefined]);
  assert.deepEqual(await page("domain=A.test"), ["6 4 2 0", undefined]);
  assert.deepEqual(await page("domain=a.test&limit=2&after=4QJ7ZC2M9004"), ["2 0", undefined]);
  assert.deepEqual(await page("kind=unreadable"), ["8", undefined]);
});

test("one report has its rows and advice; an unreadable one its reason", async () => {
  const get = await setUp();
  const { body } = await get("/4QJ7ZC2M9001");
  assert.deepEqual([body["domain"], body["rows"], body["advice"]], ["b.test", [], ["The report counts no messages."]]);
  for (const id of ["4QJ7ZC2M9003", "4qj7zc2m9oo3.2"]) {
    const shown = (await get(`/${id}`)).body;
    assert.deepEqual(
      [shown["id"], shown["rows"], shown["policy"]],
      [id.toUpperCase().replaceAll("O", "0"), [], { domain: "b.test", p: "none", discovery_method: null }],
    );
  }
  assert.deepEqual((await get("/4qj7zc2m9oo8")).body["reason"], "spam");
});

test("wrong questions are answered with what is wrong", async () => {
  const get = await setUp();
  for (const path of ["/?limit=0", "/?kind=x", "/?after=..", "/?nonsense=1"]) {
    const { status, body } = await get(path);
    assert.equal(status, 400, path);
    assert.equal(typeof body["error"], "string");
  }
  for (const path of ["/4QJ7ZC2M9009", "/x", "/4QJ7ZC2M9003.1", "/4QJ7ZC2M9003.9", "/__proto__"])
    assert.equal((await get(path)).status, 404, path);
});
