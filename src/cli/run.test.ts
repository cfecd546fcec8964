import { test } from "node:test";
import assert from "node:assert/strict";
import { commandGroups, commands } from "./command-table.ts";
import { makeSelfSigned } from "../node/tls/self-signed.ts";
import { TestTerminal } from "../testing/cli-terminal.ts";

test("help tells every command, and each command its usage, options and examples", async () => {
  const terminal = new TestTerminal();
  const overview = await terminal.run("--help");
  assert.equal(overview.code, 0);
  assert.equal(overview.stderr, "");
  for (const { name } of commands) assert.match(overview.stdout, new RegExp(`^ {2}${name.split(" ", 1)[0]}\\b`, "m"));
  for (const command of commands) {
    const { code, stdout } = await terminal.run(`${command.name} --help`);
    assert.equal(code, 0, command.name);
    assert.match(stdout, new RegExp(`Usage: posthaste ${command.name} `));
    for (const { name } of command.options) assert.match(stdout, new RegExp(`--${name}\\b`), command.name);
    for (const { line } of command.examples) assert.ok(stdout.includes(line), command.name);
    assert.equal((await terminal.run(`help ${command.name}`)).stdout, stdout);
    assert.equal(stdout.includes("\x1b"), false, "no colours off a terminal");
  }
  for (const { name } of commandGroups) {
    assert.match((await terminal.run(`${name} --help`)).stdout, new RegExp(`Usage: posthaste ${name} COMMAND`));
  }
});

test("each command is declared well: one line, no full stop, options once, examples that begin with the command", () => {
  for (const { name, summary, options, examples } of commands) {
    assert.match(summary, /^[a-z].*[^.]$/, name);
    const names = options.map((option) => option.name);
    assert.deepEqual(names, [...new Set(names)], name);
    const shorts = options.flatMap(({ short }) => short ?? []);
    assert.deepEqual(shorts, [...new Set(shorts)], name);
    assert.equal(shorts.includes("h"), false, name);
    for (const { line } of examples) assert.ok(line.includes(`posthaste ${name}`), line);
  }
});

test("the version goes to standard output", async () => {
  const terminal = new TestTerminal();
  assert.deepEqual((await terminal.run("--version")).stdout, "1.2.3\n");
  assert.deepEqual((await terminal.run([])).code, 0);
});

const usageErrors = [
  ["serv", /unknown command "serv"\nDid you mean serve\?/],
  ["queue lst", /unknown command "queue lst"\nDid you mean queue list\?/],
  ["queue xyzzy", /Run posthaste --help for a list/],
  ["--versio", /unknown option --versio/],
  ["queue", /Usage: posthaste queue COMMAND/],
  ["queue list --jsn", /unknown option --jsn\nDid you mean --json\?\nUsage: posthaste queue list/],
  ["queue list --state schedulled", /--state takes .*, not "schedulled"\nDid you mean scheduled\?/],
  ["queue list --limit many", /--limit takes a whole number from 1 to 1000, not "many"/],
  ["queue list --limit", /--limit needs a value: --limit N/],
  ["queue list --json=yes", /--json takes no value/],
  ["queue list --limit 1 --limit 2", /--limit was specified twice/],
  ["queue show", /ID is required/],
  ["queue show A B", /unexpected argument "B"/],
  ["completion csh", /SHELL must be one of bash, zsh, fish, not "csh"/],
  ["queue list --config a --data-dir b", /--config and --data-dir cannot be used together/],
  ["explain nonsense", /not a queue id/],
  ["send --from a@b.test", /--to is required/],
  ["send --to a@b.test", /--from is required/],
  ["send --from a@b.test --to nobody", /"nobody" is not an address/],
  ["send --from a@b.test --to c@d.test --server x:y:z", /--server takes HOST:PORT/],
  ["send --from a@b.test --to c@d.test --tls maybe", /--tls takes none, opportunistic, starttls, implicit, verified/],
  ["send --from a@b.test --to c@d.test --auth ann", /--auth takes USER:PASSWORD/],
  ["send --from a@b.test --to c@d.test --header nonsense", /--header takes/],
  ["dev --smtp-port 70000", /--smtp-port takes a whole number from 0 to 65535/],
  ["serve", /--config FILE is required/],
  ["queue remove", /specify an ID, a filter/],
] as const;

for (const [line, message] of usageErrors) {
  test(`exit 64 with a sentence and a suggestion: posthaste ${line}`, async () => {
    const { code, stdout, stderr } = await new TestTerminal().run(line);
    assert.equal(code, 64);
    assert.match(stderr, message);
    assert.equal(stdout, "");
  });
}

test("a fault of ours is exit 70 and asks to be reported", async () => {
  const { code, stderr } = await new TestTerminal().run("queue stats --data-dir /data", {
    api: () => {
      throw new Error("boom");
    },
  });
  assert.equal(code, 70);
  assert.match(stderr, /internal error: boom/);
});

test("a configuration that is wrong is exit 78, each fault on a line with its place", async () => {
  const terminal = new TestTerminal();
  await terminal.files.makeDirectory("/home/ann");
  const text = 'hostname = "mail.example.org"\ndata_dir = "data"\nlistner = 1\n[limits]\nrecipients = 5\n';
  await terminal.files.replaceFile("/home/ann/posthaste.toml", Buffer.from(text));
  for (const line of ["check config posthaste.toml", "check config", "queue list", "serve"]) {
    const { code, stderr, stdout } = await terminal.run(line);
    assert.equal(code, 78, line);
    assert.match(stderr, /posthaste\.toml:3:1: listner: unknown key "listner"; did you mean "listener"\?/);
    assert.match(stderr, /posthaste\.toml:5:1: limits\.recipients: must be at least 100/);
    assert.match(stderr, /2 errors/);
    assert.equal(stdout, "");
  }
  const { code, stdout } = await terminal.run("check config --json");
  assert.equal(code, 78);
  const { ok, problems } = JSON.parse(stdout) as {
    ok: boolean;
    problems: { key: string; line: number; code: string }[];
  };
  assert.equal(ok, false);
  assert.deepEqual(
    problems.map(({ key, line, code: problem }) => [key, line, problem]),
    [
      ["listner", 3, "config-unknown-key"],
      ["limits.recipients", 5, "config-invalid-value"],
    ],
  );
});

test("a right configuration is told as such", async () => {
  const terminal = new TestTerminal();
  await terminal.files.makeDirectory("/etc/posthaste");
  const text = 'hostname = "mail.example.org"\ndata_dir = "/data"\n[[listener]]\nkind = "mx"\n';
  await terminal.files.replaceFile("/etc/posthaste/posthaste.toml", Buffer.from(text));
  const { code, stdout } = await terminal.run("check config");
  assert.equal(code, 0);
  assert.match(stdout, /is valid.*\/etc\/posthaste\/posthaste\.toml\n.*mail\.example\.org: mx on \[::\]:25/);
});

test("check config looks whether the certificate can be read; other commands do without it", async () => {
  const terminal = new TestTerminal();
  await terminal.files.makeDirectory("/etc/posthaste");
  const text =
    'hostname = "mail.example.org"\ndata_dir = "/data"\n[[listener]]\nkind = "mx"\n[tls]\ncertificate = "full.pem"\nkey = "key.pem"\n';
  await terminal.files.replaceFile("/etc/posthaste/posthaste.toml", Buffer.from(text));
  await terminal.files.replaceFile("/etc/posthaste/key.pem", Buffer.from("a key"));
  const { code, stderr } = await terminal.run("check config");
  assert.equal(code, 78);
  assert.match(stderr, /posthaste\.toml:6:1: tls\.certificate: \/etc\/posthaste\/full\.pem cannot be read \(ENOENT\)/);
  assert.doesNotMatch(stderr, /key\.pem/);
  assert.equal((await terminal.run("queue list")).code, 69, "no server, which is another matter");
});

test("check config refuses a certificate that cannot serve or is out of date, and warns of what is probably not meant", async () => {
  const day = 86_400_000;
  const terminal = new TestTerminal();
  const now = terminal.clock.now();
  await terminal.files.makeDirectory("/etc/posthaste");
  const put = (name: string, text: string) => terminal.files.replaceFile(`/etc/posthaste/${name}`, Buffer.from(text));
  const text =
    'hostname = "mail.example.org"\ndata_dir = "/data"\n[[listener]]\nkind = "mx"\n[tls]\ncertificate = "full.pem"\nkey = "key.pem"\n';
  await put("posthaste.toml", text);
  const fresh = makeSelfSigned("mail.example.org", now - day);
  for (const [certificatePem, keyPem, words] of [
    [fresh.certificatePem, makeSelfSigned("mail.example.org", now).keyPem, /private key does not belong to the cert/],
    ["garbage", fresh.keyPem, /the certificate is not a PEM certificate/],
    [fresh.certificatePem, "garbage", /the key is not a PEM private key/],
    ["expired", "", /the certificate expired at 2025/],
    ["early", "", /the certificate is not valid before/],
  ] as const) {
    const other = makeSelfSigned("mail.example.org", certificatePem === "early" ? now + 3 * day : now - 900 * day);
    const pair = keyPem === "" ? other : { certificatePem, keyPem };
    await put("full.pem", pair.certificatePem);
    await put("key.pem", pair.keyPem);
    const { code, stderr } = await terminal.run("check config");
    assert.equal(code, 78, stderr);
    assert.match(stderr, /posthaste\.toml:6:1: tls\.certificate: .*\[config-tls-unusable\]/);
    assert.match(stderr, words);
  }
  const elsewhere = makeSelfSigned("other.example.org", now - day);
  await put("full.pem", elsewhere.certificatePem);
  await put("key.pem", elsewhere.keyPem);
  const wrongName = await terminal.run("check config");
  assert.equal(wrongName.code, 78);
  assert.match(wrongName.stderr, /the certificate is for DNS:other.*, not for mail\.example\.org/);
  const ending = makeSelfSigned("mail.example.org", now - 815 * day);
  await put("full.pem", ending.certificatePem);
  await put("key.pem", ending.keyPem);
  await put("posthaste.toml", `${text}[relay]\nnetworks = ["0.0.0.0/0"]\n`);
  const { code, stdout } = await terminal.run("check config");
  assert.equal(code, 0);
  assert.match(stdout, /^The configuration is valid/);
  assert.match(
    stdout,
    /^Warning: .*:9:1: relay\.networks: 0\.0\.0\.0\/0 covers most of the internet.* \[warn-open-relay\]$/m,
  );
  assert.match(
    stdout,
    /^Warning: .*:6:1: tls\.certificate: the certificate expires at .*\[warn-certificate-expires\]$/m,
  );
  const json = JSON.parse((await terminal.run("check config --json")).stdout) as {
    warnings: { code: string; line: number }[];
  };
  assert.deepEqual(
    json.warnings.map(({ code: name, line }) => [name, line]),
    [
      ["warn-open-relay", 9],
      ["warn-certificate-expires", 6],
    ],
  );
});
