import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { QueueIds } from "../spool/queue-id.ts";
import type { NewMessage } from "../spool/spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { storedMessage } from "../testing/delivery-fixture.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { adminApp } from "./app.ts";
import type { GuardSettings } from "./guard.ts";
import { Inbox } from "./inbox.ts";

/** Captured mail, and the HTTP side in front of it. */
function world(guard?: GuardSettings) {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const spool = new MemorySpool({ clock });
  const ids = new QueueIds(clock, new SeededRandom(3));
  const inbox = new Inbox({ spool, files, clock }, { folder: "/data/captured" });
  const app = adminApp(
    {
      spool,
      inbox,
      log: new CollectingLog(),
      version: "1",
      waitOf: () => ({ why: "" }),
      explain: async () => undefined,
      sites: () => [],
      notReady: () => [],
    },
    guard,
  );
  /** A message whose transaction has begun; what is returned commits it. */
  const begin = (to: string | readonly string[], subject: string, body = "hello", more: Partial<NewMessage> = {}) => {
    const id = ids.next();
    const { size: _, ...message } = storedMessage({ id });
    const facts = { ...message.facts, subject };
    const recipients = [to].flat().map((address) => ({
      address,
      domain: address.slice(address.lastIndexOf("@") + 1),
      captured: true as const,
    }));
    return async () => {
      await using writer = spool.begin();
      await writer.append(Buffer.from(`Subject: ${subject}\r\nFrom: ann@sender.test\r\n\r\n${body}\r\n`));
      await writer.commit({ ...message, facts, recipients, ...more }, { events: [] });
      return id;
    };
  };
  const capture = async (...given: Parameters<typeof begin>) => await begin(...given)();
  const get = async (path: string, init: RequestInit = {}) => {
    const answer = await app.request(`http://localhost:8025${path}`, init);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const idsAt = async (path: string) =>
    ((await get(path)).body as { messages: { id: string }[] }).messages.map(({ id }) => id);
  const remove = (path: string) => get(path, { method: "DELETE" });
  return { clock, files, spool, inbox, app, begin, capture, get, idsAt, remove };
}

test("the inbox lists captured mail newest first, with exactly the documented members", async () => {
  const { capture, get } = world();
  const first = await capture("bob@two.test", "one");
  const second = await capture("bob@two.test", "on =?utf-8?Q?caf=C3=A9?=", "hello", { authors: ["ann@sender.test"] });
  const { messages, next, total } = (await get("/api/v1/inbox")).body as Record<string, Record<string, unknown>[]>;
  assert.deepEqual([next, total], [null, 2]);
  assert.deepEqual(
    messages?.map(({ id, subject }) => [id, subject]),
    [
      // Subjects are decoded once, when mail arrives; what then looks encoded was meant so.
      [second, "on =?utf-8?Q?caf=C3=A9?="],
      [first, "one"],
    ],
  );
  const members = Object.keys(messages?.[0] ?? {}).toSorted();
  assert.deepEqual(members, ["from", "id", "received_at", "size", "subject", "to"]);
});

test("a page has as many messages as asked for, and says how to get the next", async () => {
  const { capture, get, idsAt } = world();
  const ids: string[] = [];
  for (const number of [1, 2, 3, 4, 5]) ids.unshift(await capture("bob@two.test", `mail ${number}`));
  const first = (await get("/api/v1/inbox?limit=2")).body as {
    messages: { id: string }[];
    next: string;
    total: number;
  };
  assert.deepEqual([first.messages.map(({ id }) => id), first.total], [ids.slice(0, 2), 5]);
  assert.deepEqual(await idsAt(`/api/v1/inbox?limit=2&before=${first.next}`), ids.slice(2, 4));
  assert.deepEqual(await idsAt(`/api/v1/inbox?before=${ids[3]}`), ids.slice(4));
  assert.deepEqual(await idsAt(`/api/v1/inbox?after=${ids[3]}`), ids.slice(0, 3));
  assert.equal((await get("/api/v1/inbox?after=yesterday")).status, 400);
});

test("a captured message is there raw, as it would have gone out, and gone after a delete", async () => {
  const { app, capture, get, remove } = world();
  const id = await capture("bob@two.test", "one");
  const raw = await (await app.request(`http://localhost/api/v1/inbox/${id}/raw`)).text();
  assert.match(raw, /^Received: by mx\.test[^\r]*\r\nSubject: one\r\n/);
  const forwarded = { reversePath: "SRS0=x@mx.test", headerBlock: "X-Seal: yes\r\n" };
  const recipients = [{ address: "far@two.test", domain: "two.test", captured: true, forwarded: true }] as const;
  const sealed = await capture("bob@two.test", "one", "hello", { forwarded, recipients });
  assert.match(await (await app.request(`http://localhost/api/v1/inbox/${sealed}/raw`)).text(), /^X-Seal: yes\r\nRec/);
  assert.equal((await get("/api/v1/inbox/..%2F..%2Fetc%2Fpasswd/raw")).status, 404);
  assert.equal((await remove(`/api/v1/inbox/${id.toLowerCase()}`)).status, 200);
  assert.equal((await get(`/api/v1/inbox/${id}`)).status, 404);
  assert.deepEqual((await remove("/api/v1/inbox")).body, { deleted: 1 });
  assert.deepEqual((await remove("/api/v1/inbox")).body, { deleted: 0 });
});

test("a message has its envelope, its header with names, and its attachments, each with its content", async () => {
  const { app, capture, get } = world();
  const boundary = [
    "ignored",
    "--b",
    "",
    "Your code is 123456",
    "--b",
    'Content-Type: text/csv; name="=?utf-8?Q?=C3=BCbersicht?=.csv"',
    "",
    "1,2",
    "--b",
    "Content-Type: text/html x",
    'Content-Disposition: attachment; filename="a\\"b<c>.html"',
    "",
    "<script>alert(1)</script>",
    "--b--",
  ].join("\r\n");
  const header = "x\r\nCc: Eve <eve@two.test>\r\nContent-Type: multipart/mixed; boundary=b";
  const id = await capture("bob@two.test", header, boundary);
  const { body } = await get(`/api/v1/inbox/${id}`);
  assert.deepEqual(body["envelope"], { from: "ann@sender.test", to: ["bob@two.test"] });
  assert.deepEqual(body["header_from"], [{ name: "", address: "ann@sender.test" }]);
  assert.deepEqual(body["cc"], [{ name: "Eve", address: "eve@two.test" }]);
  assert.deepEqual(body["codes"], ["123456"]);
  assert.equal(body["left_out"], null);
  assert.ok((body["headers"] as { name: string }[]).some(({ name }) => name === "Received"));
  const listed = body["attachments"] as { index: number; filename: string; type: string; size: number }[];
  assert.deepEqual(
    listed.map(({ index, filename, type, size }) => [index, filename, type, size]),
    [
      [0, "übersicht.csv", "text/csv", 3],
      [1, 'a"b<c>.html', "text/html x", 25],
    ],
  );
  const download = async (index: string) =>
    await app.request(`http://localhost/api/v1/inbox/${id}/attachments/${index}`);
  const csv = await download("0");
  assert.deepEqual([await csv.text(), csv.headers.get("content-type")], ["1,2", "text/csv"]);
  assert.equal(
    csv.headers.get("content-disposition"),
    "attachment; filename=\"_bersicht.csv\"; filename*=UTF-8''%C3%BCbersicht.csv",
  );
  const page = await download("1");
  assert.equal(page.headers.get("content-type"), "application/octet-stream", "what is no type is not passed on");
  assert.match(page.headers.get("content-disposition") ?? "", /^attachment; filename="a_b_c_\.html"; /);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  for (const index of ["2", "-1", "x", "00000"]) assert.equal((await download(index)).status, 404);
});

test("what an older version captured into files is read and deleted like the rest", async () => {
  const { files, inbox, spool } = world();
  await files.makeDirectory("/data/captured");
  await using file = await files.open("/data/captured/4QJ7ZC2M9KXD.eml", "create", 0o600);
  await file.write(Buffer.from("Subject: old\r\n\r\nold\r\n"));
  spool.captured.get = async (id) => ({
    arrival: 1,
    entry: { id, from: "", to: [], subject: "old", received_at: "2026-01-01T00:00:00.000Z", size: 21, in_folder: true },
  });
  assert.equal((await inbox.get("4QJ7ZC2M9KXD"))?.text.trim(), "old");
});

test("wait answers with mail that is there, with mail that comes, and with 504 when none does", async () => {
  const { capture, get, clock } = world();
  const id = await capture("bob@two.test", "Your login", "Your code is 123456\r\nhttps://app.test/verify?t=1.");
  const there = await get("/api/v1/inbox/wait?to=BOB@two.test&subject=your+LOGIN");
  assert.equal(there.body["id"], id);
  assert.deepEqual(there.body["links"], ["https://app.test/verify?t=1"]);

  const coming = get(`/api/v1/inbox/wait?to=bob@two.test&after=${id}&timeout=10s`);
  await settle();
  await capture("joebob@two.test", "not this one");
  const next = await capture("bob@two.test", "this one");
  assert.equal((await coming).body["id"], next);

  const never = get("/api/v1/inbox/wait?to=nobody@two.test&timeout=2s");
  await settle();
  const other = await capture("eve@two.test", "another");
  await clock.advance(2000);
  const { status, body } = await never;
  assert.equal(status, 504);
  assert.equal(body["error"], "no message to nobody@two.test arrived within 2 s; 1 other did");
  assert.deepEqual(body["looked_for"], { to: "nobody@two.test" });
  assert.deepEqual(
    (body["arrived"] as { id: string }[]).map((listed) => listed.id),
    [other],
  );
  assert.equal(clock.pendingTimers, 0);
});

test("a message whose transaction began first and ended last is newer, and no wait misses it", async () => {
  const { begin, get, idsAt } = world();
  const commitSlow = begin("bob@two.test", "slow upload");
  const commitQuick = begin("bob@two.test", "quick");
  const quick = await commitQuick();
  assert.equal((await get("/api/v1/inbox/wait?to=bob@two.test")).body["id"], quick);
  const coming = get(`/api/v1/inbox/wait?to=bob@two.test&after=${quick}`);
  await settle();
  const slow = await commitSlow();
  assert.ok(slow < quick);
  assert.equal((await coming).body["id"], slow);
  assert.equal((await get(`/api/v1/inbox/wait?after=${quick}`)).body["id"], slow, "also where it is there already");
  assert.deepEqual(await idsAt("/api/v1/inbox"), [slow, quick]);
});

test("after an id that was deleted, a wait finds what came after it", async () => {
  const { capture, clock, get, remove } = world();
  const first = await capture("bob@two.test", "first");
  await remove("/api/v1/inbox");
  await clock.advance(5);
  const second = await capture("bob@two.test", "second");
  assert.equal((await get(`/api/v1/inbox/wait?after=${first}`)).body["id"], second);
});

test("a wait for several messages ends when there are as many, and tells how many came in vain", async () => {
  const { capture, clock, get } = world();
  const first = await capture("bob@two.test", "1");
  const three = get("/api/v1/inbox/wait?to=bob@two.test&count=3");
  await settle();
  const second = await capture("bob@two.test", "2");
  await capture("eve@two.test", "x");
  const third = await capture("bob@two.test", "3");
  const idsOf = (body: Record<string, unknown>, member: string) =>
    (body[member] as { id: string }[]).map(({ id }) => id);
  assert.deepEqual(idsOf((await three).body, "messages"), [first, second, third]);
  const one = await get("/api/v1/inbox/wait?to=eve@two.test&count=1");
  assert.equal(idsOf(one.body, "messages").length, 1, "a count, even of one, is answered with a list");

  const four = get("/api/v1/inbox/wait?to=bob@two.test&count=4&timeout=500ms");
  await settle();
  await clock.advance(500);
  const { status, body } = await four;
  assert.equal(status, 504);
  assert.equal(body["error"], "3 of 4 messages to bob@two.test arrived within 0.5 s; nothing else did");
  assert.deepEqual(idsOf(body, "matched"), [first, second, third]);
});

test("a message that is deleted while it is waited for does not end the wait", async () => {
  const { capture, get, remove } = world();
  const two = get("/api/v1/inbox/wait?count=2");
  await settle();
  const gone = await capture("bob@two.test", "gone");
  await remove(`/api/v1/inbox/${gone}`);
  const second = await capture("bob@two.test", "second");
  const third = await capture("bob@two.test", "third");
  const { messages } = (await two).body as { messages: { id: string }[] };
  assert.deepEqual(
    messages.map(({ id }) => id),
    [second, third],
  );
});

test("a hundred waits are woken by one message each, and leave no timer behind", async () => {
  const { capture, clock, get } = world();
  const waits = Array.from({ length: 100 }, (_, number) => get(`/api/v1/inbox/wait?to=user${number}@two.test`));
  await settle();
  const ids = new Map<string, string>();
  for (const number of Array.from({ length: 100 }).keys()) {
    const address = `user${99 - number}@two.test`;
    ids.set(address, await capture(address, "hello"));
  }
  for (const [number, wait] of waits.entries())
    assert.equal((await wait).body["id"], ids.get(`user${number}@two.test`));
  assert.equal(clock.pendingTimers, 0);
});

test("a deletion takes exactly what its filter selects", async () => {
  const { capture, idsAt, remove } = world();
  const ann = await capture("ann@two.test", "for ann");
  const joann = await capture("joann@two.test", "for joann");
  assert.deepEqual((await remove("/api/v1/inbox?to=nobody@two.test")).body, { deleted: 0 });
  assert.deepEqual((await remove("/api/v1/inbox?to=ann@two.test")).body, { deleted: 1 });
  assert.deepEqual(await idsAt("/api/v1/inbox"), [joann]);
  assert.notEqual(ann, joann);
});

test("unknown, empty and repeated parameters are refused in words, and nothing is deleted then", async () => {
  const { capture, get, idsAt } = world();
  const id = await capture("bob@two.test", "one");
  const cases: readonly (readonly [method: string, path: string, error: RegExp])[] = [
    ["GET", "?tto=bob@two.test", /^"tto" is not a parameter of this request; did you mean to\?$/],
    ["GET", "?To=bob@two.test", /^"To" is not a parameter .*did you mean to\?$/],
    ["GET", "?format=json", /^"format" is not a parameter of this request; there are to, from, subject,/],
    ["GET", "/wait?to=", /^"to" is empty/],
    ["GET", "/wait?to=a@two.test&to=b@two.test", /^"to" is given twice$/],
    ["GET", "/wait?limit=3", /^"limit" is not a parameter/],
    ["GET", "/wait?to=bob", /^to takes a whole address, and "bob" is not one; to_contains looks for a part$/],
    ["GET", "/wait?to=bob+tag@two.test", /a \+ in a query means a space, so write it as %2B$/],
    ["GET", "/wait?timeout=never", /^timeout takes a time such as 30s/],
    ["GET", "/wait?timeout=301", /^timeout takes/],
    ["GET", "/wait?count=0", /^count takes a whole number from 1 to 100$/],
    ["GET", "?limit=1e3", /^limit takes a whole number from 1 to 1000$/],
    ["GET", `?subject=${"x".repeat(1001)}`, /^"subject" is longer than 1000 characters$/],
    ["DELETE", "?tto=bob@two.test", /^"tto" is not a parameter/],
    ["DELETE", "?to=", /^"to" is empty/],
    ["DELETE", "?to=x@two.test&to=y@two.test", /^"to" is given twice$/],
    ["DELETE", "?after=4QJ7ZC2M9KXD", /^"after" is not a parameter/],
    ["DELETE", `/${id}?to=bob@two.test`, /^"to" is not a parameter of this request, which takes none$/],
  ];
  for (const [method, path, error] of cases) {
    const { status, body } = await get(`/api/v1/inbox${path}`, { method });
    assert.equal(status, 400, `${method} ${path}`);
    assert.match(String(body["error"]), error);
  }
  assert.deepEqual(await idsAt("/api/v1/inbox"), [id]);
  assert.equal((await get("/api/v1/inbox/wait?to=%3Cbob@two.test%3E")).status, 200, "angle brackets may stand");
});

test("another method is answered with 405 and those there are; a slash at the end makes no difference", async () => {
  const { app, capture } = world();
  const id = await capture("bob@two.test", "one");
  const ask = async (method: string, path: string) => {
    const answer = await app.request(`http://localhost${path}`, { method });
    return [answer.status, answer.headers.get("allow")];
  };
  assert.deepEqual(await ask("PUT", "/api/v1/inbox"), [405, "DELETE, GET"]);
  assert.deepEqual(await ask("POST", `/api/v1/inbox/${id}/raw`), [405, "GET"]);
  assert.deepEqual(await ask("GET", "/api/v1/inboxes"), [404, null]);
  assert.deepEqual(await ask("POST", "/api/v1/queue/nonsense"), [404, null]);
  assert.deepEqual(await ask("GET", "/api/v1/inbox/"), [200, null]);
});

test("a web page cannot read the inbox: foreign Host and Origin are refused, the probes stay open", async () => {
  const { app } = world({ hostnames: ["mail.example.org"] });
  const status = async (headers: Record<string, string>, path = "/api/v1/inbox") =>
    (await app.request(`http://localhost${path}`, { headers })).status;
  assert.equal(await status({ host: "localhost:8025" }), 200);
  assert.equal(await status({ host: "Mail.Example.Org" }), 200);
  assert.equal(await status({ host: "evil.test" }), 403);
  assert.equal(await status({ host: "evil.test" }, "/healthz"), 200);
  assert.equal(await status({ host: "localhost:8025", origin: "http://evil.test" }), 403);
  assert.equal(await status({ host: "localhost:8025", origin: "http://localhost:8025" }), 200);
  assert.equal(await status({ host: "localhost:8025", origin: "null" }), 403);
});

test("where a token is set, a request without it gets 401", async () => {
  const { app } = world({ hostnames: [], token: "a-long-enough-token" });
  const status = async (authorization?: string) =>
    (
      await app.request("http://localhost/api/v1/inbox", {
        headers: { host: "localhost", ...(authorization && { authorization }) },
      })
    ).status;
  assert.equal(await status(), 401);
  assert.equal(await status("Bearer wrong"), 401);
  assert.equal(await status("Bearer a-long-enough-token"), 200);
});

test("queue statistics have the documented members, and a bulk verb refuses an empty filter", async () => {
  const { get } = world();
  assert.deepEqual((await get("/api/v1/queue/stats")).body, { scheduled: 0, claimed: 0, held: 0, oldest_seconds: 0 });
  const post = (body: unknown) =>
    get("/api/v1/queue/remove", {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
  assert.equal((await post({})).status, 400);
  assert.deepEqual((await post({ domain: "x.test", dry_run: true })).body, { count: 0, more: false });
  assert.deepEqual((await post({ all: true })).body, { count: 0, under_way: 0 });
  assert.equal((await post({ domian: "x.test" })).status, 400);
});
