/** The ports of tests and benchmarks: no two listeners are given the same one, in one process or in several at once. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { freePort } from "../interop/support/free-port.ts";

const module = new URL("../interop/support/free-port.ts", import.meta.url);
const each = 100;

test("no port is handed out twice, to several processes at the same time either", async () => {
  const script = `
    import { freePort } from ${JSON.stringify(module.href)};
    const ports = await Promise.all(Array.from({ length: ${each} }, () => freePort()));
    console.log(JSON.stringify(ports));
    process.stdin.resume();
  `;
  // Each keeps what it has until all have answered.
  const children = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  const own = Promise.all(Array.from({ length: each }, () => freePort()));
  const answers = await Promise.all(
    children.map(async ({ stdout }) => {
      const [line] = (await once(stdout, "data")) as [Buffer];
      return JSON.parse(line.toString()) as number[];
    }),
  );
  for (const child of children) child.stdin.end();
  await Promise.all(children.map(({ stdout }) => text(stdout)));
  const all = [await own, ...answers].flat();
  assert.equal(all.length, each * 4);
  assert.equal(new Set(all).size, all.length);
});

test("a port stays reserved while its program is stopped and started again, and no outgoing connection gets it", async () => {
  const port = await freePort();
  for (let round = 0; round < 2; round++) {
    const server = createServer();
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    server.close();
    await once(server, "close");
  }
  const asked = await Promise.all(Array.from({ length: each }, () => freePort()));
  assert.ok(!asked.includes(port));
  const range = fileURLToPath("file:///proc/sys/net/ipv4/ip_local_port_range");
  const first = process.platform === "linux" ? Number(readFileSync(range, "latin1").split(/\s/)[0]) : 49_152;
  assert.ok([port, ...asked].every((given) => given < first));
});
