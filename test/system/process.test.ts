/** What signals, kills and a second server do to the real process: `posthaste serve` with its own file and folder. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { controlRequest } from "../../src/node/http/http-control.ts";
import { NodeNetwork } from "../../src/node/network/node-network.ts";
import { ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { ServerFolder, type ServerProcess } from "./server-process.ts";

/** A test that waits for something that never comes ends by this. */
const options = { timeout: 120_000 };

async function mailbox(folder: ServerFolder): Promise<readonly string[]> {
  const path = join(folder.dataDir, "mail/example.org/ann/new");
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return await Promise.all(names.map((name) => readFile(join(path, name), "latin1")));
}

/** SIZE as EHLO announces it to a new session. */
async function announcedSize(server: ServerProcess): Promise<string | undefined> {
  const { client, hello } = await server.client();
  client.connection.destroy();
  return /SIZE (\d+)/.exec(hello)?.[1];
}

test("SMTP-018: SIGTERM tells an idle session 421 and ends the process with 0", options, async () => {
  await using folder = await ServerFolder.make();
  await folder.configure();
  const server = await folder.start();
  const { client } = await server.client();
  server.signal("SIGTERM");
  assert.match(await client.reply(), /^421 4\.3\.2 /);
  await client.ended();
  client.connection.destroy();
  assert.equal(await server.ended(), 0);
  await server.event("server-stopped");
  assert.equal(server.errors, "");
});

test("SMTP-018: SIGTERM lets content under way be finished, stored and answered", options, async () => {
  await using folder = await ServerFolder.make();
  await folder.configure();
  const server = await folder.start();
  const { client } = await server.client();
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  client.write("Subject: at the last moment\r\n\r\n");
  // A session that shares the turn, to know when the stop has reached all of them.
  const { client: idle } = await server.client();
  server.signal("SIGTERM");
  assert.match(await idle.reply(), /^421 /);
  client.write("text\r\n.\r\n");
  assert.match(await client.reply(), /^250 2\.0\.0 Ok: queued as /);
  assert.match(await client.reply(), /^421 /);
  idle.connection.destroy();
  client.connection.destroy();
  assert.equal(await server.ended(), 0);
  const next = await folder.start();
  if ((await mailbox(folder)).length === 0) {
    await controlRequest(folder.controlSocket, "/api/v1/queue/retry", { method: "POST", json: { all: true } });
    await next.event("recipient-delivered");
  }
  assert.match((await mailbox(folder)).join(), /^Subject: at the last moment$/m);
});

test("a stop ends within stop_within, also with content that never ends", options, async () => {
  await using folder = await ServerFolder.make();
  await folder.configure('stop_within = "0s"');
  const server = await folder.start();
  const { client } = await server.client();
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  client.write("Subject: never finished\r\n");
  server.signal("SIGTERM");
  await client.ended();
  client.connection.destroy();
  assert.equal(await server.ended(), 0);
  const next = await folder.start();
  const stats = await controlRequest(folder.controlSocket, "/api/v1/queue/stats");
  assert.deepEqual(await stats.json(), { scheduled: 0, claimed: 0, held: 0, oldest_seconds: 0 });
  await next.kill("SIGTERM");
});

test("a second SIGTERM ends the process at once", options, async () => {
  await using folder = await ServerFolder.make();
  await folder.configure();
  const server = await folder.start();
  const { client } = await server.client();
  await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  server.signal("SIGTERM");
  await server.event("server-stopping");
  server.signal("SIGTERM");
  assert.equal(await server.ended(), 128 + 15);
  client.connection.destroy();
});

test("SIGHUP applies a good file, and keeps the former settings where the file is broken", options, async () => {
  await using folder = await ServerFolder.make();
  await folder.configure('[limits]\nmessage_size = "1MB"');
  const server = await folder.start();
  assert.equal(await announcedSize(server), "1000000");
  await folder.configure('[limits]\nmessage_size = "2MB"');
  server.signal("SIGHUP");
  await server.event("settings-reloaded");
  assert.equal(await announcedSize(server), "2000000");
  await folder.configure('[limits]\nmessage_size = "3MB"\nmesage_size = "4MB"');
  server.signal("SIGHUP");
  const refused = await server.event("settings-refused");
  assert.match(String(refused["error"]), /mesage_size.*did you mean "message_size"/);
  await folder.writeConfiguration("hostname = ");
  server.signal("SIGHUP");
  await server.event("settings-refused", 2);
  assert.equal(await announcedSize(server), "2000000");
  assert.equal(server.of("settings-reloaded").length, 1);
  await server.kill("SIGTERM");
});

test("a second server on the same folder says who has it, and leaves the first alone", options, async () => {
  await using folder = await ServerFolder.make();
  await folder.configure();
  const first = await folder.start();
  const second = folder.spawn();
  assert.equal(await second.ended(), 69);
  assert.ok(second.errors.includes(`${folder.dataDir} is in use by another process (${first.pid})`), second.errors);
  assert.match(second.errors, /start-data-dir-in-use/);
  const { client } = await first.client();
  await client.send("joe@elsewhere.test", "ann@example.org", "Subject: still here\r\n\r\nx");
  await first.event("recipient-delivered");
  client.connection.destroy();
  await first.kill("SIGTERM");
});

test(
  "SMTP-041: killed in the middle of a delivery, the next start has the folder, the mail, and delivers it",
  options,
  async () => {
    await using folder = await ServerFolder.make();
    // A next hop that takes connections and says nothing: the attempt is under way when the process dies.
    const connected = Promise.withResolvers<void>();
    const mute = createServer((socket) => {
      socket.on("error", () => undefined);
      connected.resolve();
    });
    const port = await new Promise<number>((resolve) => {
      mute.listen(0, "127.0.0.1", () => {
        const address = mute.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    const route = (to: number) =>
      `[[route]]\ndomain = "elsewhere.test"\nvia = "relay"\nhost = "127.0.0.1:${to}"\ntls = "none"`;
    await folder.configure(route(port));
    const first = await folder.start();
    const { client } = await first.client();
    const id = await client.send("joe@example.test", "far@elsewhere.test", "Subject: kept\r\n\r\nx");
    await connected.promise;
    await first.kill("SIGKILL");
    client.connection.destroy();
    mute.close();

    await using peer = await ScriptedPeer.listen(new NodeNetwork(), { kind: "ip", address: "127.0.0.1", port: 0 });
    await folder.configure(route(peer.endpoint.kind === "ip" ? peer.endpoint.port : 0));
    const second = await folder.start();
    const recovered = await second.event("spool-recovered");
    assert.equal(recovered["recipients"], 1);
    await controlRequest(folder.controlSocket, "/api/v1/queue/retry", { method: "POST", json: { message: id } });
    await second.event("recipient-relayed");
    assert.match(String(peer.messages[0]?.content), /Subject: kept/);
    assert.equal(peer.messages.length, 1);
    await second.kill("SIGTERM");
  },
);
