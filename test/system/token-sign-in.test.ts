/** Signing in by the tokens of an issuer that answers over real HTTPS, through its key's roll-over and its absence. */
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { NodeServiceClient } from "../../src/node/http/node-service-client.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { formatOAuthBearer, formatXOAuth2 } from "../../src/sasl/oauth.ts";
import { StaticResolver } from "../../src/testing/static-resolver.ts";
import { certificatePem, makeCertificate } from "../../src/testing/test-certificates.ts";
import { TestIssuer } from "../../src/testing/test-issuer.ts";
import { RealServer } from "./real-server.ts";

const host = "login.example.net";
const authority = makeCertificate({ subject: "An authority", authority: {} });
const certificate = makeCertificate({ subject: host, names: [host], issuer: authority });

/** The issuer behind HTTPS; its own port is in its name, as its tokens have it. */
async function serveIssuer() {
  const key = certificate.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  const server = createServer({ cert: certificatePem(certificate), key }, (request, response) => {
    void issuer.request({ url: `${origin}${request.url}` }, { bytesMax: 100_000 }).then((answer) => {
      response.writeHead(answer.kind === "response" ? answer.status : 500, { "content-type": "application/json" });
      response.end(answer.kind === "response" ? answer.body : "");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `https://${host}:${(server.address() as AddressInfo).port}`;
  const issuer = await TestIssuer.open(new SystemClock(), { url: `${origin}/realms/mail`, algorithm: "RS256" });
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { issuer, close };
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

test("OAUTHBEARER and XOAUTH2 against an issuer over HTTPS", { timeout: 120_000 }, async (t) => {
  const { issuer, close } = await serveIssuer();
  t.after(close);
  const serviceClient = new NodeServiceClient({ resolver: new StaticResolver().add(host, "A", "127.0.0.1") });
  const oauth = { issuer: [{ url: issuer.url, audience: ["mail"], ca: certificatePem(authority) }] };
  await using server = await RealServer.start({ oauth }, undefined, { serviceClient });
  const client = await server.client("submissions");
  assert.match(await client.expect("EHLO client.test", "250"), /^250-AUTH OAUTHBEARER XOAUTH2 PLAIN LOGIN$/m);
  const bearer = async (token: Promise<string>) => base64(formatOAuthBearer("ann@example.org", await token));

  await client.expect(`AUTH OAUTHBEARER ${await bearer(issuer.token({ aud: "other" }))}`, "334");
  await client.expect("AQ==", "535 5.7.8");
  await client.expect(`AUTH OAUTHBEARER ${await bearer(issuer.token())}`, "235 2.7.0");
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  const google = await server.client("submissions");
  await google.expect(`AUTH XOAUTH2 ${base64(formatXOAuth2("ann@example.org", await issuer.token()))}`, "235");

  // As a restart finds it: no keys, and nobody to ask.
  await server.stop();
  close();
  await server.start({ oauth }, undefined, { serviceClient });
  const later = await server.client("submissions");
  await later.expect(`AUTH OAUTHBEARER ${await bearer(issuer.token())}`, "454 4.7.0");
  const failed = server.log.of("login-failed").at(-1);
  assert.match(String(failed?.["error"]), /login\.example\.net:\d+ cannot be reached: .*ECONNREFUSED/);
});
