/**
 * No server outlives what the user started: `bin/posthaste` under a Node that is too old, `npm start`, and npm scripts.
 * Launcher and server share their output, so its end is the end of both.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = join(root, "bin/posthaste");
const devArguments = ["dev", "--smtp-port", "0", "--http-port", "0", "--no-welcome", "--data-dir"];
const options = { timeout: 120_000 };

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "posthaste-launcher-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Replaces the version that Node tells, before the program reads it. */
async function oldNode(folder: string): Promise<readonly string[]> {
  const file = join(folder, "old-node.cjs");
  await writeFile(
    file,
    'Object.defineProperty(process, "versions", { value: Object.assign({}, process.versions, { node: "18.20.0" }) });',
  );
  return ["--require", file];
}

interface Started {
  readonly child: ChildProcess;
  /** Everything that was written, once launcher and server are both gone. */
  readonly ended: Promise<string>;
}

/** Resolves when the server has shown its screen. */
async function start(command: string, args: readonly string[], folder: string): Promise<Started> {
  // Of npm's environment, that of this test run would be taken for the launcher's.
  const { npm_lifecycle_event: _event, NODE_TEST_CONTEXT: _mark, ...environment } = process.env;
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: environment });
  let output = "";
  const serving = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes("server-started")) serving.resolve();
    });
  }
  const ended = new Promise<string>((resolve) => {
    child.once("close", () => {
      serving.resolve();
      resolve(output);
    });
  });
  await serving.promise;
  assert.match(output, /server-started/);
  return { child, ended };
}

async function assertStopsWithLauncher({ child, ended }: Started, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  assert.match(await ended, /server-stopping[^]*server-stopped/);
}

test("bin/posthaste under an old Node: SIGKILL of the launcher stops the server in order", options, async (t) => {
  const folder = await temporaryFolder(t);
  const args = [...(await oldNode(folder)), program, ...devArguments, folder];
  const started = await start(process.execPath, args, folder);
  await assertStopsWithLauncher(started, "SIGKILL");
});

test("npm start: SIGKILL of what it runs first stops the server in order", options, async (t) => {
  const folder = await temporaryFolder(t);
  const args = [join(root, "scripts/bootstrap.cjs"), "start", ...devArguments.slice(1), folder];
  const started = await start(process.execPath, args, folder);
  await assertStopsWithLauncher(started, "SIGKILL");
});

for (const [name, node] of [
  ["under a Node that can run it", () => Promise.resolve([])],
  ["under an old Node", oldNode],
] as const) {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    test(`an npm script ${name}: ${signal} to npm leaves no orphan`, options, async (t) => {
      const folder = await temporaryFolder(t);
      const line = [process.execPath, ...(await node(folder)), program, ...devArguments, folder];
      const manifest = { private: true, scripts: { mail: line.map((word) => `'${word}'`).join(" ") } };
      await writeFile(join(folder, "package.json"), JSON.stringify(manifest));
      const started = await start("npm", ["run", "mail"], folder);
      await assertStopsWithLauncher(started, signal);
    });
  }
}
