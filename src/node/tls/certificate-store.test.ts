/** The certificate in use follows the files, and never gets worse by them. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";

import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock } from "../../testing/manual-clock.ts";
import { MemoryFiles } from "../../testing/memory-files.ts";
import { CertificateAuthority } from "../../testing/certificate-authority.ts";
import { type CertificatePaths, readServed } from "./certificate-files.ts";
import { CertificateNotices } from "./certificate-notices.ts";
import { CertificateStore } from "./certificate-store.ts";
import { checkPair, CertificateError } from "./certificates.ts";
import { stageOf } from "./expiry-stage.ts";
import { makeSelfSigned } from "./self-signed.ts";

const none = { others: [] };
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
  const served = { main: paths, others: [] };
  const options = { served, offered: true, dataDirectory: "/data", hostname: "mail.example.org", files, clock, log };
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
  await using first = await CertificateStore.open({ ...options, served: none });
  assert.equal(files.permissionsOf("/data/tls/self-signed.key"), 0o600);
  assert.deepEqual(log.names, ["certificate-self-signed"]);
  await using second = await CertificateStore.open({ ...options, served: none });
  assert.equal(second.context().certificatePem, first.context().certificatePem);
  await using renamed = await CertificateStore.open({ ...options, served: none, hostname: "other.example.org" });
  assert.notEqual(renamed.context().certificatePem, first.context().certificatePem);
  await using renewed = await CertificateStore.open({
    ...options,
    served: none,
    hostname: "other.example.org",
    clock: new ManualClock(clock.now() + 826 * 86_400_000),
  });
  assert.notEqual(renewed.context().certificatePem, renamed.context().certificatePem);
});

test("a self-signed certificate that no listener offers is not warned of", async () => {
  const { log, options } = await world();
  await using _store = await CertificateStore.open({ ...options, served: none, offered: false });
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
  const second = makeSelfSigned("mail.example.org", clock.now());
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
  const first = await put("mail.example.org");
  await using store = await CertificateStore.open(options);
  const other: CertificatePaths = { certificate: "/tls/other.pem", key: "/tls/other-key.pem" };
  await assert.rejects(store.prepare({ main: other, others: [] }), /the certificate \/tls\/other\.pem cannot be read/);
  assert.equal(log.of("certificate-failed").length, 1);
  const pair = makeSelfSigned("mail.example.org", clock.now());
  await files.replaceFile(other.certificate, Buffer.from(pair.certificatePem));
  await files.replaceFile(other.key, Buffer.from(pair.keyPem));
  const apply = await store.prepare({ main: other, others: [] });
  // Renewed at the former place: the look begins before the reload is applied, and ends later.
  await clock.advance(1000);
  await put("mail.example.org");
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
  await put("mail.example.org");
  await using store = await CertificateStore.open(options);
  (await store.prepare(none))();
  assert.equal(new X509Certificate(store.context().certificatePem).checkHost("mail.example.org"), "mail.example.org");
  assert.equal(log.of("certificate-self-signed").length, 1);
  assert.equal(log.of("certificate-warning").length, 0);
  const { version } = store.context();
  (await store.prepare(none))();
  assert.equal(store.context().version, version, "once more, it is the same one");
  (await store.prepare({ main: paths, others: [] }))();
  assert.equal(new X509Certificate(store.context().certificatePem).checkHost("mail.example.org"), "mail.example.org");
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

const ends = (log: CollectingLog) => log.of("certificate-expires").map(({ days }) => days);

test("the end of a certificate is told 21, 7 and 1 days before, then each day that it has expired, and never twice a day", async () => {
  const { clock, files, log, put } = await world();
  await put("mail.example.org", clock.now() - 800 * day);
  const notices = new CertificateNotices({ clock, log });
  const served = [await readServed(files, { ...paths, names: [], selfSigned: false })];
  const spend = async (days: number) => {
    for (let hour = 0; hour < days * 24; hour++) {
      await clock.advance(day / 24);
      notices.tell(served);
    }
  };
  notices.tell(served);
  assert.deepEqual(ends(log), []);
  await spend(5);
  assert.deepEqual(ends(log), [21]);
  await spend(19);
  assert.deepEqual(ends(log), [21, 7, 1]);
  assert.equal(log.of("certificate-warning").length, 0);
  await spend(1);
  assert.match(String(log.of("certificate-warning")[0]?.["problem"]), /^the certificate expired at 2026-01-26/);
  await spend(3);
  assert.equal(log.of("certificate-warning").length, 4);
  assert.deepEqual(ends(log), [21, 7, 1]);
});

test("one that is near its end when it is loaded is told of at once, and not again by a reload", async () => {
  const { clock, log, put, options } = await world();
  await put("mail.example.org", clock.now() - 822 * day);
  await using store = await CertificateStore.open(options);
  assert.deepEqual(ends(log), [3]);
  (await store.prepare(options.served))();
  await clock.advance(day);
  assert.deepEqual(ends(log), [3]);
});

test("short-lived certificates are told of in proportion", () => {
  const stage = (lifetime: number, left: number) =>
    stageOf({ validFrom: 0, validTo: lifetime * day }, (lifetime - left) * day);
  assert.deepEqual(
    [22, 21, 8, 7, 2, 1, 0].map((left) => stage(90, left)),
    [undefined, 21, 21, 7, 7, 1, 0],
  );
  assert.deepEqual(
    [1.6, 1.5, 0.5, 0.07].map((left) => stage(6, left)),
    [undefined, 21, 7, 1],
  );
});

test("at the start a certificate for another name is refused, and one that has expired is served", async () => {
  const { clock, log, put, options } = await world();
  await put("other.example.org");
  const wrongName = /^\/tls\/chain\.pem: the certificate is for DNS:other.*, not for mail\.example\.org$/;
  await assert.rejects(CertificateStore.open(options), { name: "CertificateError", message: wrongName });
  await put("mail.example.org", clock.now() - 900 * day);
  await using _store = await CertificateStore.open(options);
  assert.match(String(log.of("certificate-warning")[0]?.["problem"]), /^the certificate expired at 2025/);
});

test("a renewal for another name, or with an incomplete chain, leaves the former in use", async () => {
  const { clock, files, log, put, options } = await world();
  const first = await put("mail.example.org");
  await using store = await CertificateStore.open(options);
  await clock.advance(1000);
  await put("other.example.org");
  assert.equal(await store.lookAgain(), false);
  const authority = new CertificateAuthority(clock.now());
  const terms = { validFrom: clock.now() - day, validTo: clock.now() + 90 * day, issuerUrl: "http://ca.test/ca.crt" };
  const pair = authority.pair({ names: ["mail.example.org"], ...terms });
  const own = pair.certificatePem.slice(0, pair.certificatePem.indexOf("-----BEGIN", 10));
  await clock.advance(1000);
  await files.replaceFile(paths.certificate, Buffer.from(own));
  await files.replaceFile(paths.key, Buffer.from(pair.keyPem));
  assert.equal(await store.lookAgain(), false);
  assert.equal(store.context().certificatePem, first.certificatePem);
  const told = log.of("certificate-failed").map(({ error }) => String(error));
  assert.match(told[0] ?? "", /the certificate is for DNS:other/);
  assert.match(told[1] ?? "", /the certificate of "CN=Test Authority", which issued that of "CN=mail.* is missing/);
  await clock.advance(1000);
  await files.replaceFile(paths.certificate, Buffer.from(own + authority.intermediatePem + authority.rootPem));
  assert.equal(await store.lookAgain(), true);
  assert.notEqual(store.context().certificatePem, first.certificatePem);
});

test("an authority that this machine does not know is warned of, and a chain may be in any order", async () => {
  const { clock, files, log, options } = await world();
  const authority = new CertificateAuthority(clock.now());
  const terms = { names: ["mail.example.org"], validFrom: clock.now() - day, validTo: clock.now() + 90 * day };
  const pair = authority.pair(terms);
  await files.replaceFile(paths.certificate, Buffer.from(pair.certificatePem));
  await files.replaceFile(paths.key, Buffer.from(pair.keyPem));
  await using _store = await CertificateStore.open(options);
  assert.match(
    String(log.of("certificate-warning")[0]?.["problem"]),
    /^"CN=Test Authority Root", which issued the certificate of "CN=Test Authority", is neither in the file/,
  );
  const own = pair.certificatePem.slice(0, pair.certificatePem.indexOf("-----BEGIN", 10));
  const stranger = new CertificateAuthority(clock.now(), "Stranger").rootPem;
  const shuffled = own + authority.rootPem + stranger + authority.intermediatePem;
  assert.deepEqual(checkPair({ ...pair, certificatePem: shuffled }).chain, { kind: "complete" });
});

test("certificates for other names: chosen by setting or by their own names, and refused where they are not for them", async () => {
  const { clock, files, log, put, options } = await world();
  await put("mail.example.org");
  const other = { certificate: "/tls/other.pem", key: "/tls/other.key" };
  const putOther = async (hostname: string) => {
    const pair = makeSelfSigned(hostname, clock.now());
    await files.replaceFile(other.certificate, Buffer.from(pair.certificatePem));
    await files.replaceFile(other.key, Buffer.from(pair.keyPem));
    return pair;
  };
  const first = await putOther("SMTP.example.net");
  const served = { main: paths, others: [{ ...other, names: [] }] };
  await using store = await CertificateStore.open({ ...options, served });
  assert.deepEqual(
    store.context().others?.map(({ names }) => names),
    [["smtp.example.net", "localhost"]],
  );
  const named = { main: paths, others: [{ ...other, names: ["smtp.example.net", "mx.example.net"] }] };
  await assert.rejects(store.prepare(named), /other\.pem: the certificate is for .*, not for mx\.example\.net/);
  assert.equal(store.context().others?.[0]?.certificatePem, first.certificatePem);
  (await store.prepare({ main: paths, others: [{ ...other, names: ["smtp.example.net"] }] }))();
  assert.deepEqual(store.context().others?.[0]?.names, ["smtp.example.net"]);
  await clock.advance(1000);
  const renewed = await putOther("smtp.example.net");
  assert.equal(await store.lookAgain(), true);
  assert.equal(store.context().others?.[0]?.certificatePem, renewed.certificatePem);
  assert.equal(log.of("certificate-loaded").length, 3);
});

test("a certificate by ACME: self-signed until it comes, its chain is believed, and another name brings self-signed back", async () => {
  const { clock, files, log, options } = await world();
  const authority = new CertificateAuthority(clock.now());
  const file = "/data/acme/certificate-and-key.pem";
  const byAcme = { ...options, served: { main: { certificate: file, key: file, byAcme: true }, others: [] } };
  await using store = await CertificateStore.open(byAcme);
  assert.deepEqual(log.names, ["certificate-self-signed"]);
  const terms = { validFrom: clock.now() - day, validTo: clock.now() + 90 * day, issuerUrl: "http://ca.test/ca.crt" };
  const pair = authority.pair({ names: ["mail.example.org"], ...terms });
  await files.makeDirectory("/data/acme");
  await files.replaceFile(file, Buffer.from(pair.certificatePem + pair.keyPem));
  await store.refresh();
  assert.equal(new X509Certificate(store.context().certificatePem).issuer, "CN=Test Authority");
  assert.deepEqual(log.names, ["certificate-self-signed", "certificate-loaded"]);
  await using renamed = await CertificateStore.open({ ...byAcme, hostname: "mx.example.org" });
  assert.ok(new X509Certificate(renamed.context().certificatePem).checkHost("mx.example.org"));
});
