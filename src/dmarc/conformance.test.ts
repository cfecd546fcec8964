/** The vectors of the folder `dmarc`; reports apart. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { dnsNameKeyOf } from "../address/domain.ts";
import { BodyHashes } from "../dkim/body-hashes.ts";
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import { DkimVerifier } from "../dkim/verifier.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import type { DnsAnswer, Resolver } from "../ports/resolver.ts";
import { checkSender } from "../spf/spf.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";
import { caseFile, readVectors, vectorPath } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { resolverOf, type ZoneData } from "../testing/conformance-dns.ts";
import { Alignment } from "./alignment.ts";
import { readAuthorDomain } from "./author-domain.ts";
import type { DmarcOutcome } from "./dmarc-outcome.ts";
import { dkimOutcome, spfOutcome } from "../testing/dmarc-evidence.ts";
import { parseDmarcRecord } from "./dmarc-record.ts";
import { evaluateDmarc } from "./evaluate-dmarc.ts";
import { DmarcRecords, organizationalDomainOf } from "./tree-walk.ts";

interface RecordVector {
  readonly record: string;
  readonly strict_rfc7489: "ok" | "error";
  readonly fields?: {
    readonly p?: string;
    readonly rua?: readonly { readonly uri: string }[];
    readonly ruf?: readonly { readonly uri: string }[];
    readonly fo?: readonly string[];
  };
}

test("DMARC-002: conformance: records", async (t) => {
  const vectors = readVectors<readonly RecordVector[]>(t, "dmarc", "records.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "dmarc/records",
    vectors,
    ({ record }) => record,
    ({ record, strict_rfc7489, fields }) => {
      const parsed = parseDmarcRecord(record);
      assert.equal(parsed.kind === "record", strict_rfc7489 === "ok");
      if (parsed.kind !== "record" || fields === undefined) return;
      const { p, rua, ruf, fo } = parsed.record;
      if (fields.p !== undefined) assert.equal(p, fields.p);
      if (fields.rua !== undefined) assert.deepEqual(rua, fields.rua.map(uriOf));
      if (fields.ruf !== undefined) assert.deepEqual(ruf, fields.ruf.map(uriOf));
      // Without ruf, fo must be ignored (RFC 9989 §4.7).
      if (fields.fo !== undefined && fields.ruf !== undefined) assert.deepEqual(fo, fields.fo);
    },
  );
});

interface Evaluation {
  readonly id: string;
  readonly dns: ZoneData;
  readonly header_from: string;
  readonly spf: { readonly result: SpfOutcome["result"]; readonly domain: string } | null;
  readonly dkim: readonly { readonly result: DkimOutcome["result"]; readonly domain: string }[];
  readonly expect: {
    readonly result: string | readonly string[];
    readonly policy?: string;
    readonly policy_domain?: string;
    readonly spf_aligned?: boolean;
    readonly dkim_aligned?: boolean;
    readonly queries?: readonly string[];
  };
}

test("DMARC-012: conformance: evaluation", async (t) => {
  const vectors = readVectors<readonly Evaluation[]>(t, "dmarc", "evaluation.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "dmarc/evaluation",
    vectors,
    ({ id }) => id,
    async ({ dns, header_from, spf, dkim, expect }) => {
      const resolver = resolverOf(dns);
      const outcome = await evaluateDmarc(
        {
          author: { kind: "domain", domain: header_from },
          spf: spf === null ? undefined : spfOutcome(spf.result, spf.domain),
          nullReversePath: false,
          dkim: dkim.map(({ result, domain }) => dkimOutcome(result, domain)),
        },
        { resolver },
      );
      assert.ok([expect.result].flat().includes(outcome.result), `${outcome.result}: ${outcome.detail}`);
      if (expect.policy !== undefined) assert.equal(outcome.policy, expect.policy);
      if (expect.policy_domain !== undefined) assert.equal(outcome.policyDomain, expect.policy_domain);
      if (expect.spf_aligned !== undefined) assert.equal(outcome.spfAligned, expect.spf_aligned);
      if (expect.dkim_aligned !== undefined) assert.equal(outcome.dkimAligned, expect.dkim_aligned);
      if (expect.queries !== undefined) {
        assert.deepEqual(
          resolver.queries,
          expect.queries.map((name) => `TXT ${name}`),
        );
      }
    },
  );
});

interface AlignmentVector {
  readonly a: string;
  readonly b: string;
  readonly mode: "r" | "s";
  readonly aligned: boolean;
}

test("DMARC-010: conformance: alignment, in a DNS where every public suffix says psd=y", async (t) => {
  const vectors = readVectors<readonly AlignmentVector[]>(t, "dmarc", "alignment.json");
  if (vectors === undefined) return;
  const resolver = suffixResolver(t);
  if (resolver === undefined) return;
  const records = new DmarcRecords(resolver);
  await runVectors(
    t,
    "dmarc/alignment",
    vectors,
    ({ a, b, mode }) => `${a} ${b} ${mode}`,
    async ({ a, b, mode, aligned }) => {
      const alignment = new Alignment(records, dnsNameKeyOf(a) ?? assert.fail(a), undefined);
      const found = await alignment.of(dnsNameKeyOf(b) ?? assert.fail(b), mode === "s" ? "strict" : "relaxed");
      assert.equal(found, aligned ? "aligned" : "not-aligned");
    },
  );
});

interface SuffixVector {
  readonly domain: string | null;
  /** Null: there is nothing to register, the domain is a suffix itself. */
  readonly registrable: string | null;
}

test("DMARC-006: conformance: the tree walk finds what the public suffix list would, where suffixes say psd=y", async (t) => {
  const vectors = readVectors<readonly SuffixVector[]>(t, "psl", "tests.json");
  if (vectors === undefined) return;
  const resolver = suffixResolver(t);
  if (resolver === undefined) return;
  const records = new DmarcRecords(resolver);
  await runVectors(
    t,
    "psl/tests",
    vectors,
    ({ domain }) => String(domain),
    async ({ domain, registrable }) => {
      const start = dnsNameKeyOf(domain ?? "");
      if (start === undefined) return { skipped: "no domain name" };
      const walk = await records.walk(start);
      assert.equal(organizationalDomainOf(walk), registrable === null ? start : dnsNameKeyOf(registrable));
      return undefined;
    },
  );
});

interface FromVector {
  readonly from_field: string;
  readonly domain: string;
}

test("DMARC-001: conformance: author domains", async (t) => {
  const vectors = readVectors<readonly FromVector[]>(t, "dmarc", "from-domain.json");
  if (vectors === undefined) return;
  await runVectors(
    t,
    "dmarc/from-domain",
    vectors,
    ({ from_field }) => from_field,
    ({ from_field, domain }) => {
      const author = readAuthorDomain(parseHeaderFields(Buffer.from(`From: ${from_field}\r\n`)));
      assert.deepEqual(author, { kind: "domain", domain });
    },
  );
});

interface MessageVector {
  readonly id: string;
  readonly file: string;
  readonly ip: string | null;
  readonly mailfrom: string | null;
  readonly expect: Expectation;
  readonly rfc9989_expect: Expectation | null;
}
interface Expectation {
  readonly result: string;
  readonly policy: string | null;
}

test("DMARC-012: conformance: whole messages, through SPF and DKIM", async (t) => {
  const vectors = readVectors<readonly MessageVector[]>(t, "dmarc", "messages.json");
  const zones = readVectors<ZoneData>(t, "dmarc", "dns.json");
  if (vectors === undefined || zones === undefined) return;
  const resolver = resolverOf(zones);
  await runVectors(
    t,
    "dmarc/messages",
    vectors,
    ({ id }) => id,
    async ({ file, ip, mailfrom, expect, rfc9989_expect }) => {
      const outcome = await evaluateMessage(caseFile("dmarc", file), ip, mailfrom, resolver);
      const { result, policy } = rfc9989_expect ?? expect;
      assert.equal(outcome.result, result, outcome.detail);
      if (policy !== null) assert.equal(outcome.policy, policy);
    },
  );
});

async function evaluateMessage(
  content: Buffer,
  clientAddress: string | null,
  mailFrom: string | null,
  resolver: Resolver,
): Promise<DmarcOutcome> {
  // Signatures without x=, made in 2016; the time of evaluation does not matter.
  const now = Date.UTC(2026, 0);
  const collector = new HeaderCollector();
  const progress = collector.push(content);
  const collected = progress.kind === "need-more" ? collector.end() : progress;
  if (collected.kind !== "complete") assert.fail(collected.kind);
  const header = parseHeaderFields(collected.header);
  const bodies = new BodyHashes();
  const verifier = new DkimVerifier(header, bodies, { resolver, now });
  bodies.push(collected.rest);
  bodies.end();
  const [localPart = "", domain = ""] = (mailFrom ?? "").split("@");
  const spf =
    clientAddress === null
      ? undefined
      : (await checkSender({ clientAddress, hello: domain, reversePath: { localPart, domain } }, { resolver, now }))
          .mailfrom;
  const dkim = await verifier.finish();
  return evaluateDmarc({ author: readAuthorDomain(header), spf, nullReversePath: false, dkim }, { resolver });
}

function uriOf({ uri }: { readonly uri: string }): string {
  return uri;
}

/** Answers for `_dmarc` of every public suffix and exception, as RFC 9989 §4.7 `psd` has their operators do. */
function suffixResolver(t: TestContext): Resolver | undefined {
  const path = vectorPath(t, "psl", "public_suffix_list.dat");
  if (path === undefined) return undefined;
  const rules = new Set<string>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, mark = "", name = ""] = /^(!|\*\.)?([^\s/]+)/.exec(line) ?? [];
    if (name !== "") rules.add(mark + (dnsNameKeyOf(name) ?? assert.fail(name)));
  }
  const psdOf = (name: string): string | undefined => {
    if (rules.has(`!${name}`)) return "n";
    return rules.has(name) || rules.has(`*.${name.slice(name.indexOf(".") + 1)}`) ? "y" : undefined;
  };
  const query = async (name: string): Promise<DnsAnswer<"TXT">> => {
    const psd = psdOf(name.replace(/^_dmarc\./, ""));
    return psd === undefined
      ? { kind: "no-name", secure: false }
      : { kind: "records", records: [`v=DMARC1; p=none; psd=${psd}`], name, ttlSeconds: 300, secure: false };
  };
  return { query: query as Resolver["query"] };
}
