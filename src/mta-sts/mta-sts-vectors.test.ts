/** The vectors of MTA-STS: records, policies, patterns, and what is found for a domain. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyResponse } from "../ports/policy-fetcher.ts";
import type { DnsAnswer, RecordType, Resolver } from "../ports/resolver.ts";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { policyPath } from "./fetch-policy.ts";
import { findPolicy } from "./policy-discovery.ts";
import { listsMx, parseStsPolicy } from "./sts-policy.ts";
import { parseStsRecord } from "./sts-record.ts";

interface RecordVector {
  readonly txt: string;
  readonly ok: boolean;
  readonly id?: string;
}

test("SEC-012: conformance: the record follows the grammar of RFC 8461 to the letter", async (t) => {
  const vectors = readVectors<readonly RecordVector[]>(t, "mta-sts", "records.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "mta-sts/records",
    vectors,
    ({ txt }) => txt,
    ({ txt, ok, id }) => {
      const result = parseStsRecord(txt);
      assert.equal(result.kind === "record", ok);
      if (result.kind === "record") assert.equal(result.record.id, id);
    },
  );
});

interface PolicyVector {
  readonly policy: string;
  readonly ok: boolean;
  readonly mode?: string;
  readonly mx?: readonly string[];
  readonly max_age?: number;
}

test("SEC-014: conformance: policies", async (t) => {
  const vectors = readVectors<readonly PolicyVector[]>(t, "mta-sts", "policies.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "mta-sts/policies",
    vectors,
    ({ policy }) => policy,
    ({ policy, ok, mode, mx, max_age: maxAgeSeconds }) => {
      const result = parseStsPolicy(Buffer.from(policy));
      assert.equal(result.kind === "policy", ok);
      if (result.kind === "policy") assert.deepEqual(result.policy, { mode, mx, maxAgeSeconds });
    },
  );
});

interface MatchVector {
  readonly pattern: string;
  readonly mx: string;
  readonly match: boolean;
}

test("SEC-015: conformance: patterns of mail hosts", async (t) => {
  const vectors = readVectors<readonly MatchVector[]>(t, "mta-sts", "mx-match.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "mta-sts/mx-match",
    vectors,
    ({ pattern, mx }) => `${pattern} ${mx}`,
    ({ pattern, mx, match }) => {
      const parsed = parseStsPolicy(Buffer.from(`version: STSv1\nmode: enforce\nmax_age: 1\nmx: ${pattern}`));
      assert.ok(parsed.kind === "policy");
      assert.equal(listsMx(parsed.policy, mx), match);
    },
  );
});

interface DiscoveryVector {
  readonly id: string;
  readonly txt: readonly string[];
  readonly txt_rcode?: string;
  readonly txt_cname?: string;
  readonly policy_host_response: {
    readonly status: number;
    readonly content_type?: string;
    readonly body?: string;
    readonly body_bytes?: number;
    readonly tls?: string;
  };
  readonly expect: string;
}

/** What the port would tell of such a host. */
function responseOf(host: DiscoveryVector["policy_host_response"], bytesMax: number): PolicyResponse {
  if (host.tls !== undefined) return { kind: "failure", fault: "certificate", detail: host.tls };
  if (host.body_bytes !== undefined && host.body_bytes > bytesMax)
    return { kind: "failure", fault: "too-large", detail: "it is too large" };
  return {
    kind: "response",
    status: host.status,
    contentType: host.content_type,
    body: Buffer.from(host.body ?? ""),
  };
}

test("SEC-012, SEC-013: conformance: what is found for a domain", async (t) => {
  const vectors = readVectors<readonly DiscoveryVector[]>(t, "mta-sts", "discovery.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "mta-sts/discovery",
    vectors,
    ({ id }) => id,
    async (vector) => {
      // CNAMEs are the resolver's to follow.
      const name = vector.txt_cname ?? "_mta-sts.good.loc";
      const answer: DnsAnswer<"TXT"> =
        vector.txt_rcode === undefined
          ? { kind: "records", records: vector.txt, name, ttlSeconds: 60, secure: false }
          : { kind: "failure", reason: vector.txt_rcode };
      const resolver = {
        query: (asked: string, type: RecordType) => {
          assert.deepEqual([asked, type], ["_mta-sts.good.loc", "TXT"]);
          return Promise.resolve(answer);
        },
      } as Resolver;
      const lookup = await findPolicy("good.loc", {
        resolver,
        fetcher: {
          fetch: (host, path, { bytesMax }) => {
            assert.deepEqual([host, path], ["mta-sts.good.loc", policyPath]);
            return Promise.resolve(responseOf(vector.policy_host_response, bytesMax));
          },
        },
        store: { get: () => Promise.resolve(undefined), put: () => Promise.resolve() },
        now: 0,
      });
      const word = lookup.kind === "policy" ? "valid" : lookup.trouble ? "fetch-error" : lookup.unanswered;
      assert.equal(word === "SERVFAIL" ? "temperror" : (word ?? "none"), vector.expect);
    },
  );
});
