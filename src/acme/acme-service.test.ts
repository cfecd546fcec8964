/** Certificates by ACME, against an authority in this process: the way to one, renewals, trouble, and keys that are pinned. */
import assert from "node:assert/strict";
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { AcmeAuthority, problem } from "../testing/acme-authority.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { MemoryFiles } from "../testing/memory-files.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import type { DnsAnswer, Resolver } from "../ports/resolver.ts";
import { AcmeAdministration } from "./acme-administration.ts";
import { AcmeFiles, acmeCertificateFile } from "./acme-files.ts";
import { AcmeService } from "./acme-service.ts";
import type { Proof } from "./challenge.ts";
import type { Prover } from "./obtain-certificate.ts";
import { type AcmeSettings, acmeSettings } from "./settings.ts";

const hour = 3_600_000;
const day = 24 * hour;

interface WorldOptions {
  readonly externalAccounts?: Readonly<Record<string, string>>;
  readonly settings?: Partial<AcmeSettings>;
  readonly lifetimeDays?: number;
}

function world({ externalAccounts, settings, lifetimeDays }: WorldOptions = {}) {
  const clock = new ManualClock();
  const memory = new MemoryFiles({ now: () => clock.now() });
  const log = new CollectingLog();
  const shown: Proof[] = [];
  const trouble: { proof?: string; show?: string; tlsa?: DnsAnswer<"TLSA"> } = {};
  const authority = new AcmeAuthority({
    clock,
    ...(externalAccounts && { externalAccounts }),
    ...(lifetimeDays !== undefined && { lifetimeDays }),
    look: async ({ type, name, token, thumbprint }) => {
      if (trouble.proof !== undefined) return trouble.proof;
      const right = (proof: Proof) =>
        proof.type === type && proof.name === name && proof.keyAuthorization === `${token}.${thumbprint}`;
      return shown.some(right) ? undefined : "Invalid response from http://mail.example.org: 404";
    },
  });
  const prover: Prover = {
    type: "http-01",
    show: async (proof) => {
      if (trouble.show !== undefined) throw new Error(trouble.show);
      shown.push(proof);
    },
    withdraw: async (proof) => {
      const at = shown.indexOf(proof);
      if (at >= 0) shown.splice(at, 1);
    },
  };
  const resolver = {
    query: async () => trouble.tlsa ?? { kind: "no-name", secure: true },
  } as unknown as Resolver;
  const terms = {
    hostname: "mail.example.org",
    settings: {
      ...acmeSettings.parse({ email: "ops@example.org", directory: authority.directory, agree: true }),
      ...settings,
    },
  };
  const files = new AcmeFiles(memory, "/data");
  let installed = 0;
  const make = () =>
    new AcmeService(
      {
        ...{ files, clock, random: new SeededRandom(1), resolver, log },
        http: () => authority,
        prover: () => prover,
        installed: async () => void installed++,
      },
      terms,
    );
  const service = make();
  const administration = new AcmeAdministration({
    files,
    terms: () => terms,
    look: (options) => service.look(options),
  });
  /** The looks sleep on the clock, so it has to go on meanwhile. */
  const settle = async (work: Promise<unknown>) => {
    let over = false;
    void work.finally(() => (over = true));
    while (!over) await clock.advance(1000);
    await work;
  };
  const look = (options?: { readonly afterFailure: boolean }) => settle(service.look(options));
  const key = async () => (await files.certificate())?.keyPem ?? assert.fail("there is no certificate");
  return {
    ...{
      clock,
      memory,
      log,
      shown,
      trouble,
      authority,
      files,
      service,
      administration,
      terms,
      make,
      settle,
      look,
      key,
    },
    installs: () => installed,
  };
}

function tlsa(...keys: readonly string[]): DnsAnswer<"TLSA"> {
  const records = keys.map((pem) => ({
    usage: 3,
    selector: 1,
    matching: 1,
    data: createHash("sha256")
      .update(createPublicKey(pem).export({ type: "spki", format: "der" }))
      .digest(),
  }));
  return { kind: "records", records, name: "_25._tcp.mail.example.org", ttlSeconds: 3600, secure: true };
}

test("email, directory and agree are enough: account, proof, certificate, all private, and nothing is left open", async () => {
  const { look, log, memory, shown, files, authority, installs } = world();
  authority.processing = 2;
  await look();
  assert.deepEqual(log.names, ["acme-account", "acme-certificate"]);
  const { chainPem, keyPem } = (await files.certificate()) ?? assert.fail();
  assert.ok(new X509Certificate(chainPem).checkHost("mail.example.org"));
  assert.match(chainPem, /END CERTIFICATE-----\n-----BEGIN CERTIFICATE/);
  assert.match(keyPem, /^-----BEGIN PRIVATE KEY-----/);
  assert.deepEqual(shown, []);
  assert.equal(installs(), 1);
  for (const name of ["account.json", "state.json", "certificate-and-key.pem"]) {
    assert.equal(memory.permissionsOf(`/data/acme/${name}`), 0o600, name);
  }
  assert.equal(acmeCertificateFile("/data"), "/data/acme/certificate-and-key.pem");
  await look();
  assert.equal(authority.requests.at(-1), "GET /directory", "whether it says when to renew");
  const asked = authority.requests.length;
  await look();
  assert.equal(authority.requests.length, asked, "nothing is due");
});

test("several names are one certificate; another set of names is a new one", async () => {
  const { look, authority, terms, service, settle, files } = world({ settings: { names: ["smtp.example.org"] } });
  await look();
  assert.deepEqual(authority.orders[0]?.names, ["mail.example.org", "smtp.example.org"]);
  service.reconfigure({ ...terms, settings: { ...terms.settings, names: ["mx.example.org"] } });
  await settle(service.look());
  assert.deepEqual(authority.orders[1]?.names, ["mail.example.org", "mx.example.org"]);
  assert.equal(authority.orders[1]?.replaces, undefined);
  assert.match(String(new X509Certificate((await files.certificate())?.chainPem ?? "").subjectAltName), /mx\.example/);
});

test("refused nonces are replaced, as many as an authority may refuse in a row", async () => {
  const { look, log, authority } = world();
  authority.badNonces = 9;
  await look();
  assert.deepEqual(log.names, ["acme-account", "acme-certificate"]);
  const { look: again, log: other, authority: stubborn } = world();
  stubborn.badNonces = 100;
  await again();
  assert.match(String(other.of("acme-failed")[0]?.["problem"]), /^the nonce is not good \(badNonce\)$/);
});

test("a failed proof is told in the authority's words; waits grow, survive a restart, and end with `retry`", async () => {
  const { look, log, trouble, authority, clock, make, settle, administration, shown } = world();
  trouble.proof = "Invalid response from http://mail.example.org/.well-known/acme-challenge/x: 404";
  await look();
  const [told] = log.of("acme-failed");
  assert.match(
    String(told?.["problem"]),
    /^mail\.example\.org was not proven by http-01: Invalid response .*: 404 \(unauth/,
  );
  assert.deepEqual(shown, []);
  const asked = authority.requests.length;
  await clock.advance(9 * 60_000);
  await settle(make().look());
  assert.equal(authority.requests.length, asked, "a restart does not ask before the time");
  const waitOf = async () => {
    const { failure } = (await administration.status())?.state ?? {};
    return failure && { attempts: failure.attempts, minutes: (failure.retryAt - failure.at) / 60_000 };
  };
  const first = await waitOf();
  assert.ok(first && first.attempts === 1 && first.minutes >= 10 && first.minutes <= 12);
  await settle(administration.retry());
  const second = await waitOf();
  assert.ok(second && second.attempts === 2 && second.minutes >= 20 && second.minutes <= 24);
  delete trouble.proof;
  await settle(administration.retry());
  assert.equal(await waitOf(), undefined);
  assert.equal(log.of("acme-certificate").length, 1);
});

test("what cannot be shown is told, with the place, and the authority is not asked to look", async () => {
  const { look, log, trouble, authority } = world();
  trouble.show = "[::]:80 is taken by another program";
  await look();
  assert.match(
    String(log.of("acme-failed")[0]?.["problem"]),
    /could not be shown: \[::\]:80 is taken by another program$/,
  );
  assert.ok(!authority.requests.some((request) => request.includes("/challenge/")));
});

test("an authority that limits its rate is not asked before its Retry-After", async () => {
  const { look, log, authority, clock } = world();
  authority.refuseOrder = problem(429, "rateLimited", "too many certificates already issued", {
    "retry-after": "86400",
  });
  await look();
  const [told] = log.of("acme-failed");
  assert.equal(told?.["problem"], "too many certificates already issued (rateLimited)");
  assert.equal(Date.parse(String(told?.["retry_at"])), clock.now() + day);
  authority.refuseOrder = undefined;
  const asked = authority.requests.length;
  await clock.advance(23 * hour);
  assert.equal(authority.requests.length, asked);
  await clock.advance(2 * hour);
  await look();
  assert.equal(log.of("acme-certificate").length, 1);
});

test("renewed at two thirds of its life, a little earlier by chance, as the successor of the former", async () => {
  const { look, log, authority, clock, administration } = world();
  await look();
  const { state } = (await administration.status()) ?? assert.fail();
  const renewAt = state?.renewAt ?? assert.fail();
  const left = (renewAt - clock.now()) / day;
  assert.ok(left <= 60 && left > 57, `${left} days`);
  authority.renewalWindow = undefined;
  clock.jump(left * day - hour);
  assert.equal(log.of("acme-certificate").length, 1);
  await clock.advance(2 * hour);
  await look();
  assert.equal(log.of("acme-certificate").length, 2);
  assert.equal(log.of("acme-certificate")[1]?.["key"], "new");
});

test("the authority's suggestion goes before the rule, also when it changes, and the order names what it replaces", async () => {
  const { look, log, authority, clock, administration } = world();
  const start = clock.now();
  authority.renewalWindow = { start: start + 30 * day, end: start + 31 * day };
  await look();
  await look();
  const planned = (await administration.status())?.state;
  assert.equal(planned?.renewalBy, "authority");
  const at = planned.renewAt ?? 0;
  assert.ok(at >= start + 30 * day && at <= start + 31 * day);
  // It is about to be revoked: a window that has passed.
  await clock.advance(29 * hour);
  authority.renewalWindow = { start: start - 2 * hour, end: start - hour };
  await clock.advance(30 * 60_000);
  assert.equal(log.of("acme-certificate").length, 1, "it was told to ask again in six hours");
  await clock.advance(2 * hour);
  await look();
  assert.equal(
    log.of("acme-certificate").length,
    2,
    "once, though the authority suggests the past for the new one, too",
  );
  assert.match(authority.orders[1]?.replaces ?? "", /^[\w-]+\.[\w-]+$/);
  assert.ok(authority.requests.includes(`GET /ari/${authority.orders[1]?.replaces}`));
});

test("a key whose TLSA record is published is kept, and so is one that DNS says nothing about", async () => {
  for (const answer of ["published", "failure", "other"] as const) {
    const { look, log, clock, key, trouble } = world();
    await look();
    const former = await key();
    trouble.tlsa =
      answer === "failure"
        ? { kind: "failure", reason: "SERVFAIL" }
        : answer === "published"
          ? tlsa(former)
          : { ...(tlsa(former) as Extract<DnsAnswer<"TLSA">, { kind: "records" }>), records: [] };
    clock.jump(61 * day);
    await look();
    assert.equal(log.of("acme-certificate").length, 2);
    assert.equal((await key()) === former, answer !== "other", answer);
    assert.equal(log.of("acme-certificate")[1]?.["key"], answer === "other" ? "new" : "kept");
  }
});

test("a roll-over shows both records, and waits until DNS has shown both for two TTLs", async () => {
  const { look, log, clock, key, trouble, administration, settle, files } = world();
  await look();
  const former = await key();
  trouble.tlsa = tlsa(former);
  const rolled = administration.rollOver();
  await settle(rolled);
  const shown = await rolled;
  const next = (await files.nextKey()) ?? assert.fail();
  assert.match(shown?.tlsa.current ?? "", /^_25\._tcp\.mail\.example\.org\. IN TLSA 3 1 1 [0-9a-f]{64}$/);
  assert.notEqual(shown?.tlsa.next, shown?.tlsa.current);
  await clock.advance(day);
  assert.equal(await key(), former, "only the old record is there");
  trouble.tlsa = tlsa(former, next);
  await look();
  const started = clock.now();
  await clock.advance(started + 2 * hour - clock.now() - 60_000);
  assert.equal(await key(), former, "it may be in caches yet");
  await clock.advance(20 * 60_000);
  await look();
  assert.equal(await key(), next);
  assert.equal(log.of("acme-certificate")[1]?.["key"], "rolled over");
  assert.equal(await files.nextKey(), undefined);
  assert.equal((await administration.status())?.state?.bothShown, undefined);
});

test("without TLSA records a roll-over waits for nobody", async () => {
  const { look, administration, settle, key, files } = world();
  await look();
  await settle(administration.rollOver());
  const next = await files.nextKey();
  await look();
  assert.ok(next === undefined || next === (await key()));
  assert.equal(await files.nextKey(), undefined);
});

test("an account of its own is named where the authority demands one, and its absence is told", async () => {
  const key = Buffer.from("a secret of the authority").toString("base64url");
  const without = world({ externalAccounts: { "kid-1": key } });
  await without.look();
  assert.match(String(without.log.of("acme-failed")[0]?.["problem"]), /set external_account$/);
  const wrong = world({
    externalAccounts: { "kid-1": key },
    settings: { external_account: { kid: "kid-1", key: "AAAA" } },
  });
  await wrong.look();
  assert.match(String(wrong.log.of("acme-failed")[0]?.["problem"]), /wrong binding \(unauthorized\)/);
  const right = world({ externalAccounts: { "kid-1": key }, settings: { external_account: { kid: "kid-1", key } } });
  await right.look();
  assert.deepEqual(right.log.names, ["acme-account", "acme-certificate"]);
});

test("an account that the authority has lost is made anew with the same key", async () => {
  const { look, log, authority, clock } = world();
  await look();
  authority.forgetAccounts();
  clock.jump(61 * day);
  await look();
  assert.match(String(log.of("acme-failed")[0]?.["problem"]), /no such account/);
  await look({ afterFailure: true });
  assert.equal(log.of("acme-account").length, 2);
  assert.equal(log.of("acme-certificate").length, 2);
});

test("an authority that talks nonsense or is not there costs an attempt, and nothing else", async () => {
  const { look, log, authority } = world();
  const request = authority.request.bind(authority);
  authority.request = async (wanted) => {
    const answer = await request(wanted);
    return wanted.url.endsWith("/new-order") ? { ...answer, body: Buffer.from("<html>") } : answer;
  };
  await look();
  assert.match(
    String(log.of("acme-failed")[0]?.["problem"]),
    /answer at https:\/\/ca\.test\/new-order cannot be understood/,
  );
  authority.request = () => Promise.reject(new Error("ca.test: connect ECONNREFUSED"));
  await look({ afterFailure: true });
  assert.match(String(log.of("acme-failed")[1]?.["problem"]), /^the authority could not be asked: ca\.test: connect/);
});

test("without [tls.acme] nothing is done and nothing is shown", async () => {
  const { service, administration, terms, settle, authority, files } = world();
  service.reconfigure(undefined);
  await settle(service.look());
  assert.deepEqual(authority.requests, []);
  assert.equal((await administration.status())?.account, undefined);
  const none = new AcmeAdministration({ files, terms: () => undefined });
  assert.deepEqual([await none.status(), await none.rollOver(), await none.retry()], [undefined, undefined, undefined]);
  assert.equal(terms.hostname, "mail.example.org");
});
