/** `posthaste dev` as a real process, the way scripts and test runs use it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../interop/support/free-port.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const freePorts = ["--smtp-port", "0", "--http-port", "0", "--no-welcome"];
const options = { timeout: 120_000 };

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "posthaste-dev-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  /** Resolves with standard output as soon as it matches, or has ended. */
  until(pattern: RegExp): Promise<string>;
}

function run(args: readonly string[], folder: string, environment: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: folder, XDG_STATE_HOME: "", ...environment },
  });
  let [stdout, stderr] = ["", ""];
  let wake = (): void => undefined;
  child.stdout.on("data", (bytes: Buffer) => {
    stdout += bytes.toString();
    wake();
  });
  child.stderr.on("data", (bytes: Buffer) => (stderr += bytes.toString()));
  let over = false;
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once("close", (code) => {
      over = true;
      wake();
      resolve({ code, stdout, stderr });
    });
  });
  const until = async (pattern: RegExp) => {
    while (!pattern.test(stdout) && !over) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
    return stdout;
  };
  return { child, ended, until };
}

/** A program for `--`: prints what it finds, sends a message, waits for it, and ends with 7. */
const program = `
  import { connect } from "node:net";
  const { SMTP_HOST: host, SMTP_PORT: port, POSTHASTE_URL: url, POSTHASTE_DATA_DIR: folder } = process.env;
  const lines = ["EHLO x", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "Subject: within\\r\\n\\r\\nx\\r\\n.", "QUIT"];
  const socket = connect(Number(port), host);
  socket.on("data", (bytes) => { if (/^\\d{3} /m.test(bytes.toString()) && lines.length > 0) socket.write(lines.shift() + "\\r\\n"); });
  await new Promise((resolve) => socket.once("close", resolve));
  const answer = await fetch(url + "/api/v1/inbox/wait?subject=within&timeout=30s");
  const { to } = await answer.json();
  console.log(JSON.stringify({ to, folder }));
  process.exitCode = 7;
`;

test("dev -- PROGRAM: an inbox of its own, the program's exit code, and nothing left behind", options, async (t) => {
  const folder = temporaryFolder(t);
  const words = ["dev", "--", process.execPath, "--input-type=module", "--eval", program];
  const { code, stdout, stderr } = await run(words, folder).ended;
  assert.equal(code, 7, stderr);
  const found = JSON.parse(stdout) as { readonly to: readonly string[]; readonly folder: string };
  assert.deepEqual(found.to, ["b@example.org"]);
  assert.equal(existsSync(found.folder), false);
  assert.equal(existsSync(join(folder, ".local")), false);
  assert.equal(stderr, "", "the log is silent while nothing is wrong");
});

test("dev -- PROGRAM that is not there ends with 127, as in a shell", options, async (t) => {
  const { code, stderr } = await run(["dev", "--", "/nonexistent/program"], temporaryFolder(t)).ended;
  assert.equal(code, 127);
  assert.match(stderr, /^posthaste: \/nonexistent\/program cannot be started: /);
});

test("dev -- PROGRAM: SIGTERM ends the program, and then the inbox", options, async (t) => {
  const waiting = 'console.log("running"); setInterval(() => undefined, 1000);';
  const started = run(["dev", "--", process.execPath, "--eval", waiting], temporaryFolder(t));
  await started.until(/running/);
  started.child.kill("SIGTERM");
  assert.equal((await started.ended).code, 128 + 15);
});

test("dev --json: one line with the real ports; variables stand for options", options, async (t) => {
  const folder = temporaryFolder(t);
  const environment = {
    POSTHASTE_SMTP_PORT: "0",
    POSTHASTE_HTTP_PORT: "0",
    POSTHASTE_TLS_PORT: "0",
    POSTHASTE_HOST: "127.0.0.2",
    POSTHASTE_DATA_DIR: "kept",
    POSTHASTE_STARTTLS: "1",
    POSTHASTE_NO_WELCOME: "1",
    POSTHASTE_ALLOW_HOST: "mail,box.test",
  };
  const server = run(["dev", "--json"], folder, environment);
  const line = await server.until(/\n/);
  const facts = JSON.parse(line) as {
    readonly smtp: { readonly host: string; readonly port: number };
    readonly smtps: { readonly port: number };
    readonly http: string;
    readonly certificate: string;
  };
  const dataDir = join(folder, "kept");
  assert.deepEqual(facts, {
    smtp: { host: "127.0.0.2", port: facts.smtp.port },
    smtps: { host: "127.0.0.2", port: facts.smtps.port },
    starttls: true,
    http: facts.http,
    data_dir: dataDir,
    certificate: join(dataDir, "tls/self-signed.crt"),
    pid: server.child.pid,
  });
  assert.ok(facts.smtp.port > 0 && facts.smtps.port > 0);
  assert.match(readFileSync(facts.certificate, "latin1"), /BEGIN CERTIFICATE/);
  const statusFor = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = get(`${facts.http}/api/v1/inbox`, { headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      request.on("error", reject);
    });
  assert.equal(await statusFor("box.test:8025"), 200);
  assert.equal(await statusFor("other.test"), 403);
  // A command finds the same folder by the same variable.
  const list = await run(["inbox", "list", "--json"], folder, { POSTHASTE_DATA_DIR: "kept" }).ended;
  assert.equal(list.code, 0, list.stderr);
  assert.equal(list.stderr, "");
  server.child.kill("SIGTERM");
  assert.equal((await server.ended).code, 0);
});

test(
  "dev --project keeps the data with the project, out of its version control, and commands there find it",
  options,
  async (t) => {
    const folder = temporaryFolder(t);
    const server = run(["dev", "--project", "--json", ...freePorts], folder);
    await server.until(/\n/);
    assert.equal(readFileSync(join(folder, ".posthaste/.gitignore"), "latin1"), "*\n");
    const list = await run(["inbox", "list"], folder).ended;
    assert.deepEqual([list.code, list.stderr], [0, "No captured mail matches.\n"]);
    server.child.kill("SIGTERM");
    await server.ended;
    const again = run(["dev", "--json", ...freePorts], folder);
    assert.equal((JSON.parse(await again.until(/\n/)) as { data_dir: string }).data_dir, join(folder, ".posthaste"));
    again.child.kill("SIGTERM");
    await again.ended;
  },
);

test("dev sends itself a first message where the inbox is empty, and none where it is not", options, async (t) => {
  const folder = temporaryFolder(t);
  for (const welcomed of [true, false]) {
    const server = run(["dev", "--smtp-port", "0", "--http-port", "0"], folder);
    const screen = await server.until(/The log follows/);
    assert.equal(
      /✓ A first message took the whole path: .*, durable and queued as \S+,\n/.test(screen),
      welcomed,
      screen,
    );
    const list = await run(["inbox", "list", "--json"], folder).ended;
    assert.equal(list.stdout.match(/Welcome: this message took the real path/g)?.length, 1, list.stdout);
    server.child.kill("SIGTERM");
    await server.ended;
  }
});

const hasIpv6Loopback = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

test(
  "dev is reached as localhost over IPv6, too",
  { ...options, skip: !hasIpv6Loopback && "no ::1 here" },
  async (t) => {
    const folder = temporaryFolder(t);
    const [smtp, http] = [await freePort(), await freePort()];
    const ports = ["--smtp-port", String(smtp), "--http-port", String(http)];
    const server = run(["dev", "--json", "--no-welcome", ...ports, "--data-dir", folder], folder);
    await server.until(/\n/);
    for (const host of ["127.0.0.1", "::1"]) {
      const socket = connect(smtp, host);
      const greeting = await new Promise<string>((resolve, reject) => {
        socket.once("data", (bytes) => resolve(bytes.toString()));
        socket.once("error", reject);
      });
      assert.match(greeting, /^220 /, host);
      socket.destroy();
    }
    server.child.kill("SIGTERM");
    assert.equal((await server.ended).code, 0);
  },
);

for (const [words, message] of [
  [["--host", "mail.test"], /--host takes an IP address, not "mail\.test"/],
  [["--starttls", "--no-starttls"], /--starttls and --no-starttls cannot be used together/],
  [["--project", "--data-dir", "x"], /--data-dir and --project cannot be used together/],
  [["--json", "--", "true"], /--json cannot be used with a program/],
] as const) {
  test(`dev ${words.join(" ")} is refused`, options, async (t) => {
    const { code, stderr } = await run(["dev", ...words], temporaryFolder(t)).ended;
    assert.equal(code, 64);
    assert.match(stderr, message);
  });
}
