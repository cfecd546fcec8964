/**
 * Hosts whose demand is decided: how much of them is kept, the order in which one attempt tries them, and what their demands
 * add to the name of their site.
 */
import { createHash } from "node:crypto";
import type { Random } from "../ports/random.ts";
import { asciiUpperCase } from "../lib/ascii-case.ts";
import { sentence } from "../lib/sentence.ts";
import { demandKey } from "../ports/tls-demand.ts";
import { interleave, shuffled } from "./host-addresses.ts";
import type { HopHost } from "./next-hop.ts";
import type { RouteResult } from "./router.ts";
import { requireTlsRule, type HostExclusion, type TlsAsked } from "./tls-policy.ts";

export type JudgedHost = Pick<HopHost, "name" | "secure" | "tls"> & {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
};

const addressesPerHostMax = 8;
/** Of one family and host, and kept: an answer may hold thousands. Which of these are tried is drawn anew each time. */
const addressesKeptMax = 16;
const entryOctets = 300;
const hostOctets = 400;
const addressOctets = 60;
const recordOctets = 100;
/** Domains choose what they publish: fewer digits could be made equal to those of another domain, whose mail then goes along. */
const demandDigits = 32;

/** With as many addresses as are kept. */
export function bounded({ name, ipv4, ipv6 }: Pick<JudgedHost, "name" | "ipv4" | "ipv6">) {
  return { name, ipv4: ipv4.slice(0, addressesKeptMax), ipv6: ipv6.slice(0, addressesKeptMax) };
}

/** What one entry of the memory takes. */
export function octetsOf(hosts: readonly JudgedHost[]): number {
  const octets = hosts.map(
    ({ ipv4, ipv6, tls: { demand } }) =>
      hostOctets +
      addressOctets * (ipv4.length + ipv6.length) +
      (demand.kind === "dane" ? demand.records.reduce((sum, { data }) => sum + recordOctets + data.length, 0) : 0),
  );
  return octets.reduce((sum, ofHost) => sum + ofHost, entryOctets);
}

/** A host that may not be used now. */
export type ExcludedHost = HostExclusion & { readonly host: string };

/** Whether its published policy lets it be used. */
export function isUsable(host: JudgedHost | ExcludedHost): host is JudgedHost {
  return "tls" in host;
}

/** Hosts that may take mail later: those that the DNS told nothing of, and those whose exclusion may end. */
export function unaskedOf(unanswered: readonly string[], exclusions: readonly ExcludedHost[]) {
  const names = exclusions.flatMap(({ rule, host, lasting }) =>
    rule === requireTlsRule || lasting === true ? [] : [host],
  );
  return unanswered.length + names.length === 0 ? {} : { unasked: [...unanswered, ...names] };
}

/**
 * The mail waits: no host may be used until the DNS answers, or the domain mends its policy. Where no host is proven as
 * REQUIRETLS wants, and the DNS has told of all of them, the sender hears of it at once (RFC 8689 §4.2.1).
 */
export function allExcluded(exclusions: readonly ExcludedHost[], unanswered: readonly string[] = []): RouteResult {
  // One that may end by itself decides, if there is any.
  const passing = exclusions.find(({ rule }) => rule !== requireTlsRule);
  const reason = (passing ?? exclusions[0])?.reason ?? "none of its hosts may be used";
  const told = {
    reason: sentence(`${asciiUpperCase(reason.slice(0, 1))}${reason.slice(1)}`),
    diagnostic: { type: "x-posthaste", text: reason },
  } as const;
  const isSettled = passing === undefined && unanswered.length === 0;
  if (isSettled) return { kind: "bounced", status: "5.7.10", owner: "policy", ...told };
  return { kind: "deferred", status: "4.7.5", owner: "remote-trouble", ...told };
}

/** Gives the hosts in an order for one attempt: by preference, equals shuffled, addresses of equal rank too. */
export function inOrder(
  preferences: readonly (readonly JudgedHost[])[],
  random: Random,
  { ipv6First }: { readonly ipv6First: boolean },
): () => readonly HopHost[] {
  const hopHost = ({ ipv4, ipv6, ...host }: JudgedHost): HopHost => {
    const [first, second] = ipv6First ? [ipv6, ipv4] : [ipv4, ipv6];
    return { ...host, addresses: interleave(shuffled(first, random), shuffled(second, random), addressesPerHostMax) };
  };
  const order = () => preferences.flatMap((equals) => shuffled(equals, random).map(hopHost));
  const nothingToShuffle = preferences.every(
    (equals) => equals.length < 2 && equals.every(({ ipv4, ipv6 }) => ipv4.length < 2 && ipv6.length < 2),
  );
  if (!nothingToShuffle) return order;
  const only = order();
  return () => only;
}

/** All recipients of a site are served by one delivery, so what their hosts have to give must be the same. */
export function tlsOfSite(asked: TlsAsked, hosts: readonly JudgedHost[]): string {
  if (asked.requireTls === true) return ` ${requireTlsRule}${demandsOfSite(hosts)}`;
  if (asked.level !== "opportunistic") return ` tls ${asked.level}`;
  if (hosts.every(({ tls }) => tls.reason === asked.reason)) return "";
  return demandsOfSite(hosts);
}

function demandsOfSite(hosts: readonly JudgedHost[]): string {
  // Sorted, since DNS gives equals in any order.
  const demands = hosts.map(({ name, tls }) => `${name} ${demandKey(tls.demand)}`).toSorted();
  return ` tls ${shortHash(demands.join("\n"), demandDigits)}`;
}

/** Hexadecimal digits that tell texts apart. */
export function shortHash(text: string, digits = 8): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}
