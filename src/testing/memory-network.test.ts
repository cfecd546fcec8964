/** The simulated network keeps the promises of the port: order, end, loss, TLS. */
import assert from "node:assert/strict";
import { test } from "node:test";

import type { Endpoint } from "../lib/endpoint.ts";
import { NetworkError, type Connection } from "../ports/network.ts";
import { settle } from "./manual-clock.ts";
import { MemoryNetwork } from "./memory-network.ts";

const endpoint: Endpoint = { kind: "ip", address: "192.0.2.1", port: 25 };
const context = () => ({ certificatePem: "", keyPem: "", version: 1 });

function record(connection: Connection): string[] {
  const heard: string[] = [];
  connection.start({
    data: (bytes) => heard.push(Buffer.from(bytes).toString()),
    end: () => heard.push("<end>"),
    drained: () => heard.push("<drained>"),
    closed: (error) => heard.push(error instanceof NetworkError ? `<closed ${error.code}>` : "<closed>"),
  });
  return heard;
}

async function connected(network: MemoryNetwork) {
  let server: Connection | undefined;
  let serverHeard: string[] = [];
  await using _listener = await network.listen(endpoint, {
    accept: (connection) => {
      server = connection;
      serverHeard = record(connection);
    },
  });
  const client = await network.connect(endpoint, {});
  const clientHeard = record(client);
  await settle();
  assert.ok(server);
  return { client, clientHeard, server, serverHeard };
}

test("octets arrive later, in order, in pieces of the size asked for, and the writer's array may be reused", async () => {
  const { client, serverHeard } = await connected(new MemoryNetwork({ chunkBytes: 2 }));
  const bytes = Buffer.from("abc");
  client.write(bytes);
  bytes.fill(0);
  client.write(Buffer.from("d"));
  assert.deepEqual(serverHeard, []);
  await settle();
  assert.deepEqual(serverHeard, ["ab", "c", "d"]);
});

test("half-close: the other direction goes on, and both ends hear closed once", async () => {
  const { client, clientHeard, server, serverHeard } = await connected(new MemoryNetwork());
  client.write(Buffer.from("QUIT"));
  client.end();
  await settle();
  server.write(Buffer.from("221"));
  server.end();
  await settle();
  assert.deepEqual(serverHeard, ["QUIT", "<end>", "<closed>"]);
  assert.deepEqual(clientHeard, ["221", "<end>", "<closed>"]);
});

test("destroy is an end for the peer, or a reset when octets were left unread", async () => {
  const first = await connected(new MemoryNetwork());
  first.client.destroy();
  await settle();
  assert.deepEqual(first.clientHeard, ["<closed>"]);
  first.server.write(Buffer.from("x"));
  await settle();
  assert.deepEqual(first.serverHeard, ["<end>", "<closed ECONNRESET>"]);

  const second = await connected(new MemoryNetwork());
  second.client.pause();
  second.server.write(Buffer.from("unread"));
  await settle();
  second.client.destroy();
  await settle();
  assert.deepEqual(second.serverHeard, ["<closed ECONNRESET>"]);
});

test("a paused reader makes write answer false, and drained follows", async () => {
  const { client, clientHeard, server } = await connected(new MemoryNetwork({ highWaterMark: 4 }));
  server.pause();
  assert.equal(client.write(Buffer.from("abc")), true);
  assert.equal(client.write(Buffer.from("de")), false);
  await settle();
  assert.equal(client.bufferedBytes, 5);
  server.resume();
  await settle();
  assert.deepEqual(clientHeard, ["<drained>"]);
});

test("TLS-002: plain octets that arrived before the handshake are discarded; what follows it is delivered", async () => {
  const { client, server, serverHeard } = await connected(new MemoryNetwork());
  server.pause();
  client.write(Buffer.from("NOOP"));
  const both = Promise.all([
    server.startTls({ side: "server", context }),
    client.startTls({ side: "client", serverName: "mx.test", demand: { kind: "pki", names: ["mx.test"] } }),
  ]);
  client.write(Buffer.from("EHLO"));
  const [atServer, atClient] = await both;
  server.resume();
  await settle();
  assert.deepEqual(serverHeard, ["EHLO"]);
  assert.equal(atClient.verified, true);
  assert.equal(atServer.serverName, "mx.test");
  assert.equal(server.tls, atServer);
});

test("a handshake fails on plain octets, on an untrusted certificate where trust is needed, and by the test's wish", async () => {
  const plain = await connected(new MemoryNetwork());
  const waiting = assert.rejects(plain.server.startTls({ side: "server", context }), { code: "ETLS" });
  plain.client.write(Buffer.from("EHLO"));
  await waiting;
  await settle();
  assert.deepEqual(plain.serverHeard, ["<closed ETLS>"]);

  const network = new MemoryNetwork();
  network.tlsOutcome = () => ({ kind: "established", facts: { verified: false, verifyError: "self-signed" } });
  for (const demand of [{ kind: "pki", names: ["mx.test"] }, { kind: "required" }] as const) {
    const { client, server } = await connected(network);
    const far = server.startTls({ side: "server", context });
    const near = client.startTls({ side: "client", serverName: "mx.test", demand });
    const results = await Promise.allSettled([near, far]);
    assert.deepEqual(
      results.map(({ status }) => status),
      demand.kind === "pki" ? ["rejected", "rejected"] : ["fulfilled", "fulfilled"],
    );
  }

  network.tlsOutcome = () => ({ kind: "stalled" });
  const { client } = await connected(network);
  const controller = new AbortController();
  const stalled = client.startTls({
    side: "client",
    serverName: "mx.test",
    demand: { kind: "required" },
    signal: controller.signal,
  });
  controller.abort();
  await assert.rejects(stalled, { code: "ETLS" });
});

test("a listener's owner may begin with the handshake", async () => {
  const network = new MemoryNetwork();
  let accepted: Connection | undefined;
  await using _listener = await network.listen(endpoint, {
    accept: (connection) => {
      accepted = connection;
      void connection.startTls({ side: "server", context }).then(() => record(connection));
    },
  });
  const client = await network.connect(endpoint, {
    tls: { serverName: "mx.test", demand: { kind: "pki", names: ["mx.test"] } },
  });
  assert.equal(client.tls?.protocol, "TLSv1.3");
  await settle();
  assert.equal(accepted?.tls?.serverName, "mx.test");
});

test("faults: nobody there, refused, unreachable, reset, and a stall until the signal", async () => {
  const network = new MemoryNetwork();
  await assert.rejects(network.connect(endpoint, {}), { code: "ECONNREFUSED" });
  await using listener = await network.listen({ ...endpoint, port: 0 }, { accept: (connection) => record(connection) });
  const there = listener.endpoint;
  network.fail(there, "refuse", 1);
  await assert.rejects(network.connect(there, {}), { code: "ECONNREFUSED" });
  network.fail(there, "unreachable");
  await assert.rejects(network.connect(there, {}), { code: "EHOSTUNREACH" });
  network.fail(there, "reset");
  const heard = record(await network.connect(there, {}));
  await settle();
  assert.deepEqual(heard, ["<closed ECONNRESET>"]);
  network.fail(there, "stall");
  const controller = new AbortController();
  const stalled = network.connect(there, { signal: controller.signal });
  await settle();
  controller.abort();
  await assert.rejects(stalled, { name: "AbortError" });
  network.heal(there);
  assert.ok(await network.host("198.51.100.7").connect(there, {}));
  const from = network.connections.at(-1)?.local;
  assert.equal(from?.kind === "ip" && from.address, "198.51.100.7");
});
