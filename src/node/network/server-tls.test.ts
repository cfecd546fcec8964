/** What a listener's TLS offers to real clients: certificates by name, hybrid key exchange, versions, resumption. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import tls from "node:tls";

import type { NetworkListener, TlsServerOptions } from "../../ports/network.ts";
import { makeSelfSigned } from "../tls/self-signed.ts";
import { NodeNetwork } from "./node-network.ts";

const [main, other, wild] = ["mx.example.org", "smtp.example.net", "*.example.com"].map((name) =>
  makeSelfSigned(name, Date.now()),
) as [ReturnType<typeof makeSelfSigned>, ReturnType<typeof makeSelfSigned>, ReturnType<typeof makeSelfSigned>];
const served = {
  ...main,
  others: [
    { ...other, names: ["smtp.example.net"] },
    { ...wild, names: ["*.example.com"] },
  ],
  version: 1,
};
const context = () => served;

async function listen(options: Partial<TlsServerOptions> = {}): Promise<NetworkListener> {
  return await new NodeNetwork().listen(
    { kind: "ip", address: "127.0.0.1", port: 0 },
    {
      accept: (connection) => {
        connection.start({
          data: () => undefined,
          end: () => connection.end(),
          drained: () => undefined,
          closed: () => undefined,
        });
        connection.startTls({ side: "server", context, ...options }).then(
          () => connection.write(Buffer.from("220")),
          () => undefined,
        );
      },
    },
  );
}

async function visit({ endpoint }: NetworkListener, options: tls.ConnectionOptions = {}) {
  assert.ok(endpoint.kind === "ip");
  const socket = tls.connect({ host: "127.0.0.1", port: endpoint.port, rejectUnauthorized: false, ...options });
  let session: Buffer | undefined;
  socket.on("session", (given) => {
    session = given;
  });
  try {
    await once(socket, "data");
    const shown = socket.getPeerX509Certificate()?.subject ?? "";
    return { shown, resumed: socket.isSessionReused(), session, protocol: socket.getProtocol() };
  } finally {
    socket.destroy();
  }
}

test("clients are shown the certificate for the name that they ask for, and the first one for every other", async () => {
  await using listener = await listen();
  const shown = async (servername?: string) =>
    (await visit(listener, servername === undefined ? {} : { servername })).shown;
  assert.deepEqual(
    [
      await shown("smtp.example.net"),
      await shown("a.example.com"),
      await shown("a.b.example.com"),
      await shown("odd.test"),
      await shown(),
    ],
    ["CN=smtp.example.net", "CN=*.example.com", "CN=mx.example.org", "CN=mx.example.org", "CN=mx.example.org"],
  );
});

test("a client that wants nothing but the hybrid post-quantum key exchange is served where OpenSSL has it", async (t) => {
  try {
    tls.createSecureContext({ ecdhCurve: "X25519MLKEM768" });
  } catch {
    return t.skip("this OpenSSL has no X25519MLKEM768");
  }
  await using listener = await listen();
  assert.equal((await visit(listener, { ecdhCurve: "X25519MLKEM768" })).protocol, "TLSv1.3");
  assert.equal((await visit(listener, { ecdhCurve: "P-256", maxVersion: "TLSv1.2" })).protocol, "TLSv1.2");
});

test("nothing below TLS 1.2 is spoken", async () => {
  await using listener = await listen();
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  await assert.rejects(visit(listener, old), { code: /TLSV1_ALERT_PROTOCOL_VERSION/ });
});

test("a listener without session tickets resumes nothing, in either version", async () => {
  for (const [sessionTickets, resumed] of [
    [true, true],
    [false, false],
  ] as const) {
    await using listener = await listen({ sessionTickets });
    for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
      const { session } = await visit(listener, { maxVersion });
      const again = await visit(listener, { maxVersion, ...(session && { session }) });
      assert.equal(again.resumed, resumed, `${maxVersion} with tickets: ${sessionTickets}`);
    }
  }
});
