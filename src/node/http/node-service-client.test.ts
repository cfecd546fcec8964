/** Requests over real HTTPS on loopback. */
import assert from "node:assert/strict";
import { createServer as createPlainServer, type RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { type ServiceOptions, type ServiceRequest, isSafeUrl } from "../../ports/service-client.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { certificatePem, makeCertificate } from "../../testing/test-certificates.ts";
import { NodeServiceClient } from "./node-service-client.ts";

const host = "login.example.test";
const authority = makeCertificate({ subject: "An authority", authority: {} });
const good = makeCertificate({ subject: "x", names: [host], issuer: authority });

/** Where the server is. */
async function serve(t: TestContext, listener: RequestListener, { plain = false } = {}): Promise<string> {
  const { privateKey } = good;
  const key = privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const server = plain ? createPlainServer(listener) : createServer({ cert: certificatePem(good), key }, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return plain ? `http://localhost:${port}` : `https://${host}:${port}`;
}

async function ask(
  request: ServiceRequest,
  {
    resolver = new StaticResolver().add(host, "A", "127.0.0.1"),
    ...options
  }: Partial<ServiceOptions> & {
    readonly resolver?: StaticResolver;
  } = {},
  timeoutMs = 20_000,
): Promise<string> {
  const client = new NodeServiceClient({ resolver, timeoutMs });
  const certificateAuthorities = [certificatePem(authority)];
  const answer = await client.request(request, { bytesMax: 1000, certificateAuthorities, ...options });
  return answer.kind === "failure" ? answer.detail : `${answer.status} ${Buffer.from(answer.body).toString()}`;
}

test("a GET, and a POST of a form with credentials", async (t) => {
  const url = await serve(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { "content-type": type = "-", authorization = "-", accept = "-" } = request.headers;
      response.writeHead(request.method === "GET" ? 200 : 400);
      response.end(
        `${request.method} ${request.url} ${type} ${authorization} ${accept} ${Buffer.concat(chunks).toString()}`,
      );
    });
  });
  assert.equal(await ask({ url: `${url}/keys?a=b` }), "200 GET /keys?a=b - - application/json ");
  assert.equal(
    await ask({ url: `${url}/token`, form: { a: "b c", d: "&=é" }, authorization: "Basic x" }),
    "400 POST /token application/x-www-form-urlencoded Basic x application/json a=b+c&d=%26%3D%C3%A9",
  );
});

test("what is too large, too slow, elsewhere, or of an unknown authority is no answer", async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === "/slow") return;
    response.writeHead(request.url === "/moved" ? 302 : 200, { location: "https://other.test/" });
    response.end("x".repeat(request.url === "/large" ? 1001 : 10));
  });
  assert.equal(await ask({ url: `${url}/moved` }), "302 xxxxxxxxxx");
  assert.match(await ask({ url: `${url}/large` }), /^login\.example\.test:\d+ sends more than 1000 octets$/);
  assert.match(await ask({ url: `${url}/slow` }, {}, 200), /does not answer in time$/);
  assert.match(await ask({ url: `${url}/` }, { signal: AbortSignal.abort() }), /does not answer in time$/);
  assert.match(
    await ask({ url: `${url}/` }, { certificateAuthorities: [] }),
    /cannot be reached: .*UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  );
  const elsewhere = new StaticResolver().add("other.test", "A", "127.0.0.1");
  const other = url.replace(host, "other.test");
  assert.match(await ask({ url: other }, { resolver: elsewhere }), /^other\.test:\d+ cannot be reached: /);
  assert.match(await ask({ url: other }, { resolver: new StaticResolver() }), /other\.test has no address/);
  const failing = new StaticResolver().fail("other.test");
  assert.match(await ask({ url: other }, { resolver: failing }), /the DNS lookup failed: SERVFAIL/);
});

test("in clear only to this machine", async (t) => {
  const url = await serve(t, (_, response) => response.end("here"), { plain: true });
  assert.equal(await ask({ url }, { resolver: new StaticResolver().add("localhost", "A", "127.0.0.1") }), "200 here");
  assert.match(await ask({ url: "http://login.example.test/" }), /is asked over https only/);
  const cases = {
    "https://login.example.test/realms/mail": true,
    "http://127.0.0.1:8080/": true,
    "http://[::1]/": true,
    "http://localhost.example.test/": false,
    "http://127.0.0.1.example.test/": false,
    "https://user@login.example.test/": false,
    "https://login.example.test/#x": false,
    "file:///etc/passwd": false,
    "login.example.test": false,
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(isSafeUrl(text), expected, text);
});
