/**
 * Proves the npm package from outside: packs it, installs the tarball into an empty project, and uses it as a stranger
 * would: the command, the types, the programs of docs/embedding.md, and a message through a real server.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../test/interop/support/free-port.ts";
import { untilListening } from "../test/interop/support/program.ts";
import { runExamples } from "./run-examples.ts";

const folder = mkdtempSync(path.join(tmpdir(), "posthaste-package-"));
const run = (command: string, args: readonly string[], cwd: string) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const fail = (what: string): never => {
  throw new Error(`package: ${what}`);
};

try {
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], process.cwd())) as readonly {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  if (!packed) throw new Error("package: npm pack made nothing");
  const odd = packed.files.filter(({ path: file }) => /\.test\.|^(src|test|bench|scripts|tools)\//.test(file));
  if (odd.length > 0) fail(`holds what it should not: ${odd.map(({ path: file }) => file).join(", ")}`);

  writeFileSync(path.join(folder, "package.json"), '{ "name": "stranger", "private": true, "type": "module" }');
  run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", path.join(folder, packed.filename)],
    folder,
  );
  const command = path.join(folder, "node_modules/posthaste/bin/posthaste");

  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { readonly version: string };
  const printed = run(process.execPath, [command, "--version"], folder);
  if (!printed.includes(version)) fail(`--version printed ${printed}`);

  writeFileSync(
    path.join(folder, "posthaste.config.ts"),
    'import { defineConfig } from "posthaste";\nimport "posthaste/node";\nimport "posthaste/ports";\nimport "posthaste/smtp";\nimport "posthaste/testing";\nimport type { MessageOrigin, ProgramAnswer, ReadableContent } from "posthaste";\nimport type { InboxMessage, TestServer } from "posthaste/testing";\nexport type Named = MessageOrigin | ProgramAnswer | ReadableContent | InboxMessage | TestServer;\nexport default defineConfig({ hostname: "mail.example.org", data_dir: "data", domain: [{ name: "example.org" }] });\n',
  );
  writeFileSync(
    path.join(folder, "tsconfig.json"),
    '{ "compilerOptions": { "strict": true, "module": "nodenext", "target": "esnext", "noEmit": true, "skipLibCheck": true, "types": [] }, "include": ["posthaste.config.ts"] }',
  );
  run(process.execPath, [path.resolve("node_modules/typescript/bin/tsc"), "-p", folder], folder);

  tellsOfNode(command);
  const examples = runExamples("docs/embedding.md", folder);

  const [smtp, http] = [await freePort(), await freePort()];
  const ports = ["--smtp-port", String(smtp), "--http-port", String(http)];
  const server = spawn(process.execPath, [command, "dev", ...ports, "--data-dir", path.join(folder, "data")], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  try {
    await untilListening(smtp);
    await untilListening(http);
    const send = [
      "send",
      "--server",
      `127.0.0.1:${smtp}`,
      "--from",
      "a@one.test",
      "--to",
      "b@two.test",
      "--subject",
      "packed",
    ];
    run(process.execPath, [command, ...send], folder);
    const answer = await fetch(`http://127.0.0.1:${http}/api/v1/inbox/wait?subject=packed&timeout=30s`);
    if (answer.status !== 200) fail(`the message did not arrive: ${answer.status}`);
  } finally {
    const exited = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await exited;
  }
  await npxLeavesNoOrphan();
  console.log(`package: ${packed.filename} works from outside, with ${examples.length} programs of docs/embedding.md`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Under an old Node the package says which one it needs and how npm brings it. */
function tellsOfNode(command: string): void {
  const old = path.join(folder, "old-node.cjs");
  writeFileSync(
    old,
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });\n',
  );
  const { status, stderr } = spawnSync(process.execPath, ["--require", old, command, "--version"], {
    encoding: "utf8",
  });
  if (status !== 69 || !/Node 20\.20\.2.*24\.7.*npm install --save-dev node@\d+/.test(stderr)) {
    fail(`under Node 20 it ended with ${status} and said: ${stderr}`);
  }
}

/** `npx posthaste dev & kill $!`: npm dies of the signal, and the server must not outlive it. */
async function npxLeavesNoOrphan(): Promise<void> {
  const ports = ["--smtp-port", "0", "--http-port", "0"];
  const npx = spawn("npx", ["posthaste", "dev", ...ports, "--no-welcome", "--data-dir", path.join(folder, "npx")], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    // The Node that is good enough, whatever `node` is on the PATH.
    env: { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env["PATH"]}` },
  });
  let output = "";
  for (const stream of [npx.stdout, npx.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes("server-started") && !npx.killed) npx.kill("SIGTERM");
    });
  }
  // Both share their output: it closes when the server is gone, too.
  const closed = await new Promise<boolean>((resolve) => {
    const hung = setTimeout(() => resolve(false), 60_000);
    npx.once("close", () => {
      clearTimeout(hung);
      resolve(true);
    });
  });
  if (!closed || !output.includes("server-stopped")) fail(`npx posthaste dev left an orphan: ${output}`);
}
