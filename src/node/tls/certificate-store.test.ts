/** The certificate in use follows the files, and never gets worse by them. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";

import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock } from "../../testing/manual-clock.ts";
import { MemoryFiles } from "../../testing/memory-files.ts";
import { CertificateStore, type CertificatePaths } from "./certificate-store.ts";
import { certificateWarnings, checkPair, CertificateError } from "./certificates.ts";
import { makeSelfSigned } from "./self-signed.ts";

const paths: CertificatePaths = { certificate: "/tls/chain.pem", key: "/tls/key.pem" };

async function world() {
  const clock = new ManualClock();
  const files = new MemoryFiles({ now: () => clock.now() });
  const log = new CollectingLog();
  await files.makeDirectory("/tls");
  const put = async (hostname: string, madeAt = clock.now()) => {
    const pair = makeSelfSigned(hostname, madeAt);
    await files.replaceFile(paths.certificate, Buffer.from(pair.certificatePem));
    await files.replaceFile(paths.key, Buffer.from(pair.keyPem));
    return pair;
  };
  const options = { paths, offered: true, dataDirectory: "/data", hostname: "mail.example.org", files, clock, log };
  return { clock, files, log, put, options };
}

test("a self-signed certificate is ECDSA, names the host and this machine, and lives 825 days", () => {
  const now = Date.UTC(2026, 5, 1);
  const pair = makeSelfSigned("mail.example.org", now);
  const certificate = new X509Certificate(pair.certificatePem);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.equal(certificate.checkHost("mail.example.org"), "mail.example.org");
  assert.equal(certificate.checkHost("localhost"), "localhost");
  assert.equal(certificate.checkHost("example.org"), undefined);
  assert.equal(certificate.verify(certificate.publicKey), true);
  assert.equal(certificate.ca, false);
  assert.equal(certificate.validToDate.getTime(), now + 825 * 86_400_000);
  assert.equal(
    checkPair(pair).names,
    "DNS:mail.example.org, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
  );
  const long = new X509Certificate(makeSelfSigned(`${"a".repeat(60)}.example.org`, now).certificatePem);
  assert.equal(long.checkHost(`${"a".repeat(60)}.example.org`), `${"a".repeat(60)}.example.org`);
  const far = new X509Certificate(makeSelfSigned("localhost", Date.UTC(2051, 0, 1)).certificatePem);
  assert.equal(far.validToDate.getUTCFullYear(), 2053);
});

test("without files a self-signed pair is made privately, warned of, and kept over restarts", async () => {
  const { files, log, options, clock } = await world();
  await using first = await CertificateStore.open({ ...options, paths: undefined });
  assert.equal(files.permissionsOf("/data/tls/self-signed.key"), 0o600);
  assert.deepEqual(log.names, ["certificate-self-signed"]);
  await using second = await CertificateStore.open({ ...options, paths: undefined });
  assert.equal(second.context().certificatePem, first.context().certificatePem);
  await using renamed = await CertificateStore.open({ ...options, paths: undefined, hostname: "other.example.org" });
  assert.notEqual(renamed.context().certificatePem, first.context().certificatePem);
  await using renewed = await CertificateStore.open({
    ...options,
    paths: undefined,
    hostname: "other.example.org",
    clock: new ManualClock(clock.now() + 826 * 86_400_000),
  });
  assert.notEqual(renewed.context().certificatePem, renamed.context().certificatePem);
});

test("a self-signed certificate that no listener offers is not warned of", async () => {
  const { log, options } = await world();
  await using _store = await CertificateStore.open({ ...options, paths: undefined, offered: false });
  assert.deepEqual(log.names, []);
});

test("changed files are taken within half a minute; the version grows", async () => {
  const { clock, log, put, options } = await world();
  await put("mail.example.org");
  await using store = await CertificateStore.open(options);
  assert.equal(store.context().version, 1);
  await clock.advance(60_000);
  assert.equal(store.context().version, 1);
  const second = await put("mail.example.org");
  await clock.advance(30_000);
  assert.equal(store.context().version, 2);
  assert.equal(store.context().certificatePem, second.certificatePem);
  assert.deepEqual(log.names, ["certificate-loaded", "certificate-loaded"]);
});

test("a broken renewal keeps the former certificate, is told once, and is taken when it is right", async () => {
  const { clock, files, log, put, options } = await world();
  const first = await put("mail.example.org");
  await using store = await CertificateStore.open(options);
  // Half a renewal: the new certificate with the old key.
  await clock.advance(1000);
  const second = makeSelfSigned("two.example.org", clock.now());
  await files.replaceFile(paths.certificate, Buffer.from(second.certificatePem));
  await clock.advance(120_000);
  assert.equal(store.context().certificatePem, first.certificatePem);
  assert.equal(log.of("certificate-failed").length, 1);
  assert.match(String(log.of("certificate-failed")[0]?.["error"]), /private key does not belong/);
  await files.replaceFile(paths.key, Buffer.from(second.keyPem));
  assert.equal(await store.lookAgain(), true);
  assert.equal(store.context().certificatePem, second.certificatePem);
  await files.remove(paths.key);
  assert.equal(await store.lookAgain(), false);
  assert.equal(store.context().certificatePem, second.certificatePem);
});

test("what a reload prepares is served from when it is applied, and never where it is refused", async () => {
  const { files, log, put, options, clock } = await world();
  const first = await put("one.example.org");
  await using store = await CertificateStore.open(options);
  const other: CertificatePaths = { certificate: "/tls/other.pem", key: "/tls/other-key.pem" };
  await assert.rejects(store.prepare(other), /the certificate \/tls\/other\.pem cannot be read/);
  assert.equal(log.of("certificate-failed").length, 1);
  const pair = makeSelfSigned("other.example.org", clock.now());
  await files.replaceFile(other.certificate, Buffer.from(pair.certificatePem));
  await files.replaceFile(other.key, Buffer.from(pair.keyPem));
  const apply = await store.prepare(other);
  // Renewed at the former place: the look begins before the reload is applied, and ends later.
  await clock.advance(1000);
  await put("renewed.example.org");
  const looked = store.lookAgain();
  assert.equal(store.context().certificatePem, first.certificatePem);
  apply();
  assert.equal(store.context().certificatePem, pair.certificatePem);
  assert.equal(await looked, true);
  assert.equal(store.context().certificatePem, pair.certificatePem, "the look came too late");
  await clock.advance(60_000);
  assert.equal(store.context().certificatePem, pair.certificatePem);
});

test("a reload that drops the files leads to a self-signed certificate, as a start without them does", async () => {
  const { log, put, options } = await world();
  await put("one.example.org");
  await using store = await CertificateStore.open(options);
  (await store.prepare(undefined))();
  assert.equal(new X509Certificate(store.context().certificatePem).checkHost("mail.example.org"), "mail.example.org");
  assert.equal(log.of("certificate-self-signed").length, 1);
  assert.equal(log.of("certificate-warning").length, 1, "of the name in the files, and not of the self-signed one");
  const { version } = store.context();
  (await store.prepare(undefined))();
  assert.equal(store.context().version, version, "once more, it is the same one");
  (await store.prepare(paths))();
  assert.equal(new X509Certificate(store.context().certificatePem).checkHost("one.example.org"), "one.example.org");
});

test("at the start a wrong pair is refused in plain words, and no timer is left behind", async () => {
  const { clock, files, put, options } = await world();
  await assert.rejects(CertificateStore.open(options), /the certificate \/tls\/chain\.pem cannot be read: ENOENT/);
  const pair = await put("mail.example.org");
  await files.replaceFile(paths.key, Buffer.from("no key"));
  await assert.rejects(CertificateStore.open(options), /the key is not a PEM private key/);
  assert.equal(clock.pendingTimers, 0);
  assert.throws(() => checkPair({ ...pair, certificatePem: "x" }), CertificateError);
  await put("mail.example.org");
  const store = await CertificateStore.open(options);
  assert.equal(clock.pendingTimers, 1);
  await store[Symbol.asyncDispose]();
  assert.equal(clock.pendingTimers, 0);
});

const day = 86_400_000;

test("a renewal that is out of date keeps the former certificate, unless that is out of date as well", async () => {
  const { clock, log, put, options } = await world();
  const first = await put("mail.example.org", clock.now() - 800 * day);
  await using store = await CertificateStore.open(options);
  for (const [madeAt, words] of [
    [clock.now() - 900 * day, /expired at/],
    [clock.now() + 3 * day, /is not valid before/],
  ] as const) {
    await clock.advance(1000);
    await put("mail.example.org", madeAt);
    assert.equal(await store.lookAgain(), false);
    assert.equal(store.context().certificatePem, first.certificatePem);
    assert.match(String(log.of("certificate-failed").at(-1)?.["error"]), words);
  }
  await clock.advance(26 * day);
  const late = await put("mail.example.org", clock.now() - 826 * day);
  assert.equal(await store.lookAgain(), true);
  assert.equal(store.context().certificatePem, late.certificatePem);
});

test("a certificate that expires soon, has expired, or is for another name is told at the start and once a day", async () => {
  const { clock, log, put, options } = await world();
  await put("other.example.org", clock.now() - 812 * day);
  await using _store = await CertificateStore.open(options);
  const problems = () => log.of("certificate-warning").map(({ problem }) => String(problem).replace(/[:,].*/, ""));
  const names = "the certificate is for DNS";
  assert.deepEqual(problems(), ["the certificate expires at 2026-01-14T00", names]);
  await clock.advance(day - 60_000);
  assert.equal(problems().length, 2);
  await clock.advance(120_000);
  assert.equal(problems().length, 4);
  await clock.advance(15 * day);
  assert.match(problems().at(-2) ?? "", /^the certificate expired at/);
});

test("thirteen days are short for a certificate of ninety, and long for one of six", () => {
  const facts = { subject: "", names: "DNS:a.test", validFrom: 0, fingerprint256: "", isFor: () => true };
  const codes = (validTo: number, now: number) =>
    certificateWarnings({ ...facts, validTo: validTo * day }, { hostname: "a.test", now: now * day }).length;
  assert.deepEqual([codes(90, 75), codes(90, 77), codes(6, 4), codes(6, 5)], [0, 1, 0, 1]);
});
