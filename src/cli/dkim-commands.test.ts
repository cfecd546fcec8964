/** `posthaste dkim`: what people see, what scripts get, and what the API is asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ApiCall, TestTerminal } from "../testing/cli-terminal.ts";

const key = {
  domain: "example.org",
  selector: "mail",
  algorithm: "rsa",
  declared_in: "data",
  state: "vanished",
  since: "2026-01-01T00:00:00.000Z",
  created_at: "2026-01-01T00:00:00.000Z",
  record: { name: "mail._domainkey.example.org", text: "v=DKIM1; p=x", quoted: '"v=DKIM1; p=x"', zone: "mail… TXT" },
  dns: { at: "2026-01-01T01:00:00.000Z", said: "different", detail: "DNS has \x1b[31manother key" },
  next: "Publish it.",
};

test("dkim generate sends what was asked for, prints three forms, and says what to do", async () => {
  const terminal = new TestTerminal();
  const api = () => ({ status: 201, body: { keys: [{ ...key, state: "prepared", dns: null }] } });
  const usual = await terminal.run("dkim generate example.org --data-dir d", { api });
  assert.equal(usual.code, 0);
  assert.deepEqual(usual.calls, [
    { path: "/api/v1/dkim/keys", method: "POST", json: { domain: "example.org", algorithm: "both" } },
  ] satisfies ApiCall[]);
  assert.match(
    usual.stdout,
    /TXT name {2}mail\._domainkey\.example\.org\n {2}Value {5}v=DKIM1; p=x\n {2}Quoted {4}"v=/,
  );
  assert.match(usual.stderr, /Publish this record in any one of the three forms; the server will notice/);
  const one = await terminal.run("dkim generate example.org --selector S --algorithm ed25519 --json --data-dir d", {
    api,
  });
  assert.deepEqual(one.calls[0]?.json, { domain: "example.org", algorithm: "ed25519", selector: "S" });
  assert.deepEqual(JSON.parse(one.stdout), api().body);
  assert.equal(one.stderr, "");
  assert.equal((await terminal.run("dkim generate example.org --algorithm dsa --data-dir d", { api })).code, 64);
  assert.equal((await terminal.run("dkim generate --data-dir d", { api })).code, 64);
});

test("dkim show tells state, since when, and what DNS said, without control characters of a record", async () => {
  const api = () => ({ body: { keys: [key] } });
  const { stdout, calls } = await new TestTerminal().run("dkim show example.org --data-dir d", { api });
  assert.equal(calls[0]?.path, "/api/v1/dkim/keys?domain=example.org");
  assert.match(stdout, /State {5}vanished since 2026-01-01 00:00:00 UTC/);
  assert.match(stdout, /DNS {7}has something else: DNS has \\x1b\[31manother key, at 2026-01-01 01/);
  assert.ok(!stdout.includes("\x1b"));
});

test("dkim show without keys says how to make them; a script gets an empty list", async () => {
  const api = () => ({ body: { keys: [] } });
  const people = await new TestTerminal().run("dkim show example.org --data-dir d", { api });
  assert.match(people.stderr, /example\.org has no keys\. `posthaste dkim generate example\.org` makes them/);
  const script = await new TestTerminal().run("dkim show --json --data-dir d", { api });
  assert.deepEqual(JSON.parse(script.stdout), { keys: [] });
});

test("dkim rotate: what the server refuses is said in its words", async () => {
  const api = () => ({ status: 409, body: { error: "example.org has no key" } });
  const { code, stderr, calls } = await new TestTerminal().run("dkim rotate example.org --data-dir d", { api });
  assert.equal(code, 65);
  assert.match(stderr, /example\.org has no key/);
  assert.deepEqual(calls[0], { path: "/api/v1/dkim/rotate", method: "POST", json: { domain: "example.org" } });
});
