import assert from "node:assert/strict";
import { test } from "node:test";
import { CaptureDelivery } from "../outbound/capture-delivery.ts";
import { MemorySpool } from "../spool/memory-spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { deliveryJob } from "../testing/delivery-fixture.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { adminApp } from "./app.ts";
import type { GuardSettings } from "./guard.ts";
import { Inbox } from "./inbox.ts";

const hop = { kind: "capture", site: "capture", description: "capture everything" } as const;

/** A captured-mail box, what fills it, and the HTTP side in front of it. */
function world(guard?: GuardSettings) {
  const clock = new ManualClock();
  const files = new MemoryFiles();
  const spool = new MemorySpool({ clock });
  const inbox = new Inbox({ spool, files, clock }, { folder: "/data/captured" });
  const agent = new CaptureDelivery(
    { files, spool, clock },
    { folder: "/data/captured", captured: (message) => inbox.captured(message) },
  );
  const app = adminApp(
    {
      spool,
      inbox,
      log: new CollectingLog(),
      version: "1",
      explain: async () => undefined,
      wake: () => undefined,
      sites: () => [],
      ready: () => true,
    },
    guard,
  );
  let number = 0;
  const capture = async (to: string, subject: string, body = "hello") => {
    const id = `4QJ7ZC2M9KX${number++}`;
    const content = `Subject: ${subject}\r\nFrom: ann@sender.test\r\n\r\n${body}\r\n`;
    const facts = {
      receivedCount: 0,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: false,
      binary: false,
      subject,
    };
    await agent.deliver(deliveryJob({ hop, to: [to], content, message: { id, facts } }));
    return id;
  };
  const get = async (path: string, init: RequestInit = {}) => {
    const answer = await app.request(`http://localhost:8025${path}`, init);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return { clock, files, inbox, app, capture, get };
}

test("the inbox lists captured mail newest first, with exactly the documented members", async () => {
  const { capture, get } = world();
  const first = await capture("bob@two.test", "one");
  const second = await capture("bob@two.test", "on =?utf-8?Q?caf=C3=A9?=");
  const { messages } = (await get("/api/v1/inbox")).body as { messages: Record<string, unknown>[] };
  assert.deepEqual(
    messages.map(({ id, subject }) => [id, subject]),
    [
      // Subjects are decoded once, when mail arrives; what then looks encoded was meant so.
      [second, "on =?utf-8?Q?caf=C3=A9?="],
      [first, "one"],
    ],
  );
  assert.deepEqual(Object.keys(messages[0] ?? {}).toSorted(), ["from", "id", "received_at", "size", "subject", "to"]);
});

test("a captured message is there raw, as it would have gone out, and gone after a delete", async () => {
  const { app, capture, get, files } = world();
  const id = await capture("bob@two.test", "one");
  const raw = await (await app.request(`http://localhost/api/v1/inbox/${id}/raw`)).text();
  assert.match(raw, /^Received: by mx\.test[^\r]*\r\nSubject: one\r\n/);
  assert.equal((await get("/api/v1/inbox/..%2F..%2Fetc%2Fpasswd/raw")).status, 404);
  assert.equal((await get(`/api/v1/inbox/${id}`, { method: "DELETE" })).status, 200);
  assert.equal((await get(`/api/v1/inbox/${id}`)).status, 404);
  await capture("bob@two.test", "two");
  assert.deepEqual((await get("/api/v1/inbox", { method: "DELETE" })).body, { deleted: 1 });
  assert.deepEqual(await files.list("/data/captured"), []);
});

test("wait answers with mail that is there, with mail that comes, and with 408 when none does", async () => {
  const { capture, get, clock } = world();
  const id = await capture("bob@two.test", "Your login", "Your code is 123456\r\nhttps://app.test/verify?t=1.");
  const there = await get("/api/v1/inbox/wait?to=BOB@&subject=login");
  assert.equal(there.body["id"], id);
  assert.deepEqual(there.body["codes"], ["123456"]);
  assert.deepEqual(there.body["links"], ["https://app.test/verify?t=1"]);

  const coming = get(`/api/v1/inbox/wait?to=bob&after=${id}&timeout=10s`);
  await settle();
  await capture("eve@two.test", "not this one");
  const next = await capture("bob@two.test", "this one");
  assert.equal((await coming).body["id"], next);

  const never = get("/api/v1/inbox/wait?to=nobody&timeout=2s");
  await settle();
  await clock.advance(2000);
  assert.equal((await never).status, 408);
  assert.equal(clock.pendingTimers, 0);
  assert.equal((await get("/api/v1/inbox/wait?timeout=never")).status, 400);
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
        headers: { host: "localhost", ...(authorization ? { authorization } : {}) },
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
  assert.deepEqual((await post({ all: true })).body, { count: 0 });
  assert.equal((await post({ domian: "x.test" })).status, 400);
});
