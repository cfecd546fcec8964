/** Each demand of TLS against real handshakes on loopback: who is let in, what is told, and which sessions are resumed. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import type { Endpoint } from "../../lib/endpoint.ts";
import type { NetworkError, NetworkListener, TlsFacts } from "../../ports/network.ts";
import type { TlsaRecord } from "../../ports/resolver.ts";
import type { HandshakeDemand } from "../../ports/tls-demand.ts";
import { certificatePem, makeCertificate, type TestCertificate } from "../../testing/test-certificates.ts";
import { NodeNetwork } from "./node-network.ts";

const loopback: Endpoint = { kind: "ip", address: "127.0.0.1", port: 0 };
const name = "mx.example.org";
/** Keeps no sessions where no key is given; the system's roots are read once. */
const shared = new NodeNetwork();
const authority = makeCertificate({ subject: "Authority", authority: {} });
const other = makeCertificate({ subject: "Other", authority: {} });
const leaf = makeCertificate({ subject: "mx", names: [name], issuer: authority });
const alone = makeCertificate({ subject: "alone", names: ["else.test"], until: Date.UTC(2021, 0, 1) });
const expired = makeCertificate({ subject: "old", names: [name], issuer: authority, until: Date.UTC(2021, 0, 1) });

/** Shows these certificates, its own first; tickets travel with its greeting. */
function server(network: NodeNetwork, ...chain: readonly TestCertificate[]): Promise<NetworkListener> {
  const [own] = chain;
  assert.ok(own !== undefined);
  const context = {
    certificatePem: chain.map(certificatePem).join(""),
    keyPem: own.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    version: 1,
  };
  return network.listen(loopback, {
    accept: (connection) => {
      connection.start({ data: () => {}, end: () => {}, drained: () => {}, closed: () => {} });
      connection.startTls({ side: "server", context: () => context }).then(
        () => connection.write(Buffer.from("220")),
        () => undefined,
      );
    },
  });
}

interface Asked {
  readonly demand: HandshakeDemand;
  readonly trusted?: TestCertificate;
  readonly serverName?: string;
  readonly sessionKey?: string;
}

async function facts(network: NodeNetwork, { endpoint }: NetworkListener, asked: Asked): Promise<TlsFacts> {
  const { demand, trusted, sessionKey, serverName = name } = asked;
  await using connection = await network.connect(endpoint, {
    tls: {
      ...{ serverName, demand },
      ...(trusted && { certificateAuthorities: [certificatePem(trusted)] }),
      ...(sessionKey !== undefined && { sessionKey }),
    },
  });
  await new Promise<void>((resolve) => {
    connection.start({ data: () => resolve(), end: resolve, drained: () => {}, closed: () => resolve() });
  });
  assert.ok(connection.tls !== undefined);
  return connection.tls;
}

/** `verified by pki`, `unverified: why`, or `refused: why`. */
async function ending(chain: readonly TestCertificate[], asked: Asked): Promise<string> {
  await using listener = await server(shared, ...chain);
  try {
    const { verified, verifiedBy, verifyError } = await facts(shared, listener, asked);
    return verified ? `verified by ${verifiedBy}` : `unverified: ${verifyError}`;
  } catch (error) {
    assert.equal((error as NetworkError).code, "ETLS");
    return `refused: ${(error as Error).message}`;
  }
}

function record(text: string, certificate: TestCertificate): TlsaRecord {
  const [usage = 0, selector = 0, matching = 0] = text.split(" ").map(Number);
  const value = selector === 1 ? certificate.publicKeyInfo : certificate.der;
  const hash = matching === 0 ? undefined : createHash(matching === 1 ? "sha256" : "sha512");
  return { usage, selector, matching, data: hash === undefined ? value : hash.update(value).digest() };
}

function dane(records: readonly TlsaRecord[], names: readonly string[] = [name]): HandshakeDemand {
  return { kind: "dane", records, names };
}

test("opportunistic and required let anybody in, and tell whether the certificate was valid", async () => {
  for (const kind of ["opportunistic", "required"] as const) {
    const demand = { kind };
    assert.equal(await ending([leaf, authority], { demand, trusted: authority }), "verified by pki");
    assert.match(await ending([leaf], { demand }), /^unverified: UNABLE_TO_/);
    assert.match(await ending([alone], { demand }), /^unverified: /);
    const serverName = "else.test";
    assert.match(await ending([leaf], { demand, trusted: authority, serverName }), /^unverified: .*ALTNAME_INVALID/);
  }
});

test("pki: a trusted authority, a date, and one of the names; nothing less", async () => {
  const demand: HandshakeDemand = { kind: "pki", names: [name] };
  const trusted = authority;
  assert.equal(await ending([leaf], { demand, trusted }), "verified by pki");
  assert.match(await ending([leaf], { demand }), /^refused: UNABLE_TO_/);
  assert.match(await ending([leaf], { demand, trusted: other }), /^refused: UNABLE_TO_/);
  assert.match(await ending([expired], { demand, trusted }), /^refused: CERT_HAS_EXPIRED/);
  assert.match(await ending([leaf], { demand: { kind: "pki", names: ["else.test"] }, trusted }), /^refused: .*ALTNAME/);
  assert.match(await ending([leaf], { demand: { kind: "pki", names: [] }, trusted }), /^refused: /);
  const either: HandshakeDemand = { kind: "pki", names: ["example.org", name] };
  assert.equal(await ending([leaf], { demand: either, trusted, serverName: "sni.test" }), "verified by pki");
});

test("SEC-007: DANE-EE takes the key or certificate of its record, whatever name, date and authority", async () => {
  for (const text of ["3 0 0", "3 0 1", "3 0 2", "3 1 0", "3 1 1", "3 1 2"]) {
    assert.equal(await ending([alone], { demand: dane([record(text, alone)]) }), "verified by dane-ee", text);
    assert.match(await ending([leaf], { demand: dane([record(text, alone)]), trusted: authority }), /^refused: DANE: /);
  }
});

test("SEC-008: DANE-TA takes what its anchor signed, for one of the names, within its dates", async () => {
  for (const text of ["2 0 0", "2 0 1", "2 0 2", "2 1 0", "2 1 1", "2 1 2"]) {
    const demand = dane([record(text, authority)]);
    assert.equal(await ending([leaf, authority], { demand }), "verified by dane-ta", text);
    assert.equal(
      await ending([leaf, other, authority], { demand }),
      "verified by dane-ta",
      "the order does not matter",
    );
    assert.match(await ending([expired, authority], { demand }), /^refused: DANE: .*expired/);
  }
  const records = [record("2 1 1", authority)];
  assert.match(await ending([leaf, authority], { demand: dane(records, ["else.test"]) }), /^refused: DANE: /);
  assert.equal(
    await ending([leaf, authority], { demand: dane(records, ["example.org", name]) }),
    "verified by dane-ta",
  );
  // The system's trust in an authority is no match, and its certificate must be sent where a digest names it.
  assert.match(
    await ending([leaf], { demand: dane([record("2 0 1", other)]), trusted: authority }),
    /^refused: DANE: /,
  );
});

test("SEC-009: where no record can be used, TLS is required and nobody is verified", async () => {
  const usable = record("3 1 1", alone);
  const unusable: readonly TlsaRecord[] = [
    { ...usable, usage: 0 },
    { ...usable, usage: 1 },
    { ...usable, selector: 2 },
    { ...usable, matching: 3 },
    { ...usable, data: usable.data.subarray(1) },
  ];
  assert.match(await ending([alone], { demand: dane(unusable) }), /^unverified: DANE: none of its TLSA records/);
  assert.match(await ending([alone], { demand: dane([]) }), /^unverified: DANE: /);
  assert.equal(await ending([alone], { demand: dane([...unusable, usable]) }), "verified by dane-ee");
  assert.match(await ending([leaf], { demand: dane([...unusable, usable]) }), /^refused: DANE: /);
});

test("a session is resumed under the demand it was made under, with its verdict, and under no other", async () => {
  const network = new NodeNetwork();
  await using listener = await server(network, leaf, authority);
  const demands: readonly HandshakeDemand[] = [
    { kind: "opportunistic" },
    { kind: "required" },
    { kind: "pki", names: [name] },
    { kind: "pki", names: [name, "example.org"] },
    dane([record("3 1 1", leaf)]),
    dane([record("2 1 1", authority)]),
    dane([{ ...record("3 1 1", leaf), usage: 1 }]),
  ];
  const run = async () => {
    const seen: string[] = [];
    for (const demand of demands) {
      const found = await facts(network, listener, { demand, trusted: authority, sessionKey: "site" });
      seen.push(`${found.resumed ? "resumed" : "full"} ${found.verifiedBy ?? "unverified"}`);
    }
    return seen;
  };
  const verdicts = ["pki", "pki", "pki", "pki", "dane-ee", "dane-ta", "unverified"];
  assert.deepEqual(
    await run(),
    verdicts.map((verdict) => `full ${verdict}`),
  );
  assert.deepEqual(
    await run(),
    verdicts.map((verdict) => `resumed ${verdict}`),
  );
});

test("a session of a server that was not verified does not pass for a verified one later", async () => {
  const network = new NodeNetwork();
  await using listener = await server(network, alone);
  const opportunistic: Asked = { demand: { kind: "opportunistic" }, sessionKey: "site" };
  assert.equal((await facts(network, listener, opportunistic)).resumed, false);
  assert.equal((await facts(network, listener, opportunistic)).resumed, true);
  for (const demand of [{ kind: "pki", names: [name] }, dane([record("3 1 1", leaf)])] as const) {
    for (let round = 0; round < 2; round++)
      await assert.rejects(facts(network, listener, { demand, sessionKey: "site" }), { code: "ETLS" });
  }
});
