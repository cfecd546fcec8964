/**
 * Whether DANE applies to a mail host, and with which records (RFC 7672 §2.2): asks the DNS for what is still unknown and
 * decides. Believes the resolver's word on what is secure; whoever calls makes sure that it validates.
 */
import type { DnsAnswer, QueryOptions, Resolver } from "../ports/resolver.ts";
import { tlsaFaultOf, Usage, usableRecords, type UsableTlsa } from "./tlsa-record.ts";

/** What is known of a host once its addresses were looked up. */
export interface DaneHost {
  /** As the MX record or the setting has it: A-labels, lower case, no final dot. */
  readonly name: string;
  readonly port: number;
  readonly addresses: {
    /** Where the CNAMEs of the host's name end. */
    readonly canonicalName: string;
    /** Whether the whole answer was validated. */
    readonly secure: boolean;
  };
  /** How the host was found; undefined: it is named by a setting. */
  readonly mx?: {
    /** Whether the MX answer, or the answer that there is none, was validated. */
    readonly secure: boolean;
    /** The domain whose mail it takes, in A-labels, or an address literal; and that domain at the end of its CNAMEs. */
    readonly nextHop: string;
    readonly canonicalNextHop: string;
  };
}

export type DaneDecision =
  /** A certificate must fit one of the records. */
  | {
      readonly kind: "dane";
      readonly records: readonly UsableTlsa[];
      /** For SNI (RFC 7672 §8.1). */
      readonly baseDomain: string;
      /** What a certificate may be for where a record names a trust anchor (RFC 7672 §3.2.2); the base domain first. */
      readonly names: readonly string[];
      /** false: the way to this host is not protected, so delivery must not be called secure (RFC 7672 §2.2.1). */
      readonly mxSecure: boolean;
    }
  /** The host promises TLS, but none of its records can be used: TLS without authentication. */
  | { readonly kind: "tls-required"; readonly baseDomain: string; readonly reason: string }
  /** DANE says nothing about this host. */
  | { readonly kind: "not-applicable"; readonly why: "address-insecure" | "no-records" }
  /** The DNS gave no answer, so the host must not be used now (RFC 7672 §2.1.2). */
  | { readonly kind: "excluded"; readonly reason: string };

/** Rejects only where the resolver does. Asks at most two questions in turn: CNAME and TLSA, or TLSA under two names. */
export async function decideDane(resolver: Resolver, host: DaneHost, options?: QueryOptions): Promise<DaneDecision> {
  const bases = await baseDomains(resolver, host, options);
  if ("kind" in bases) return bases;
  for (const baseDomain of bases) {
    const name = `_${host.port}._tcp.${baseDomain}`;
    const answer = await resolver.query(name, "TLSA", options);
    // A failure is no proof that there are no records: it may be the work of whoever wants them unseen.
    if (answer.kind === "failure") return excluded(name, "TLSA", answer.reason);
    if (answer.kind === "records" && answer.secure) return decideBy(answer, baseDomain, host);
  }
  return { kind: "not-applicable", why: bases.length === 0 ? "address-insecure" : "no-records" };
}

/** The names under which records may be, best first (RFC 7672 §2.2.2). */
async function baseDomains(
  resolver: Resolver,
  { name, addresses }: DaneHost,
  options: QueryOptions | undefined,
): Promise<readonly string[] | Extract<DaneDecision, { kind: "excluded" }>> {
  const { canonicalName, secure } = addresses;
  if (canonicalName === name) return secure ? [name] : [];
  if (secure) return [canonicalName, name];
  // The alias itself may be secure, though it leads into an unsigned zone.
  const alias = await resolver.query(name, "CNAME", options);
  if (alias.kind === "failure") return excluded(name, "CNAME", alias.reason);
  return alias.secure ? [name] : [];
}

function decideBy(
  { records }: Extract<DnsAnswer<"TLSA">, { kind: "records" }>,
  baseDomain: string,
  { name, mx }: DaneHost,
): DaneDecision {
  const usable = usableRecords(records);
  if (usable.length === 0) {
    const [first] = records;
    const fault = first === undefined ? undefined : tlsaFaultOf(first);
    return { kind: "tls-required", baseDomain, reason: fault ?? "it cannot be read" };
  }
  const mxSecure = mx?.secure ?? true;
  // RFC 7672 §3.2.2. Names that came by an insecure answer may be forged and do not count. DANE-EE looks at none, and
  // without the domain's name the host asks the same of all its domains, which then share connections.
  const looksAtNames = usable.some(({ usage }) => usage === Usage.daneTa);
  const more = !looksAtNames ? [] : mx === undefined ? [name] : mx.secure ? [mx.nextHop, mx.canonicalNextHop] : [];
  return { kind: "dane", records: usable, baseDomain, names: [...new Set([baseDomain, ...more])], mxSecure };
}

function excluded(name: string, type: string, reason: string): Extract<DaneDecision, { kind: "excluded" }> {
  return { kind: "excluded", reason: `the DNS lookup for ${type} of ${name}, which DANE needs, failed: ${reason}` };
}
