/** The vectors of DANE: chains with TLSA records, decisions by what the DNS says, and records as text. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { test } from "node:test";
import type { DnsAnswer, RecordType, Resolver, TlsaRecord } from "../ports/resolver.ts";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { makeCertificate } from "../testing/test-certificates.ts";
import { decideDane } from "./host-decision.ts";
import { parseTlsaText, usableRecords } from "./tlsa-record.ts";
import { verifyDane } from "./verify-dane.ts";

const now = Date.UTC(2026, 0, 1);

interface ChainVector {
  readonly id: string;
  readonly tlsa: readonly { usage: number; selector: number; mtype: number; data: string }[];
  readonly chain: readonly string[];
  readonly expect: string;
}

/** OpenSSL's file of cross-signed chains is about another host than the rest. */
function referenceName(id: string): string {
  return id.startsWith("dane-cross") ? "server.example" : "example.com";
}

const chainFaults: Readonly<Record<string, string>> = {
  "dane-no-match": "validation-failure",
  "hostname-mismatch": "certificate-host-mismatch",
};

test("SEC-007, SEC-008: conformance: chains fit their TLSA records or do not", async (t) => {
  const vectors = readVectors<readonly ChainVector[]>(t, "dane", "tlsa-chains.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "dane/tlsa-chains",
    vectors,
    ({ id }) => id,
    ({ id, tlsa, chain, expect }) => {
      const records = tlsa.map(({ usage, selector, mtype, data }): TlsaRecord => ({
        usage,
        selector,
        matching: mtype,
        data: Buffer.from(data, "hex"),
      }));
      const certificates = chain.map((pem) => new X509Certificate(pem).raw);
      const verdict = verifyDane(certificates, records, [referenceName(id)], now);
      if (tlsa.every(({ usage }) => usage < 2)) {
        assert.deepEqual(usableRecords(records), []);
        assert.ok(verdict.kind === "failed" && verdict.fault === "tlsa-invalid");
        return { skipped: "RFC 7672 §3.1.3: PKIX-TA and PKIX-EE are not for SMTP" };
      }
      const found = verdict.kind === "failed" ? verdict.fault : "ok";
      assert.equal(found, chainFaults[expect] ?? expect, JSON.stringify(verdict));
      return undefined;
    },
  );
});

interface TextVector {
  readonly text: string;
  readonly ok: boolean;
}

test("SEC-010: conformance: the text of a TLSA record", async (t) => {
  const vectors = readVectors<readonly TextVector[]>(t, "dane", "tlsa-text.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "dane/tlsa-text",
    vectors,
    ({ text }) => text,
    ({ text, ok }) => assert.equal(parseTlsaText(text) !== undefined, ok),
  );
});

interface DecisionVector {
  readonly id: string;
  readonly mx: string;
  readonly address: string;
  readonly tlsa: {
    readonly status: string;
    readonly records?: readonly string[];
    readonly certificate?: string;
    readonly base?: string;
  };
  readonly expect: string;
}

const authority = makeCertificate({ subject: "An authority", authority: {} });
const names = ["mx.example.com"];

/** What the words of the vectors mean by a certificate: the chain that a server sends. */
const chains: Readonly<Record<string, readonly Buffer[]>> = {
  "expired, key matches": [expired()],
  "other name, key matches": [makeCertificate({ subject: "other", names: ["other.example"] }).der],
  "chain matches, name differs": [
    makeCertificate({ subject: "other", names: ["other.example"], issuer: authority }).der,
    authority.der,
  ],
  "server leaves the trust anchor out of the chain": [makeCertificate({ subject: "mx", names, issuer: authority }).der],
};

function expired(): Buffer {
  return makeCertificate({ subject: "mx", names, until: Date.UTC(2021, 0, 1) }).der;
}

/** `3 1 1`, with the data that fits the certificate; the digest is cut where the vector says so. */
function recordOf(text: string, chain: readonly Buffer[] | undefined): TlsaRecord {
  const [usage = 0, selector = 0, matching = 0] = text.split(" ").map(Number);
  const subject = usage === 2 ? authority.der : (chain?.[0] ?? authority.der);
  const { publicKey, raw } = new X509Certificate(subject);
  const value = selector === 1 ? publicKey.export({ type: "spki", format: "der" }) : raw;
  const digest = createHash("sha256").update(value).digest();
  return { usage, selector, matching, data: text.includes("31 octets") ? digest.subarray(1) : digest };
}

function answerOf({ status, records = [] }: DecisionVector["tlsa"], found: readonly TlsaRecord[]): DnsAnswer<"TLSA"> {
  if (status === "nxdomain-secure") return { kind: "no-name", secure: true };
  if (!["secure", "insecure"].includes(status)) return { kind: "failure", reason: status };
  const secure = status === "secure";
  if (records.length === 0) return { kind: "no-data", secure };
  return { kind: "records", records: found, name: "_25._tcp.mx.example.com", ttlSeconds: 60, secure };
}

const verdicts: Readonly<Record<string, string>> = {
  dane: "dane-required",
  "tls-required": "tls-required-unauthenticated",
  "not-applicable": "opportunistic",
  excluded: "defer",
};

test("SEC-001, SEC-003: conformance: what the DNS says of a host decides about it", async (t) => {
  const vectors = readVectors<readonly DecisionVector[]>(t, "dane", "smtp-decisions.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "dane/smtp-decisions",
    vectors,
    ({ id }) => id,
    async ({ mx, address, tlsa, expect }) => {
      const chain = tlsa.certificate === undefined ? undefined : chains[tlsa.certificate];
      assert.equal(chain === undefined, tlsa.certificate === undefined);
      const records = (tlsa.records ?? []).map((text) => recordOf(text, chain));
      const answer = answerOf(tlsa, records);
      const isAlias = address.includes("CNAME");
      const resolver = {
        query: (name: string, type: RecordType) => {
          assert.equal(type, "TLSA");
          // The name at the end of the CNAME has no records in the vector, so that both are asked.
          const isTarget = name === "_25._tcp.target.example.net";
          return Promise.resolve(isTarget ? { kind: "no-name", secure: true } : answer);
        },
      } as Resolver;
      const decision = await decideDane(resolver, {
        name: "mx.example.com",
        port: 25,
        addresses: { canonicalName: isAlias ? "target.example.net" : "mx.example.com", secure: true },
        mx: { secure: mx === "secure", nextHop: "example.com", canonicalNextHop: "example.com" },
      });
      if (decision.kind === "dane" && chain !== undefined) {
        const { kind } = verifyDane(chain, decision.records, decision.names, now);
        assert.equal(kind === "verified" ? "authenticated" : "not-authenticated", expect);
      } else if (expect === "opportunistic-or-dane-optional") {
        assert.ok(decision.kind === "dane" && !decision.mxSecure);
        assert.deepEqual(decision.names, ["mx.example.com"]);
      } else assert.equal(verdicts[decision.kind], expect);
    },
  );
});
