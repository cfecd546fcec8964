/** What `npm start` installs, and what it leaves alone: run in a clone of files that only look like one, with an npm that only tells. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const bootstrap = fileURLToPath(new URL("bootstrap.cjs", import.meta.url));
const elsewhere = { version: "1.0.0", optional: true, os: ["plan9"] };
const locked = {
  "": {},
  "tools/node": {},
  "node_modules/hono": { version: "2.0.0" },
  "node_modules/prettier": { version: "3.0.0", dev: true },
  "node_modules/for-another-system": elsewhere,
  "node_modules/for-another-library": { ...elsewhere, os: [process.platform], libc: ["another"] },
};

/** `installed`: versions by name, as npm left them; undefined: there is no node_modules. */
function clone(t: TestContext, installed: Readonly<Record<string, string>> | undefined) {
  const root = mkdtempSync(join(tmpdir(), "posthaste-bootstrap-"));
  t.after(() => rmSync(root, { recursive: true }));
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  };
  write("package.json", JSON.stringify({ dependencies: { hono: "2.0.0" } }));
  write("package-lock.json", JSON.stringify({ packages: locked }));
  write("tools/node/package.json", JSON.stringify({ optionalDependencies: { "our-node": "1" } }));
  write("bin/posthaste", 'console.log("started", ...process.argv.slice(2));');
  write("scripts/work.cjs", 'console.log("ran");');
  copyFileSync(bootstrap, join(root, "scripts/bootstrap.cjs"));
  write(
    "npm.cjs",
    'console.error("npm", ...process.argv.slice(2, 4)); process.exit(Number(process.env.NPM_STATUS || 0));',
  );
  if (installed !== undefined) {
    const packages = Object.entries(installed).map(([name, version]) => [`node_modules/${name}`, { version }]);
    for (const name of Object.keys(installed)) write(`node_modules/${name}/package.json`, "{}");
    write("node_modules/.package-lock.json", JSON.stringify({ packages: Object.fromEntries(packages) }));
  }
  const stamp = join(root, "node_modules/.posthaste-installed");
  return {
    root,
    isStamped: () => existsSync(stamp),
    run: (words: readonly string[], npmStatus = 0) => {
      const env = { ...process.env, npm_execpath: join(root, "npm.cjs"), NPM_STATUS: String(npmStatus) };
      // The fake leaves no node_modules, where the stamp goes.
      if (installed === undefined && npmStatus === 0) mkdirSync(join(root, "node_modules"), { recursive: true });
      return spawnSync(process.execPath, [join(root, "scripts/bootstrap.cjs"), ...words], { env, encoding: "utf8" });
    },
  };
}

const whole = { hono: "2.0.0", prettier: "3.0.0" };

test("after `npm install` nothing is installed again, and the next run does not even look", (t) => {
  const { root, run, isStamped } = clone(t, whole);
  const first = run(["start", "--json"]);
  assert.deepEqual([first.stdout, first.stderr, first.status], ["started dev --json\n", "", 0]);
  assert.ok(isStamped());
  rmSync(join(root, "node_modules/.package-lock.json"));
  assert.equal(run(["run", join(root, "scripts/work.cjs")]).stdout, "ran\n");
});

test("after `npm install --omit=dev` the server starts as it is; what needs the rest adds it", (t) => {
  const { root, run, isStamped } = clone(t, { hono: "2.0.0" });
  assert.deepEqual([run(["start"]).stderr, isStamped()], ["", false]);
  assert.match(run(["run", join(root, "scripts/work.cjs")]).stderr, /^npm install --no-save$/m);
  assert.ok(isStamped());
});

test("another version is installed beside what is there, which is never wiped", (t) => {
  const { root, run, isStamped } = clone(t, { ...whole, hono: "1.0.0" });
  const { stderr, stdout } = run(["start"]);
  assert.match(stderr, /^npm install --no-save$/m);
  assert.doesNotMatch(stderr, /npm ci/);
  assert.equal(stdout, "started dev\n");
  assert.ok(isStamped() && existsSync(join(root, "node_modules/hono/package.json")));
});

test("without the registry it goes on with what is there, says so, and tries again the next time", (t) => {
  const { run, isStamped } = clone(t, { ...whole, hono: "1.0.0" });
  const { stderr, stdout, status } = run(["start"], 1);
  assert.match(stderr, /`npm install --no-save` failed \(see above\)\. Going on with what is installed/);
  assert.deepEqual([stdout, status, isStamped()], ["started dev\n", 0, false]);
  assert.match(run(["start"], 1).stderr, /^npm install/m);
});

test("a fresh clone is installed by `npm ci`; without the registry it cannot start, and says so", (t) => {
  const { run } = clone(t, undefined);
  const offline = run(["start"], 7);
  assert.match(offline.stderr, /^npm ci --no-audit$/m);
  assert.match(offline.stderr, /`npm ci` failed.*Check the network/);
  assert.deepEqual([offline.stdout, offline.status], ["", 7]);
});

test("this clone itself is found to be installed as its lock file says", () => {
  const source = readFileSync(bootstrap, "utf8");
  const look = source.slice(source.indexOf("function readJson"), source.indexOf("/** Of another version"));
  const root = JSON.stringify(dirname(dirname(bootstrap)));
  const script = `const fs = require("fs"); const path = require("path"); const root = ${root}; ${look}; console.log(installedAsLocked(true));`;
  assert.equal(spawnSync(process.execPath, ["--eval", script], { encoding: "utf8" }).stdout, "true\n");
});
