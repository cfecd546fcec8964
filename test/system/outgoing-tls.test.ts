/**
 * DANE and MTA-STS between two whole servers, with real TLS, sockets and spools: what is published decides whether mail
 * goes, and mail that may not go waits, never in clear.
 */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { SettingsInput } from "../../src/config/settings-schema.ts";
import type { PolicyFetcher } from "../../src/ports/policy-fetcher.ts";
import { StaticResolver } from "../../src/testing/static-resolver.ts";
import { RealServer } from "./real-server.ts";

/** A test that waits for something that never comes ends by this. */
const options = { timeout: 120_000 };

/** A server for theirs.test, whose certificate is its own and signed by nobody. */
async function receiver(t: TestContext) {
  const server = await RealServer.start({
    domain: [{ name: "theirs.test" }],
    user: [{ address: "bob@theirs.test" }],
  });
  t.after(() => server[Symbol.asyncDispose]());
  const { raw, publicKey } = new X509Certificate(await readFile(join(server.dataDir, "tls", "self-signed.crt")));
  const key = publicKey.export({ type: "spki", format: "der" });
  const record = (usage: number, selector: number) => ({
    ...{ usage, selector, matching: 1 },
    data: createHash("sha256")
      .update(selector === 1 ? key : raw)
      .digest(),
  });
  return { server, record };
}

function zone(): StaticResolver {
  return new StaticResolver({ secure: true })
    .addMx("theirs.test", "10 mx.theirs.test")
    .add("mx.theirs.test", "A", "127.0.0.1");
}

function sending(port: number): Partial<SettingsInput> {
  return {
    outbound: { port, allow_private: true },
  };
}

async function send(server: RealServer, { requireTls = false } = {}): Promise<void> {
  const client = await server.client();
  if (requireTls) await client.startTls();
  await client.expect(`MAIL FROM:<ann@example.org>${requireTls ? " REQUIRETLS" : ""}`, "250");
  await client.expect("RCPT TO:<bob@theirs.test>", "250");
  await client.expect("DATA", "354");
  await client.expect("From: ann@example.org\r\nSubject: secret\r\n\r\nHello.\r\n.", "250");
}

test(
  "DANE: a certificate that fits its TLSA record gets the mail, another certificate does not",
  options,
  async (t) => {
    const { server, record } = await receiver(t);
    const port = server.port("mx");
    const tlsa = `_${port}._tcp.mx.theirs.test`;
    const dns = zone().add(tlsa, "TLSA", { ...record(3, 1), data: new Uint8Array(32) });
    await using sender = await RealServer.start(sending(port), undefined, { resolver: dns });
    await send(sender);
    const { status, reply } = await sender.event("recipient-deferred");
    assert.equal(status, "4.7.5");
    assert.match(
      String(reply),
      /mx\.theirs\.test: the TLS handshake failed: DANE: its key is not the one in its TLSA records$/,
    );
    assert.deepEqual(server.log.of("message-accepted"), []);

    const good = zone().add(tlsa, "TLSA", record(3, 1));
    await using other = await RealServer.start(sending(port), undefined, { resolver: good });
    await send(other);
    await other.event("recipient-relayed");
    await server.event("message-accepted");
  },
);

test("DANE: a TLSA lookup that fails leaves the mail waiting, without a connection", options, async (t) => {
  const { server } = await receiver(t);
  const port = server.port("mx");
  const dns = zone().fail(`_${port}._tcp.mx.theirs.test`, "TLSA");
  await using sender = await RealServer.start(sending(port), undefined, { resolver: dns });
  await send(sender);
  const { host, rule } = await sender.event("mail-host-excluded");
  assert.deepEqual([host, rule], ["mx.theirs.test", "dane"]);
  const { status, reply } = await sender.event("recipient-deferred");
  assert.equal(status, "4.7.5");
  assert.match(
    String(reply),
    /^4\.7\.5 The DNS lookup for TLSA of _\d+\._tcp\.mx\.theirs\.test, which DANE needs, failed: SERVFAIL\.$/,
  );
});

test(
  "MTA-STS: an enforced policy keeps mail from an untrusted certificate, also after a restart",
  options,
  async (t) => {
    const { server } = await receiver(t);
    const dns = zone().add("_mta-sts.theirs.test", "TXT", "v=STSv1; id=1");
    let isUp = true;
    const fetched: string[] = [];
    const policyFetcher: PolicyFetcher = {
      fetch: (host) => {
        fetched.push(host);
        if (!isUp) return Promise.resolve({ kind: "failure", fault: "unreachable", detail: "no answer" });
        const body = Buffer.from("version: STSv1\nmode: enforce\nmx: mx.theirs.test\nmax_age: 86400\n");
        return Promise.resolve({ kind: "response", status: 200, contentType: "text/plain", body });
      },
    };
    const ports = { resolver: dns, policyFetcher };
    await using sender = await RealServer.start(sending(server.port("mx")), undefined, ports);
    await send(sender);
    const first = await sender.event("recipient-deferred");
    assert.equal(first["status"], "4.7.5");
    assert.match(String(first["reply"]), /self-signed.*; the MTA-STS policy of the domain demands TLS with a valid/);
    await sender.stop();
    // Neither record nor policy can be had any more; what was kept stays in force.
    isUp = false;
    dns.fail("_mta-sts.theirs.test");
    await sender.start(sending(server.port("mx")), undefined, ports);
    await send(sender);
    const second = await sender.event("recipient-deferred", 2);
    assert.equal(second["status"], "4.7.5");
    assert.deepEqual(fetched, ["mta-sts.theirs.test"]);
    assert.deepEqual(server.log.of("message-accepted"), []);
  },
);

test(
  "OPT-009 OPT-010: REQUIRETLS goes to a proven server, and comes back as a report from another",
  options,
  async (t) => {
    const { server, record } = await receiver(t);
    const port = server.port("mx");
    const dns = zone().add(`_${port}._tcp.mx.theirs.test`, "TLSA", record(3, 1));
    await using sender = await RealServer.start(sending(port), undefined, { resolver: dns });
    await send(sender, { requireTls: true });
    await sender.event("recipient-relayed");
    assert.equal((await server.event("message-accepted"))["protocol"], "ESMTPS");

    const unsigned = new StaticResolver()
      .addMx("theirs.test", "10 mx.theirs.test")
      .add("mx.theirs.test", "A", "127.0.0.1");
    await using other = await RealServer.start(sending(port), undefined, { resolver: unsigned });
    await send(other, { requireTls: true });
    assert.equal((await other.event("recipient-failed"))["status"], "5.7.10");
    assert.equal((await other.event("report-queued"))["action"], "failed");
    assert.equal(server.log.of("message-accepted").length, 1);
  },
);
