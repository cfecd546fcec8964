import assert from "node:assert/strict";
import { test } from "node:test";
import { CliError, ExitCode } from "./exit-code.ts";
import { TestTerminal } from "../testing/cli-terminal.ts";

function terminal(): TestTerminal {
  const terminal = new TestTerminal();
  terminal.resolver
    .addMx("xn--bcher-kva.example", "10 mx.xn--bcher-kva.example")
    .add("mx.xn--bcher-kva.example", "A", "192.0.2.1")
    .add("1.2.0.192.in-addr.arpa", "PTR", "mx.xn--bcher-kva.example")
    .add("xn--bcher-kva.example", "TXT", "v=spf1 mx include:inner.example -all")
    .add("inner.example", "TXT", "v=spf1 a ~all")
    .add("inner.example", "A", "192.0.2.2")
    .add("_dmarc.xn--bcher-kva.example", "TXT", "v=DMARC1; p=reject; rua=mailto:a@xn--bcher-kva.example");
  return terminal;
}

test("check dns: a line for each subject, the tree of look-ups, and exit code 0 while nothing is red", async () => {
  const { code, stdout } = await terminal().run("check dns bücher.example --address 192.0.2.1");
  assert.equal(code, 0);
  assert.match(stdout, /^green {3}MX {10}mx\.xn--bcher-kva\.example takes mail/m);
  assert.match(stdout, /3 look-ups for xn--bcher-kva\.example\n +1 {2}mx\n +2 {2}include:inner\.example\n +1 {2}a\n/);
  assert.match(stdout, /publish {2}_smtp\._tls\.xn--bcher-kva\.example TXT v=TLSRPTv1; rua=/);
  assert.match(stdout, /xn--bcher-kva\.example: nothing is red, \d yellow\.\n$/);
  assert.equal(stdout.includes("\x1b"), false);
});

test("check dns: exit code 65 when something is red, as JSON too, with a stable form", async () => {
  const { code, stdout } = await terminal().run("check dns bücher.example --selector mail --json");
  assert.equal(code, 65);
  const { status, checks } = JSON.parse(stdout) as {
    status: string;
    checks: { status: string; tree?: { lookups: number } }[];
  };
  assert.equal(status, "red");
  assert.deepEqual(Object.keys(checks[0] ?? {}), ["check", "status", "sentence", "details", "found", "publish"]);
  assert.equal(checks[3]?.status, "red");
  assert.equal(checks[2]?.tree?.lookups, 3);
});

test("check dns: colours on a terminal, unless NO_COLOR says otherwise", async () => {
  const colourful = await terminal().run("check dns bücher.example", { terminal: true });
  assert.ok(colourful.stdout.includes("\x1b[32mgreen"));
  const plain = await terminal().run("check dns bücher.example", { terminal: true, environment: { NO_COLOR: "1" } });
  assert.equal(plain.stdout.includes("\x1b"), false);
});

test("check dns: the keys of the server named are those that must be there", async () => {
  const key = {
    selector: "new",
    algorithm: "rsa",
    declared_in: "data",
    state: "prepared",
    since: "2026-01-01T00:00:00.000Z",
    record: { name: "new._domainkey.xn--bcher-kva.example", text: "v=DKIM1; k=rsa; p=x", quoted: "", zone: "" },
    dns: null,
    next: "",
  };
  const api = () => ({ body: { keys: [key, { ...key, state: "retired" }] } });
  const { code, stdout, calls } = await terminal().run("check dns bücher.example --data-dir /data", { api });
  assert.equal(code, 65);
  assert.equal(calls[0]?.path, "/api/v1/dkim/keys?domain=xn--bcher-kva.example");
  assert.match(stdout, /publish {2}new\._domainkey\.xn--bcher-kva\.example TXT v=DKIM1; k=rsa; p=x\n/);
});

test("check dns --config works before the server's first start", async () => {
  const term = terminal();
  const none = {
    settings: 'hostname = "mail.xn--bcher-kva.example"\ndata_dir = "/var/none"\n[[listener]]\nkind = "mx"\n',
  };
  await term.files.makeDirectory("/home/ann");
  await term.files.replaceFile("/home/ann/new.toml", Buffer.from(none.settings));
  const serverApi = () =>
    Promise.reject(new CliError(ExitCode.unavailable, "no server runs on /var/none, and none has yet"));
  const { code, stdout, stderr } = await term.run("check dns bücher.example --config new.toml", {
    overrides: { serverApi },
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^green {3}MX/m);
  assert.match(stderr, /has not been started yet, so it has no DKIM keys/);
  const lost = await term.run("check dns bücher.example --data-dir /var/none", { overrides: { serverApi } });
  assert.equal(lost.code, ExitCode.unavailable, "a folder that was named must be there");
});

test("check dns: an interruption ends it", async () => {
  const { code, stdout } = await terminal().run("check dns bücher.example", {
    overrides: { interrupted: AbortSignal.abort() },
  });
  assert.deepEqual([code, stdout], [130, ""]);
});

test("check dns: what is no domain, selector or address is a usage error", async () => {
  for (const line of [
    "check dns localhost",
    "check dns [192.0.2.1]",
    "check dns a.example --selector _x",
    "check dns a.example --address x",
  ]) {
    const { code, stderr } = await terminal().run(line);
    assert.equal(code, 64, line);
    assert.match(stderr, /is not an? /);
  }
});

test("check dns: records cannot command the terminal", async () => {
  const hostile = terminal();
  hostile.resolver
    .remove("_dmarc.xn--bcher-kva.example")
    .add("_dmarc.xn--bcher-kva.example", "TXT", "v=DMARC1; p=\x1b]0;owned\x07");
  const { stdout } = await hostile.run("check dns bücher.example");
  assert.equal(stdout.includes("\x1b"), false);
});
