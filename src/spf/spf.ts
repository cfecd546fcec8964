/**
 * SPF (RFC 7208): may this client send for this domain? `checkHost` answers for one identity, `checkSender` for the two
 * that a transaction has. What to do about it is policy's.
 *
 * Costs are bounded whatever is published: see evaluation.ts for the queries, record.ts and macro.ts for the rest. Time is
 * bounded by the resolver, query by query, and as a whole by `signal`: when it aborts, the result is temperror.
 */
import type { Instant } from "../lib/instant.ts";
import type { Resolver } from "../ports/resolver.ts";
import { parseClient } from "./client-address.ts";
import { identityDomainOf } from "./dns-name.ts";
import { Evaluation, voidLookupsMax } from "./evaluation.ts";
import { fetchExplanation } from "./explanation.ts";
import type { SpfOutcome } from "./spf-outcome.ts";
import { quoted, reasonOf } from "./verdict.ts";

/** A mailbox in two parts. `localPart` may be empty: "postmaster" stands in (RFC 7208 §4.3). */
export interface SpfMailbox {
  readonly localPart: string;
  readonly domain: string;
}

export interface SpfQuery {
  /** An IP address as text; IPv4-mapped IPv6 counts as IPv4. */
  readonly clientAddress: string;
  /** Whose record is evaluated: in A- or U-labels. May be malformed, which gives "none". */
  readonly domain: string;
  readonly sender: SpfMailbox;
  /** The argument of HELO, EHLO or LHLO. */
  readonly hello: string;
  readonly identity: SpfOutcome["identity"];
  /** Our own name, for explanations; by default "unknown". */
  readonly receiverName?: string;
}

export interface SenderQuery {
  readonly clientAddress: string;
  readonly hello: string;
  /** null: the null reverse-path `<>`. */
  readonly reversePath: SpfMailbox | null;
  readonly receiverName?: string;
  /** By default true. false leaves `helo` out, unless the reverse-path is null: then it costs nothing more. */
  readonly withHelo?: boolean;
}

export interface SpfOptions {
  readonly resolver: Resolver;
  readonly now: Instant;
  /** The end of the caller's patience. RFC 7208 §4.6.4 asks for at least 20 seconds. */
  readonly signal?: AbortSignal;
}

export interface SenderOutcomes {
  readonly mailfrom: SpfOutcome;
  readonly helo: SpfOutcome | undefined;
}

/** check_host() of RFC 7208 §4. */
export async function checkHost(query: SpfQuery, options: SpfOptions): Promise<SpfOutcome> {
  const { identity, sender } = query;
  const client = parseClient(query.clientAddress);
  if (client === undefined) return noneOf(query, "the client has no IP address, so SPF does not apply");
  const domain = identityDomainOf(query.domain);
  if (domain === undefined) {
    const given = query.domain === "" ? "no name was given" : `"${quoted(query.domain)}" is not a domain name`;
    return noneOf(query, `${given}, so there is no SPF record`);
  }
  const evaluation = new Evaluation({
    client,
    localPart: sender.localPart === "" ? "postmaster" : sender.localPart,
    senderDomain: sender.domain === query.domain ? domain : (identityDomainOf(sender.domain) ?? sender.domain),
    hello: query.hello === query.domain ? domain : (identityDomainOf(query.hello) ?? query.hello),
    receiverName: query.receiverName ?? "unknown",
    resolver: options.resolver,
    now: options.now,
    signal: options.signal,
  });
  const verdict = await evaluation.checkHost(domain);
  const explanation = verdict.result === "fail" ? await fetchExplanation(verdict, evaluation) : undefined;
  return {
    result: verdict.result,
    identity,
    domain,
    reason: reasonOf(verdict, domain, client.text),
    ...(explanation !== undefined && { explanation }),
    lookups: evaluation.lookups,
    voidLookups: Math.min(evaluation.voidLookups, voidLookupsMax),
  };
}

/**
 * MAIL FROM, always, since DMARC wants to know it; with it HELO, for the record (RFC 7208 §2.3, §2.4). The null
 * reverse-path is checked as postmaster of the HELO domain, so that both outcomes are one evaluation.
 */
export async function checkSender(query: SenderQuery, options: SpfOptions): Promise<SenderOutcomes> {
  const { hello, reversePath, withHelo = true, ...rest } = query;
  const ofHelo = { ...rest, hello, domain: hello, sender: { localPart: "postmaster", domain: hello } };
  if (reversePath === null) {
    const mailfrom = await checkHost({ ...ofHelo, identity: "mailfrom" }, options);
    return { mailfrom, helo: { ...mailfrom, identity: "helo" } };
  }
  const ofMailFrom: SpfQuery = {
    ...rest,
    hello,
    domain: reversePath.domain,
    sender: reversePath,
    identity: "mailfrom",
  };
  if (!withHelo) return { mailfrom: await checkHost(ofMailFrom, options), helo: undefined };
  const [mailfrom, helo] = await Promise.all([
    checkHost(ofMailFrom, options),
    checkHost({ ...ofHelo, identity: "helo" }, options),
  ]);
  return { mailfrom, helo };
}

function noneOf(query: SpfQuery, reason: string): SpfOutcome {
  const domain = identityDomainOf(query.domain) ?? "";
  return { result: "none", identity: query.identity, domain, reason, lookups: 0, voidLookups: 0 };
}
