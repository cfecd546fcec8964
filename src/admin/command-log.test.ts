/** Every request that changes something leaves a line in the log, and a body that cannot be read is answered with why. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredKey } from "../signing/key-store.ts";
import { QueueFixture } from "../testing/queue-fixture.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { adminApp } from "./app.ts";
import { Inbox } from "./inbox.ts";

const password = "an old secret";
const key: StoredKey = {
  ...{ domain: "example.org", selector: "s1", algorithm: "rsa-sha256", createdAt: 0, record: "v=DKIM1; p=" },
  state: { kind: "prepared", since: 0 },
};

const userKey = {
  label: "laptop",
  sha256: "00".repeat(32),
  created_at: "2026-01-01T00:00:00.000Z",
  expires_at: null,
  last_used_at: null,
};

const appPassword = {
  label: "phone",
  scopes: ["send"],
  created_at: "2026-01-01T00:00:00.000Z",
  last_used_at: null,
  password: "not in the log",
} as const;

async function world() {
  const fixture = new QueueFixture();
  const { queue, spool, log, clock, agent } = fixture;
  const done = async () => undefined;
  const app = adminApp(
    {
      ...{ log, spool, version: "1", waitOf: () => ({ why: "" }), explain: done, sites: () => [], notReady: () => [] },
      operate: queue.operate.bind(queue),
      siteControl: queue.sites,
      inbox: new Inbox({ spool, files: new MemoryFiles(), clock }, { folder: "/captured" }),
      users: {
        ...{ list: async () => [], add: done, setPassword: done, remove: done },
        keys: { list: async () => [], add: async () => userKey, remove: done },
        appPasswords: { list: async () => [], add: async () => appPassword, remove: done },
        grants: { list: async () => [], add: done, remove: done },
      },
      dkim: {
        list: async () => [],
        generate: async () => [key],
        rotate: async () => [key],
        remove: async () => ({ key }),
      },
      reload: async () => ({ ok: true }),
    },
    undefined,
  );
  agent.blocked = true;
  queue.start();
  await fixture.accept({ to: ["a@there.test", "b@there.test"] });
  await fixture.settle();
  const ask = async (route: string, body?: string) => {
    const [method = "", path = ""] = route.split(" ");
    const answer = await app.request(path, { method, ...(body !== undefined && { body }) });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return { app, ask, log };
}

/** Route, request, body, and what the line says besides. */
const commands: readonly (readonly [string, string, Readonly<Record<string, unknown>> | undefined, object])[] = [
  [
    "POST /api/v1/queue/:verb{retry|hold|release|remove}",
    "POST /api/v1/queue/hold",
    { domain: "there.test", reason: "they asked" },
    { filter: { domain: "there.test" }, reason: "they asked", count: 0, underWay: 2 },
  ],
  [
    "POST /api/v1/sites/rest",
    "POST /api/v1/sites/rest",
    { site: "there.test", for: "1h", reason: "they move" },
    { site: "smtp there.test", reason: "they move" },
  ],
  [
    "POST /api/v1/sites/wake",
    "POST /api/v1/sites/wake",
    { site: "there.test" },
    { site: "smtp there.test", retried: 0 },
  ],
  ["DELETE /api/v1/inbox", "DELETE /api/v1/inbox?to=a@b.test", undefined, { filter: { to: "a@b.test" }, deleted: 0 }],
  ["POST /api/v1/users", "POST /api/v1/users", { address: "ann@example.org", password }, { user: "ann@example.org" }],
  ["PUT /api/v1/users/:address", "PUT /api/v1/users/ann@example.org", { password }, { user: "ann@example.org" }],
  [
    "POST /api/v1/users/:address/keys",
    "POST /api/v1/users/ann@example.org/keys",
    { pem: "the certificate" },
    { user: "ann@example.org", key: "laptop" },
  ],
  [
    "DELETE /api/v1/users/:address/keys/:name",
    "DELETE /api/v1/users/ann@example.org/keys/laptop",
    undefined,
    { user: "ann@example.org", key: "laptop" },
  ],
  [
    "POST /api/v1/users/:address/app-passwords",
    "POST /api/v1/users/ann@example.org/app-passwords",
    { label: "phone", scopes: ["send"] },
    { user: "ann@example.org", key: "phone" },
  ],
  [
    "DELETE /api/v1/users/:address/app-passwords/:label",
    "DELETE /api/v1/users/ann@example.org/app-passwords/phone",
    undefined,
    { user: "ann@example.org", key: "phone" },
  ],
  [
    "POST /api/v1/users/:address/grants",
    "POST /api/v1/users/ann@example.org/grants",
    { address: "*@example.org" },
    { user: "ann@example.org", grant: "*@example.org" },
  ],
  [
    "DELETE /api/v1/users/:address/grants/:granted",
    "DELETE /api/v1/users/ann@example.org/grants/*%40example.org",
    undefined,
    { user: "ann@example.org", grant: "*@example.org" },
  ],
  ["DELETE /api/v1/users/:address", "DELETE /api/v1/users/ann@example.org", undefined, { user: "ann@example.org" }],
  [
    "POST /api/v1/dkim/keys",
    "POST /api/v1/dkim/keys",
    { domain: "example.org" },
    { domain: "example.org", selectors: ["s1"] },
  ],
  [
    "POST /api/v1/dkim/rotate",
    "POST /api/v1/dkim/rotate",
    { domain: "example.org" },
    { domain: "example.org", selectors: ["s1"] },
  ],
  [
    "DELETE /api/v1/dkim/keys/:domain/:selector",
    "DELETE /api/v1/dkim/keys/example.org/s1",
    undefined,
    { domain: "example.org", selectors: ["s1"] },
  ],
  ["POST /api/v1/reload", "POST /api/v1/reload", undefined, {}],
];

test("each request that changes something is one line, without the password, and every such route is tried here", async () => {
  const { app, ask, log } = await world();
  for (const [, request, body, fields] of commands) {
    const { status } = await ask(request, body && JSON.stringify(body));
    assert.ok(status < 300, `${request}: ${status}`);
    const command = request.replace(/\?.*/, "");
    assert.deepEqual(log.of("control-command").splice(-1), [{ over: "control socket", command, ...fields }]);
  }
  assert.equal(log.of("control-command").length, commands.length);
  assert.ok(!JSON.stringify(log.events).includes(password));
  const changing = app.routes.filter(({ method }) => method !== "GET" && method !== "ALL");
  const tried = new Set(commands.map(([route]) => route));
  const missing = changing.map(({ method, path }) => `${method} ${path}`).filter((route) => !tried.has(route));
  // One captured message is deleted in inbox.test.ts, which has one.
  assert.deepEqual(missing, ["DELETE /api/v1/inbox/:id"]);
});

test("what only looks, or is refused, leaves no line", async () => {
  const { ask, log } = await world();
  assert.deepEqual((await ask("POST /api/v1/queue/hold", '{"all":true,"dry_run":true}')).body, {
    count: 2,
    more: false,
  });
  assert.equal((await ask("POST /api/v1/queue/hold", "{}")).status, 400);
  assert.equal((await ask("POST /api/v1/sites/wake", '{"site":"@"}')).status, 404);
  assert.equal((await ask("GET /api/v1/queue")).status, 200);
  assert.deepEqual(log.of("control-command"), []);
});

test("a body that is not JSON, or not of the right form, is answered 400 with what is wrong, on every path", async () => {
  const { ask } = await world();
  const withBody = commands.filter(([, , body]) => body !== undefined);
  for (const [, request] of withBody) {
    for (const [body, error] of [
      [`{"password":"${password}",}`, /^the body of the request is not JSON/],
      ["domain=there.test", /^the body of the request is not JSON/],
      ["", /^the request has no body/],
      ["[]", /expected object/],
      ['{"colour":"red"}', /colour/],
    ] as const) {
      const answer = await ask(request, body);
      assert.equal(answer.status, 400, `${request} ${body}`);
      assert.match(String(answer.body["error"]), error, `${request} ${body}`);
      assert.ok(!String(answer.body["error"]).includes(password));
    }
  }
});
