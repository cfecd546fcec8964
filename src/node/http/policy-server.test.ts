/** Our own policy over real HTTPS on loopback, fetched by the code that fetches those of others. */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { test, type TestContext } from "node:test";
import { fetchPolicy, policyPath } from "../../mta-sts/fetch-policy.ts";
import { policyDocument, policyId, policyRecord } from "../../mta-sts/own-policy.ts";
import type { StsPolicy } from "../../mta-sts/sts-policy.ts";
import { parseStsRecord } from "../../mta-sts/sts-record.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { certificatePem, makeCertificate } from "../../testing/test-certificates.ts";
import { NodePolicyFetcher } from "./node-policy-fetcher.ts";
import { servePolicies } from "./policy-server.ts";

const policy: StsPolicy = { mode: "enforce", mx: ["mx.our.test", "*.our.test"], maxAgeSeconds: 1_209_600 };
const host = "mta-sts.our.test";
const authority = makeCertificate({ subject: "An authority", authority: {} });

function pair(name: string) {
  const certificate = makeCertificate({ subject: "x", names: [name], issuer: authority });
  const keyPem = certificate.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  return { certificatePem: certificatePem(certificate), keyPem };
}

async function station(t: TestContext) {
  const context = () => ({ ...pair("mx.our.test"), others: [{ ...pair(host), names: [host] }], version: 1 });
  const server = await servePolicies(
    { kind: "ip", address: "127.0.0.1", port: 0 },
    {
      tls: { context },
      answer: (name, path) => (name === host && path === policyPath ? policyDocument(policy) : undefined),
    },
  );
  t.after(() => server.close());
  assert.ok(server.endpoint.kind === "ip");
  const { port } = server.endpoint;
  const fetcher = new NodePolicyFetcher({
    resolver: new StaticResolver().add(host, "A", "127.0.0.1").add("mta-sts.other.test", "A", "127.0.0.1"),
    certificateAuthorities: [certificatePem(authority)],
    port,
  });
  const fetched = (domain: string) =>
    fetchPolicy(
      { fetch: (name, path, options) => fetcher.fetch(name, path, { ...options, allowPrivate: true }) },
      domain,
    );
  return { fetched, port };
}

/** The first line that a request is answered with. */
async function statusOf(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, servername: host, rejectUnauthorized: false });
  socket.write([...lines, "Connection: close", "", ""].join("\r\n"));
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text.split("\r\n", 1)[0] ?? "";
}

test("SEC-013: what is served is read as it was meant, with the certificate of the policy's host", async (t) => {
  const { fetched } = await station(t);
  assert.deepEqual(await fetched("our.test"), { kind: "policy", policy });
  const other = await fetched("other.test");
  assert.equal(other.kind === "trouble" && other.fault, "sts-webpki-invalid");
});

test("other hosts, paths and methods get nothing", async (t) => {
  const { port } = await station(t);
  const get = (path: string, name: string) => statusOf(port, [`GET ${path} HTTP/1.1`, `Host: ${name}`]);
  assert.equal(await get(policyPath, host), "HTTP/1.1 200 OK");
  assert.equal(await get(`${policyPath}?x`, `${host.toUpperCase()}:443`), "HTTP/1.1 200 OK");
  assert.equal(await get("/", host), "HTTP/1.1 404 Not Found");
  assert.equal(await get(policyPath, "our.test"), "HTTP/1.1 404 Not Found");
  const post = await statusOf(port, [`POST ${policyPath} HTTP/1.1`, `Host: ${host}`, "Content-Length: 0"]);
  assert.equal(post, "HTTP/1.1 405 Method Not Allowed");
});

test("the record is valid, and its id changes with the policy and at no other time", () => {
  const record = parseStsRecord(policyRecord(policy));
  assert.ok(record.kind === "record");
  assert.equal(record.record.id, policyId(policy));
  assert.equal(policyId({ ...policy, mx: [...policy.mx] }), policyId(policy));
  const changed = [
    { ...policy, mode: "testing" as const },
    { ...policy, mx: ["mx.our.test"] },
    { ...policy, maxAgeSeconds: 86_400 },
  ];
  assert.equal(new Set([policy, ...changed].map(policyId)).size, 4);
});
