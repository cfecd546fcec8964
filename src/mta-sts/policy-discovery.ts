/**
 * Which policy applies to a domain now (RFC 8461 §3, §5.1): the kept one while it lasts, a new one whenever the TXT record names
 * another or the kept one is a day old. Nothing that fails on the way ends a kept policy before its time, since whoever
 * wants mail in clear would make it fail.
 */
import { errorText } from "../lib/error-text.ts";
import type { Instant } from "../lib/instant.ts";
import type { PolicyFetcher } from "../ports/policy-fetcher.ts";
import type { QueryOptions, Resolver } from "../ports/resolver.ts";
import { fetchPolicy, policyHostOf, type StsTrouble } from "./fetch-policy.ts";
import { findStsRecord } from "./sts-record.ts";
import type { StsPolicy } from "./sts-policy.ts";

/** What is kept of a domain. */
export interface KeptPolicy {
  /** Absent: none could be fetched yet. */
  readonly current?: {
    readonly policy: StsPolicy;
    /** Of the TXT record under which it was fetched. */
    readonly id: string;
    readonly fetchedAt: Instant;
  };
  /** The last fetch that failed, and the id that the TXT record had then. */
  readonly failed?: { readonly id: string | undefined; readonly at: Instant };
}

/** Where policies are kept, so that a restart does not forget them. */
export interface PolicyStore {
  get(domain: string): Promise<KeptPolicy | undefined>;
  /** May be dropped once `expiresAt` has passed. */
  put(domain: string, kept: KeptPolicy, expiresAt: Instant): Promise<void>;
}

export type StsLookup = (
  | { readonly kind: "policy"; readonly policy: StsPolicy; readonly id: string; readonly trouble?: StsTrouble }
  /**
   * The domain has none, or none could be found. Which of the two is not known with `trouble` or `unanswered`: the DNS did
   * not say, or the policy could not be fetched, now or a short time ago, and nothing is kept.
   */
  | { readonly kind: "none"; readonly trouble?: StsTrouble; readonly unanswered?: string }
) & {
  /** Why what was fetched could not be kept: it counts now, and is fetched again next time. */
  readonly notKept?: string;
};

export interface DiscoveryOptions {
  readonly resolver: Resolver;
  readonly fetcher: PolicyFetcher;
  readonly store: PolicyStore;
  readonly now: Instant;
  readonly query?: QueryOptions;
  readonly signal?: AbortSignal;
}

/** RFC 8461 §3.3: a day between refreshes, five minutes after a fetch that failed. */
const refreshMs = 86_400_000;
const retryMs = 300_000;

/** `domain`: A-labels, the one that the mail is for, or a relay host's (RFC 8461 §3.4); address literals have no policy. */
export async function findPolicy(domain: string, options: DiscoveryOptions): Promise<StsLookup> {
  const { resolver, store, now } = options;
  const kept = await store.get(domain);
  const current = kept?.current !== undefined && expiryOf(kept.current) > now ? kept.current : undefined;
  const answer = await resolver.query(`_mta-sts.${domain}`, "TXT", options.query);
  const found = answer.kind === "records" ? findStsRecord(answer.records) : undefined;
  const id = found?.kind === "record" ? found.record.id : undefined;
  const isStale = current !== undefined && now - current.fetchedAt >= refreshMs;
  // Without a record there is no policy to begin with; a kept one is refreshed nevertheless (RFC 8461 §10.2).
  const isWanted = id === undefined ? isStale : id !== current?.id || isStale;
  const failed = kept?.failed;
  const isTooSoon = failed !== undefined && failed.id === id && now - failed.at < retryMs && now >= failed.at;
  if (!isWanted || isTooSoon) {
    if (current !== undefined) return { kind: "policy", policy: current.policy, id: current.id };
    if (answer.kind === "failure") return { kind: "none", unanswered: answer.reason };
    // Without a record there is certainly none.
    return id === undefined
      ? { kind: "none" }
      : { kind: "none", unanswered: "it could not be fetched a short time ago" };
  }
  return await refresh(domain, { id, current }, options);
}

/**
 * RFC 8461 §3.2: `max_age` counts from the fetch.
 * Deviation: a policy counts for five minutes at least, or one whose `max_age` is 0 would be fetched for each message.
 */
export function expiryOf({ policy, fetchedAt }: NonNullable<KeptPolicy["current"]>): Instant {
  return fetchedAt + Math.max(policy.maxAgeSeconds * 1000, retryMs);
}

async function refresh(
  domain: string,
  { id, current }: { readonly id: string | undefined; readonly current: KeptPolicy["current"] },
  { fetcher, store, now, signal }: DiscoveryOptions,
): Promise<StsLookup> {
  const fetched = await fetchPolicy(fetcher, domain, signal === undefined ? {} : { signal });
  if (fetched.kind === "policy") {
    const fresh = { policy: fetched.policy, id: id ?? current?.id ?? "", fetchedAt: now };
    const notKept = await keep(store, domain, { current: fresh }, expiryOf(fresh));
    return { kind: "policy", policy: fresh.policy, id: fresh.id, ...notKept };
  }
  const expiresAt = current === undefined ? now + retryMs : Math.max(expiryOf(current), now + retryMs);
  const kept = { ...(current !== undefined && { current }), failed: { id, at: now } };
  const notKept = await keep(store, domain, kept, expiresAt);
  const trouble = { ...fetched, reason: `the policy at ${policyHostOf(domain)} cannot be used: ${fetched.reason}` };
  return current === undefined
    ? { kind: "none", trouble, ...notKept }
    : { kind: "policy", policy: current.policy, id: current.id, trouble, ...notKept };
}

/** Mail does not wait for a disk that cannot write: the policy is known now. */
async function keep(
  store: PolicyStore,
  domain: string,
  kept: KeptPolicy,
  expiresAt: Instant,
): Promise<Pick<StsLookup, "notKept">> {
  try {
    await store.put(domain, kept, expiresAt);
    return {};
  } catch (error) {
    return { notKept: errorText(error) };
  }
}
