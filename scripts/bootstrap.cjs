"use strict";
/*
 * What `npm start` and `npm test` run first, in a fresh clone, under whatever Node npm came with (14 or later, so plain
 * old JavaScript): installs what is missing, says so, and hands over to the clone's own Node. A second run finds the
 * stamp of the lock file and goes straight on; so does one after `npm install`, which leaves no stamp. What is there is
 * never wiped, since a server may run from it, and where the registry cannot be reached it is used as it is.
 */
const { spawn, spawnSync } = require("child_process");
const { createHash } = require("crypto");
const fs = require("fs");
const path = require("path");

const root = path.resolve(__dirname, "..");
const modules = path.join(root, "node_modules");
const stampFile = path.join(modules, ".posthaste-installed");

/** Changes whenever what must be installed changes, or the platform it was installed for. */
function installStamp() {
  const hash = createHash("sha256");
  for (const name of ["package.json", "package-lock.json", "tools/node/package.json"]) {
    hash.update(fs.readFileSync(path.join(root, name)));
  }
  return hash.digest("hex") + " " + process.platform + " " + process.arch;
}

function installedStamp() {
  try {
    return fs.readFileSync(stampFile, "utf8");
  } catch {
    return "";
  }
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, file), "utf8"));
  } catch {
    return {};
  }
}

/** Whether npm, whoever called it, has installed what the lock file names; `everything`: what only tests need, too. */
function installedAsLocked(everything) {
  const wanted = readJson("package-lock.json").packages || {};
  const found = readJson("node_modules/.package-lock.json").packages || {};
  return Object.keys(wanted).every((place) => {
    const entry = wanted[place];
    if (place.indexOf("node_modules/") !== 0 || entry.link || (entry.dev && !everything)) return true;
    if (found[place] === undefined) return Boolean(entry.optional) && !isForThisMachine(entry);
    return found[place].version === entry.version && fs.existsSync(path.join(root, place));
  });
}

function isForThisMachine(entry) {
  const fits = (list, value) => list === undefined || list.indexOf(value) >= 0;
  return fits(entry.os, process.platform) && fits(entry.cpu, process.arch) && fits(entry.libc, cLibrary());
}

function cLibrary() {
  const report = process.report && process.report.getReport();
  return report && report.header && report.header.glibcVersionRuntime ? "glibc" : "musl";
}

/** Of another version perhaps, but whole enough to go on without the registry. */
function canGoOn() {
  const names = Object.keys(readJson("package.json").dependencies || {});
  return names.length > 0 && names.every((name) => fs.existsSync(path.join(modules, name, "package.json")));
}

/** A folder that cannot be written is looked at again the next time. */
function writeStamp(stamp) {
  try {
    fs.writeFileSync(stampFile, stamp);
  } catch {
    // Only the time of a look is lost.
  }
}

function install(stamp) {
  process.stderr.write("posthaste: installing what is missing (once; needs the npm registry) …\n");
  const started = Date.now();
  const npm = process.env.npm_execpath;
  // `npm ci` removes node_modules first; what is there already is only added to, and the lock file stays as it is.
  const command = fs.existsSync(modules) ? ["install", "--no-save"] : ["ci"];
  const args = command.concat(["--no-audit", "--no-fund", "--loglevel=error"]);
  // npm_execpath is npm's own script when npm started us; otherwise look npm up on the PATH.
  const result = npm
    ? spawnSync(process.execPath, [npm].concat(args), { cwd: root, stdio: ["ignore", 2, 2] })
    : spawnSync("npm", args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (result.status !== 0) {
    const failed = "posthaste: `npm " + command.join(" ") + "` failed (see above). ";
    if (!canGoOn()) {
      process.stderr.write(failed + "Check the network and the disk, then run the same command again.\n");
      process.exit(result.status || 1);
    }
    process.stderr.write(failed + "Going on with what is installed, which may be older; the next run tries again.\n");
    return;
  }
  writeStamp(stamp);
  process.stderr.write("posthaste: installed in " + Math.round((Date.now() - started) / 1000) + " s\n");
}

/** The Node of the clone, from the private workspace tools/node. */
function ownNode() {
  const { optionalDependencies } = JSON.parse(fs.readFileSync(path.join(root, "tools/node/package.json"), "utf8"));
  for (const name of Object.keys(optionalDependencies)) {
    const file = path.join(root, "node_modules", name, "bin", process.platform === "win32" ? "node.exe" : "node");
    if (fs.existsSync(file)) return file;
  }
  const version = process.versions.node.split(".").map(Number);
  if (version[0] > 24 || (version[0] === 24 && version[1] >= 7)) return process.execPath;
  process.stderr.write(
    "posthaste: there is no packaged Node for " +
      process.platform +
      "-" +
      process.arch +
      "; install Node 24.7 or later and run the same command with it.\n",
  );
  return process.exit(1);
}

const commands = {
  start: (rest) => ["bin/posthaste", "dev"].concat(rest),
  test: (rest) => ["scripts/run-tests.ts"].concat(rest),
  run: (rest) => rest,
};

const name = process.argv[2];
const command = commands[name];
if (command === undefined) {
  process.stderr.write("usage: bootstrap.cjs start|test|run [arguments]\n");
  process.exit(64);
}
const stamp = installStamp();
if (installedStamp() !== stamp) {
  if (installedAsLocked(true)) writeStamp(stamp);
  else if (name !== "start" || !installedAsLocked(false)) install(stamp);
}

const child = spawn(ownNode(), command(process.argv.slice(3)), {
  cwd: name === "run" ? process.cwd() : root,
  stdio: "inherit",
  // The server stops when it finds that this process is gone, since a SIGKILL cannot be passed on.
  env: name === "start" ? Object.assign({}, process.env, { POSTHASTE_LAUNCHER: String(process.pid) }) : process.env,
});
// npm dies of a SIGTERM without passing it on through its shell, and would leave the server running: being an orphan is
// taken for the signal that was lost.
const parent = process.ppid;
if (process.env.npm_lifecycle_event) {
  setInterval(() => {
    if (process.ppid === parent) return;
    // The server stops in order when this process goes; a signal as well would be its second, which ends it at once.
    if (name === "start") process.exit(143);
    child.kill("SIGTERM");
  }, 250).unref();
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exit(code === null ? 1 : code);
});
