/** Channel bindings over real TLS: the same octets at both ends, compared with what Node's own client says. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { Connection, NetworkListener } from "../../ports/network.ts";
import { NodeNetwork } from "../network/node-network.ts";
import { makeSelfSigned } from "./self-signed.ts";

const pair = { ...makeSelfSigned("mail.example.org", Date.now()), version: 1 };

class Server implements AsyncDisposable {
  readonly network = new NodeNetwork();
  #listener: NetworkListener | undefined;
  #accepted = Promise.withResolvers<Connection>();

  static async open(): Promise<Server> {
    const server = new Server();
    server.#listener = await server.network.listen(
      { kind: "ip", address: "127.0.0.1", port: 0 },
      { accept: (connection) => server.#accept(connection) },
    );
    return server;
  }

  get endpoint() {
    const endpoint = this.#listener?.endpoint;
    assert.ok(endpoint?.kind === "ip");
    return endpoint;
  }

  #accept(connection: Connection): void {
    connection.start({ data: () => {}, end: () => {}, drained: () => {}, closed: () => {} });
    connection.startTls({ side: "server", context: () => pair }).then(
      () => this.#accepted.resolve(connection),
      (error: unknown) => this.#accepted.reject(error as Error),
    );
  }

  /** Our end of the next connection. */
  async next(): Promise<Connection> {
    const connection = await this.#accepted.promise;
    this.#accepted = Promise.withResolvers();
    return connection;
  }

  async connect(version: "TLSv1.2" | "TLSv1.3", session?: Buffer): Promise<{ client: TLSSocket; server: Connection }> {
    const { port } = this.endpoint;
    const versions = { minVersion: version, maxVersion: version } as const;
    const client = connect({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      ...versions,
      ...(session && { session }),
    });
    await once(client, "secureConnect");
    return { client, server: await this.next() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close();
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): void {
  assert.ok(a && b);
  assert.deepEqual(Buffer.from(a), Buffer.from(b));
}

test("AUTH-027: TLS 1.3 has tls-exporter of 32 octets and no tls-unique", async () => {
  await using listening = await Server.open();
  const { client, server } = await listening.connect("TLSv1.3");
  const exporter = server.channelBinding("tls-exporter");
  assert.equal(exporter?.length, 32);
  same(exporter, client.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0)));
  assert.equal(server.channelBinding("tls-unique"), undefined);
  same(
    server.channelBinding("tls-server-end-point"),
    createHash("sha256").update(client.getPeerCertificate().raw).digest(),
  );
  assert.equal(server.channelBinding("tls-something"), undefined);
  client.destroy();
  server.destroy();
  assert.equal(server.channelBinding("tls-exporter"), undefined, "nothing of a connection that is over");
});

test("AUTH-027 AUTH-028: TLS 1.2 has tls-unique in a full handshake, nothing in a resumed one, and no exporter", async () => {
  await using listening = await Server.open();
  const full = await listening.connect("TLSv1.2");
  same(full.server.channelBinding("tls-unique"), full.client.getFinished());
  assert.equal(full.server.channelBinding("tls-exporter"), undefined);
  const resumed = await listening.connect("TLSv1.2", full.client.getSession());
  assert.equal(resumed.server.tls?.resumed, true);
  assert.equal(resumed.server.channelBinding("tls-unique"), undefined);
  assert.equal(resumed.server.channelBinding("tls-exporter"), undefined);
  for (const { client, server } of [full, resumed]) {
    client.destroy();
    server.destroy();
  }
});

test("both ends of our own connections agree", async () => {
  await using listening = await Server.open();
  await using client = await listening.network.connect(listening.endpoint, {
    tls: { serverName: "mail.example.org", demand: { kind: "required" } },
  });
  await using server = await listening.next();
  for (const type of ["tls-exporter", "tls-server-end-point"]) {
    same(client.channelBinding(type), server.channelBinding(type));
  }
});
