/** Which way the search for a trust anchor takes through what a server sent. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { TlsaRecord } from "../ports/resolver.ts";
import { clientPurpose, makeCertificate, type TestCertificate } from "../testing/test-certificates.ts";
import { verifyDane } from "./verify-dane.ts";

const now = Date.UTC(2026, 0, 1);
const day = 86_400_000;
const host = "mx.example.com";
const root = makeCertificate({ subject: "Root", authority: {} });

/** DANE-TA, by the digest of the key. */
function digestOf({ publicKeyInfo }: TestCertificate): TlsaRecord {
  return { usage: 2, selector: 1, matching: 1, data: createHash("sha256").update(publicKeyInfo).digest() };
}

/** DANE-TA, by the key itself. */
function wholeKeyOf({ publicKeyInfo }: TestCertificate): TlsaRecord {
  return { usage: 2, selector: 1, matching: 0, data: publicKeyInfo };
}

/** `verified`, or the fault. */
function verdictOf(chain: readonly TestCertificate[], records: readonly TlsaRecord[]): string {
  const sent = chain.map(({ der }) => der);
  const verdict = verifyDane(sent, records, [host], now);
  return verdict.kind === "failed" ? verdict.fault : "verified";
}

test("SEC-008: an authority that breaks a rule stands in the way of no other with its name and key", () => {
  const anchors = [digestOf(root)];
  const renewed = makeCertificate({ subject: "Renewed", authority: {}, issuer: root });
  const again = (options: Partial<Parameters<typeof makeCertificate>[0]>) =>
    makeCertificate({ subject: "Renewed", authority: {}, issuer: root, sameKeyAs: renewed, ...options });
  const own = makeCertificate({ subject: "mx", names: [host], issuer: renewed });
  const broken = [
    again({ until: now - day }),
    again({ from: now + day }),
    again({ unknownCritical: true }),
    again({ authority: { permitted: "else.test" } }),
    again({ purposes: [clientPurpose] }),
  ];
  for (const other of broken) {
    assert.equal(verdictOf([own, other, renewed, root], anchors), "verified");
    assert.notEqual(verdictOf([own, other, root], anchors), "verified");
  }
  assert.equal(verdictOf([own, ...broken, renewed, root], anchors), "verified");
  // The longer way, by which the second authority stands too high.
  const top = makeCertificate({ subject: "Top", authority: { pathLength: 1 }, issuer: root });
  const cross = makeCertificate({ subject: "Cross", authority: {}, issuer: top });
  const low = makeCertificate({ subject: "Low", authority: {}, issuer: cross });
  const direct = makeCertificate({ subject: "Low", authority: {}, issuer: top, sameKeyAs: low });
  const below = makeCertificate({ subject: "mx", names: [host], issuer: low });
  assert.equal(verdictOf([below, low, cross, direct, top, root], anchors), "verified");
  assert.equal(verdictOf([below, low, cross, top, root], anchors), "certificate-not-trusted");
});

test("signatures beyond the first 32 of a search are not checked", () => {
  // Each of these signed the one before it, so each is looked at below seven foreign keys.
  const keys = Array.from({ length: 7 }, () => wholeKeyOf(makeCertificate({ subject: "Foreign" })));
  const chainOf = (length: number) => {
    const chain = [root];
    for (let index = 1; index < length; index++) {
      const [issuer = root] = chain;
      chain.unshift(makeCertificate({ subject: `Step ${index}`, authority: {}, issuer }));
    }
    const own = makeCertificate({ subject: "mx", names: [host], issuer: chain[0] ?? root });
    return [own, ...chain];
  };
  const anchors = [...keys, digestOf(root)];
  assert.equal(verdictOf(chainOf(4), anchors), "verified");
  assert.equal(verdictOf(chainOf(5), anchors), "validation-failure");
});
