/**
 * The order of system calls, as a tracer sees it: no 250 for content leaves before the fdatasync or fsync of the log that
 * holds it, and, for large content, before that of its file and of the file's directory.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { sendAll } from "../interop/support/client.ts";
import { Folder } from "../interop/support/folder.ts";
import { testMessage } from "../interop/support/messages.ts";
import { startPosthaste } from "../interop/support/posthaste.ts";
import { freePort } from "../interop/support/free-port.ts";

test("no 250 precedes the sync of what it promises", async () => {
  using traces = new Folder();
  const trace = traces.file("trace");
  const port = await freePort();
  const answers: string[] = [];
  const calls = "trace=fsync,fdatasync,pwrite64,write,writev,pwritev,sendto,sendmsg,rename,renameat,renameat2";
  {
    await using server = await startPosthaste({
      ports: [port],
      wrap: ["strace", "-D", "-f", "-y", "-s", "40000", "-o", trace, "-e", calls],
      configuration: `
        [[listener]]
        kind = "mx"
        listen = "127.0.0.1:${port}"
        [[domain]]
        name = "local.test"
        [[user]]
        address = "box@local.test"
        [admin]
        listen = "127.0.0.1:${await freePort()}"
      `,
    });
    const large = testMessage("a line of a message that is too large for a row\r\n".repeat(10_000));
    const small = Array.from({ length: 20 }, () => testMessage("small\r\n"));
    const envelope = { from: "ann@sender.test", to: "box@local.test" };
    const together = await Promise.all([
      sendAll(port, envelope, small.slice(0, 10)),
      sendAll(port, envelope, [...small.slice(10), large]),
    ]);
    answers.push(...together.flat());
    assert.ok(server.program.child.pid);
  }

  const lines = readFileSync(trace, "latin1").split("\n");
  assert.equal(answers.length, 21);
  let largeSeen = 0;
  for (const answer of answers) {
    const id = /queued as ([0-9A-Z]{12})/.exec(answer)?.[1] ?? assert.fail(answer);
    const replied = lines.findIndex(
      (line) =>
        /\b(write|writev|sendto|sendmsg)\(/.test(line) && line.includes(`queued as ${id}`) && /TCP|socket/.test(line),
    );
    assert.notEqual(replied, -1, `the trace does not show the reply for ${id}`);
    const logged = lines.findIndex((line) => /pwrite64\(\d+<[^>]*-wal>/.test(line) && line.includes(id));
    assert.notEqual(logged, -1, `the trace does not show ${id} in the log`);
    assert.ok(endOfSync(lines, logged, /-wal>/) < replied, `${id}: the reply left before the log was synced`);
    // A large content arrives under another name and gets its own when it is whole.
    const renamed = lines.findIndex((line) => /\brename/.test(line) && line.includes(`${id}.eml`));
    if (renamed !== -1) {
      largeSeen++;
      const incoming = /"([^"]*\/content\/incoming\/[^"]+)"/.exec(lines[renamed] ?? "")?.[1] ?? assert.fail("no name");
      const file = new RegExp(`${RegExp.escape(incoming)}>`);
      const written = lines.findLastIndex(
        (line, index) => index < renamed && /\bp?write(?:v|64)?\(/.test(line) && file.test(line),
      );
      assert.notEqual(written, -1, `the trace does not show the content of ${id}`);
      assert.ok(endOfSync(lines, written, file) < renamed, `${id}: its file was not synced before it got its name`);
      const directory = endOfSync(lines, renamed, /\/content\/[^/>]+>/);
      assert.ok(directory < logged, `${id}: the row was written before its directory was synced`);
    }
  }
  assert.equal(largeSeen, 1);
});

/** Line at which the first fsync or fdatasync of `target` that began after `from` was done. */
function endOfSync(lines: readonly string[], from: number, target: RegExp): number {
  const begun = lines.findIndex(
    (line, index) => index > from && /\b(fsync|fdatasync)\(/.test(line) && target.test(line),
  );
  if (begun === -1) return Infinity;
  const line = lines[begun] ?? "";
  if (!line.includes("<unfinished")) return begun;
  const thread = /^\d+/.exec(line)?.[0] ?? "";
  return lines.findIndex((other, index) => index > begun && other.startsWith(`${thread} `) && / resumed>/.test(other));
}
