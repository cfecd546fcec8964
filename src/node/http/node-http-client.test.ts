/** Requests over real HTTPS on loopback: what is sent, what is refused, and what is not followed. */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { CertificateAuthority } from "../../testing/certificate-authority.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import type { HttpRequest } from "../../ports/http-client.ts";
import { NodeHttpClient } from "./node-http-client.ts";

const host = "ca.example.test";
const authority = new CertificateAuthority(Date.now());
const day = 86_400_000;

async function request(t: TestContext, listener: RequestListener, wanted: Partial<HttpRequest> = {}, name = host) {
  const pair = authority.pair({ names: [name], validFrom: Date.now() - day, validTo: Date.now() + day });
  const server = createServer({ cert: pair.certificatePem, key: pair.keyPem }, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const client = new NodeHttpClient({
    resolver: new StaticResolver().add(host, "A", "127.0.0.2", "127.0.0.1"),
    certificateAuthorities: [authority.rootPem],
  });
  return await client.request({ url: `https://${host}:${port}/a?b=c`, method: "GET", bytesMax: 1000, ...wanted });
}

test("a POST goes to the first address that answers; status, headers and body come back, whatever the status", async (t) => {
  const seen: string[] = [];
  const answer = await request(
    t,
    (asked, reply) => {
      asked.on("data", (chunk: Buffer) =>
        seen.push(`${asked.method} ${asked.url} ${String(asked.headers["x-a"])} ${chunk.toString()}`),
      );
      asked.on("end", () =>
        reply.writeHead(302, { location: "https://elsewhere.test/", "Replay-Nonce": "n" }).end("text"),
      );
    },
    { method: "POST", body: "body", headers: { "x-a": "1" } },
  );
  assert.deepEqual(seen, ["POST /a?b=c 1 body"]);
  assert.equal(answer.status, 302);
  assert.equal(answer.headers["replay-nonce"], "n");
  assert.equal(Buffer.from(answer.body).toString(), "text");
});

test("a certificate for another name, an answer that is too large, and an unknown host are told in words", async (t) => {
  const ok: RequestListener = (_, reply) => reply.end("x".repeat(2000));
  await assert.rejects(request(t, ok, {}, "other.test"), /^Error: ca\.example\.test:\d+: .*(name|ALTNAME)/i);
  await assert.rejects(request(t, ok), /sent more than 1000 octets/);
  const client = new NodeHttpClient({ resolver: new StaticResolver().fail("gone.test") });
  const wanted = { method: "GET", bytesMax: 1 } as const;
  await assert.rejects(client.request({ url: "https://gone.test/", ...wanted }), /the DNS lookup of gone\.test failed/);
  await assert.rejects(client.request({ url: "https://none.test/", ...wanted }), /none\.test has no address/);
});

test("a request that is given up ends at once", async (t) => {
  const stop = new AbortController();
  const asked = request(t, () => stop.abort(new Error("stopping")), { signal: stop.signal });
  await assert.rejects(asked);
});
