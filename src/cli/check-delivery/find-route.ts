/**
 * Where a recipient's mail would go, as the server's own routing says, and what each policy says of each host by itself. No
 * policy of the running server's memory is used: what the domain publishes now is asked for.
 */
import { type DaneDecision, decideDane } from "../../dane/host-decision.ts";
import type { KeptPolicy, PolicyStore } from "../../mta-sts/policy-discovery.ts";
import { findPolicy } from "../../mta-sts/policy-discovery.ts";
import { decideSts } from "../../mta-sts/host-decision.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { PolicyFetcher } from "../../ports/policy-fetcher.ts";
import type { Random } from "../../ports/random.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { MxRouter, type RouterSettings } from "../../route/mx-router.ts";
import type { HopHost, TlsDecision } from "../../route/next-hop.ts";
import { mayPublish, PublishedPolicies, type PublishedPolicySettings } from "../../route/published-policies.ts";
import type { RoutedMail, RouteResult } from "../../route/router.ts";
import { decisionText, type HostFacts, TlsPolicy } from "../../route/tls-policy.ts";

export interface RouteParts {
  readonly resolver: Resolver;
  readonly fetcher: PolicyFetcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface RouteSettings {
  readonly router: RouterSettings;
  readonly published: PublishedPolicySettings;
}

/** What the policies say of one host. */
export interface HostPolicies {
  readonly host: string;
  /** Each policy in one sentence, and last which one decides. */
  readonly sentences: readonly string[];
  /** Demands of policies that do not decide, and could be met nevertheless. */
  readonly others: readonly TlsDecision[];
}

export interface FoundRoute {
  readonly result: RouteResult;
  readonly hosts: readonly HostPolicies[];
}

export async function findRoute(mail: RoutedMail, settings: RouteSettings, parts: RouteParts): Promise<FoundRoute> {
  const { resolver, fetcher, clock, random, log } = parts;
  const store = memoryStore();
  const published = new PublishedPolicies({ resolver, fetcher, store, clock, log }, settings.published);
  const asked = new Map<string, HostFacts>();
  const noting = published.list.map((policy) => (host: HostFacts) => {
    asked.set(host.name, host);
    return policy(host);
  });
  const tlsPolicy = new TlsPolicy(noting);
  const router = new MxRouter({ resolver, clock, random, log, settings: settings.router, tlsPolicy });
  const result = await router.route(mail);
  const chosen = new Map(hostsOf(result).map(({ name, tls }) => [name, tls]));
  const hosts: HostPolicies[] = [];
  for (const [name, facts] of asked) hosts.push(await policiesOf(facts, chosen.get(name), { settings, parts, store }));
  for (const [host, tls] of chosen) {
    if (!asked.has(host)) hosts.push({ host, sentences: [deciding(tls)], others: [] });
  }
  return { result, hosts };
}

export function hostsOf(result: RouteResult): readonly Pick<HopHost, "name" | "tls">[] {
  if (result.kind !== "hop") return [];
  if (result.hop.kind === "smtp") return result.hop.hosts;
  return result.hop.kind === "lmtp" && result.hop.endpoint.kind === "hosts" ? result.hop.endpoint.hosts : [];
}

/** `chosen` absent: the host may not be used. */
async function policiesOf(
  facts: HostFacts,
  chosen: TlsDecision | undefined,
  {
    settings: { published },
    parts,
    store,
  }: { readonly settings: RouteSettings; readonly parts: RouteParts; readonly store: PolicyStore },
): Promise<HostPolicies> {
  const others: TlsDecision[] = [];
  const sentences: string[] = [];
  const domain = facts.mx?.nextHop ?? facts.name;
  if (!published.dane) sentences.push("dane: turned off by outbound.dane");
  else if (mayPublish(facts.name)) {
    const dane = await decideDane(parts.resolver, facts);
    sentences.push(`dane: ${daneText(dane)}`);
    if (dane.kind === "dane" && chosen?.reason.rule !== "dane") {
      others.push({ demand: { kind: "dane", records: dane.records, names: dane.names }, reason: { rule: "dane" } });
    }
  }
  if (!published.mtaSts) sentences.push("mta-sts: turned off by outbound.mta_sts");
  else if (mayPublish(domain)) {
    const { text, applies } = await stsText(domain, facts.name, { parts, store });
    sentences.push(`mta-sts: ${text}`);
    const demand = { kind: "pki", names: [facts.name], dnsNamesOnly: true } as const;
    if (applies && chosen?.demand.kind === "dane") others.push({ demand, reason: { rule: "mta-sts" } });
  }
  sentences.push(chosen === undefined ? "mail may not go to this host" : deciding(chosen));
  return { host: facts.name, sentences, others: chosen === undefined ? [] : others };
}

function deciding(tls: TlsDecision): string {
  return `what counts: ${decisionText(tls) ?? "opportunistic TLS, with any certificate or in clear"}`;
}

function daneText(dane: DaneDecision): string {
  switch (dane.kind) {
    case "dane": {
      const unsigned = dane.mxSecure
        ? ""
        : "; the MX records are not signed, so the choice of this host is not protected";
      return `the certificate must fit one of ${dane.records.length} TLSA records of ${dane.baseDomain}${unsigned}`;
    }
    case "tls-required":
      return `TLS is needed, but no TLSA record can be used: ${dane.reason}`;
    case "not-applicable":
      return dane.why === "no-records"
        ? "no TLSA records"
        : "the addresses are not validated by DNSSEC, so it does not apply";
    case "excluded":
      return dane.reason;
    default:
      return dane satisfies never;
  }
}

async function stsText(
  domain: string,
  name: string,
  { parts: { resolver, fetcher, clock }, store }: { readonly parts: RouteParts; readonly store: PolicyStore },
): Promise<{ readonly text: string; readonly applies: boolean }> {
  const found = await findPolicy(domain, { resolver, fetcher, store, now: clock.now() });
  if (found.kind === "none") return { text: `${domain} has no policy that can be used`, applies: false };
  const decision = decideSts(domain, found.policy, name);
  switch (decision.kind) {
    case "pki":
      return { text: `the policy (enforce) lists this host; its certificate must be valid for ${name}`, applies: true };
    case "excluded":
      return { text: decision.reason, applies: false };
    case "testing":
      return { text: `the policy (testing) ${decision.listed ? "lists" : "does not list"} this host`, applies: true };
    case "not-applicable":
      return { text: `the policy of ${domain} says "none"`, applies: false };
    default:
      return decision satisfies never;
  }
}

function memoryStore(): PolicyStore {
  const kept = new Map<string, KeptPolicy>();
  return {
    get: (domain) => Promise.resolve(kept.get(domain)),
    put: (domain, policy) => {
      kept.set(domain, policy);
      return Promise.resolve();
    },
  };
}
