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
  assert.match(usual.stderr, /Publish this record in any one of the three forms\. The server checks/);
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
  assert.match(people.stderr, /example\.org has no keys\. `posthaste dkim generate example\.org` creates them/);
  const script = await new TestTerminal().run("dkim show --json --data-dir d", { api });
  assert.deepEqual(JSON.parse(script.stdout), { keys: [] });
});

/** A domain with keys in these states, named after them, and a server that removes them. */
function keysIn(...states: readonly string[]) {
  const shown = (state: string) => ({
    ...key,
    selector: state,
    state,
    record: { ...key.record, name: `${state}._domainkey.example.org` },
  });
  return ({ path, method }: { readonly path: string; readonly method?: string }) => {
    if (method !== "DELETE") return { body: { keys: states.map(shown) } };
    const [, selector = ""] = /keys\/example\.org\/([^?]+)\?last=true$/.exec(path) ?? [];
    const until = selector === "active" ? "2026-01-08T00:00:00.000Z" : null;
    return { body: { removed: shown(selector), record_needed_until: until } };
  };
}

test("dkim remove says whether the record can go, or when, and a script gets it as JSON", async () => {
  const api = keysIn("active", "prepared");
  const now = await new TestTerminal().run("dkim remove example.org PREPARED --yes --data-dir d", { api });
  assert.equal(now.code, 0);
  assert.match(now.stderr, /Removed prepared\._domainkey\.example\.org \(rsa\)\./);
  assert.match(
    now.stdout,
    /^No mail needs the record prepared\._domainkey\.example\.org: if you published it, you can/,
  );
  const later = await new TestTerminal().run("dkim remove example.org active -y --data-dir d", { api });
  assert.match(
    later.stdout,
    /^Leave the record active\._domainkey\.example\.org in DNS until 2026-01-08 00:00:00 UTC: mail/,
  );
  const script = await new TestTerminal().run("dkim remove example.org active --yes --json --data-dir d", { api });
  const { removed, record_needed_until: until } = JSON.parse(script.stdout) as Record<string, unknown>;
  assert.deepEqual([(removed as { selector: string }).selector, until], ["active", "2026-01-08T00:00:00.000Z"]);
  assert.equal(script.stderr, "");
});

test("dkim remove asks, and says so where mail would leave unsigned; without a yes nothing is changed", async () => {
  const line = "dkim remove example.org active --data-dir d";
  const alone = keysIn("active", "retiring");
  for (const [api, question] of [
    [
      alone,
      /Remove active\._domainkey\.example\.org\? It is the only active key of its domain: mail would be sent unsigned/,
    ],
    [keysIn("active", "active"), /Remove active\._domainkey\.example\.org\? It will no longer sign mail/],
  ] as const) {
    const asked = await new TestTerminal().run(line, { api, terminal: true, answers: ["n"] });
    assert.deepEqual([asked.code, asked.calls.some(({ method }) => method === "DELETE")], [0, false]);
    assert.match(asked.questions.join(), question);
    assert.match(asked.stderr, /Nothing was changed/);
  }
  const agreed = await new TestTerminal().run(line, { api: alone, terminal: true, answers: ["y"] });
  assert.deepEqual(agreed.calls.at(-1), {
    path: "/api/v1/dkim/keys/example.org/active?last=true",
    method: "DELETE",
    json: undefined,
  });
  const script = await new TestTerminal().run(line, { api: alone });
  assert.equal(script.code, 64);
  assert.match(
    script.stderr,
    /only active key of its domain: mail would be sent unsigned\. No terminal to ask on: add --yes/,
  );
  const unknown = await new TestTerminal().run("dkim remove example.org x --yes --data-dir d", { api: alone });
  assert.deepEqual([unknown.code, unknown.calls.length], [65, 1]);
  assert.match(unknown.stderr, /example\.org has no key named x; it has active, retiring/);
});

test("dkim rotate: what the server refuses is said in its words", async () => {
  const api = () => ({ status: 409, body: { error: "example.org has no key" } });
  const { code, stderr, calls } = await new TestTerminal().run("dkim rotate example.org --data-dir d", { api });
  assert.equal(code, 65);
  assert.match(stderr, /example\.org has no key/);
  assert.deepEqual(calls[0], { path: "/api/v1/dkim/rotate", method: "POST", json: { domain: "example.org" } });
});
