import { test } from "node:test";
import assert from "node:assert/strict";
import { NetworkError } from "../ports/network.ts";
import { standardTimeouts } from "../smtp/client/timeouts.ts";
import { failureText } from "../smtp/client/failure.ts";
import type { MailObject } from "../smtp/client/transaction.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { ScriptedPeer, stall, type PeerScript } from "../testing/scripted-peer.ts";
import { SmtpClientConnection, type DialogueLine } from "./smtp-client-connection.ts";

const endpoint = { kind: "ip", address: "192.0.2.1", port: 25 } as const;
const content = Buffer.from("Subject: x\r\n\r\nbody\r\n");

/** `watch` is told each line of the dialogue. */
async function open(script: PeerScript, watch: (text: string) => void = () => undefined) {
  const network = new MemoryNetwork();
  const clock = new ManualClock();
  const lines: DialogueLine[] = [];
  const peer = await ScriptedPeer.listen(network, endpoint, script);
  const connection = await SmtpClientConnection.connect(endpoint, {
    network,
    clock,
    dialect: "smtp",
    heloName: "our.test",
    timeouts: standardTimeouts,
    connectTimeoutMs: 1_000,
    tlsTimeoutMs: 1_000,
    onDialogue: (line) => {
      lines.push(line);
      watch(line.text);
    },
  });
  return { clock, network, peer, connection, lines };
}

function transaction(body: MailObject["content"], size = content.length): MailObject {
  const recipients = [{ address: "ann@example.org" }];
  return { envelope: { reversePath: "bob@our.test", recipients, body: "7BIT", smtpUtf8: false, size }, content: body };
}

async function* pieces(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

test("a whole session, step by step, with its dialogue but without passwords and content", async () => {
  const { connection, peer, lines, clock } = await open({ keywords: ["STARTTLS"], tlsKeywords: ["AUTH PLAIN"] });
  assert.equal((await connection.greet()).kind, "greeted");
  assert.equal((await connection.hello()).kind, "hello-done");
  const tls = await connection.startTls({ serverName: "mx.test", demand: { kind: "required" } });
  assert.ok(tls.kind === "established" && tls.facts.protocol === "TLSv1.3");
  assert.equal(connection.usable, false, "before the second EHLO nothing may be sent");
  await connection.hello();
  assert.equal((await connection.authenticate({ username: "u", password: "secret" })).kind, "authenticated");
  const results = await connection.transact(transaction({ kind: "whole", parts: [content] }));
  assert.deepEqual(
    results.map(({ kind }) => kind),
    ["accepted"],
  );
  await connection.quit();
  await settle();
  assert.equal(peer.openSessions, 0);
  assert.equal(clock.pendingTimers, 0);
  assert.deepEqual(
    lines.map(({ direction, text }) => `${direction === "in" ? "<" : ">"} ${text}`),
    [
      "< 220 peer.test ready",
      "> EHLO our.test",
      "< 250-peer.test",
      "< 250 STARTTLS",
      "> STARTTLS",
      "< 220 2.0.0 go",
      "> EHLO our.test",
      "< 250-peer.test",
      "< 250 AUTH PLAIN",
      "> AUTH PLAIN (credentials)",
      "< 235 2.7.0 ok",
      "> MAIL FROM:<bob@our.test> AUTH=<>",
      "< 250 2.0.0 ok",
      "> RCPT TO:<ann@example.org>",
      "< 250 2.1.5 ok",
      "> DATA",
      "< 354 go",
      `> (${content.length} octets of content, end of data)`,
      "< 250 2.0.0 Ok: queued as TEST",
      "> QUIT",
      "< 221 2.0.0 bye",
    ],
  );
});

test("nobody there and no answer in time are errors of the network, and leave nothing behind", async () => {
  const network = new MemoryNetwork();
  const clock = new ManualClock();
  const options = {
    network,
    clock,
    dialect: "smtp",
    heloName: "our.test",
    timeouts: standardTimeouts,
    connectTimeoutMs: 1_000,
    tlsTimeoutMs: 1_000,
  } as const;
  await assert.rejects(SmtpClientConnection.connect(endpoint, options), { code: "ECONNREFUSED" });
  network.fail(endpoint, "stall");
  const stalled = assert.rejects(SmtpClientConnection.connect(endpoint, options), (error: unknown) => {
    return error instanceof NetworkError && error.code === "ETIMEDOUT";
  });
  await settle();
  await clock.advance(1_000);
  await stalled;
  assert.equal(clock.pendingTimers, 0);
});

test("a peer that refuses in the middle of a stream stops it", async () => {
  for (const keywords of [["PIPELINING"], ["PIPELINING", "CHUNKING"]]) {
    const { connection, peer } = await open({
      keywords,
      answer: ({ verb }) => (verb === "BDAT" ? "552 5.3.4 too big" : verb === "DATA" ? "552 5.3.4 too big" : undefined),
    });
    await connection.greet();
    await connection.hello();
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; read < 1000; read++) {
        yield content;
        await settle();
      }
    }
    const [result] = await connection.transact(transaction({ kind: "stream" }, content.length * 1000), endless());
    assert.ok(result?.kind === "refused" && result.reply.code === 552);
    assert.ok(read < 20);
    assert.deepEqual(peer.messages, []);
    assert.equal(connection.usable, true);
    connection.destroy();
  }
});

test("content that is shorter or longer than its size never becomes a message", async () => {
  for (const size of [content.length + 1, content.length - 1]) {
    const { connection, peer } = await open({ keywords: ["PIPELINING"] });
    await connection.greet();
    await connection.hello();
    await assert.rejects(connection.transact(transaction({ kind: "stream" }, size), pieces(content)), /than its size/);
    await settle();
    assert.deepEqual(peer.messages, []);
    assert.equal(peer.openSessions, 0);
  }
});

test("a connection that is given up answers the step under way, and every later one", async () => {
  const { connection } = await open({ answer: ({ verb }) => (verb === "MAIL" ? stall : undefined) });
  await connection.greet();
  await connection.hello();
  const under = connection.transact(transaction({ kind: "whole", parts: [content] }));
  connection.destroy();
  assert.deepEqual(
    (await under).map(({ kind }) => kind),
    ["broken"],
  );
  const [later] = await connection.transact(transaction({ kind: "whole", parts: [content] }));
  assert.ok(later?.kind === "broken" && !later.contentSent);
  await connection.quit();
});

test("QUIT is said only where the server can read it; elsewhere the connection ends at once", async () => {
  const { connection, peer, clock } = await open({ answer: ({ verb }) => (verb === "MAIL" ? stall : undefined) });
  await connection.greet();
  await connection.hello();
  const under = connection.transact(transaction({ kind: "whole", parts: [content] }));
  await connection.quit();
  assert.deepEqual(
    (await under).map(({ kind }) => kind),
    ["broken"],
  );
  await settle();
  assert.deepEqual(peer.verbs, ["EHLO", "MAIL"]);
  assert.deepEqual([peer.openSessions, clock.pendingTimers], [0, 0]);
});

test("a fault while a reply is read rejects the step under way, and ends this connection alone", async () => {
  const fault = new Error("planted");
  const { connection, peer, clock } = await open({}, (text) => {
    if (text.startsWith("354")) throw fault;
  });
  await connection.greet();
  await connection.hello();
  await assert.rejects(connection.transact(transaction({ kind: "whole", parts: [content] })), fault);
  await settle();
  assert.deepEqual([connection.usable, connection.mayQuit], [false, false]);
  assert.deepEqual([peer.openSessions, clock.pendingTimers], [0, 0]);
  const [later] = await connection.transact(transaction({ kind: "whole", parts: [content] }));
  assert.ok(later?.kind === "broken" && failureText(later.failure) === "a fault of this server: planted");
});

test("a fault while a streamed content is read rejects the transaction, and nothing else", async () => {
  const fault = new Error("planted");
  const { connection } = await open({}, (text) => {
    if (text.startsWith("354")) throw fault;
  });
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  const slowly = async function* () {
    // Turns of the event loop, in which a rejection that nobody waits for comes out.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    yield content;
  };
  try {
    await connection.greet();
    await connection.hello();
    await assert.rejects(connection.transact(transaction({ kind: "stream" }), slowly()), fault);
    assert.deepEqual(unhandled, []);
  } finally {
    process.off("unhandledRejection", note);
  }
});

test("one timer serves many transactions", async () => {
  const { connection, clock } = await open({ keywords: ["PIPELINING"] });
  await connection.greet();
  await connection.hello();
  for (let message = 0; message < 20; message++) {
    await connection.transact(transaction({ kind: "whole", parts: [content] }));
    assert.ok(clock.pendingTimers <= 1);
  }
  await clock.advance(60 * 60_000);
  assert.equal(connection.usable, true, "an idle connection has no deadline of its own");
  connection.destroy();
  assert.equal(clock.pendingTimers, 0);
});
