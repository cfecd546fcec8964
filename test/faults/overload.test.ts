/**
 * A machine under real strain: a file system that runs out of inodes and of space, and an event loop that is kept busy. New
 * sessions hear 421 and a probe hears the cause, while open sessions and deliveries go on; the server recovers by itself.
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FaultyServer, skip } from "./support/faulty-server.ts";

/** A host of other people's: it takes no mail before `opens`. */
async function otherHost() {
  const host = { opens: false, port: 0, received: "" };
  const server = createServer((socket) => {
    let content: string | undefined;
    let rest = "";
    const say = (line: string) => socket.write(`${line}\r\n`);
    say("220 other.test");
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      const lines = (rest + bytes.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (content !== undefined && line !== ".") content += `${line}\r\n`;
        else if (content !== undefined) {
          host.received += content;
          content = undefined;
          say("250 2.0.0 thanks");
        } else if (line === "DATA") {
          content = "";
          say("354 go on");
        } else say(line.startsWith("MAIL") && !host.opens ? "451 4.3.0 not yet" : "250 2.0.0 fine");
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host.port = (server.address() as AddressInfo).port;
  return Object.assign(host, { [Symbol.dispose]: () => void server.close() });
}

function configuration(port: number): string {
  return `
    [[route]]
    domain = "away.test"
    via = "relay"
    host = "127.0.0.1:${port}"
    tls = "opportunistic"
    [queue]
    retry = ["1s"]
  `;
}

/** People go on connecting, as they do, until they hear 421. */
async function untilRefused(server: FaultyServer): Promise<void> {
  for (let count = 0; count < 200; count++) {
    if ((await server.greeting()).startsWith("421 4.3.2 The server is overloaded")) return;
    await sleep(100);
  }
  assert.fail("new sessions are served as if nothing were wrong");
}

async function assertRecovers(server: FaultyServer, count: number): Promise<void> {
  await server.process.event("overload-ended", count);
  assert.deepEqual(await server.readiness(), { status: 200, causes: [] });
  assert.match(await server.greeting(), /^220 /);
}

test(
  "no inodes, then no space: 421 and a red probe, deliveries go on, and it recovers by itself",
  { skip },
  async () => {
    using host = await otherHost();
    await using server = await FaultyServer.start({
      tmpfs: "size=64m,nr_inodes=3000",
      configuration: configuration(host.port),
      limits: 'free_space = "16MB"\nfree_inodes = 1000',
    });
    const client = await server.client();
    const inside = (name: string) => server.inside(join(server.folder.dataDir, name));
    assert.match(await server.offer(client, 2000), /^250/);
    await server.process.event("recipient-deferred");

    const fillers = Array.from({ length: 2500 }, (_, index) => inside(`filler-${index}`));
    for (const filler of fillers) closeSync(openSync(filler, "wx"));
    await untilRefused(server);
    const { status, causes } = await server.readiness();
    assert.equal(status, 503);
    assert.deepEqual(
      causes.map(({ cause, limit }) => [cause, limit]),
      [["inodes", 1000]],
    );
    assert.ok(Number(causes[0]?.["measured"]) < 1000);
    host.opens = true;
    await server.process.event("recipient-relayed");
    assert.match(await server.offer(client, 2000, "ann@example.org"), /^250/);
    await server.process.event("recipient-delivered");
    assert.equal(server.process.of("overload-ended").length, 0);
    for (const filler of fillers) rmSync(filler);
    await assertRecovers(server, 1);

    host.opens = false;
    assert.match(await server.offer(client, 2000), /^250/);
    await server.process.event("recipient-deferred", server.process.of("recipient-deferred").length + 1);
    writeFileSync(inside("filler"), Buffer.alloc(58_000_000));
    await untilRefused(server);
    const full = await server.readiness();
    assert.deepEqual([full.status, full.causes[0]?.["cause"], full.causes[0]?.["limit"]], [503, "disk", 8_000_000]);
    host.opens = true;
    await server.process.event("recipient-relayed", 2);
    rmSync(inside("filler"));
    await assertRecovers(server, 2);

    for (const content of server.accepted.values()) assert.ok(host.received.includes(content), "nothing is lost");
    const mailbox = inside("mail/example.org/ann/new");
    const own = readdirSync(mailbox).map((name) => readFileSync(join(mailbox, name), "latin1"));
    assert.equal(own.filter((text) => text.includes("Subject: ")).length, own.length);
    assert.ok(own.length >= 1);
  },
);

test("an event loop that is kept busy: 421, a red probe, deliveries go on, and it recovers", { skip }, async () => {
  using host = await otherHost();
  await using folder = await mkdtempDisposable(join(tmpdir(), "posthaste-busy-"));
  const busy = join(folder.path, "busy");
  await using server = await FaultyServer.start({
    configuration: configuration(host.port),
    limits: 'event_loop_delay = "200ms"',
    trouble: `block ${busy}`,
  });
  const client = await server.client();
  assert.match(await server.offer(client, 2000), /^250/);
  await server.process.event("recipient-deferred");
  writeFileSync(busy, "");
  server.process.signal("SIGUSR2");
  await untilRefused(server);
  const { status, causes } = await server.readiness();
  assert.deepEqual([status, causes[0]?.["cause"], causes[0]?.["limit"]], [503, "event-loop", 200]);
  assert.ok(Number(causes[0]?.["measured"]) > 200);
  host.opens = true;
  await server.process.event("recipient-relayed");
  rmSync(busy);
  await assertRecovers(server, 1);
  for (const content of server.accepted.values()) assert.ok(host.received.includes(content), "nothing is lost");
});
