/** The proof of TLS-ALPN-01, as an authority looks at it (RFC 8737 §3). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import tls from "node:tls";
import { readDerCertificate } from "../../lib/der-certificate.ts";
import { serveAlpnChallenges } from "./alpn-challenge-server.ts";

test("the name's digest is in a critical extension; other names and other protocols get no handshake", async () => {
  const digest = Buffer.alloc(32, 7);
  const digests = new Map([["mail.example.org", digest]]);
  const server = await serveAlpnChallenges({ kind: "ip", address: "127.0.0.1", port: 0 }, (name) => digests.get(name));
  const { endpoint } = server;
  assert.ok(endpoint.kind === "ip");
  const visit = async (servername: string, protocol: string) => {
    const options = { host: "127.0.0.1", port: endpoint.port, servername, ALPNProtocols: [protocol] };
    const socket = tls.connect({ ...options, rejectUnauthorized: false });
    try {
      await once(socket, "secureConnect");
      return { protocol: socket.alpnProtocol, certificate: socket.getPeerX509Certificate() };
    } finally {
      socket.destroy();
    }
  };
  try {
    const { protocol, certificate } = await visit("mail.example.org", "acme-tls/1");
    assert.equal(protocol, "acme-tls/1");
    assert.equal(certificate?.subjectAltName, "DNS:mail.example.org");
    const extensions = readDerCertificate(certificate.raw)?.extensions ?? [];
    const proof = extensions.find(({ id }) => id === "2b0601050507011f");
    assert.equal(proof?.critical, true);
    assert.deepEqual(Buffer.from(proof.value), Buffer.concat([Buffer.of(4, 32), digest]));
    await assert.rejects(visit("other.example.org", "acme-tls/1"));
    await assert.rejects(visit("mail.example.org", "h2"));
  } finally {
    await server.close();
  }
});
