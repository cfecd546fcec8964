/** The real network on loopback: what the port promises, and what sockets do behind its back. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { execFile } from "node:child_process";
import { mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { promisify } from "node:util";

import type { Endpoint } from "../../lib/endpoint.ts";
import { NetworkError, type Connection, type NetworkListener, type TlsFacts } from "../../ports/network.ts";
import type { HandshakeDemand } from "../../ports/tls-demand.ts";
import { NodeNetwork } from "./node-network.ts";
import { makeSelfSigned } from "../tls/self-signed.ts";

const execFileAsync = promisify(execFile);
const pair = makeSelfSigned("mx.example.org", Date.now());
const served = { ...pair, version: 1 };
const context = () => served;
const verified: HandshakeDemand = { kind: "pki", names: ["mx.example.org"] };
const loopback: Endpoint = { kind: "ip", address: "127.0.0.1", port: 0 };

/** Hears a connection and lets a test wait for what it heard. */
class Hearing {
  readonly connection: Connection;
  text = "";
  events: string[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(connection: Connection) {
    this.connection = connection;
    const heard = (event: string) => {
      this.events.push(event);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers<void>();
    };
    connection.start({
      data: (bytes) => {
        this.text += Buffer.from(bytes).toString();
        heard("data");
      },
      end: () => heard("end"),
      drained: () => heard("drained"),
      closed: (error) => heard(error instanceof NetworkError ? `closed ${error.code}` : "closed"),
    });
  }

  write(text: string): boolean {
    return this.connection.write(Buffer.from(text));
  }

  async until(condition: (hearing: this) => boolean): Promise<void> {
    while (!condition(this)) await this.#wake.promise;
  }

  async untilText(text: string): Promise<void> {
    await this.until((hearing) => hearing.text.includes(text));
  }

  async untilEvent(event: string): Promise<void> {
    await this.until(({ events }) => events.includes(event));
  }
}

async function pairOf(network: NodeNetwork, endpoint: Endpoint = loopback) {
  const accepted = Promise.withResolvers<Hearing>();
  await using listener = await network.listen(endpoint, {
    accept: (connection) => accepted.resolve(new Hearing(connection)),
  });
  const client = new Hearing(await network.connect(listener.endpoint, {}));
  const server = await accepted.promise;
  return { client, server, endpoint: listener.endpoint };
}

test("a conversation with half-close: replies to QUIT and FIN in one segment still arrive", async () => {
  const { client, server, endpoint } = await pairOf(new NodeNetwork());
  assert.ok(endpoint.kind === "ip" && endpoint.port > 0);
  assert.deepEqual(client.connection.remote, endpoint);
  assert.deepEqual(server.connection.remote, client.connection.local);
  assert.deepEqual(server.connection.local, endpoint);
  client.write("QU");
  client.write("IT");
  client.connection.end();
  await server.untilEvent("end");
  assert.equal(server.text, "QUIT");
  // Two writes of one turn left in one segment.
  assert.deepEqual(server.events, ["data", "end"]);
  server.write("221 Bye");
  server.connection.end();
  await client.untilEvent("closed");
  await server.untilEvent("closed");
  assert.equal(client.text, "221 Bye");
  assert.equal(client.connection.write(Buffer.from("late")), false);
  assert.deepEqual(client.events, ["data", "end", "closed"]);
});

test("back-pressure: write answers false while the reader pauses, drained follows, nothing is lost", async () => {
  const { client, server } = await pairOf(new NodeNetwork());
  server.connection.pause();
  const piece = Buffer.alloc(65_536, "x");
  let sent = 0;
  while (client.connection.write(piece)) sent += piece.length;
  sent += piece.length;
  // The system takes some megabytes of its own; go on until it takes no more.
  for (let turn = 0; turn < 200; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (client.connection.bufferedBytes > 0 || !client.events.includes("drained")) continue;
    client.connection.write(piece);
    sent += piece.length;
  }
  server.connection.resume();
  await server.until(({ text }) => text.length === sent);
  await client.untilEvent("drained");
  client.connection.destroy();
  await server.untilEvent("end");
  server.connection.destroy();
  await server.untilEvent("closed");
});

test("a lost connection tells closed with the error, once", async () => {
  const server = net.createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const client = new Hearing(await new NodeNetwork().connect({ ...loopback, port } as Endpoint, {}));
  client.write("EHLO");
  await client.until(({ events }) => events.length > 0);
  assert.deepEqual(client.events, ["closed ECONNRESET"]);
  server.close();
  await assert.rejects(new NodeNetwork().connect({ ...loopback, port } as Endpoint, {}), {
    name: "NetworkError",
    code: "ECONNREFUSED",
  });
});

test("connect: an aborted one is closed and rejects with the reason; names are not resolved; the local address is used", async () => {
  const network = new NodeNetwork();
  await assert.rejects(network.connect(loopback, { signal: AbortSignal.abort(new Error("stop")) }), /stop/);
  await assert.rejects(network.connect({ kind: "ip", address: "localhost", port: 25 }, {}), { code: "EINVAL" });
  const accepted = Promise.withResolvers<Connection>();
  await using listener = await network.listen(loopback, { accept: (connection) => accepted.resolve(connection) });
  const controller = new AbortController();
  const attempt = network.connect(listener.endpoint, { signal: controller.signal });
  controller.abort(new Error("too late"));
  await assert.rejects(attempt, /too late/);
  const client = new Hearing(await network.connect(listener.endpoint, { localAddress: "127.0.0.2" }));
  assert.equal(client.connection.local.kind === "ip" && client.connection.local.address, "127.0.0.2");
  client.connection.destroy();
});

test("the dual-stack listener tells IPv4 peers by their own address; a taken port is EADDRINUSE", async () => {
  const network = new NodeNetwork();
  const accepted = Promise.withResolvers<Hearing>();
  await using listener = await network.listen(
    { kind: "ip", address: "::", port: 0 },
    { accept: (connection) => accepted.resolve(new Hearing(connection)) },
  );
  const { endpoint } = listener;
  assert.ok(endpoint.kind === "ip");
  const client = new Hearing(await network.connect({ ...loopback, port: endpoint.port } as Endpoint, {}));
  const server = await accepted.promise;
  assert.equal(server.connection.remote.kind === "ip" && server.connection.remote.address, "127.0.0.1");
  assert.equal(server.connection.local.kind === "ip" && server.connection.local.address, "127.0.0.1");
  await assert.rejects(network.listen(endpoint, { accept: () => undefined }), { code: "EADDRINUSE" });
  // Open connections outlive their listener.
  await listener.close();
  client.write("still here");
  await server.untilText("still here");
  client.connection.destroy();
  server.connection.destroy();
});

test("a unix socket left over by a crash is replaced; one that is in use, or is no socket, is not", async () => {
  const folder = await mkdtemp(join(tmpdir(), "posthaste-"));
  try {
    const path = join(folder, "lmtp.sock");
    // A listener whose file is left behind, as after kill -9: the rename hides it from the unlink at close.
    const crashed = net.createServer().listen(join(folder, "first.sock"));
    await once(crashed, "listening");
    await rename(join(folder, "first.sock"), path);
    crashed.close();
    assert.ok((await stat(path)).isSocket());
    const network = new NodeNetwork();
    const { client, server, endpoint } = await pairOf(network, { kind: "unix", path });
    assert.deepEqual(endpoint, { kind: "unix", path });
    client.write("LHLO");
    await server.untilText("LHLO");
    assert.equal(server.connection.remote.kind, "unix");
    client.connection.destroy();
    server.connection.destroy();
    await using _listener = await network.listen({ kind: "unix", path }, { accept: () => undefined });
    await assert.rejects(network.listen({ kind: "unix", path }, { accept: () => undefined }), { code: "EADDRINUSE" });
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function upgrade(network: NodeNetwork, options: Parameters<typeof clientTls>[1]) {
  const both = await pairOf(network);
  const server = both.server.connection.startTls({ side: "server", context });
  const client = clientTls(both.client.connection, options);
  const [atClient, atServer] = await Promise.allSettled([client, server]);
  return { ...both, atClient, atServer };
}

function clientTls(
  connection: Connection,
  options: { demand: HandshakeDemand; trusted?: boolean; sessionKey?: string; serverName?: string },
): Promise<TlsFacts> {
  return connection.startTls({
    side: "client",
    serverName: options.serverName ?? "mx.example.org",
    demand: options.demand,
    ...(options.trusted && { certificateAuthorities: [pair.certificatePem] }),
    ...(options.sessionKey !== undefined && { sessionKey: options.sessionKey }),
  });
}

test("an authority that the administrator added to the system's store is trusted, and so are Node's own", async () => {
  const folder = await mkdtemp(join(tmpdir(), "posthaste-roots-"));
  try {
    await writeFile(join(folder, "house.pem"), pair.certificatePem);
    await using listener = await new NodeNetwork().listen(loopback, {
      accept: (connection) => {
        connection.start({ data: () => {}, end: () => {}, drained: () => {}, closed: () => {} });
        connection.startTls({ side: "server", context }).catch(() => undefined);
      },
    });
    const script = `
      import { NodeNetwork } from ${JSON.stringify(new URL("node-network.ts", import.meta.url).href)};
      import { getCACertificates } from "node:tls";
      const tls = { serverName: "mx.example.org", demand: { kind: "required" } };
      const connection = await new NodeNetwork().connect(${JSON.stringify(listener.endpoint)}, { tls });
      console.log(connection.tls.verified, getCACertificates("bundled").length > 100);
      process.exit();
    `;
    const verified = (file: string) => {
      const env = { ...process.env, SSL_CERT_FILE: join(folder, file), SSL_CERT_DIR: folder, NODE_EXTRA_CA_CERTS: "" };
      return execFileAsync(process.execPath, ["--input-type=module", "--eval", script], { env });
    };
    assert.equal((await verified("house.pem")).stdout, "true true\n");
    await rm(join(folder, "house.pem"));
    assert.equal((await verified("none.pem")).stdout, "false true\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("STARTTLS in place: the handlers stay, facts are told on both sides", async () => {
  const { client, server, atClient, atServer } = await upgrade(new NodeNetwork(), {
    demand: verified,
    trusted: true,
  });
  assert.ok(atClient.status === "fulfilled" && atServer.status === "fulfilled");
  assert.equal(atClient.value.verified, true);
  assert.equal(atClient.value.protocol, "TLSv1.3");
  assert.match(atClient.value.cipher, /^TLS_/);
  assert.equal(atClient.value.peerCertificate?.subject, "CN=mx.example.org");
  const key = new X509Certificate(pair.certificatePem).publicKey.export({ type: "spki", format: "der" });
  assert.equal(atClient.value.peerCertificate?.publicKeySha256, createHash("sha256").update(key).digest("hex"));
  assert.equal(atServer.value.serverName, "mx.example.org");
  assert.equal(server.connection.tls, atServer.value);
  client.write("EHLO");
  await server.untilText("EHLO");
  server.write("250");
  await client.untilText("250");
  client.connection.end();
  await server.untilEvent("end");
  server.write("bye");
  server.connection.end();
  await client.untilEvent("closed");
  await server.untilEvent("closed");
  assert.equal(client.text, "250bye");
});

test("an untrusted certificate or another name is told, and fails only where verification is required", async () => {
  const network = new NodeNetwork();
  const untrusted = await upgrade(network, { demand: { kind: "required" } });
  assert.ok(untrusted.atClient.status === "fulfilled");
  assert.equal(untrusted.atClient.value.verified, false);
  assert.match(untrusted.atClient.value.verifyError ?? "", /SELF_SIGNED/);
  const otherName = await upgrade(network, {
    demand: { kind: "required" },
    trusted: true,
    serverName: "mx.example.net",
  });
  assert.ok(otherName.atClient.status === "fulfilled");
  assert.match(otherName.atClient.value.verifyError ?? "", /ALTNAME_INVALID/);
  const refused = await upgrade(network, { demand: verified });
  assert.ok(refused.atClient.status === "rejected");
  assert.equal((refused.atClient.reason as NetworkError).code, "ETLS");
  await refused.client.untilEvent("closed ETLS");
  for (const { client, server } of [untrusted, otherName, refused]) {
    client.connection.destroy();
    server.connection.destroy();
    await server.until(({ events }) => events.some((event) => event.startsWith("closed")));
  }
});

/** A listener that speaks TLS and greets, since tickets travel with the first octets after the handshake. */
async function greeting(network: NodeNetwork): Promise<NetworkListener> {
  return await network.listen(loopback, {
    accept: (connection) => {
      const server = new Hearing(connection);
      void connection.startTls({ side: "server", context }).then(() => server.write("250"));
    },
  });
}

async function session(network: NodeNetwork, listener: NetworkListener, serverName: string): Promise<TlsFacts> {
  const client = new Hearing(await network.connect(listener.endpoint, {}));
  const facts = await clientTls(client.connection, {
    demand: { kind: "required" },
    trusted: true,
    sessionKey: "site",
    serverName,
  });
  await client.untilText("250");
  client.connection.destroy();
  return facts;
}

test("sessions are resumed under their key, and a resumed one keeps the verdict of the full handshake", async () => {
  const network = new NodeNetwork();
  await using listener = await greeting(network);
  const run = async (serverName: string) => verdict(await session(network, listener, serverName));
  assert.deepEqual(
    [await run("mx.example.org"), await run("mx.example.org")],
    [
      { resumed: false, verified: true },
      { resumed: true, verified: true },
    ],
  );
  assert.deepEqual(
    [await run("mx.example.net"), await run("mx.example.net")],
    [
      { resumed: false, verified: false },
      { resumed: true, verified: false },
    ],
  );
});

test("a session ticket of one listener is not accepted at another with the same certificate", async () => {
  const network = new NodeNetwork();
  await using submission = await greeting(network);
  await using mx = await greeting(network);
  const resumed = [];
  // The client offers the last session it has, whichever listener it is from.
  for (const listener of [submission, submission, mx, mx, submission]) {
    resumed.push((await session(network, listener, "mx.example.org")).resumed);
  }
  assert.deepEqual(resumed, [false, true, false, true, false]);
});

function verdict({ resumed, verified }: TlsFacts) {
  return { resumed, verified };
}

test("TLS-002: octets that came with STARTTLS are never interpreted: the server discards what it read", async () => {
  const accepted = Promise.withResolvers<Hearing>();
  const network = new NodeNetwork();
  await using listener = await network.listen(loopback, {
    accept: (connection) => accepted.resolve(new Hearing(connection)),
  });
  const { endpoint } = listener;
  assert.ok(endpoint.kind === "ip");
  const raw = net.connect(endpoint.port, endpoint.address);
  const server = await accepted.promise;
  raw.write("STARTTLS\r\n");
  await server.untilText("STARTTLS");
  server.connection.pause();
  // Let the injected octets reach the paused socket's buffer, then shake hands.
  await new Promise((resolve) => raw.write("NOOP\r\n", resolve));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  server.write("220 go\r\n");
  const handshake = server.connection.startTls({ side: "server", context });
  await once(raw, "data");
  const secure = tls.connect({ socket: raw, rejectUnauthorized: false });
  const facts = await handshake;
  assert.equal(facts.protocol, "TLSv1.3");
  secure.write("EHLO x\r\n");
  await server.untilText("EHLO");
  assert.equal(server.text, "STARTTLS\r\nEHLO x\r\n");
  secure.destroy();
  await server.until(({ events }) => events.includes("end") || events.some((event) => event.startsWith("closed")));
  server.connection.destroy();
});

test("TLS-009: octets that came with the 220 are never interpreted: the client discards what it read", async (t) => {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, "connection");
  const client = new Hearing(await new NodeNetwork().connect({ ...loopback, port }, {}));
  const [raw] = (await accepted) as [net.Socket];
  t.after(() => {
    client.connection.destroy();
    raw.destroy();
    server.close();
  });
  raw.write("220 go\r\n");
  await client.untilText("220 go");
  client.connection.pause();
  // Let the injected octets reach the paused socket's buffer, then shake hands.
  await new Promise((resolve) => raw.write("250-mx.test\r\n250 AUTH PLAIN\r\n", resolve));
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const secure = new tls.TLSSocket(raw, { isServer: true, key: pair.keyPem, cert: pair.certificatePem });
  const facts = await client.connection.startTls({
    side: "client",
    serverName: "mx.example.org",
    demand: { kind: "opportunistic" },
  });
  assert.equal(facts.protocol, "TLSv1.3");
  secure.write("250 under TLS\r\n");
  await client.untilText("under TLS");
  assert.equal(client.text, "220 go\r\n250 under TLS\r\n");
});

test("a failed handshake rejects with ETLS and closes: garbage, a peer that leaves, an abort", async () => {
  const network = new NodeNetwork();
  const garbage = await pairOf(network);
  const failed = assert.rejects(garbage.server.connection.startTls({ side: "server", context }), {
    name: "NetworkError",
    code: "ETLS",
  });
  garbage.client.write("this is no handshake\r\n");
  await failed;
  await garbage.server.untilEvent("closed ETLS");

  const leaving = await pairOf(network);
  const left = assert.rejects(leaving.server.connection.startTls({ side: "server", context }), { code: "ETLS" });
  leaving.client.connection.destroy();
  await left;

  const stalled = await pairOf(network);
  const controller = new AbortController();
  const aborted = stalled.client.connection.startTls({
    side: "client",
    serverName: "mx.example.org",
    demand: { kind: "required" },
    signal: controller.signal,
  });
  await stalled.server.untilEvent("data");
  controller.abort(new Error("stalled"));
  await assert.rejects(aborted, { code: "ETLS", message: "stalled" });
  await stalled.client.untilEvent("closed ETLS");
  for (const { client, server } of [garbage, leaving, stalled]) {
    client.connection.destroy();
    server.connection.destroy();
  }
});

test("a handshake right after accept: failed ones reject, a changed certificate is served at once", async () => {
  const failures: string[] = [];
  const network = new NodeNetwork();
  let current = served;
  const accepted: Hearing[] = [];
  await using listener = await network.listen(loopback, {
    accept: (connection) => {
      connection.startTls({ side: "server", context: () => current }).then(
        () => accepted.push(new Hearing(connection)),
        (error: Error) => failures.push(error.name),
      );
    },
  });
  const trust = (serverName: string, certificatePem: string) => ({
    tls: {
      serverName,
      demand: { kind: "pki", names: [serverName] },
      certificateAuthorities: [certificatePem],
    } as const,
  });
  const first = new Hearing(await network.connect(listener.endpoint, trust("mx.example.org", pair.certificatePem)));
  first.write("EHLO");
  while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await accepted[0]?.untilText("EHLO");
  assert.equal(accepted[0]?.connection.tls?.serverName, "mx.example.org");

  const renewed = makeSelfSigned("new.example.org", Date.now());
  current = { ...renewed, version: 2 };
  const second = await network.connect(listener.endpoint, trust("new.example.org", renewed.certificatePem));
  assert.equal(second.tls?.verified, true);

  const plain = new Hearing(await network.connect(listener.endpoint, {}));
  plain.write("EHLO\r\n");
  await plain.until(({ events }) => events.includes("end") || events.some((event) => event.startsWith("closed")));
  while (failures.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(failures, ["NetworkError"]);
  for (const hearing of [first, plain, ...accepted]) hearing.connection.destroy();
  second.destroy();
});

test("a client that offers less than TLS 1.2 is refused", async () => {
  const network = new NodeNetwork();
  const accepted = Promise.withResolvers<Connection>();
  await using listener = await network.listen(loopback, { accept: (connection) => accepted.resolve(connection) });
  const { endpoint } = listener;
  assert.ok(endpoint.kind === "ip");
  const old = tls.connect({
    host: endpoint.address,
    port: endpoint.port,
    minVersion: "TLSv1",
    maxVersion: "TLSv1.1",
    ciphers: "DEFAULT@SECLEVEL=0",
    rejectUnauthorized: false,
  });
  old.on("error", () => undefined);
  const server = await accepted.promise;
  await assert.rejects(server.startTls({ side: "server", context }), { code: "ETLS", message: /unsupported protocol/ });
  old.destroy();
});

test("a preface is read alone: what follows is the conversation, or the handshake, in whatever pieces it came", async () => {
  const network = new NodeNetwork();
  const taken: Connection[] = [];
  await using listener = await network.listen(loopback, { accept: (connection) => taken.push(connection) });
  const { port } = listener.endpoint as Extract<Endpoint, { kind: "ip" }>;
  const accepted = async () => {
    while (taken.length === 0) await new Promise((resolve) => setImmediate(resolve));
    return taken.shift() as Connection;
  };
  const line = (octets: Uint8Array) => {
    const end = Buffer.from(octets).indexOf("\r\n");
    return end === -1 ? undefined : end + 2;
  };

  const clear = net.connect(port, "127.0.0.1");
  clear.write("PROXY ");
  const first = await accepted();
  const preface = first.readPreface(line);
  await new Promise((resolve) => setImmediate(resolve));
  clear.write("UNKNOWN\r\nEHLO x\r\n");
  await preface;
  const hearing = new Hearing(first);
  await hearing.until(({ text }) => text === "EHLO x\r\n");
  clear.write("QUIT\r\n");
  await hearing.until(({ text }) => text === "EHLO x\r\nQUIT\r\n");
  clear.destroy();

  const raw = net.connect(port, "127.0.0.1");
  await once(raw, "connect");
  // Header and ClientHello leave together, as a proxy sends them.
  raw.cork();
  raw.write("PROXY UNKNOWN\r\n");
  const client = tls.connect({ socket: raw, servername: "mx.example.org", ca: pair.certificatePem });
  process.nextTick(() => raw.uncork());
  const second = await accepted();
  await second.readPreface(line);
  const [facts] = await Promise.all([second.startTls({ side: "server", context }), once(client, "secureConnect")]);
  assert.equal(facts.protocol, "TLSv1.3");
  const secure = new Hearing(second);
  client.write("EHLO x\r\n");
  await secure.until(({ text }) => text === "EHLO x\r\n");
  client.destroy();

  const gone = net.connect(port, "127.0.0.1");
  gone.end("PROXY");
  const third = await accepted();
  await assert.rejects(third.readPreface(line), { name: "NetworkError", code: "ECONNRESET" });
  third.destroy();
});
