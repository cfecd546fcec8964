import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { DnsAnswer, RecordType, Resolver, TlsaRecord } from "../ports/resolver.ts";
import { clientPurpose, makeCertificate, serverPurpose, type TestCertificate } from "../testing/test-certificates.ts";
import { decideDane, type DaneHost } from "./host-decision.ts";
import { formatTlsa, parseTlsaData, parseTlsaText, tlsaFaultOf, usableRecords } from "./tlsa-record.ts";
import { describeMatch, verifyDane } from "./verify-dane.ts";

const now = Date.UTC(2026, 0, 1);
const host = "mx.example.com";

function record(text: string, certificate: TestCertificate): TlsaRecord {
  const [usage = 0, selector = 0, matching = 0] = text.split(" ").map(Number);
  const value = selector === 1 ? certificate.publicKeyInfo : certificate.der;
  const data =
    matching === 0
      ? value
      : createHash(matching === 1 ? "sha256" : "sha512")
          .update(value)
          .digest();
  return { usage, selector, matching, data };
}

/** `verified`, or the fault. */
function verdictOf(chain: readonly TestCertificate[], records: readonly TlsaRecord[], names = [host]): string {
  const verdict = verifyDane(
    chain.map(({ der }) => der),
    records,
    names,
    now,
  );
  return verdict.kind === "failed" ? verdict.fault : "verified";
}

const root = makeCertificate({ subject: "Root", authority: {} });
const middle = makeCertificate({ subject: "Middle", authority: { pathLength: 0 }, issuer: root });
const leaf = makeCertificate({ subject: "mx", names: [host], issuer: middle, purposes: [serverPurpose] });

test("SEC-007: DANE-EE takes every selector and matching type, whatever name and dates the certificate has", () => {
  const old = makeCertificate({
    subject: "x",
    names: ["other.test"],
    until: Date.UTC(2021, 0, 1),
    unknownCritical: true,
  });
  for (const text of ["3 0 0", "3 0 1", "3 0 2", "3 1 0", "3 1 1", "3 1 2"]) {
    assert.equal(verdictOf([old], [record(text, old)]), "verified", text);
    assert.equal(verdictOf([leaf, old], [record(text, old)]), "validation-failure", text);
  }
  assert.equal(verdictOf([], [record("3 1 1", old)]), "validation-failure");
  assert.equal(verdictOf([old], [{ ...record("3 1 1", old), usage: 1 }]), "tlsa-invalid");
});

test("SEC-007: a public key that OpenSSL does not know still fits its record", () => {
  // The key's algorithm becomes one that nobody has; both have the same length.
  const unknown = Buffer.from(leaf.der);
  const at = unknown.indexOf(Buffer.from("2a8648ce3d0201", "hex"));
  unknown[at + 6] = 0x7f;
  const key = Buffer.from(leaf.publicKeyInfo);
  key[key.indexOf(Buffer.from("2a8648ce3d0201", "hex")) + 6] = 0x7f;
  const data = createHash("sha256").update(key).digest();
  assert.equal(verifyDane([unknown], [{ usage: 3, selector: 1, matching: 1, data }], [], now).kind, "verified");
});

test("SEC-008: DANE-TA: the anchor is found in the chain by digest, in any order, or given whole by the record", () => {
  const chain = [leaf, middle, root];
  for (const text of ["2 0 0", "2 0 1", "2 0 2", "2 1 0", "2 1 1", "2 1 2"]) {
    assert.equal(verdictOf(chain, [record(text, root)]), "verified", text);
    assert.equal(verdictOf([leaf, root, middle], [record(text, root)]), "verified", text);
    assert.equal(verdictOf([leaf, middle], [record(text, middle)]), "verified", text);
    const whole = text.endsWith("0");
    assert.equal(verdictOf([leaf, middle], [record(text, root)]), whole ? "verified" : "validation-failure", text);
  }
  assert.equal(verdictOf([leaf], [record("2 0 0", root)]), "validation-failure");
  // The server's own certificate signs nothing, so it is no anchor.
  assert.equal(verdictOf([leaf], [record("2 0 1", leaf)]), "validation-failure");
});

test("SEC-008: a certificate that only bears the anchor's name, or stands beside the chain, proves nothing", () => {
  const forged = makeCertificate({ subject: "Root", authority: {} });
  const forgedLeaf = makeCertificate({ subject: "mx", names: [host], issuer: forged });
  assert.equal(verdictOf([forgedLeaf, root], [record("2 0 1", root)]), "validation-failure");
  assert.equal(verdictOf([forgedLeaf, forged, root], [record("2 0 1", root)]), "validation-failure");
  assert.equal(verdictOf([leaf, middle, forged, root], [record("2 0 1", root)]), "verified");
});

test("SEC-008: names, dates, purposes and the limits of authorities count below a trust anchor", () => {
  const anchors = [record("2 0 1", root)];
  const day = 86_400_000;
  const issue = (options: Partial<Parameters<typeof makeCertificate>[0]>, issuer = middle) =>
    makeCertificate({ subject: "mx", names: [host], issuer, ...options });
  const below = (own: TestCertificate, ...others: TestCertificate[]) => verdictOf([own, ...others, root], anchors);
  assert.equal(below(issue({ names: ["other.test"] }), middle), "certificate-host-mismatch");
  assert.equal(below(issue({ until: now - day }), middle), "certificate-expired");
  assert.equal(below(issue({ from: now + day }), middle), "certificate-not-trusted");
  assert.equal(below(issue({ purposes: [clientPurpose] }), middle), "certificate-not-trusted");
  assert.equal(below(issue({ purposes: ["551d2500"] }), middle), "verified");
  assert.equal(below(issue({ unknownCritical: true }), middle), "certificate-not-trusted");
  const old = makeCertificate({ subject: "Old", authority: {}, issuer: root, until: now - day });
  assert.equal(below(issue({}, old), old), "certificate-expired");
  const plain = makeCertificate({ subject: "No authority", issuer: root });
  assert.equal(below(issue({}, plain), plain), "validation-failure");
  const third = makeCertificate({ subject: "Third", authority: {}, issuer: middle });
  assert.equal(below(issue({}, third), third, middle), "certificate-not-trusted");
  const client = makeCertificate({ subject: "Client", authority: {}, issuer: root, purposes: [clientPurpose] });
  assert.equal(below(issue({}, client), client), "certificate-not-trusted");
});

test("SEC-008: an authority vouches only for the names that its certificate lets it", () => {
  const anchors = [record("2 0 1", root)];
  const under = (limits: { permitted?: string; excluded?: string }) => {
    const limited = makeCertificate({ subject: "Limited", authority: limits, issuer: root });
    return verdictOf([makeCertificate({ subject: "mx", names: [host], issuer: limited }), limited, root], anchors);
  };
  assert.equal(under({ permitted: "example.com" }), "verified");
  assert.equal(under({ permitted: "MX.example.com" }), "verified");
  assert.equal(under({ permitted: ".example.com" }), "verified");
  assert.equal(under({ permitted: "ple.com" }), "certificate-not-trusted");
  assert.equal(under({ permitted: ".mx.example.com" }), "certificate-not-trusted");
  assert.equal(under({ excluded: "example.com" }), "certificate-not-trusted");
  assert.equal(under({ excluded: "other.test" }), "verified");
  assert.equal(under({ excluded: "" }), "certificate-not-trusted");
});

test("SEC-008: each reference name will do; a wildcard is one whole label; a common name counts without DNS names", () => {
  const anchors = [record("2 1 1", root)];
  const issue = (names: readonly string[] | undefined, subject = "x") =>
    makeCertificate({ subject, issuer: root, ...(names !== undefined && { names }) });
  const check = (own: TestCertificate, names: string[]) => verdictOf([own, root], anchors, names);
  assert.equal(check(issue(["example.com"]), [host, "example.com"]), "verified");
  assert.equal(check(issue(["*.example.com"]), [host]), "verified");
  assert.equal(check(issue(["*.com"]), [host]), "certificate-host-mismatch");
  assert.equal(check(issue(["m*.example.com"]), [host]), "certificate-host-mismatch");
  assert.equal(check(issue(["*.example.com"]), ["a.b.example.com"]), "certificate-host-mismatch");
  assert.equal(check(issue(undefined, host), [host]), "verified");
  assert.equal(check(issue(["other.test"], host), [host]), "certificate-host-mismatch");
  assert.equal(check(issue([`${host}\0.evil.test`]), [host]), "certificate-host-mismatch");
  assert.equal(check(issue([host]), ["", "a\0b"]), "certificate-host-mismatch");
});

test("SEC-010: of several digests the strongest usable one counts, of each usage and selector by itself", () => {
  const wrong = (text: string, octets: number) => ({ ...record(text, leaf), data: Buffer.alloc(octets, 1) });
  assert.equal(verdictOf([leaf], [wrong("3 1 2", 64), record("3 1 1", leaf)]), "validation-failure");
  assert.equal(verdictOf([leaf], [record("3 1 1", leaf), wrong("3 1 2", 64)]), "validation-failure");
  assert.equal(verdictOf([leaf], [wrong("3 1 2", 63), record("3 1 1", leaf)]), "verified");
  assert.equal(verdictOf([leaf], [wrong("3 0 2", 64), record("3 1 1", leaf)]), "verified");
  assert.equal(verdictOf([leaf], [wrong("2 1 2", 64), record("3 1 1", leaf)]), "verified");
  assert.equal(verdictOf([leaf], [wrong("3 1 2", 64), record("3 1 0", leaf)]), "verified");
  assert.deepEqual(usableRecords([record("3 1 1", leaf), wrong("3 1 1", 32)]).length, 2);
});

test("SEC-010: what makes a record unusable has a sentence", () => {
  const bad = ["0 1 1", "1 1 1", "4 1 1", "255 1 1", "3 2 1", "3 1 3"].map((text) => record(text, leaf));
  const cut = { ...record("3 1 1", leaf), data: Buffer.alloc(3) };
  const empty = { ...record("3 1 0", leaf), data: Buffer.alloc(0) };
  assert.deepEqual([...bad, cut, empty].map(tlsaFaultOf), [
    "usage 0 is not for mail; DANE-EE(3) is the usual one",
    "usage 1 is not for mail; DANE-EE(3) is the usual one",
    "usage 4 is not for mail; DANE-EE(3) is the usual one",
    "usage 255 is not for mail; DANE-EE(3) is the usual one",
    "selector 2 is not known",
    "matching type 3 is not known",
    "its digest has 3 octets in place of 32",
    "it has no data",
  ]);
  assert.equal(tlsaFaultOf(record("3 1 1", leaf)), undefined);
});

test("records are read from octets and from text, and written", () => {
  assert.equal(parseTlsaData(Uint8Array.of(3, 1)), undefined);
  assert.deepEqual(parseTlsaData(Uint8Array.of(3, 1, 1)), {
    usage: 3,
    selector: 1,
    matching: 1,
    data: new Uint8Array(),
  });
  const read = parseTlsaText("3 1\t1 AB cd");
  assert.deepEqual(read, { usage: 3, selector: 1, matching: 1, data: Uint8Array.of(0xab, 0xcd) });
  assert.ok(read !== undefined && formatTlsa(read) === "3 1 1 abcd");
  for (const text of ["3 1 1", "3 1 1 a", "3 1 1 ", " 3 1 1 ab", "3 1 1 ab\n", "3 1 1 0xab", "-3 1 1 ab"])
    assert.equal(parseTlsaText(text), undefined, text);
  assert.notEqual(parseTlsaText(`3 0 0 ${"ab".repeat(65_000)}`), undefined);
  assert.equal(parseTlsaText(`3 0 0 ${"ab".repeat(80_000)}`), undefined);
});

test("what fitted can be told", () => {
  const ee = verifyDane([leaf.der], [record("3 1 1", leaf)], [], now);
  assert.ok(ee.kind === "verified");
  assert.match(describeMatch(ee), /^TLSA 3 1 1 [\da-f]{16}…$/);
  const ta = verifyDane([leaf.der, middle.der], [record("2 0 1", middle)], ["example.com", host], now);
  assert.ok(ta.kind === "verified");
  assert.match(describeMatch(ta), /^TLSA 2 0 1 [\da-f]{16}… for mx\.example\.com$/);
});

test("a crowd of certificates and anchors costs a bounded number of checks, and what follows the first 16 is not seen", () => {
  const crowd = Array.from({ length: 40 }, () => makeCertificate({ subject: "Middle", authority: {}, issuer: root }));
  assert.equal(verdictOf([leaf, ...crowd, middle], [record("2 0 1", middle)]), "validation-failure");
  assert.equal(verdictOf([leaf, ...crowd.slice(0, 10), middle], [record("2 0 1", middle)]), "verified");
  const key = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" });
  const keys = Array.from({ length: 1000 }, () => ({ usage: 2, selector: 1, matching: 0, data: key }));
  assert.equal(verdictOf([leaf, middle], keys), "validation-failure");
});

test("any octets give a verdict", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(fc.constantFrom(leaf, middle, root), fc.nat(600), fc.integer({ min: 0, max: 255 }))
      .map(([from, at, octet]) => {
        const copy = Uint8Array.from(from.der);
        copy[at % copy.length] = octet;
        return copy;
      }),
  );
  const texts = fc.constantFrom("2 0 1", "2 1 0", "2 0 0", "2 1 2");
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 4 }), texts, fc.boolean(), (chain, text, keep) => {
      const sent = keep ? [leaf.der, ...chain] : chain;
      const verdict = verifyDane(sent, [record(text, root)], [host], now);
      assert.ok(verdict.kind === "failed" || sent.length > 1);
    }),
    { numRuns: 500 },
  );
});

/** Answers by `TYPE name`; anything else fails the test. */
function zone(answers: Readonly<Record<string, DnsAnswer<RecordType>>>): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  const query = (name: string, type: RecordType) => {
    asked.push(`${type} ${name}`);
    return Promise.resolve(answers[`${type} ${name}`] ?? assert.fail(`asked for ${type} ${name}`));
  };
  return { asked, query } as Resolver & { readonly asked: string[] };
}

function found(secure: boolean, ...records: TlsaRecord[]): DnsAnswer<"TLSA"> {
  return { kind: "records", records, name: "", ttlSeconds: 60, secure };
}

const absent = { kind: "no-name", secure: true } as const;
const ee = record("3 1 1", leaf);
const ta = record("2 0 1", root);
const direct: DaneHost = {
  name: host,
  port: 25,
  addresses: { canonicalName: host, secure: true },
  mx: { secure: true, nextHop: "alias.example.org", canonicalNextHop: "example.com" },
};
const alias = (secure: boolean): DaneHost => ({ ...direct, addresses: { canonicalName: "real.example.net", secure } });

test("SEC-006: an insecure address ends it: TLSA is not asked for", async () => {
  const resolver = zone({});
  const insecure = { ...direct, addresses: { canonicalName: host, secure: false } };
  assert.deepEqual(await decideDane(resolver, insecure), { kind: "not-applicable", why: "address-insecure" });
  assert.deepEqual(resolver.asked, []);
});

test("SEC-005: of an alias the end is asked first, then the name itself; the names follow RFC 7672 §3.2.2", async () => {
  const own = "TLSA _25._tcp.mx.example.com";
  const target = "TLSA _25._tcp.real.example.net";
  const atEnd = await decideDane(zone({ [target]: found(true, ta) }), alias(true));
  const base = "real.example.net";
  assert.ok(atEnd.kind === "dane" && atEnd.baseDomain === base && atEnd.mxSecure);
  assert.deepEqual(atEnd.names, [base, "alias.example.org", "example.com"]);
  const both = zone({ [target]: found(false, ta), [own]: found(true, ta) });
  const atName = await decideDane(both, alias(true));
  assert.ok(atName.kind === "dane" && atName.baseDomain === host);
  assert.deepEqual(both.asked, [target, own]);
  const none = await decideDane(zone({ [target]: absent, [own]: { kind: "no-data", secure: true } }), alias(true));
  assert.deepEqual(none, { kind: "not-applicable", why: "no-records" });
});

test("SEC-005: a signed alias into an unsigned zone still has the records of its own name (trap 30)", async () => {
  const own = "TLSA _25._tcp.mx.example.com";
  const cname = (secure: boolean) =>
    ({ kind: "records", records: ["real.example.net"], name: host, ttlSeconds: 60, secure }) as const;
  const signed = await decideDane(zone({ "CNAME mx.example.com": cname(true), [own]: found(true, ee) }), alias(false));
  assert.ok(signed.kind === "dane" && signed.baseDomain === host);
  const unsigned = await decideDane(zone({ "CNAME mx.example.com": cname(false) }), alias(false));
  assert.deepEqual(unsigned, { kind: "not-applicable", why: "address-insecure" });
});

test("SEC-001: a lookup that fails excludes the host, at each step (trap 28)", async () => {
  const failure = { kind: "failure", reason: "SERVFAIL" } as const;
  const own = "_25._tcp.mx.example.com";
  const target = "_25._tcp.real.example.net";
  const excluded = (type: string, name: string) => ({
    kind: "excluded",
    reason: `the DNS lookup for ${type} of ${name}, which DANE needs, failed: SERVFAIL`,
  });
  assert.deepEqual(await decideDane(zone({ [`TLSA ${own}`]: failure }), direct), excluded("TLSA", own));
  assert.deepEqual(await decideDane(zone({ [`TLSA ${target}`]: failure }), alias(true)), excluded("TLSA", target));
  const second = zone({ [`TLSA ${target}`]: absent, [`TLSA ${own}`]: failure });
  assert.deepEqual(await decideDane(second, alias(true)), excluded("TLSA", own));
  assert.deepEqual(await decideDane(zone({ [`CNAME ${host}`]: failure }), alias(false)), excluded("CNAME", host));
});

test("SEC-003, SEC-004: unusable records ask for TLS all the same; insecure MX leave only the host's own name", async () => {
  const own = "TLSA _465._tcp.mx.example.com";
  const cut = { ...ee, data: Buffer.alloc(3) };
  const host465 = { ...direct, port: 465 };
  const unusable = await decideDane(zone({ [own]: found(true, cut) }), host465);
  assert.deepEqual(unusable, {
    kind: "tls-required",
    baseDomain: host,
    reason: "its digest has 3 octets in place of 32",
  });
  const unread = await decideDane(zone({ [own]: found(true) }), host465);
  assert.deepEqual(unread, { kind: "tls-required", baseDomain: host, reason: "it cannot be read" });
  const mx = { secure: false, nextHop: "example.org", canonicalNextHop: "example.org" };
  const insecure = await decideDane(zone({ [own]: found(true, cut, ee) }), { ...host465, mx });
  assert.deepEqual(insecure, { kind: "dane", records: [ee], baseDomain: host, names: [host], mxSecure: false });
});

test("SEC-008: a relay host that a setting names may have either of its names", async () => {
  const { mx: _none, ...relay } = alias(true);
  const decision = await decideDane(zone({ "TLSA _25._tcp.real.example.net": found(true, ta) }), relay);
  assert.ok(decision.kind === "dane");
  assert.deepEqual([decision.names, decision.mxSecure], [["real.example.net", host], true]);
});
