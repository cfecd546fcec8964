/**
 * A container's conditions: a uid that no passwd file knows, without HOME; a data directory with a long path; a command
 * that comes before its server. The first needs root, and a folder that another user can enter: a clone in root's own
 * home is not one.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** In no passwd file. */
const uid = 54_321;
const isRoot = process.getuid?.() === 0;
const canBeOther =
  isRoot && spawnSync(process.execPath, ["--check", main], { cwd: "/", uid, gid: uid, stdio: "ignore" }).status === 0;
const skip = !canBeOther && (isRoot ? "no other user can enter this folder" : "needs root");

// What that user's programs compile, kept from one to the next; Node lets no user read what another has kept.
const compiled = mkdtempSync(join(tmpdir(), "posthaste-compiled-"));
if (canBeOther) chownSync(compiled, uid, uid);
after(() => rmSync(compiled, { recursive: true, force: true }));

const bare = { PATH: process.env["PATH"] ?? "", NODE_COMPILE_CACHE: compiled };

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "posthaste-home-test-"));
  chmodSync(folder, 0o777);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** As that uid, without HOME and in the root folder. */
function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: "/",
    env: { ...bare, ...environment },
    encoding: "utf8",
    ...(canBeOther && { uid, gid: uid }),
  });
  return { status, output: stdout + stderr };
}

test("a uid without a passwd entry and without HOME: every command runs", { skip }, (t) => {
  const folder = temporaryFolder(t);
  const environment = { TMPDIR: folder };
  assert.match(run(["--version"], environment).output, /^\d+\.\d+\.\d+\n$/);
  assert.equal(run(["--help"], environment).status, 0);
  // Neither needs a home, and neither makes one.
  assert.equal(existsSync(join(folder, `posthaste-home-${uid}`)), false);
  assert.match(run(["check", "config", "/nonexistent.toml"], environment).output, /nonexistent/);
  const listed = run(["inbox", "list"], environment);
  assert.equal(listed.status, 69);
  assert.match(listed.output, /no server runs on .*posthaste-home-54321/);
});

test("its test inbox keeps its data in a folder of its own", { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const server = spawn(process.execPath, [main, "dev", "--smtp-port", "0", "--http-port", "0"], {
    cwd: "/",
    env: { ...bare, TMPDIR: folder },
    uid,
    gid: uid,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes("server-started") && !server.killed) server.kill("SIGTERM");
    });
  }
  await new Promise((resolve) => server.once("close", resolve));
  assert.equal(server.exitCode, 0, output);
  assert.ok(existsSync(join(folder, `posthaste-home-${uid}`, ".local/state/posthaste-dev/spool.db")), output);
});

test("a folder that somebody else made is not taken for a home", { skip }, (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, `posthaste-home-${uid}`), { mode: 0o755 });
  const { status, output } = run(["dev", "--smtp-port", "0", "--http-port", "0"], { TMPDIR: folder });
  assert.equal(status, 69, output);
  assert.match(output, /does not belong to uid 54321 alone\nSet HOME, or name a folder by --data-dir/);
});

test("a data directory that is too long for the control socket is refused with the length allowed", (t) => {
  const folder = join(temporaryFolder(t), "a".repeat(100));
  const { status, output } = run(["dev", "--smtp-port", "0", "--http-port", "0", "--data-dir", folder]);
  assert.equal(status, 69, output);
  assert.match(output, /control\.sock is 1\d\d octets long, but the path of a socket may have at most 10[37]/);
  assert.equal(existsSync(folder), false);
});

test("inbox wait without a server says so at once, and leaves the spool unlocked", async (t) => {
  const folder = join(temporaryFolder(t), "data");
  // A start that fails because its port is taken leaves a spool behind, as a server does that ran before.
  await using taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as AddressInfo;
  const before = run(["dev", "--smtp-port", String(port), "--http-port", "0", "--data-dir", folder]);
  assert.notEqual(before.status, 0);
  assert.ok(existsSync(join(folder, "spool.db")), before.output);
  const { status, output } = run(["inbox", "wait", "--timeout", "30s", "--data-dir", folder]);
  assert.equal(status, 69, output);
  assert.match(output, /no server runs on .*\nStart it first: posthaste dev/);
});

function configured(folder: string, dataDir: string): string {
  const file = join(folder, "posthaste.toml");
  writeFileSync(
    file,
    `hostname = "mail.example.org"\ndata_dir = "${dataDir}"\n[[listener]]\nkind = "mx"\n[[domain]]\nname = "example.org"\n`,
  );
  return file;
}

test("a user is made before the first start: in a folder that is not there yet, or that a unit made open to others", (t) => {
  for (const made of [false, true]) {
    const folder = temporaryFolder(t);
    const dataDir = join(folder, "data");
    if (made) {
      mkdirSync(dataDir);
      chmodSync(dataDir, 0o755);
      if (canBeOther) chownSync(dataDir, uid, uid);
    }
    const config = configured(folder, dataDir);
    const { status, output } = run(["user", "add", "ann@example.org", "--generate", "--config", config]);
    assert.equal(status, 0, output);
    assert.equal(statSync(dataDir).mode & 0o777, 0o700);
    assert.match(run(["user", "list", "--config", config]).output, /ann@example\.org +data directory/);
  }
});

test(
  "a data directory that this user cannot make or write is named, with a code and no fault of ours",
  { skip },
  (t) => {
    const folder = temporaryFolder(t);
    const closed = join(folder, "closed");
    mkdirSync(closed, { mode: 0o755 });
    const add = (config: string) => run(["user", "add", "ann@example.org", "--generate", "--config", config]);
    const refused = add(configured(folder, join(closed, "data")));
    assert.equal(refused.status, 69);
    assert.match(refused.output, /data directory .*closed\/data cannot be used \(EACCES\) \[start-data-dir-unusable\]/);

    // As after a command that root ran: the folder is the server's, a file in it is not.
    const dataDir = join(folder, "data");
    const config = configured(folder, dataDir);
    assert.equal(add(config).status, 0);
    for (const mode of [0o600, 0o644]) {
      chownSync(join(dataDir, "spool.db"), 0, 0);
      chmodSync(join(dataDir, "spool.db"), mode);
      const { status, output } = add(config);
      assert.equal(status, 69, output);
      assert.match(output, /data directory .*\/data cannot be used \(a file of the spool.*\[start-data-dir-unusable\]/);
    }
  },
);

test("what root does with a data directory leaves every file to the user of the directory", { skip }, (t) => {
  const folder = temporaryFolder(t);
  const dataDir = join(folder, "data");
  const config = configured(folder, dataDir);
  assert.equal(run(["user", "add", "ann@example.org", "--generate", "--config", config]).status, 0);
  for (const name of readdirSync(dataDir)) if (name.startsWith("server.")) rmSync(join(dataDir, name));
  const words = [main, "user", "add", "bob@example.org", "--generate", "--config", config];
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: "/", encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const owners = readdirSync(dataDir, { recursive: true, encoding: "utf8" }).map(
    (name) => statSync(join(dataDir, name)).uid,
  );
  assert.deepEqual([...new Set(owners)], [uid]);
});
