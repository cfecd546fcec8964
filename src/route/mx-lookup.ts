/**
 * From a domain to the hosts that take its mail (RFC 5321 §5.1, RFC 7505): MX records by preference, the domain itself
 * where there are none, never ourselves nor what is worse than ourselves.
 */
import { parseIpAddress } from "../address/ip-address.ts";
import type { FaultOwner } from "../dsn/report.ts";
import type { MxRecord, Resolver } from "../ports/resolver.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";
import { deliveryTo, lookUpHost, type HostLookup } from "./host-addresses.ts";
import type { AddressJudge } from "./own-hosts.ts";
import type { RouteResult } from "./router.ts";

/** A host with addresses that may be connected to. */
export interface MailHost {
  readonly name: string;
  /** At the end of CNAMEs. */
  readonly canonicalName: string;
  /** Whether the answers with its addresses were validated. */
  readonly secure: boolean;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

export type MxResult =
  | {
      readonly kind: "hosts";
      /** One list for each preference, best first; equals are to be shuffled. */
      readonly preferences: readonly (readonly MailHost[])[];
      /** The same for domains whose mail goes to the same hosts in the same order. */
      readonly setName: string;
      readonly ttlSeconds: number;
      /** Names of hosts that may be there as well: the DNS did not answer for their addresses. */
      readonly unanswered: readonly string[];
      /** The MX answer: whether it was validated, also where it says that there is none, and where the domain's CNAMEs end. */
      readonly mx: MxFacts;
    }
  | Exclude<RouteResult, { kind: "hop" }>;

export interface MxFacts {
  readonly secure: boolean;
  readonly canonicalDomain: string;
}

/** Large providers publish five to ten; beyond this nobody is ever reached. */
const hostsMax = 20;
/** So long a list of hosts is kept of which the DNS left something open. */
export const incompleteTtlSeconds = 60;

export interface MxLookupOptions {
  readonly resolver: Resolver;
  readonly judge: AddressJudge;
  readonly ownNames: ReadonlySet<string>;
}

/** `domain`: A-labels, or an address literal in its normal form. */
export async function lookUpMx(domain: string, options: MxLookupOptions): Promise<MxResult> {
  if (domain.startsWith("[")) return literalResult(domain, options.judge);
  const answer = await options.resolver.query(domain, "MX", { asker: deliveryTo(domain) });
  switch (answer.kind) {
    case "failure":
      return dnsTrouble(domain, `MX ${domain}: ${answer.reason}`);
    case "no-name":
      return bounced("5.1.2", "recipient", `The domain ${domain} does not exist.`, `no DNS name ${domain} (NXDOMAIN)`);
    case "no-data":
      // The implicit MX: the domain's own addresses.
      return await hostsResult(domain, [{ preference: 0, exchange: domain }], options, {
        ...{ ttlSeconds: 3600, implicit: true },
        mx: { secure: answer.secure, canonicalDomain: domain },
      });
    case "records": {
      const real = answer.records.filter(({ exchange }) => exchange !== "");
      if (real.length === 0) {
        return bounced(
          "5.1.10",
          "recipient",
          `The domain ${domain} does not accept mail.`,
          `null MX of ${domain} (RFC 7505)`,
        );
      }
      return await hostsResult(domain, real, options, {
        ...{ ttlSeconds: answer.ttlSeconds, implicit: false },
        mx: { secure: answer.secure, canonicalDomain: answer.name },
      });
    }
    default:
      return answer satisfies never;
  }
}

interface Candidate {
  readonly record: MxRecord;
  readonly lookup: HostLookup;
}

async function hostsResult(
  domain: string,
  records: readonly MxRecord[],
  { resolver, judge, ownNames }: MxLookupOptions,
  { ttlSeconds, implicit, mx }: { readonly ttlSeconds: number; readonly implicit: boolean; readonly mx: MxFacts },
): Promise<MxResult> {
  const candidates = await Promise.all(
    bestFirst(records).map(async (record): Promise<Candidate> => ({
      record,
      lookup: await lookUpHost(resolver, record.exchange, deliveryTo(domain)),
    })),
  );
  const own = candidates.filter((candidate) => isOurselves(candidate, judge, ownNames));
  const limit = Math.min(...own.map(({ record }) => record.preference));
  const remaining = candidates.filter(({ record }) => record.preference < limit);
  if (remaining.length === 0) {
    const host = own[0]?.record.exchange ?? domain;
    return bounced(
      "5.4.6",
      "local-trouble",
      `The DNS directs mail for ${domain} to this server, which is not configured to accept it.`,
      `the best MX of ${domain} is ${host}, this server itself`,
    );
  }
  const usable = remaining.flatMap((candidate) => mailHost(candidate, judge));
  if (usable.length === 0) return nothingUsable(domain, remaining, implicit);
  const preferences = [...Map.groupBy(usable, ({ preference }) => preference).values()];
  const [first] = usable;
  const unanswered = remaining.flatMap(({ record, lookup }) => (lookup.kind === "failure" ? [record.exchange] : []));
  const ttls = [ttlSeconds, ...usable.map((host) => host.ttlSeconds)];
  return {
    kind: "hosts",
    preferences: preferences.map((hosts) => hosts.map(({ host }) => host)),
    setName: setName(remaining),
    ttlSeconds: Math.min(...ttls, unanswered.length > 0 ? incompleteTtlSeconds : Infinity),
    unanswered,
    // Where there is no MX record, the domain's own addresses tell where its CNAMEs end.
    mx: implicit && first !== undefined ? { ...mx, canonicalDomain: first.host.canonicalName } : mx,
  };
}

/** By preference; a host that is named twice counts once, with its best. */
function bestFirst(records: readonly MxRecord[]): MxRecord[] {
  const known = new Set<string>();
  return records
    .toSorted((a, b) => a.preference - b.preference)
    .filter(({ exchange }) => {
      if (known.has(exchange)) return false;
      known.add(exchange);
      return true;
    })
    .slice(0, hostsMax);
}

function isOurselves({ record, lookup }: Candidate, judge: AddressJudge, ownNames: ReadonlySet<string>): boolean {
  if (ownNames.has(record.exchange)) return true;
  if (lookup.kind !== "addresses") return false;
  if (ownNames.has(lookup.canonicalName)) return true;
  return [...lookup.ipv4, ...lookup.ipv6].some((text) => {
    const address = parseIpAddress(text);
    return address !== undefined && judge.isOwn(address);
  });
}

function mailHost({ record, lookup }: Candidate, judge: AddressJudge) {
  if (lookup.kind !== "addresses") return [];
  const { ttlSeconds, canonicalName, secure } = lookup;
  const usable = (texts: readonly string[]) =>
    texts.filter((text) => {
      const address = parseIpAddress(text);
      return address !== undefined && judge.judge(address) === "usable";
    });
  const addresses = { ipv4: usable(lookup.ipv4), ipv6: usable(lookup.ipv6) };
  const host: MailHost = { name: record.exchange, canonicalName, secure, ...addresses };
  if (host.ipv4.length + host.ipv6.length === 0) return [];
  return [{ preference: record.preference, host, ttlSeconds }];
}

function nothingUsable(domain: string, candidates: readonly Candidate[], implicit: boolean): MxResult {
  for (const { lookup } of candidates) {
    if (lookup.kind === "failure") return dnsTrouble(domain, lookup.reason);
  }
  if (candidates.some(({ lookup }) => lookup.kind === "addresses")) return privateOnly(domain);
  if (implicit) {
    return bounced(
      "5.1.2",
      "recipient",
      `The domain ${domain} has no mail server.`,
      `${domain} has no MX, A or AAAA records`,
    );
  }
  const names = candidates.map(({ record }) => record.exchange).join(", ");
  return bounced(
    "5.4.4",
    "remote-trouble",
    `The mail servers of ${domain} have no address in the DNS.`,
    `no MX host of ${domain} has an address: ${names}`,
  );
}

/**
 * Bounced, not deferred: such records are published on purpose ("no mail here") or stay wrong for years, and the sender
 * is helped by knowing now. X.4.4 is "unable to route"; X.1.2 would say that the domain is unknown, which it is not.
 */
function privateOnly(domain: string): MxResult {
  return bounced(
    "5.4.4",
    "remote-trouble",
    `The mail servers of ${domain} have only addresses that are not on the public internet.`,
    `every address of the mail servers of ${domain} is private or loopback (setting outbound.allow_private)`,
  );
}

function literalResult(literal: string, judge: AddressJudge): MxResult {
  const address = parseIpAddress(literal.slice(1, -1).replace(/^IPv6:/i, ""));
  if (address === undefined) {
    return bounced("5.1.2", "recipient", `${literal} is not a valid address.`, `unreadable address literal ${literal}`);
  }
  const kind = judge.judge(address);
  switch (kind) {
    case "own":
      return bounced(
        "5.4.6",
        "local-trouble",
        `${literal} is an address of this server, which is not configured to accept mail for it.`,
        `${literal} is an address of this server`,
      );
    case "private":
      return privateOnly(literal);
    case "usable": {
      const ipv4 = address.family === 4 ? [address.text] : [];
      const ipv6 = address.family === 6 ? [address.text] : [];
      const host: MailHost = { ...withoutDns(literal), ipv4, ipv6 };
      const mx = { secure: false, canonicalDomain: literal };
      return { kind: "hosts", preferences: [[host]], setName: literal, ttlSeconds: 3600, unanswered: [], mx };
    }
    default:
      return kind satisfies never;
  }
}

/** An address that was given, not looked up: nothing vouches for it. */
export function withoutDns(name: string) {
  return { name, canonicalName: name, secure: false } as const;
}

/** Equals sorted and joined by commas, preferences by `>`: hosts in another order are another set, or one would lead. */
function setName(candidates: readonly Candidate[]): string {
  const byPreference = Map.groupBy(candidates, ({ record }) => record.preference);
  return [...byPreference.values()]
    .map((equals) =>
      equals
        .map(({ record }) => record.exchange)
        .toSorted()
        .join(","),
    )
    .join(">");
}

/** Somebody else's DNS does not answer, so the mail waits. */
export function dnsTrouble(domain: string, detail: string): Exclude<RouteResult, { kind: "hop" }> {
  return {
    kind: "deferred",
    status: "4.4.3",
    owner: "remote-trouble",
    reason: `Temporary DNS failure while looking up the mail server for ${domain}.`,
    diagnostic: { type: "x-posthaste", text: `DNS lookup failed: ${detail}` },
  };
}

function bounced(status: EnhancedStatus<5>, owner: FaultOwner, reason: string, text: string): MxResult {
  return { kind: "bounced", status, owner, reason, diagnostic: { type: "x-posthaste", text } };
}
