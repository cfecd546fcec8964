/** What only real sockets, files, SQLite and OpenSSL can show of a whole server. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { controlRequest } from "../../src/node/http/http-control.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { ThreadPoolCrypto } from "../../src/node/threads/thread-pool-crypto.ts";
import { FileError } from "../../src/ports/files.ts";
import { ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { hookedFiles } from "../contract/sqlite-harness.ts";
import { RealServer } from "./real-server.ts";

/** A test that waits for something that never comes ends by this. */
const options = { timeout: 120_000 };

const megabyte = 1_000_000;

test(
  "a 50 MB message streams into a content file and a mailbox, octet for octet, without being in memory",
  options,
  async () => {
    // A relay that does not take it yet, so that its content stays.
    await using server = await RealServer.start({
      limits: { message_size: "60MB", free_space: "0" },
      route: [{ domain: "later.test", via: "relay", host: "127.0.0.1:1" }],
    });
    const client = await server.client();
    await client.expect("MAIL FROM:<joe@elsewhere.test> SIZE=50000000", "250");
    await client.expect("RCPT TO:<ann@example.org>", "250");
    await client.expect("RCPT TO:<far@later.test>", "250");
    await client.expect("DATA", "354");
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const memory = () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    const before = memory();
    const header = Buffer.from("Subject: large\r\n\r\n");
    const line = Buffer.from(`${"0123456789".repeat(9)}abcdefgh\r\n`);
    const block = Buffer.concat(Array.from({ length: megabyte / line.length }, () => line));
    const hash = createHash("sha256").update(header);
    await client.writeAll(header);
    let most = 0;
    for (let sent = 0; sent < 50; sent++) {
      await client.writeAll(block);
      hash.update(block);
      if (sent % 5 === 0) most = Math.max(most, memory() - before);
    }
    client.write(".\r\n");
    const reply = await client.reply();
    assert.match(reply, /^250 2\.0\.0 Ok: queued as /);
    assert.ok(most < 32 * megabyte, `${most} octets were held`);

    const id = reply.slice(-12);
    const size = header.length + 50 * block.length;
    const digest = hash.digest("hex");
    const names = (await readdir(join(server.dataDir, "content"), { recursive: true })).filter((name) =>
      name.endsWith(".eml"),
    );
    assert.deepEqual(
      names.map((name) => name.slice(-16)),
      [`${id}.eml`],
    );
    const content = await readFile(join(server.dataDir, "content", names[0] ?? ""));
    assert.equal(content.length, size);
    assert.equal(createHash("sha256").update(content).digest("hex"), digest);

    await server.event("recipient-delivered");
    const mailbox = join(server.dataDir, "mail/example.org/ann/new");
    const [name = ""] = await readdir(mailbox);
    const mail = await readFile(join(mailbox, name));
    const body = mail.subarray(mail.indexOf("Subject: large\n")).toString("latin1").replaceAll("\n", "\r\n");
    assert.equal(createHash("sha256").update(body, "latin1").digest("hex"), digest);
  },
);

test(
  "SMTP-040: a disk that is full or broken while large content arrives is 452 4.3.1 or 451 4.3.0, and leaves no file",
  options,
  async () => {
    const codes = ["ENOSPC", "EIO"];
    const files = hookedFiles((operation, path) => {
      if (operation !== "open" || !path.includes("/content/")) return;
      const code = codes.shift();
      if (code !== undefined) throw new FileError(code, `${code}: open '${path}'`);
    });
    await using server = await RealServer.start({}, files);
    const large = `Subject: x\r\n\r\n${`${"x".repeat(78)}\r\n`.repeat(10_000)}`;
    const client = await server.client();
    for (const reply of ["452 4.3.1", "451 4.3.0", "250 2.0.0"]) {
      await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
      await client.expect("RCPT TO:<ann@example.org>", "250");
      await client.expect("DATA", "354");
      await client.expect(`${large}.`, reply);
    }
    await server.event("recipient-delivered");
    assert.equal(server.log.of("message-accepted").length, 1);
    assert.equal((await readdir(join(server.dataDir, "mail/example.org/ann/new"))).length, 1);
  },
);

test(
  "SMTP-041: what was queued when a server stopped is there after a start on the same folder, and is delivered once",
  options,
  async () => {
    await using server = await RealServer.start({
      route: [{ domain: "elsewhere.test", via: "relay", host: "127.0.0.1:1", tls: "none" }],
    });
    const client = await server.client();
    const id = await client.send("ann@example.org", "far@elsewhere.test", "Subject: kept\r\n\r\nx");
    await server.event("recipient-deferred");
    const socket = join(server.dataDir, "control.sock");
    assert.equal((await stat(socket)).mode & 0o777, 0o600);
    assert.equal((await settled(socket, id))["state"], "scheduled");
    const waiting = (await (await controlRequest(socket, "/api/v1/queue/stats")).json()) as Record<string, number>;
    assert.deepEqual([waiting["scheduled"], waiting["claimed"], waiting["held"]], [1, 0, 0]);
    await server.stop();
    await assert.rejects(controlRequest(socket, "/healthz"), { code: /ENOENT|ECONNREFUSED/ });

    await using peer = await ScriptedPeer.listen(server.network, { kind: "ip", address: "127.0.0.1", port: 0 });
    const port = peer.endpoint.kind === "ip" ? peer.endpoint.port : 0;
    await server.start({
      route: [{ domain: "elsewhere.test", via: "relay", host: `127.0.0.1:${port}`, tls: "none" }],
    });
    const retried = await controlRequest(socket, "/api/v1/queue/retry", { method: "POST", json: { message: id } });
    assert.deepEqual(await retried.json(), { count: 1, under_way: 0 });
    await server.event("recipient-relayed");
    assert.equal(peer.messages.length, 1);
    assert.match(String(peer.messages[0]?.content), /Subject: kept/);
    const relayed = await settled(socket, id);
    assert.deepEqual([relayed["state"], relayed["attempts"]], ["relayed", 2]);
  },
);

/** The recipient once its attempt is over: the log tells of an outcome at once, the spool has it a commit later. */
async function settled(socket: string, id: string): Promise<Readonly<Record<string, unknown>>> {
  for (;;) {
    const answer = await controlRequest(socket, `/api/v1/messages/${id}`);
    const { recipients } = (await answer.json()) as { readonly recipients: readonly Record<string, unknown>[] };
    const recipient = recipients[0] ?? assert.fail("no recipient");
    if (recipient["state"] !== "claimed") return recipient;
  }
}

/** Resolves with the socket, or rejects with the handshake's error; `tickets` gets what can be resumed. */
function handshake(port: number, more: ConnectionOptions, tickets: Buffer[] = []): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...more }, () => resolve(socket));
    socket.on("session", (ticket) => tickets.push(ticket));
    socket.once("error", reject);
  });
}

test(
  "SUB-011: clients that know no TLS above 1.1 are refused in the handshake; 1.2 and 1.3 are served",
  options,
  async () => {
    await using server = await RealServer.start();
    // Security level 0, so that it is the server who refuses.
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
    await assert.rejects(handshake(server.port("submissions"), old), { code: /ALERT_PROTOCOL_VERSION/ });
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const socket = await handshake(server.port("submissions"), { minVersion: version, maxVersion: version });
      assert.equal(socket.getProtocol(), version);
      socket.destroy();
    }
    const client = await server.client("submission");
    await client.startTls();
    assert.equal(client.connection.tls?.protocol, "TLSv1.3");
  },
);

test("TLS-011: a resumed TLS session brings no login with it", options, async () => {
  const password = await new ThreadPoolCrypto(new SystemClock()).hashPassword("secret");
  await using server = await RealServer.start({ user: [{ address: "ann@example.org", password }] });
  const port = server.port("submissions");
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const versions = { minVersion: version, maxVersion: version };
    const tickets: Buffer[] = [];
    const first = await handshake(port, versions, tickets);
    const login = Buffer.from("\0ann@example.org\0secret").toString("base64");
    const replies = await talk(first, ["EHLO c.test", `AUTH PLAIN ${login}`, "MAIL FROM:<ann@example.org>", "QUIT"]);
    assert.deepEqual(replies, ["220", "250", "235", "250", "221"]);
    const session = tickets.at(-1) ?? assert.fail("no session to resume");
    const second = await handshake(port, { ...versions, session });
    assert.ok(second.isSessionReused());
    const again = await talk(second, ["EHLO c.test", "MAIL FROM:<ann@example.org>", "QUIT"]);
    assert.deepEqual(again, ["220", "250", "530", "221"]);
  }
});

/** Sends each line after the reply to the one before; gives the codes. */
async function talk(socket: TLSSocket, lines: readonly string[]): Promise<readonly string[]> {
  const codes: string[] = [];
  const waiting = [...lines];
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
    for (
      let match;
      (match = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n/.exec(text)) !== null;
      text = text.slice(match[0].length)
    ) {
      codes.push(match[1] ?? "");
      const line = waiting.shift();
      if (line !== undefined) socket.write(`${line}\r\n`);
    }
  }
  return codes;
}
