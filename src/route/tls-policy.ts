/**
 * Which TLS a host has to give before it gets mail, and why: the only place that decides it. What the settings ask is the same
 * for every host of a route, by the first of these rules that fits:
 *
 * | rule | when | asks for |
 * | --- | --- | --- |
 * | route-setting | the route has `tls` | what it says |
 * | unix-socket | the route leads to a socket of this machine | none |
 * | route-authority | the route has `ca` | verified |
 * | route-login | the route has `auth`, and its host is not on this machine | verified |
 * | tls-required-no | the message says `TLS-Required: No` (RFC 8689 §4.1) | opportunistic |
 * | default | else | opportunistic |
 *
 * A message with REQUIRETLS asks for a verified host whatever the settings say: see {@link provenHost}.
 *
 * Where nothing but the default speaks, the host's own domain may ask for more: published policies are asked for each host
 * by itself, in their order, and the first that has a demand decides, or forbids the host. A policy can never ask for less
 * than the default does.
 */
import type { DaneHost } from "../dane/host-decision.ts";
import type { TlsDemand } from "../ports/tls-demand.ts";
import type { TlsDecision, TlsReason } from "./next-hop.ts";
import type { RoutedMail } from "./router.ts";
import { isOnThisMachine, type RouteHost, type StaticRoute, type TlsLevel } from "./static-route.ts";

/** What the settings ask of each host of a hop. */
export interface TlsAsked {
  readonly level: TlsLevel;
  readonly reason: TlsReason;
  /** The message says REQUIRETLS: hosts that are not proven get nothing. */
  readonly requireTls?: true;
}

/** What is known of a host when its demand is decided; without DNS, its name is the text of the address. */
export type HostFacts = DaneHost;

/** The host gets no mail now: its policy forbids it, or whether there is a policy is not known. */
export interface HostExclusion {
  readonly kind: "excluded";
  /** Which policy: `dane` or `mta-sts`. */
  readonly rule: string;
  /** Why, as the end of a sentence. */
  readonly reason: string;
  /** The policy is known, and does not list the host: for its domain the host is none. */
  readonly lasting?: true;
}

export type HostVerdict = TlsDecision | HostExclusion;

/** Whether the other side publishes anything could not be found out. */
export interface PolicyUnknown {
  readonly kind: "unknown";
  /** Why, as the end of a sentence. */
  readonly reason: string;
  /** What stands meanwhile; absent: what the settings ask (RFC 8461 §5.1). */
  readonly meanwhile?: TlsDecision;
}

/**
 * Something that the other side publishes about TLS; undefined: it says nothing about this host. Asked once for each host of a
 * look-up, and all hosts at once. Where it rejects, the route is not known and the mail waits.
 */
export type PublishedPolicy = (host: HostFacts) => Promise<HostVerdict | PolicyUnknown | undefined>;

export class TlsPolicy {
  readonly #published: readonly PublishedPolicy[];

  constructor(published: readonly PublishedPolicy[] = []) {
    this.#published = published;
  }

  async decide(host: HostFacts, asked: TlsAsked): Promise<HostVerdict> {
    // With REQUIRETLS, policies tell which names are sure, also where `route.tls` asks for less than they do.
    if (asked.reason.rule === "default" || (asked.requireTls === true && host.mx !== undefined)) {
      for (const policy of this.#published) {
        const found = await policy(host);
        if (found === undefined) continue;
        if (!("kind" in found) || found.kind === "excluded") return judged(found, host, asked);
        // What is not known now is no reason to return the message: it waits.
        if (asked.requireTls === true && !hasSureName(host)) {
          return { kind: "excluded", rule: "mta-sts", reason: found.reason };
        }
        if (found.meanwhile !== undefined) return judged(found.meanwhile, host, asked);
      }
    }
    return judged(settled(host.name, asked), host, asked);
  }
}

/** `host`: where the route leads; undefined: to MX hosts. */
export function askedBySettings(route: StaticRoute | undefined, host?: RouteHost): TlsAsked {
  if (route?.tls !== undefined) return { level: route.tls, reason: { rule: "route-setting", setting: "route.tls" } };
  if (host?.kind === "unix") return { level: "none", reason: { rule: "unix-socket", setting: "route.host" } };
  if (host !== undefined && route?.ca !== undefined) {
    return { level: "verified", reason: { rule: "route-authority", setting: "route.ca" } };
  }
  if (host !== undefined && route?.auth !== undefined && !isOnThisMachine(host)) {
    return { level: "verified", reason: { rule: "route-login", setting: "route.auth" } };
  }
  return { level: "opportunistic", reason: { rule: "default" } };
}

function judged(verdict: HostVerdict, host: HostFacts, { requireTls }: TlsAsked): HostVerdict {
  return requireTls === true && "demand" in verdict ? provenHost(verdict, host) : verdict;
}

/**
 * For a message with REQUIRETLS (RFC 8689 §4.2.1): the host's name has to be sure, from a setting, a signed MX answer or an
 * MTA-STS policy, and its certificate has to prove that name. A demand that proves less is raised, also above `route.tls`.
 */
function provenHost(decision: TlsDecision, host: HostFacts): HostVerdict {
  const { name, mx } = host;
  const { demand, listed } = decision;
  if (!hasSureName(host) && listed !== true) {
    const why = `the MX records of ${mx?.nextHop} are not signed, and no enforced MTA-STS policy names ${name}`;
    return { kind: "excluded", rule: requireTlsRule, reason: `the sender requires TLS (REQUIRETLS), but ${why}` };
  }
  if (demand.kind === "pki" || demand.kind === "dane") return decision;
  return { demand: { kind: "pki", names: [name] }, reason: { rule: requireTlsRule } };
}

/** A setting gave the host's name, or a signed MX answer. */
function hasSureName({ mx }: HostFacts): boolean {
  return mx === undefined || mx.secure;
}

/** The rule's name where REQUIRETLS decided. */
export const requireTlsRule = "requiretls";

/**
 * For a message that would rather go in clear than not at all: no published policy is asked; a setting still counts. One
 * with REQUIRETLS asks for more than settings and policies do, but not of LMTP: mail has arrived there (RFC 8689 §4.4).
 */
export function askedByMessage(
  asked: TlsAsked,
  { tlsOptional, tlsRequired }: Pick<RoutedMail, "tlsOptional" | "tlsRequired">,
  route: StaticRoute | undefined,
): TlsAsked {
  if (tlsRequired === true && route?.via !== "lmtp") return { ...asked, requireTls: true };
  return tlsOptional === true && asked.reason.rule === "default" ? tlsRequiredNo : asked;
}

const tlsRequiredNo: TlsAsked = { level: "opportunistic", reason: { rule: "tls-required-no" } };

/** For names of sites: what policies were not asked about must not be taken for what they allowed. */
export function askedWord({ level, reason, requireTls }: TlsAsked): string {
  if (requireTls === true) return `${level} ${requireTlsRule}`;
  return reason.rule === "tls-required-no" ? reason.rule : level;
}

/** What the settings ask of the host of this name, where no policy is asked. */
export function settled(name: string, { level, reason }: TlsAsked): TlsDecision {
  return { demand: demandOf(level, name), reason };
}

/** For history and log: `verified (route.auth)`, `dane`; undefined where nothing asked for anything. */
export function decisionText({ demand, reason }: TlsDecision): string | undefined {
  if (reason.rule === "default") return undefined;
  if (reason.rule === demand.kind) return reason.rule;
  return `${demandWord(demand)} (${reason.setting ?? reason.rule})`;
}

/** As the settings would write it. */
export function demandWord({ kind }: TlsDemand): string {
  return kind === "pki" ? "verified" : kind;
}

/** A verified host has a certificate for its own name. */
export function demandOf(level: TlsLevel, name: string): TlsDemand {
  return level === "verified" ? { kind: "pki", names: [name] } : { kind: level };
}
