/**
 * Which record's policy applies to mail of an author domain (RFC 9989 §4.10.1): its own, else that of its organisation,
 * else that of the public suffix above; and which of `p`, `sp` and `np` it is.
 */
import type { Resolver } from "../ports/resolver.ts";
import type { DmarcPolicy, DmarcRecord } from "./dmarc-outcome.ts";
import { DmarcRecords, organizationalDomainOf, type FoundRecord, type TreeWalk } from "./tree-walk.ts";

export type PolicyTag = "p" | "sp" | "np";

export type PolicyDiscovery =
  | {
      readonly kind: "policy";
      readonly record: DmarcRecord;
      /** Where the record stands. */
      readonly policyDomain: string;
      /** Lowered by `t=y` (RFC 9989 §4.7). */
      readonly policy: DmarcPolicy;
      readonly policyTag: PolicyTag;
      /** Whether the domain exists could not be found out, so that the stricter one of `np` and the rest may be meant. */
      readonly uncertain?: string;
      readonly problems: readonly string[];
      /** The domain's own record needs no walk; see {@link organizationalDomainOf}. */
      readonly organizationalDomain?: string;
    }
  /** The record there cannot be used; DMARC does not apply. */
  | { readonly kind: "unusable"; readonly policyDomain: string; readonly problems: readonly string[] }
  | { readonly kind: "none" }
  | { readonly kind: "failure"; readonly reason: string };

/** `domain`: lower case, A-labels. At most eight queries, and one more where a record has `np`. */
export async function findPolicy(
  resolver: Resolver,
  domain: string,
  records: DmarcRecords = new DmarcRecords(resolver),
): Promise<PolicyDiscovery> {
  const own = await records.at(domain);
  if (own.kind === "failure") {
    return { kind: "failure", reason: `the record at _dmarc.${domain} could not be looked up: ${own.reason}` };
  }
  if (own.kind === "found") return ownPolicy({ domain, parsed: own.parsed });
  const walk = await records.walk(domain);
  if (walk.failure !== undefined) return { kind: "failure", reason: walk.failure };
  const organizationalDomain = organizationalDomainOf(walk);
  const found = recordOfOrganization(walk, organizationalDomain);
  return found === undefined ? { kind: "none" } : inheritedPolicy(resolver, domain, found, organizationalDomain);
}

/** The organisation's own record, else that of the public suffix; a walk that meets a suffix ends there. */
function recordOfOrganization({ found }: TreeWalk, organizationalDomain: string): FoundRecord | undefined {
  const own = found.find(({ domain }) => domain === organizationalDomain);
  const last = found.at(-1);
  return own ?? (last?.parsed.record.psd === "y" ? last : undefined);
}

function ownPolicy({ domain, parsed }: FoundRecord): PolicyDiscovery {
  const { kind, record, problems } = parsed;
  if (kind === "unusable") return { kind, policyDomain: domain, problems };
  return { kind: "policy", record, policyDomain: domain, policy: lowered(record, record.p), policyTag: "p", problems };
}

async function inheritedPolicy(
  resolver: Resolver,
  domain: string,
  { domain: policyDomain, parsed }: FoundRecord,
  organizationalDomain: string,
): Promise<PolicyDiscovery> {
  const { kind, record, problems } = parsed;
  if (kind === "unusable") return { kind, policyDomain, problems };
  const existing = { policy: record.sp ?? record.p, policyTag: record.sp === undefined ? "p" : "sp" } as const;
  const base = { kind: "policy", record, policyDomain, problems, organizationalDomain } as const;
  if (record.np === undefined || record.np === existing.policy) {
    return { ...base, ...existing, policy: lowered(record, existing.policy) };
  }
  // The one type for which a CNAME is not followed: an alias that leads nowhere exists itself (RFC 8020, RFC 6604 §3).
  const answer = await resolver.query(domain, "CNAME");
  const missing = { policy: record.np, policyTag: "np" } as const;
  const weaker = strength[record.np] < strength[existing.policy] ? missing : existing;
  const chosen = answer.kind === "no-name" ? missing : answer.kind === "failure" ? weaker : existing;
  return {
    ...base,
    ...chosen,
    policy: lowered(record, chosen.policy),
    ...(answer.kind === "failure" && {
      uncertain: `whether ${domain} exists could not be looked up: ${answer.reason}`,
    }),
  };
}

const strength = { none: 0, quarantine: 1, reject: 2 } as const;

/** RFC 9989 §4.7 `t`: one step below what is published. */
function lowered({ testing }: DmarcRecord, policy: DmarcPolicy): DmarcPolicy {
  if (!testing) return policy;
  return policy === "reject" ? "quarantine" : "none";
}
