/**
 * Where a recipient's mail goes: configured routes first, then local domains to their mailbox, everything else by MX.
 * What DNS said is kept briefly for each domain, so that most answers cost no look-up; equals are shuffled every time.
 */
import { parseIpAddress } from "../address/ip-address.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Resolver } from "../ports/resolver.ts";
import { deliveryTo, lookUpHost } from "./host-addresses.ts";
import {
  allExcluded,
  bounded,
  inOrder,
  isUsable,
  octetsOf,
  shortHash,
  tlsOfSite,
  unaskedOf,
  type ExcludedHost,
  type JudgedHost,
} from "./judged-hosts.ts";
import { incompleteTtlSeconds, lookUpMx, type MailHost, withoutDns } from "./mx-lookup.ts";
import type { HopHost, NextHop } from "./next-hop.ts";
import { AddressJudge, type OwnHosts } from "./own-hosts.ts";
import { type Found, keptMsMax, RouteMemory } from "./route-memory.ts";
import type { RoutedMail, Router, RouteResult } from "./router.ts";
import { hostAndPort, parseRouteHost, RouteTable, type RouteHost, type StaticRoute } from "./static-route.ts";
import {
  askedByMessage,
  askedBySettings,
  askedWord,
  settled,
  TlsPolicy,
  type HostFacts,
  type TlsAsked,
} from "./tls-policy.ts";

const relayPort = 25;
/** RFC 2033 §5 leaves it open; what servers use. */
const lmtpPort = 24;
/** RFC 8314 §7.3: submission over TLS from the first octet. */
const implicitTlsPort = 465;

export interface RouterSettings {
  readonly routes: readonly StaticRoute[];
  readonly isLocalDomain: (domain: string) => boolean;
  /** Mail for local domains without a route goes to the program that runs this server, and not into Maildirs. */
  readonly toProgram?: boolean;
  /** Template of Maildirs whose route names none (see NextHop). */
  readonly maildirPath: string;
  /** Port of MX hosts. */
  readonly port: number;
  readonly allowPrivate: boolean;
  readonly own: OwnHosts;
}

export interface MxRouterOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: RouterSettings;
  /** Default: what the settings ask. */
  readonly tlsPolicy?: TlsPolicy;
}

export class MxRouter implements Router {
  readonly #options: MxRouterOptions;
  #settings: RouterSettings;
  #table: RouteTable;
  #hasCapture: boolean;
  readonly #memory: RouteMemory;
  readonly #tlsPolicy: TlsPolicy;

  constructor(options: MxRouterOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#table = new RouteTable(options.settings.routes);
    this.#hasCapture = hasCapture(options.settings);
    this.#memory = new RouteMemory(options.clock);
    this.#tlsPolicy = options.tlsPolicy ?? new TlsPolicy();
  }

  /** From the next recipient on, also for queued mail. */
  reconfigure(settings: RouterSettings): void {
    this.#settings = settings;
    this.#table = new RouteTable(settings.routes);
    this.#hasCapture = hasCapture(settings);
    this.#memory.clear();
  }

  /** For tests: what is kept takes so many octets. */
  get keptOctets(): number {
    return this.#memory.octets;
  }

  route(recipient: RoutedMail): Promise<RouteResult> {
    const route = this.#table.find(recipient);
    const found = this.#routeBy(route, recipient);
    return route?.convert === false ? found.then(withoutConversion) : found;
  }

  #routeBy(route: StaticRoute | undefined, recipient: RoutedMail): Promise<RouteResult> {
    const asked = (host?: RouteHost) => askedByMessage(askedBySettings(route, host), recipient, route);
    if (route === undefined) {
      const { isLocalDomain, toProgram, maildirPath } = this.#settings;
      if (!isLocalDomain(recipient.domain)) return this.#byMx(recipient.domain, asked());
      return hop(toProgram === true ? programHop : maildirHop(maildirPath));
    }
    switch (route.via) {
      case "mx":
        return this.#byMx(recipient.domain, asked());
      case "relay":
      case "lmtp":
        return this.#byHost(route, route.via, asked);
      case "maildir":
        return hop(maildirHop(route.path ?? this.#settings.maildirPath));
      case "capture":
        return hop({ kind: "capture", site: "capture", description: "capture" });
      case "reports":
        return hop({ kind: "reports", site: "reports", description: "reports" });
      case "discard":
        return hop({ kind: "discard", site: "discard", description: "discard" });
      default:
        return route.via satisfies never;
    }
  }

  /** Without asking DNS. */
  endsInMaildir(recipient: { readonly address: string; readonly domain: string }): boolean {
    const route = this.#table.find(recipient);
    if (route !== undefined) return route.via === "maildir";
    return this.#settings.toProgram !== true && this.#settings.isLocalDomain(recipient.domain);
  }

  /** Whether the recipient's mail is captured, as the routes are now. Cheap. */
  readonly captures = (recipient: { readonly address: string; readonly domain: string }): boolean =>
    this.#hasCapture && this.#table.find(recipient)?.via === "capture";

  #byMx(domain: string, asked: TlsAsked): Promise<RouteResult> {
    return this.#remembering(`mx ${askedWord(asked)} ${domain}`, () => this.#lookUpMx(domain, asked));
  }

  async #lookUpMx(domain: string, asked: TlsAsked): Promise<Found> {
    const { port, allowPrivate, own } = this.#settings;
    const judge = new AddressJudge(own, port, allowPrivate);
    const result = await lookUpMx(domain, {
      resolver: this.#options.resolver,
      judge,
      ownNames: new Set(own.names.map((name) => asciiLowerCase(name))),
    });
    if (result.kind !== "hosts") return notKept(result);
    const { mx: answer } = result;
    const mx = { secure: answer.secure, nextHop: domain, canonicalNextHop: answer.canonicalDomain };
    const verdicts = await Promise.all(
      result.preferences.map((hosts) => Promise.all(hosts.map((host) => this.#judged(host, asked, { port, mx })))),
    );
    const preferences = verdicts.map((hosts) => hosts.filter(isUsable));
    const exclusions = verdicts.flat().flatMap((host) => (isUsable(host) ? [] : [host]));
    if (preferences.flat().length === 0) return notKept(allExcluded(exclusions, result.unanswered));
    const open = unaskedOf(result.unanswered, exclusions);
    const ordered = this.#ordering(preferences);
    const base = {
      kind: "smtp",
      site: `mx ${result.setName}:${port}${tlsOfSite(asked, preferences.flat())}`,
      port,
      implicitTls: false,
      description: `mx ${domain}`,
      ...open,
    } as const;
    return {
      answer: () => ({ kind: "hop", hop: { ...base, hosts: ordered() } }),
      ttlSeconds: Math.min(result.ttlSeconds, open.unasked === undefined ? Infinity : incompleteTtlSeconds),
      octets: octetsOf(preferences.flat()),
    };
  }

  #byHost(route: StaticRoute, via: "relay" | "lmtp", askedOf: (host: RouteHost) => TlsAsked): Promise<RouteResult> {
    const text = route.host ?? "";
    const host = parseRouteHost(text, via === "relay" ? relayPort : lmtpPort);
    if (host === undefined)
      return this.#misled(text, `The route's host "${text}" is not a valid host.`, "unreadable host");
    const asked = askedOf(host);
    const endpoint = host.kind === "unix" ? `unix:${host.path}` : hostAndPort(host);
    // Logins, TLS levels and authorities must not share kept connections.
    const login = route.auth === undefined ? "" : ` as ${route.auth.username}`;
    const authorities = route.ca === undefined ? "" : ` ca ${shortHash(route.ca)}`;
    const common = {
      site: `${via} ${endpoint}${login} tls ${askedWord(asked)}${authorities}`,
      description: `${via} ${endpoint}`,
      ...(route.auth !== undefined && { credentials: route.auth }),
      ...(route.ca !== undefined && { certificateAuthorities: [route.ca] }),
    };
    if (host.kind === "unix") {
      if (via === "relay") return this.#misled(text, "A relay host cannot be a unix socket.", `relay ${endpoint}`);
      const tls = settled("localhost", asked);
      return hop({ kind: "lmtp", endpoint: { kind: "unix", path: host.path, tls }, ...common });
    }
    const { port } = host;
    const withHosts = (hosts: readonly HopHost[]): NextHop =>
      via === "lmtp"
        ? { kind: "lmtp", endpoint: { kind: "hosts", hosts, port }, ...common }
        : { kind: "smtp", isRelay: true, hosts, port, implicitTls: port === implicitTlsPort, ...common };
    const name = host.kind === "name" ? host.name : host.address;
    return this.#remembering(`host ${name}:${port} ${common.site}`, () => this.#lookUpHost(host, asked, withHosts));
  }

  async #lookUpHost(
    host: Exclude<RouteHost, { kind: "unix" }>,
    asked: TlsAsked,
    withHosts: (hosts: readonly HopHost[]) => NextHop,
  ): Promise<Found> {
    const text = hostAndPort(host);
    const found =
      host.kind === "name"
        ? await lookUpHost(this.#options.resolver, host.name, deliveryTo(host.name))
        : addressLookup(host.address);
    const failed = (status: "4.4.3" | "4.4.4" | "4.4.6", reason: string, detail: string) =>
      notKept(deferral(status, reason, detail));
    if (found.kind === "failure") {
      return failed("4.4.3", `Temporary DNS failure while looking up the address of ${text}.`, found.reason);
    }
    // The mistake is in our own configuration, so the mail waits for it to be mended.
    if (found.kind === "none") {
      return failed("4.4.4", `The route's host ${text} has no address.`, `no A or AAAA records for ${text}`);
    }
    // A route's own host may be private; it may not be ourselves.
    const judge = new AddressJudge(this.#settings.own, host.port, true);
    const own = [...found.ipv4, ...found.ipv6].some((address) => {
      const value = parseIpAddress(address);
      return value !== undefined && judge.isOwn(value);
    });
    if (own)
      return failed(
        "4.4.6",
        `The route points back to this server (${text}).`,
        `${text} is one of this server's listeners`,
      );
    const { ipv4, ipv6, canonicalName, secure, ttlSeconds } = found;
    const name = host.kind === "name" ? host.name : host.address;
    const judged = await this.#judged({ name, canonicalName, secure, ipv4, ipv6 }, asked, { port: host.port });
    if (!isUsable(judged)) return notKept(allExcluded([judged]));
    const ordered = this.#ordering([[judged]]);
    const answer = (): RouteResult => ({ kind: "hop", hop: withHosts(ordered()) });
    return { answer, ttlSeconds, octets: octetsOf([judged]) };
  }

  async #judged(
    host: MailHost,
    asked: TlsAsked,
    facts: Pick<HostFacts, "port" | "mx">,
  ): Promise<JudgedHost | ExcludedHost> {
    const { name, canonicalName, secure } = host;
    const tls = await this.#tlsPolicy.decide({ name, addresses: { canonicalName, secure }, ...facts }, asked);
    if ("kind" in tls) {
      const { rule, reason } = tls;
      this.#options.log.event("mail-host-excluded", { domain: facts.mx?.nextHop ?? name, host: name, rule, reason });
      return { ...tls, host: name };
    }
    return { ...bounded(host), secure: secure && (facts.mx?.secure ?? true), tls };
  }

  #ordering(preferences: readonly (readonly JudgedHost[])[]): () => readonly HopHost[] {
    return inOrder(preferences, this.#options.random, { ipv6First: this.#hasIpv6() });
  }

  /** Without an IPv6 address of our own, IPv6 is tried last. */
  #hasIpv6(): boolean {
    return this.#settings.own
      .interfaceAddresses()
      .some((address) => address.includes(":") && !address.startsWith("fe80:") && address !== "::1");
  }

  #remembering(key: string, lookUp: () => Promise<Found>): Promise<RouteResult> {
    const found = async (): Promise<Found> => {
      try {
        return await lookUp();
      } catch (error) {
        // Resolvers answer with values; whatever this is, the mail waits.
        const cause = errorText(error);
        const reason = `This server could not find the route (${key}): ${cause}`;
        return notKept(deferral("4.3.0", reason, cause));
      }
    };
    return this.#memory.recall(key, found, (result) => this.#logged(key, result));
  }

  #misled(host: string, reason: string, detail: string): Promise<RouteResult> {
    return Promise.resolve(this.#logged(`host ${host}`, deferral("4.4.4", reason, detail)));
  }

  /** What only this machine's operator can mend is not left to those who wait for mail. */
  #logged(route: string, result: RouteResult): RouteResult {
    if (result.kind === "deferred" && result.owner === "local-trouble") {
      const { status, reason, diagnostic } = result;
      this.#options.log.event("routing-failed", { route, status, reason, error: diagnostic?.text ?? reason });
    }
    return result;
  }
}

/** A site of its own: what waits there goes out under the route's own terms. */
function withoutConversion(result: RouteResult): RouteResult {
  if (result.kind !== "hop" || (result.hop.kind !== "smtp" && result.hop.kind !== "lmtp")) return result;
  return { kind: "hop", hop: { ...result.hop, site: `${result.hop.site} unconverted`, convert: false } };
}

function notKept(result: RouteResult): Found {
  return { answer: () => result, ttlSeconds: 0, octets: 0 };
}

function hop(nextHop: NextHop): Promise<RouteResult> {
  return Promise.resolve({ kind: "hop", hop: nextHop });
}

function deferral(status: "4.3.0" | "4.4.3" | "4.4.4" | "4.4.6", reason: string, detail: string): RouteResult {
  return {
    kind: "deferred",
    status,
    owner: "local-trouble",
    reason,
    diagnostic: { type: "x-posthaste", text: detail },
  };
}

const programHop: NextHop = { kind: "program", site: "program", description: "program" };

/** Recipients with different templates need different deliveries. */
function maildirHop(path: string): NextHop {
  return { kind: "maildir", site: `maildir ${path}`, path, description: "maildir" };
}

function addressLookup(address: string) {
  const ipv6 = address.includes(":");
  return {
    ...withoutDns(address),
    kind: "addresses",
    ipv4: ipv6 ? [] : [address],
    ipv6: ipv6 ? [address] : [],
    ttlSeconds: keptMsMax / 1000,
  } as const;
}

function hasCapture({ routes }: RouterSettings): boolean {
  return routes.some(({ via }) => via === "capture");
}
