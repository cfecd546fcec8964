/** Lines for a reader that does not read: so many wait and no more, and mail is never held up by them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GatheredOutput } from "./gathered-output.ts";

const mebibyte = 1024 * 1024;

test("where nobody reads, 16 Mi characters wait beside those being written; further lines are dropped and counted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "posthaste-output-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  // Open for reading, too, so that writing neither waits nor fails; nothing is ever read.
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const output = new GatheredOutput(descriptor);
    const line = `${"x".repeat(1023)}\n`;
    for (let count = 0; count < 40 * 1024; count++) output.write(line);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(output.dropped * line.length >= 40 * mebibyte - 2 * 16 * mebibyte - 2 * mebibyte);
    assert.ok(output.dropped * line.length < 40 * mebibyte - 15 * mebibyte);
  } finally {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  }
});
