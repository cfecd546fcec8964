/** What docs/server.md has people copy: the service unit restarts what fails, and the certificate hook runs under sh. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ExitCode } from "../../src/cli/exit-code.ts";

const page = readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8");

/** The one block of this language that contains `text`, without its indentation. */
function block(language: string, text: string): string {
  const all = [...page.matchAll(/^( *)```(\w+)\n([^]*?)^ *```$/gm)];
  const found = all.filter(([, , kind, body]) => kind === language && body?.includes(text));
  assert.equal(found.length, 1, `${language} with ${text}`);
  const [, indentation = "", , body = ""] = found[0] ?? [];
  return body.replaceAll(new RegExp(`^${indentation}`, "gm"), "");
}

test("the unit starts the server again unless the operator has to mend something, and leaves it what it needs", () => {
  const lines = block("ini", "[Service]")
    .split("\n")
    .filter((line) => line.includes("="));
  const unit = new Map(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  assert.equal(unit.size, lines.length, "no key twice");
  assert.equal(unit.get("Restart"), "on-failure");
  assert.equal(unit.get("RestartPreventExitStatus"), `${ExitCode.usage} ${ExitCode.config}`);
  assert.equal(unit.get("StateDirectoryMode"), "0700");
  // Without the first, nothing finds a route; without the second, Node dies of SIGSYS.
  assert.match(unit.get("RestrictAddressFamilies") ?? "", /\bAF_INET AF_INET6 AF_UNIX AF_NETLINK$/);
  assert.match(unit.get("SystemCallFilter") ?? "", /@pkey\b/);
  assert.ok(!unit.has("MemoryDenyWriteExecute"));
  assert.match(page, /certificate = "\/etc\/posthaste\/fullchain\.pem"\nkey = "\/etc\/posthaste\/privkey\.pem"/);
});

test("the certificate hook copies both files under sh, readable by the group", () => {
  const folder = mkdtempSync(join(tmpdir(), "posthaste-hook-"));
  try {
    const [lineage, target] = [join(folder, "live mail"), join(folder, "etc")];
    mkdirSync(lineage);
    mkdirSync(target);
    for (const name of ["fullchain.pem", "privkey.pem"]) writeFileSync(join(lineage, name), name, { mode: 0o600 });
    const script = block("sh", "RENEWED_LINEAGE")
      .replace("-g posthaste", `-g ${process.getgid?.() ?? 0}`)
      .replace("/etc/posthaste/", `${target}/`);
    const env = { ...process.env, RENEWED_LINEAGE: lineage };
    const { status, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8", env });
    assert.equal(status, 0, stderr);
    for (const name of ["fullchain.pem", "privkey.pem"]) {
      assert.equal(readFileSync(join(target, name), "utf8"), name);
      assert.equal(statSync(join(target, name)).mode & 0o777, 0o640);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
