/** Certificates from Debian's ACME test server, which refuses every other nonce, by each kind of challenge. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { AcmeFiles } from "../../src/acme/acme-files.ts";
import { AcmeService } from "../../src/acme/acme-service.ts";
import type { Prover } from "../../src/acme/obtain-certificate.ts";
import { alpnProver, hookProver, httpProver } from "../../src/acme/provers.ts";
import { type AcmeSettings, acmeSettings } from "../../src/acme/settings.ts";
import { NodeFiles } from "../../src/node/files/node-files.ts";
import { NodeHttpClient } from "../../src/node/http/node-http-client.ts";
import { serveHttp } from "../../src/node/http/http-server.ts";
import { runHook } from "../../src/node/process/run-hook.ts";
import { SystemClock } from "../../src/node/process/system-clock.ts";
import { SystemRandom } from "../../src/node/process/system-random.ts";
import { serveAlpnChallenges } from "../../src/node/tls/alpn-challenge-server.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import { StaticResolver } from "../../src/testing/static-resolver.ts";
import { RealServer, tlsOptions } from "../system/real-server.ts";
import { externalAccount, type Pebble, startPebble } from "./support/pebble.ts";
import { until } from "./support/program.ts";

const resolver = new StaticResolver().add("localhost", "A", "127.0.0.1");
const folders: string[] = [];

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "posthaste-acme-"));
  folders.push(made);
  return made;
}

suite("ACME with pebble", () => {
  let pebble: Pebble;

  before(async () => {
    pebble = await startPebble(await folder(), { nonceRejects: 50, externalAccountRequired: false });
  });
  after(async () => {
    await pebble[Symbol.asyncDispose]();
    for (const made of folders) await rm(made, { recursive: true, force: true });
  });

  const settings = (more: Partial<AcmeSettings> = {}): AcmeSettings => ({
    ...acmeSettings.parse({ email: "ops@example.org", directory: pebble.directory, agree: true }),
    ca: pebble.ca,
    ...more,
  });

  /** One look, without a server. */
  async function look(prover: Prover, more: Partial<AcmeSettings> = {}) {
    const files = new AcmeFiles(new NodeFiles(), await folder());
    const log = new CollectingLog();
    const terms = { hostname: "mail.example.org", settings: settings(more) };
    const service = new AcmeService(
      {
        ...{ files, log, resolver, clock: new SystemClock(), random: new SystemRandom() },
        http: () => new NodeHttpClient({ resolver, certificateAuthorities: [pebble.ca] }),
        prover: () => prover,
        installed: async () => undefined,
      },
      terms,
    );
    await service.look();
    service.close();
    const { chainPem = "" } = (await files.certificate()) ?? {};
    const names = chainPem === "" ? undefined : new X509Certificate(chainPem).subjectAltName;
    return { names, problem: log.of("acme-failed")[0]?.["problem"] };
  }

  test("a server gets its certificate by HTTP-01 and shows it without a restart", async () => {
    const listen = { kind: "ip", address: "127.0.0.1", port: pebble.httpPort } as const;
    const http = (certificateAuthorities: readonly string[]) =>
      new NodeHttpClient({ resolver, certificateAuthorities });
    const acme = {
      email: "ops@example.org",
      directory: pebble.directory,
      agree: true,
      ca: pebble.ca,
      listen: `127.0.0.1:${listen.port}`,
    } as const;
    await using server = await RealServer.start({ tls: { acme } }, undefined, {
      resolver,
      acme: { http, serveAlpn: serveAlpnChallenges, runHook },
    });
    assert.equal(server.log.of("certificate-self-signed").length, 1);
    await until("a certificate", () => {
      const [failure] = server.log.of("acme-failed");
      assert.equal(failure, undefined, String(failure?.["problem"]));
      return server.log.of("certificate-loaded").length > 0;
    });
    const client = await server.network.connect(
      { kind: "ip", address: "127.0.0.1", port: server.port("submissions") },
      { tls: tlsOptions },
    );
    assert.match(client.tls?.peerCertificate?.issuer ?? "", /Pebble Intermediate/);
    client.destroy();
    assert.match(pebble.program.output(), /badNonce|[Ii]nvalid.*nonce|nonce/);
  });

  test("TLS-ALPN-01, for two names", async () => {
    const prover = alpnProver(serveAlpnChallenges, { kind: "ip", address: "127.0.0.1", port: pebble.tlsPort });
    const { names, problem } = await look(prover, { challenge: "tls-alpn-01", names: ["smtp.example.org"] });
    assert.equal(problem, undefined);
    assert.equal(names, "DNS:mail.example.org, DNS:smtp.example.org");
  });

  test("DNS-01 by a program, for a wildcard, with an external account", async () => {
    const prover = hookProver(runHook, pebble.hook);
    const wanted = { challenge: "dns-01", names: ["*.example.org"], external_account: externalAccount } as const;
    const { names, problem } = await look(prover, { ...wanted, names: [...wanted.names] });
    assert.equal(problem, undefined);
    assert.match(names ?? "", /DNS:\*\.example\.org/);
  });

  test("failed validations are told in the authority's words", async () => {
    const elsewhere = { kind: "ip", address: "127.0.0.1", port: 0 } as const;
    const { names, problem } = await look(httpProver(serveHttp, elsewhere));
    assert.equal(names, undefined);
    assert.match(
      String(problem),
      /^mail\.example\.org was not proven by http-01: .*connection refused.*\(connection\)$/,
    );
    const program = [process.execPath, "--eval", 'console.error("no such zone"); process.exit(3)', "--"];
    const hook = await look(hookProver(runHook, program), { challenge: "dns-01" });
    assert.match(String(hook.problem), /by dns-01 could not be shown: .* failed \(3\): no such zone$/);
  });
});
