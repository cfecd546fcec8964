/**
 * `npm run conformance` over folders that are not the published vectors: a small set of our own in the same format,
 * without helper files (no public suffix list, no DKIM keys, no `mime/own`), and no folder at all.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { signMessage } from "../src/testing/signed-message.ts";
import { smallVectors } from "./small-vectors.ts";

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function runConformance(folder: string): Outcome {
  // Node's test runner marks its children; a runner that finds the mark runs nothing.
  const { NODE_TEST_CONTEXT: _mark, ...environment } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/run-conformance.ts", "--check"], {
    env: { ...environment, CONFORMANCE_DIR: folder },
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

/** A folder with one file for each entry, removed after the test. */
function folderOf(t: TestContext, files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), "posthaste-vectors-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

/** What the table says of a set: passed, deviating, skipped, failed. */
function countsOf(output: string, set: string): readonly number[] | undefined {
  const line = output.split("\n").find((row) => row.startsWith(`${set} `));
  return line?.slice(set.length).trim().split(/\s+/).map(Number);
}

test("another set of the same format runs: no counts, deviations or helper files of the published one are wanted", (t) => {
  const { files, wanted } = smallVectors(signMessage());
  const { status, output } = runConformance(folderOf(t, files));
  assert.deepEqual(
    Object.keys(wanted).map((set) => [set, countsOf(output, set)]),
    Object.entries(wanted),
    output,
  );
  assert.match(output, /these are not the published vectors/);
  assert.match(output, /\d+ tests were skipped because there is no conformance data; docs\/testing\.md/);
  assert.equal(status, 0, output);
});

test("a case of another set that fails is named, and the run fails", (t) => {
  const vectors = [{ txt: "v=TLSRPTv1; rua=mailto:a@b.example", ok: false }];
  const { status, output } = runConformance(folderOf(t, { "tls-rpt/records.json": JSON.stringify(vectors) }));
  assert.deepEqual(countsOf(output, "tls-rpt/records"), [0, 0, 0, 1], output);
  assert.match(output, /tls-rpt\/records:\s+v=TLSRPTv1; rua=mailto:a@b\.example: /);
  assert.equal(status, 1);
});

test("without data the run says where to get it, in one line", () => {
  const { status, output } = runConformance("/nonexistent");
  assert.equal(output, "conformance: skipped: no data; docs/testing.md tells how to get it\n");
  assert.equal(status, 0);
});
