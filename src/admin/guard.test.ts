import assert from "node:assert/strict";
import { test } from "node:test";
import { developmentSettings } from "../config/development-settings.ts";
import type { LoginResult } from "../accounts/account-directory.ts";
import { type ApiSignIn, guardSettings, refusalOf } from "./guard.ts";

async function statusOf(host: string, listen: string, hostnames: readonly string[] = []): Promise<number | undefined> {
  const ports = { smtpPort: 1025, httpPort: 8025, tlsPort: undefined };
  const settings = developmentSettings({ dataDir: "/data", hosts: [listen], hostnames, ...ports });
  const request = new Request("http://localhost:8025/api/v1/inbox", { headers: { host } });
  return (await refusalOf(request, guardSettings(settings, undefined)))?.status;
}

test("HTTP is addressed by loopback names, the address it listens on, and names that are allowed", async () => {
  assert.equal(await statusOf("localhost:8025", "127.0.0.1"), undefined);
  assert.equal(await statusOf("mail:8025", "127.0.0.1"), 403);
  assert.equal(await statusOf("Mail:8025", "127.0.0.1", ["mail", "box.test"]), undefined);
  assert.equal(await statusOf("192.0.2.7:8025", "192.0.2.7"), undefined);
  assert.equal(await statusOf("192.0.2.8:8025", "192.0.2.7"), 403);
});

test("where it listens on every address, each may be named, but no name that DNS could lead here", async () => {
  assert.equal(await statusOf("192.0.2.7:8025", "0.0.0.0"), undefined);
  assert.equal(await statusOf("[2001:db8::1]:8025", "::"), undefined);
  assert.equal(await statusOf("rebound.test:8025", "0.0.0.0"), 403);
  assert.equal(await statusOf("192.0.2.7.rebound.test:8025", "::"), 403);
});

test("an app password opens the API in its scope, beside the token, and never for a foreign page", async () => {
  const asked: string[] = [];
  const answers: Readonly<Record<string, LoginResult>> = {
    right: { kind: "accepted", login: "ann@example.org" },
    narrow: { kind: "refused", reason: "out-of-scope" },
    often: { kind: "throttled", retryAfterMs: 1500 },
    down: { kind: "unavailable", reason: "no thread" },
  };
  const signIn: ApiSignIn = async ({ username, password }, scope) => {
    asked.push(`${username} ${password} ${scope}`);
    return answers[password] ?? { kind: "refused", reason: username === "ann" ? "wrong-password" : "unknown-user" };
  };
  const ask = async (login: string, path = "/api/v1/queue", method = "GET", origin?: string) => {
    const authorization = `Basic ${Buffer.from(login).toString("base64")}`;
    const headers = { host: "localhost", authorization, ...(origin !== undefined && { origin }) };
    const request = new Request(`http://localhost${path}`, { method, headers });
    return await refusalOf(request, { hostnames: [], token: "secret" }, signIn);
  };
  assert.equal(await ask("ann:right"), undefined);
  assert.equal(await ask("ann:right", "/api/v1/reports?limit=1"), undefined);
  assert.equal(await ask("ann:right", "/api/v1/reports/2C3RD8G0CCCC"), undefined);
  assert.equal(await ask("ann:right", "/api/v1/reportsx"), undefined);
  assert.equal(await ask("ann:right", "/api/v1/reports", "POST"), undefined);
  const scopes = ["admin", "reports", "reports", "admin", "admin"];
  assert.deepEqual(
    asked,
    scopes.map((scope) => `ann right ${scope}`),
  );
  const statuses = {
    "ann:narrow": 403,
    "ann:often": 429,
    "ann:down": 503,
    "ann:x": 401,
    "bob:x": 401,
    "no colon": 401,
  };
  for (const [login, status] of Object.entries(statuses)) assert.equal((await ask(login))?.status, status, login);
  assert.deepEqual(await ask("ann:x"), await ask("bob:x"), "nobody learns which users exist");
  asked.length = 0;
  assert.equal((await ask("ann:right", "/api/v1/queue", "POST", "https://evil.test"))?.status, 403);
  assert.deepEqual(asked, [], "nobody is asked for a foreign page");
  const bearer = new Request("http://localhost/", { headers: { host: "localhost", authorization: "Bearer secret" } });
  assert.equal(await refusalOf(bearer, { hostnames: [], token: "secret" }, signIn), undefined);
});
