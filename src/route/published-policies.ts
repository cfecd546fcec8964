/**
 * What other domains publish about TLS to their mail servers, in the order in which it counts: DANE (RFC 7672), and where that
 * says nothing, MTA-STS (RFC 8461 §2: it never overrides a failure of DANE). Each can be turned off by a setting.
 */
import { decideDane } from "../dane/host-decision.ts";
import { decideSts } from "../mta-sts/host-decision.ts";
import { findPolicy, type PolicyStore, type StsLookup } from "../mta-sts/policy-discovery.ts";
import { listsMx, policyLines, type StsPolicy } from "../mta-sts/sts-policy.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PolicyFetcher } from "../ports/policy-fetcher.ts";
import type { Resolver } from "../ports/resolver.ts";
import type { StsInForce, TlsFailureFacts, TlsSessionRecorder } from "../tls-rpt/session-note.ts";
import { deliveryTo } from "./host-addresses.ts";
import type { HostFacts, HostVerdict, PolicyUnknown, PublishedPolicy } from "./tls-policy.ts";

export interface PublishedPolicySettings {
  readonly dane: boolean;
  readonly mtaSts: boolean;
  /** Whether policies may come from hosts on private addresses, as mail may go to such hosts. */
  readonly allowPrivate: boolean;
}

export interface PublishedPoliciesParts {
  readonly resolver: Resolver;
  /** Absent: there is no HTTPS, so MTA-STS does not apply. */
  readonly fetcher: PolicyFetcher | undefined;
  readonly store: PolicyStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of policies, and of what is wrong with them, for the daily reports about TLS. */
  readonly tlsSessions?: TlsSessionRecorder | undefined;
}

/** The name of a zone that has been signed since 2010; an answer about it tells whether the resolver validates. */
const signedName = "arpa";
/** A resolver that begins to validate is noticed within a day. */
const probeEachMs = 86_400_000;

export class PublishedPolicies {
  readonly #parts: PublishedPoliciesParts;
  #settings: PublishedPolicySettings;
  /** Policies that are being looked for: all hosts of a domain are judged at once, and one fetch is enough. */
  readonly #lookUps = new Map<string, Promise<StsLookup>>();
  /** When it was last asked whether the resolver validates. */
  #probedAtMs = -Infinity;

  constructor(parts: PublishedPoliciesParts, settings: PublishedPolicySettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** From the next look-up on. */
  reconfigure(settings: PublishedPolicySettings): void {
    this.#settings = settings;
  }

  /** For {@link TlsPolicy}. */
  get list(): readonly PublishedPolicy[] {
    return [(host) => this.#verdict(host)];
  }

  /**
   * DANE decides alone where it can authenticate the host, and where it forbids it. Where the MX answer was not validated, it
   * may name any host, and that host's own records then vouch for whoever forged the answer: so MTA-STS has its say about
   * which hosts there are. Where no record can be used, the certificate that MTA-STS asks for is more than TLS alone.
   */
  async #verdict(host: HostFacts): Promise<HostVerdict | PolicyUnknown | undefined> {
    const dane = await this.#dane(host);
    if (dane !== undefined && "kind" in dane) return dane;
    if (dane?.demand.kind === "dane" && (host.mx?.secure ?? true)) return dane;
    const sts = await this.#mtaSts(host);
    if (sts === undefined) return dane;
    if ("kind" in sts) return sts.kind === "unknown" && dane !== undefined ? { ...sts, meanwhile: dane } : sts;
    return dane?.demand.kind === "dane" ? { ...dane, listed: true } : sts;
  }

  async #dane(host: HostFacts): Promise<HostVerdict | undefined> {
    if (!this.#settings.dane) return undefined;
    // RFC 7672 §2.2: nothing is published for addresses that were given as such.
    if (!mayPublish(host.name)) return undefined;
    if (!host.addresses.secure && host.mx?.secure !== true) await this.#probe();
    const asker = deliveryTo(host.mx?.nextHop ?? host.name);
    const decision = await decideDane(this.#parts.resolver, host, { asker });
    const reason = { rule: "dane" } as const;
    switch (decision.kind) {
      case "dane":
        return { demand: { kind: "dane", records: decision.records, names: decision.names }, reason };
      case "tls-required":
        this.#tell(host.mx?.nextHop, "tlsa", {
          type: "tlsa-invalid",
          receivingHost: host.name,
          reason: decision.reason,
        });
        return { demand: { kind: "required" }, reason };
      case "excluded": {
        const { reason: why } = decision;
        this.#tell(host.mx?.nextHop, "tlsa", { type: "dnssec-invalid", receivingHost: host.name, reason: why });
        return { kind: "excluded", rule: "dane", reason: why };
      }
      case "not-applicable":
        return undefined;
      default:
        return decision satisfies never;
    }
  }

  /** Domains of mail alone are told: relay hosts are our own choice. */
  #tell(domain: string | undefined, policy: "tlsa" | "sts", failure: TlsFailureFacts): void {
    if (domain !== undefined) this.#parts.tlsSessions?.policyFailure(domain, policy, failure);
  }

  async #mtaSts({ name, mx }: HostFacts): Promise<HostVerdict | PolicyUnknown | undefined> {
    const { fetcher } = this.#parts;
    // RFC 8461 §3.4: a relay host's own name is the domain whose policy counts.
    const domain = mx?.nextHop ?? name;
    if (!this.#settings.mtaSts || fetcher === undefined || !mayPublish(domain)) return undefined;
    const lookup = await (this.#lookUps.get(domain) ?? this.#lookUp(domain, fetcher));
    if (lookup.kind === "none") {
      const why = lookup.trouble?.reason ?? lookup.unanswered;
      if (why === undefined) return undefined;
      return { kind: "unknown", reason: `whether ${domain} has an MTA-STS policy is not known: ${why}` };
    }
    const decision = decideSts(domain, lookup.policy, name);
    switch (decision.kind) {
      case "pki":
        return {
          demand: { kind: "pki", names: decision.names, dnsNamesOnly: true },
          reason: { rule: "mta-sts" },
          listed: true,
        };
      case "excluded":
        this.#tell(mx?.nextHop, "sts", { type: "validation-failure", receivingHost: name, reason: decision.reason });
        return { kind: "excluded", rule: "mta-sts", reason: decision.reason, lasting: true };
      case "testing":
      case "not-applicable":
        return undefined;
      default:
        return decision satisfies never;
    }
  }

  #lookUp(domain: string, fetcher: PolicyFetcher): Promise<StsLookup> {
    const { clock, log, ...parts } = this.#parts;
    const { allowPrivate } = this.#settings;
    const work = async () => {
      const lookup = await findPolicy(domain, {
        ...parts,
        fetcher: { fetch: (host, path, options) => fetcher.fetch(host, path, { ...options, allowPrivate }) },
        now: clock.now(),
        query: { asker: deliveryTo(domain) },
      });
      const { tlsSessions } = this.#parts;
      tlsSessions?.stsPolicy(domain, lookup.kind === "policy" ? inForce(lookup.policy) : undefined);
      if (lookup.trouble !== undefined) {
        const { fault, reason } = lookup.trouble;
        tlsSessions?.policyFailure(domain, "sts", { type: fault, reason });
        log.event("mta-sts-policy-failed", { domain, fault, reason, kept: lookup.kind === "policy" });
      }
      if (lookup.notKept !== undefined) log.event("mta-sts-policy-not-kept", { domain, reason: lookup.notKept });
      return lookup;
    };
    const running = work().finally(() => this.#lookUps.delete(domain));
    this.#lookUps.set(domain, running);
    return running;
  }

  /** Says so where DANE cannot apply to anything, because nothing that the resolver answers is validated. */
  async #probe(): Promise<void> {
    const { resolver, clock, log } = this.#parts;
    const now = clock.monotonicMs();
    if (now - this.#probedAtMs < probeEachMs) return;
    this.#probedAtMs = now;
    const answer = await resolver.query(signedName, "TXT");
    if (answer.kind !== "failure" && !answer.secure) log.event("dane-inactive", {});
  }
}

function inForce(policy: StsPolicy): StsInForce {
  const { mode, mx } = policy;
  return { mode, mx, lines: policyLines(policy), lists: (host) => listsMx(policy, host) };
}

/** Names of a single label are those of a closed network, and addresses have no policy. */
export function mayPublish(text: string): boolean {
  return text.includes(".") && !text.startsWith("[") && !/^[\d.]+$/.test(text);
}
