/** What a client of the HTTP API may send: a few names and no more, however the body comes. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { serveHttp } from "../node/http/http-server.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { adminApp } from "./app.ts";

function app() {
  const added: string[] = [];
  const users = {
    list: () => Promise.resolve([]),
    add: (address: string) => Promise.resolve(void added.push(address)),
    setPassword: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    keys: {
      list: () => Promise.resolve([]),
      add: () => Promise.reject(new Error("not asked for")),
      remove: () => Promise.resolve(),
    },
    grants: { list: () => Promise.resolve([]), add: () => Promise.resolve(), remove: () => Promise.resolve() },
    appPasswords: {
      list: () => Promise.resolve([]),
      add: () => Promise.reject(new Error("not asked for")),
      remove: () => Promise.resolve(),
    },
  };
  const made = adminApp(
    {
      log: new CollectingLog(),
      version: "1",
      spool: new MemorySpool({ clock: new ManualClock() }),
      sites: () => ({}),
      waitOf: () => ({ why: "" }),
      explain: () => Promise.resolve(undefined),
      users,
      notReady: () => [],
    },
    undefined,
  );
  return { app: made, added };
}

const paths = [
  ["POST", "/api/v1/users"],
  ["PUT", "/api/v1/users/ann@example.org"],
  ["POST", "/api/v1/queue/retry"],
  ["POST", "/api/v1/queue/remove"],
] as const;

test("a body of more than 64 KiB is answered 413 on every path, whether its length is told or not", async () => {
  const { app: served, added } = app();
  const large = JSON.stringify({ address: "a@example.org", password: "x".repeat(70_000) });
  for (const [method, path] of paths) {
    const whole = { method, body: large, headers: { "content-length": String(large.length) } };
    const streamed = { method, body: new Blob([large]).stream(), duplex: "half" } as const;
    for (const init of [whole, streamed]) {
      const answer = await served.request(`http://localhost${path}`, init);
      assert.equal(answer.status, 413, `${method} ${path}`);
      assert.deepEqual(await answer.json(), { error: "the body of a request may have 65536 octets at most" });
    }
  }
  const small = { method: "POST", body: JSON.stringify({ address: "a@example.org", password: "secret" }) };
  assert.equal((await served.request("http://localhost/api/v1/users", small)).status, 201);
  assert.deepEqual(added, ["a@example.org"]);
});

test("over a socket requests without a body, and with one whose length is not told, are answered", async () => {
  const { app: served, added } = app();
  const server = await serveHttp({ kind: "ip", address: "127.0.0.1", port: 0 }, served.fetch);
  const { port } = server.endpoint as { readonly port: number };
  const ask = async (method: string, path: string, init: RequestInit & { readonly duplex?: "half" } = {}) =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { method, ...init })).status;
  assert.equal(await ask("GET", "/api/v1/users"), 200);
  assert.equal(await ask("DELETE", "/api/v1/users/ann@example.org"), 200);
  const body = new Blob([JSON.stringify({ address: "a@example.org", password: "secret" })]).stream();
  assert.equal(await ask("POST", "/api/v1/users", { body, duplex: "half" }), 201);
  assert.deepEqual(added, ["a@example.org"]);
  await server.close();
});

test("over a socket an endless body is answered 413 and the connection is closed", async () => {
  const { app: served } = app();
  const server = await serveHttp({ kind: "ip", address: "127.0.0.1", port: 0 }, served.fetch);
  const { port } = server.endpoint as { readonly port: number };
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const client = request({ host: "127.0.0.1", port, method: "POST", path: "/api/v1/users" });
  client.on("response", (response) => {
    resolve(response.statusCode);
    response.resume();
  });
  const closed = new Promise((done) => client.on("close", done));
  client.on("error", () => undefined);
  const piece = Buffer.alloc(16_384, "x");
  const write = () => {
    while (!client.destroyed && client.write(piece));
  };
  client.on("drain", write);
  write();
  assert.equal(await promise, 413);
  await closed;
  await server.close();
});
