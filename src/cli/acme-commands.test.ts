/** `posthaste acme`: what people see, what scripts get, and what the API is asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestTerminal } from "../testing/cli-terminal.ts";

const shown = {
  directory: "https://ca.test/directory",
  challenge: "http-01",
  names: ["mail.example.org"],
  account: "https://ca.test/account/1",
  certificate: { names: "DNS:mail.example.org", issuer: "CN=Test", valid_to: "2026-03-01T00:00:00.000Z" },
  renew_at: "2026-02-01T00:00:00.000Z",
  renew_by: "authority",
  failure: null,
  tlsa: { current: "_25._tcp.mail.example.org. IN TLSA 3 1 1 aa", next: null },
  roll_over_at: null,
};

test("acme status tells certificate, renewal and record", async () => {
  const { stdout, calls } = await new TestTerminal().run("acme status --data-dir d", { api: () => ({ body: shown }) });
  assert.deepEqual([calls[0]?.path, calls[0]?.method], ["/api/v1/acme", "GET"]);
  assert.match(
    stdout,
    /^Authority: https:\/\/ca\.test\/directory \(http-01\), account https:\/\/ca\.test\/account\/1$/m,
  );
  assert.match(stdout, /^Certificate: DNS:mail\.example\.org, by CN=Test, expires 2026-03-01 00:00:00 UTC$/m);
  assert.match(stdout, /^Renewal: 2026-02-01 00:00:00 UTC, as the authority suggests$/m);
  assert.match(stdout, /^TLSA record of the key: _25\._tcp\.mail\.example\.org\. IN TLSA 3 1 1 aa$/m);
});

test("a failure is told in the authority's words, without control characters, with the next attempt", async () => {
  const failure = {
    at: "2026-01-01T00:00:00.000Z",
    problem: "mail.example.org was not proven by http-01: \x1b[31m404",
    retry_at: "2026-01-01T00:10:00.000Z",
    attempts: 3,
  };
  const body = { ...shown, account: null, certificate: null, renew_at: null, renew_by: null, failure };
  const { stdout, calls } = await new TestTerminal().run("acme retry --data-dir d", { api: () => ({ body }) });
  assert.deepEqual([calls[0]?.path, calls[0]?.method], ["/api/v1/acme/retry", "POST"]);
  assert.match(stdout, /^Certificate: none yet; a self-signed one is in use$/m);
  assert.match(stdout, /^Attempt 3 failed 2026-01-01 00:00:00 UTC: mail.*\\x1b\[31m404$/m);
  assert.match(stdout, /^Next attempt: 2026-01-01 00:10:00 UTC, or now/m);
});

test("acme roll prints both records, and says whether DNS shows them; a script gets the answer", async () => {
  const body = { ...shown, tlsa: { ...shown.tlsa, next: "_25._tcp.mail.example.org. IN TLSA 3 1 1 bb" } };
  const terminal = new TestTerminal();
  const { stdout, calls } = await terminal.run("acme roll --data-dir d", { api: () => ({ body }) });
  assert.deepEqual([calls[0]?.path, calls[0]?.method], ["/api/v1/acme/roll", "POST"]);
  assert.match(
    stdout,
    /next key: .* bb\nPublish both records, if you publish any\. The server waits until DNS shows both\.$/m,
  );
  const seen = { ...body, roll_over_at: "2026-01-02T00:00:00.000Z" };
  const later = await terminal.run("acme status --data-dir d", { api: () => ({ body: seen }) });
  assert.match(later.stdout, /DNS shows both records\. The server uses the next key after 2026-01-02 00:00:00 UTC\.$/m);
  const script = await terminal.run("acme status --json --data-dir d", { api: () => ({ body }) });
  assert.deepEqual(JSON.parse(script.stdout), body);
});

test("without [tls.acme] the reason is told", async () => {
  const api = () => ({ status: 409, body: { error: "the configuration has no [tls.acme]" } });
  const { stderr, code } = await new TestTerminal().run("acme status --data-dir d", { api });
  assert.notEqual(code, 0);
  assert.match(stderr, /the configuration has no \[tls\.acme\]/);
});
