/** Policies over real HTTPS on loopback. */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import type { PolicyResponse } from "../../ports/policy-fetcher.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { certificatePem, makeCertificate, type TestCertificate } from "../../testing/test-certificates.ts";
import { NodePolicyFetcher } from "./node-policy-fetcher.ts";

const host = "mta-sts.example.test";
const path = "/.well-known/mta-sts.txt";
const authority = makeCertificate({ subject: "An authority", authority: {} });
const good = makeCertificate({ subject: "x", names: [host], issuer: authority });

function pair({ privateKey, ...certificate }: TestCertificate): ServerOptions {
  return {
    cert: certificatePem({ privateKey, ...certificate }),
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** Fetches once from a server with this certificate; `seen` is what it was asked. */
async function fetchFrom(
  t: TestContext,
  listener: RequestListener,
  { certificate = good, allowPrivate = true, timeoutMs = 20_000, signal = undefined as AbortSignal | undefined } = {},
): Promise<{ readonly response: PolicyResponse; readonly seen: readonly string[] }> {
  const seen: string[] = [];
  const server = createServer(pair(certificate), (request, response) => {
    const name = (request.socket as { servername?: string }).servername ?? "";
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${name}`);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const fetcher = new NodePolicyFetcher({
    resolver: new StaticResolver().add(host, "A", "127.0.0.1"),
    certificateAuthorities: [certificatePem(authority)],
    port: (server.address() as AddressInfo).port,
    timeoutMs,
  });
  return {
    response: await fetcher.fetch(host, path, { bytesMax: 1000, allowPrivate, ...(signal && { signal }) }),
    seen,
  };
}

function faultOf({ response }: { readonly response: PolicyResponse }): string {
  return response.kind === "failure" ? `${response.fault}: ${response.detail}` : `${response.status}`;
}

test("SEC-011, SEC-013: one GET with the host's name in SNI; type and body come as they were sent", async (t) => {
  const { response, seen } = await fetchFrom(t, (_request, answer) => {
    answer.writeHead(200, { "content-type": "text/plain" });
    answer.write("version: ");
    answer.end("STSv1");
  });
  assert.ok(response.kind === "response");
  assert.deepEqual(
    [response.status, response.contentType, Buffer.from(response.body).toString()],
    [200, "text/plain", "version: STSv1"],
  );
  assert.deepEqual(seen, [`GET ${path} ${host} ${host}`]);
});

test("SEC-013: a redirect is reported, and not followed", async (t) => {
  const { response, seen } = await fetchFrom(t, (_request, answer) => {
    answer.writeHead(301, { location: `https://${host}/elsewhere` }).end("moved");
  });
  assert.ok(response.kind === "response" && response.status === 301 && response.body.length === 0);
  assert.equal(seen.length, 1);
});

test("SEC-013: reading stops at the limit, whether or not the body has a Content-Length", async (t) => {
  const exact = await fetchFrom(t, (_request, answer) => answer.end("x".repeat(1000)));
  assert.equal(faultOf(exact), "200");
  const told = await fetchFrom(t, (_request, answer) => answer.end("x".repeat(1001)));
  const chunked = await fetchFrom(t, (_request, answer) => {
    for (let count = 0; count < 100; count++) answer.write("x".repeat(100));
  });
  for (const each of [told, chunked]) assert.equal(faultOf(each), `too-large: ${host} sends more than 1000 octets`);
});

test("SEC-013: certificates of nobody, for others, out of date, or with a common name only", async (t) => {
  const shapes: readonly (readonly [TestCertificate, RegExp])[] = [
    [makeCertificate({ subject: host, names: [host] }), /self-signed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
    [makeCertificate({ subject: host, names: ["other.test"], issuer: authority }), /for another name/],
    [makeCertificate({ subject: host, issuer: authority }), /no DNS name/],
    [makeCertificate({ subject: host, names: [host], issuer: authority, until: Date.UTC(2021, 0, 1) }), /has expired/],
  ];
  for (const [certificate, why] of shapes) {
    const found = await fetchFrom(t, (_request, answer) => answer.end("never"), { certificate });
    assert.match(faultOf(found), /^certificate: mta-sts\.example\.test has no valid certificate: /);
    assert.match(faultOf(found), why);
    assert.deepEqual(found.seen, []);
  }
});

test("a host on private addresses, without any, or unknown to the DNS is not connected to", async (t) => {
  const hidden = await fetchFrom(t, (_request, answer) => answer.end(), { allowPrivate: false });
  assert.equal(faultOf(hidden), `unreachable: ${host} has only addresses that are not on the public internet`);
  assert.deepEqual(hidden.seen, []);
  const fetchBy = async (resolver: StaticResolver) =>
    faultOf({
      response: await new NodePolicyFetcher({ resolver }).fetch(host, path, { bytesMax: 1, allowPrivate: true }),
    });
  assert.equal(await fetchBy(new StaticResolver()), `dns: ${host} has no address`);
  assert.equal(await fetchBy(new StaticResolver().fail(host)), `dns: the DNS lookup of ${host} failed: SERVFAIL`);
});

test("a host that is silent, breaks off, or does not exist is reported as that; the caller can abort", async (t) => {
  const slow = await fetchFrom(t, () => undefined, { timeoutMs: 50 });
  assert.equal(faultOf(slow), `time-out: ${host} does not answer in time`);
  const half = await fetchFrom(t, (_request, answer) => void answer.writeHead(200).write("x"), { timeoutMs: 50 });
  assert.equal(faultOf(half), `time-out: ${host} does not answer in time`);
  const broken = await fetchFrom(t, (request, answer) => {
    answer.writeHead(200, { "content-length": "10" }).write("x", () => request.socket.destroy());
  });
  assert.match(faultOf(broken), /^unreachable: mta-sts\.example\.test broke off/);
  const stopped = await fetchFrom(t, () => undefined, { signal: AbortSignal.abort() });
  assert.equal(faultOf(stopped), `time-out: ${host} does not answer in time`);
  const resolver = new StaticResolver().add(host, "A", "127.0.0.1");
  const nobody = new NodePolicyFetcher({ resolver, port: 1 });
  assert.match(
    faultOf({ response: await nobody.fetch(host, path, { bytesMax: 1, allowPrivate: true }) }),
    /^unreachable: .*ECONNREFUSED/,
  );
});
