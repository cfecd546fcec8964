/** Reports over real HTTPS on loopback, to a server whose certificate nobody vouches for. */
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { certificatePem, makeCertificate } from "../../testing/test-certificates.ts";
import { NodeReportPoster } from "./node-report-poster.ts";

const host = "reports.theirs.test";
const report = { contentType: "application/tlsrpt+gzip", body: Buffer.from("packed"), allowPrivate: true };

async function station(t: TestContext, status: number, timeoutMs = 20_000) {
  const certificate = makeCertificate({ subject: "x", names: ["other.test"] });
  const key = certificate.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const seen: string[] = [];
  const server = createServer({ cert: certificatePem(certificate), key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, headers } = request;
      seen.push([method, url, headers.host, headers["content-type"], Buffer.concat(chunks).toString()].join(" "));
      if (status > 0) response.writeHead(status, { location: "https://elsewhere.test/" }).end("x".repeat(100_000));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const resolver = new StaticResolver().add(host, "A", "127.0.0.1");
  return { seen, port, poster: new NodeReportPoster({ resolver, timeoutMs }) };
}

test("one POST with the type and the body, whatever the certificate is", async (t) => {
  const { seen, port, poster } = await station(t, 202);
  const result = await poster.post(new URL(`https://${host}:${port}/in?from=us`), report);
  assert.deepEqual(result, { kind: "response", status: 202 });
  assert.deepEqual(seen, [`POST /in?from=us ${host}:${port} application/tlsrpt+gzip packed`]);
  const byAddress = await poster.post(new URL(`https://127.0.0.1:${port}/`), report);
  assert.deepEqual(byAddress, { kind: "response", status: 202 });
});

test("a redirect is not followed", async (t) => {
  const { seen, port, poster } = await station(t, 307);
  assert.deepEqual(await poster.post(new URL(`https://${host}:${port}/`), report), { kind: "response", status: 307 });
  assert.equal(seen.length, 1);
});

test("private addresses, names without an address and servers that never answer give a reason", async (t) => {
  const { seen, port, poster } = await station(t, 0, 500);
  const failure = async (url: string, allowPrivate = true) => {
    const result = await poster.post(new URL(url), { ...report, allowPrivate });
    return result.kind === "failure" ? result.detail : result.status;
  };
  assert.equal(await failure(`https://${host}:${port}/`, false), `${host} is not on the public internet`);
  assert.equal(await failure(`https://127.0.0.1:${port}/`, false), "127.0.0.1 is not on the public internet");
  assert.deepEqual(seen, []);
  assert.equal(await failure("https://none.test/"), "none.test has no address");
  assert.equal(await failure(`https://${host}:${port}/`), `${host} does not answer in time`);
});
