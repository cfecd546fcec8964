/**
 * Signing in over real TLS, with our own client's side: by SCRAM bound to the connection, by registered keys, by
 * certificates of an authority, and relaying by key.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openSession } from "../../src/outbound/open-session.ts";
import { SmtpClientConnection } from "../../src/outbound/smtp-client-connection.ts";
import { controlRequest } from "../../src/node/http/http-control.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { makeClientCertificate } from "../../src/node/tls/self-signed.ts";
import { readUserKey } from "../../src/accounts/user-keys.ts";
import type { CertificatePair } from "../../src/ports/certificates.ts";
import { standardTimeouts } from "../../src/smtp/client/timeouts.ts";
import {
  annAndBobCertificate,
  annCertificate,
  deviceAuthorityPem,
  serverCertificate,
} from "../../src/testing/client-certificates.ts";
import { RealServer, tlsOptions } from "./real-server.ts";
import type { Client } from "./support.ts";

const options = { timeout: 120_000 };
const users = [{ address: "bob@example.org" }];
const submissions = { kind: "submissions", listen: "127.0.0.1:0" } as const;
const laptop = makeClientCertificate("ann@example.org", { days: 2, now: Date.now() });
const stranger = makeClientCertificate("ann@example.org", { days: 2, now: Date.now() });

async function api(server: RealServer, path: string, method = "GET", json?: unknown): Promise<Record<string, unknown>> {
  const response = await controlRequest(`${server.dataDir}/control.sock`, path, { method, json });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return (await response.json()) as Record<string, unknown>;
}

async function addAnn(server: RealServer): Promise<void> {
  await api(server, "/api/v1/users", "POST", { address: "ann@example.org", password: "secret" });
}

/** Labelled by its scopes. */
async function addAppPassword(server: RealServer, scopes: readonly string[]): Promise<string> {
  const path = "/api/v1/users/ann%40example.org/app-passwords";
  const { password } = await api(server, path, "POST", { label: scopes.join(" "), scopes });
  assert.ok(typeof password === "string");
  return password;
}

async function mechanisms(client: Client): Promise<readonly string[]> {
  return /^250-AUTH (.*)$/m.exec(await client.expect("EHLO client.test", "250"))?.[1]?.split(" ") ?? [];
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

test(
  "a password and an app password made by the commands sign in by SCRAM bound to the TLS connection",
  options,
  async () => {
    await using server = await RealServer.start({ user: users });
    await addAnn(server);
    const appPassword = await addAppPassword(server, ["send"]);
    assert.deepEqual(await mechanisms(await server.client("submissions")), [
      "SCRAM-SHA-256-PLUS",
      "SCRAM-SHA-256",
      "PLAIN",
      "LOGIN",
    ]);
    for (const kind of ["submissions", "submission"] as const) {
      for (const [password, trouble] of [
        ["secret", undefined],
        [appPassword, undefined],
        ["wrong", "login-refused"],
      ] as const) {
        await using connection = await SmtpClientConnection.connect(
          { kind: "ip", address: "127.0.0.1", port: server.port(kind) },
          {
            network: server.network,
            clock: new SystemClock(),
            dialect: "smtp",
            heloName: "client.test",
            timeouts: standardTimeouts,
            connectTimeoutMs: 30_000,
            tlsTimeoutMs: 30_000,
            ...(kind === "submissions" && { implicitTls: tlsOptions }),
          },
        );
        const found = await openSession(connection, {
          endpoint: connection.remote,
          startTls: tlsOptions,
          credentials: { username: "ann@example.org", password },
          random: new SystemRandom(),
          signal: new AbortController().signal,
        });
        assert.equal(found?.kind, trouble);
      }
    }
    const signedIn = server.log.of("login-succeeded").map(({ mechanism, by }) => [mechanism, by]);
    const own = ["SCRAM-SHA-256-PLUS", undefined];
    const app = ["SCRAM-SHA-256-PLUS", "app password send"];
    assert.deepEqual(signedIn, [own, app, own, app]);

    const status = async (path: string, password: string) => {
      const authorization = `Basic ${base64(`ann@example.org:${password}`)}`;
      return (await fetch(`${server.adminUrl}${path}`, { headers: { authorization } })).status;
    };
    const reports = await addAppPassword(server, ["reports"]);
    assert.equal(await status("/api/v1/reports", reports), 200);
    assert.equal(await status("/api/v1/users", reports), 403);
    assert.equal(await status("/api/v1/reports", appPassword), 403);
    assert.equal(await status("/api/v1/reports", "secret"), 401, "the user's own password is for mail");
    await api(server, "/api/v1/users/ann%40example.org/app-passwords/reports", "DELETE");
    assert.equal(await status("/api/v1/reports", reports), 401, "it ends at once");
  },
);

test("AUTH-032: a registered key signs in by EXTERNAL, as its user only, until it is removed", options, async () => {
  await using server = await RealServer.start({
    user: users,
    listener: [{ ...submissions, client_certificates: true }],
  });
  await addAnn(server);
  const keys = "/api/v1/users/ann@example.org/keys";
  const added = await api(server, keys, "POST", { pem: laptop.certificatePem, label: "laptop" });
  assert.equal(added["last_used_at"], null);
  assert.match(String(added["expires_at"]), /^\d{4}-/);

  const client = await server.client("submissions", laptop);
  assert.equal((await mechanisms(client))[0], "EXTERNAL");
  await client.expect("AUTH EXTERNAL", "334");
  await client.expect(base64("bob@example.org"), "535 5.7.8");
  await client.expect("AUTH EXTERNAL =", "235 2.7.0");
  await client.expect("MAIL FROM:<bob@example.org>", "550");
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  const accepted = await client.expect("From: ann@example.org\r\nSubject: by key\r\n\r\nhello\r\n.", "250");
  const explained = await api(server, `/api/v1/messages/${accepted.slice(-12)}`);
  assert.equal((explained["message"] as Record<string, unknown>)["signed_in_by"], "EXTERNAL with key laptop");
  assert.match(JSON.stringify(explained["timeline"]), /logged in as ann@example\.org by EXTERNAL with key laptop/);

  const named = await server.client("submissions", laptop);
  await named.expect(`AUTH EXTERNAL ${base64("Ann@example.org")}`, "235");
  const [listed] = (await api(server, keys))["keys"] as Record<string, unknown>[];
  assert.match(String(listed?.["last_used_at"]), /^\d{4}-/);

  for (const other of [stranger, annCertificate, undefined]) {
    const without = await server.client("submissions", other);
    assert.ok(!(await mechanisms(without)).includes("EXTERNAL"));
    await without.expect("AUTH EXTERNAL =", "504");
    await without.expect(`AUTH PLAIN ${base64("\0ann@example.org\0secret")}`, "235");
  }

  const early = await server.client("submissions", laptop);
  await api(server, `${keys}/laptop`, "DELETE");
  await early.expect("AUTH EXTERNAL =", "535");
  const late = await server.client("submissions", laptop);
  assert.ok(!(await mechanisms(late)).includes("EXTERNAL"));
  assert.deepEqual((await api(server, keys))["keys"], []);
});

test(
  "a program that knows no EXTERNAL signs in by the certificate of its handshake, and nobody else does",
  options,
  async () => {
    const listener = [{ ...submissions, client_ca: deviceAuthorityPem }];
    await using server = await RealServer.start({ user: [...users, { address: "ann@example.org" }], listener });
    const mail = async (certificate: CertificatePair | undefined, from: string, reply: string) => {
      const client = await server.client("submissions", certificate);
      await client.expect(`MAIL FROM:<${from}>`, reply);
    };
    await mail(annCertificate, "ann@example.org", "250");
    await mail(annCertificate, "bob@example.org", "550");
    for (const other of [annAndBobCertificate, serverCertificate, stranger, undefined]) {
      await mail(other, "ann@example.org", "530 5.7.0");
    }
    assert.deepEqual(
      server.log.of("login-succeeded").map(({ mechanism, login }) => [mechanism, login]),
      Array(2).fill(["TLS certificate", "ann@example.org"]),
    );
  },
);

test(
  "FRONT-007: a proxy's certificate signs in the proxy, and no client that it names by XCLIENT",
  options,
  async () => {
    const listener = [{ ...submissions, client_ca: deviceAuthorityPem, xclient: { from: ["127.0.0.1"] } }];
    await using server = await RealServer.start({ user: [...users, { address: "ann@example.org" }], listener });
    const client = await server.client("submissions", annCertificate);
    assert.match(await client.expect("EHLO proxy.test", "250"), /EXTERNAL/);
    await client.expect("XCLIENT ADDR=203.0.113.9 LOGIN=ann@example.org", "220 ");
    assert.doesNotMatch(await client.expect("EHLO client.test", "250"), /EXTERNAL/);
    await client.expect("MAIL FROM:<ann@example.org>", "530 5.7.0");
    assert.deepEqual(server.log.of("login-succeeded"), []);
  },
);

test("a listener that does not ask for certificates offers no EXTERNAL", options, async () => {
  await using server = await RealServer.start({ user: users, listener: [submissions] });
  await addAnn(server);
  await api(server, "/api/v1/users/ann@example.org/keys", "POST", { pem: laptop.certificatePem });
  assert.ok(!(await mechanisms(await server.client("submissions", laptop))).includes("EXTERNAL"));
});

test(
  "AUTH-032: certificates of an authority sign in as the user that they name, and no others do",
  options,
  async () => {
    const listener = [{ ...submissions, client_ca: deviceAuthorityPem }];
    const both = [...users, { address: "ann@example.org" }];
    await using server = await RealServer.start({ user: both, listener });
    const signIn = async (certificate: CertificatePair, name: string, reply: string) => {
      const client = await server.client("submissions", certificate);
      await client.expect(`AUTH EXTERNAL ${name === "" ? "=" : base64(name)}`, reply);
    };
    await signIn(annCertificate, "", "235");
    await signIn(annCertificate, "ann@example.org", "235");
    await signIn(annCertificate, "bob@example.org", "535");
    // Of two users nobody knows which is meant.
    await signIn(annAndBobCertificate, "", "535");
    await signIn(annAndBobCertificate, "bob@example.org", "235");
    await signIn(serverCertificate, "", "504");
    await signIn(stranger, "", "504");
    const [first] = server.log.of("login-succeeded");
    assert.match(String(first?.["by"]), /^certificate O=Example, CN=ann@example\.org$/);

    await using byName = await RealServer.start({
      user: both,
      listener: [{ ...submissions, client_ca: deviceAuthorityPem, client_identity: "common-name" }],
    });
    await (await byName.client("submissions", annCertificate)).expect("AUTH EXTERNAL =", "235");
    await (await byName.client("submissions", annAndBobCertificate)).expect("AUTH EXTERNAL =", "504");
  },
);

test("a server whose key is in relay.keys relays on port 25 under TLS, and nobody else does", options, async () => {
  const key = readUserKey(laptop.certificatePem);
  assert.ok(key.kind === "key");
  await using server = await RealServer.start({
    relay: { networks: [], keys: [`sha256:${key.sha256}`] },
    route: [{ domain: "later.test", via: "relay", host: "127.0.0.1:1" }],
  });
  const relay = async (certificate: CertificatePair | undefined, reply: string) => {
    const client = await server.client("mx");
    await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
    await client.expect("RCPT TO:<far@later.test>", "550");
    await client.expect("RSET", "250");
    await client.expect("STARTTLS", "220");
    await client.connection.startTls({ side: "client", ...tlsOptions, ...(certificate && { certificate }) });
    assert.deepEqual(await mechanisms(client), []);
    await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
    await client.expect("RCPT TO:<far@later.test>", reply);
    return client;
  };
  await relay(undefined, "550");
  await relay(stranger, "550");
  const client = await relay(laptop, "250");
  await client.expect("DATA", "354");
  const accepted = await client.expect("From: joe@elsewhere.test\r\n\r\nhello\r\n.", "250");
  const explained = await api(server, `/api/v1/messages/${accepted.slice(-12)}`);
  assert.equal((explained["message"] as Record<string, unknown>)["relay_key"], key.sha256);
  assert.match(JSON.stringify(explained["timeline"]), /key that may relay \(policy relay-permission; relay\.keys\)/);
});

test("a TLS session with a client's certificate is not resumed: the key is proven each time", options, async () => {
  await using server = await RealServer.start({
    user: users,
    listener: [{ ...submissions, client_certificates: true }],
  });
  const connect = async () => {
    const connection = await server.network.connect(
      { kind: "ip", address: "127.0.0.1", port: server.port("submissions") },
      { tls: { ...tlsOptions, certificate: laptop, sessionKey: "the same" } },
    );
    await new Promise<void>((resolve) => {
      connection.start({ data: () => resolve(), end: () => {}, drained: () => {}, closed: () => {} });
    });
    const resumed = connection.tls?.resumed;
    connection.destroy();
    return resumed;
  };
  assert.deepEqual([await connect(), await connect()], [false, false]);
});
