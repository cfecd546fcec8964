/**
 * Where a recipient's mail goes: configured routes first, then local domains to their mailbox, everything else by MX.
 * What DNS said is kept briefly for each domain, so that most answers cost no look-up; equals are shuffled every time.
 */
import { createHash } from "node:crypto";
import { parseIpAddress } from "../address/ip-address.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Resolver } from "../ports/resolver.ts";
import { deliveryTo, interleave, lookUpHost, shuffled } from "./host-addresses.ts";
import { lookUpMx, type MailHost } from "./mx-lookup.ts";
import type { HopHost, NextHop, TlsLevel } from "./next-hop.ts";
import { AddressJudge, type OwnHosts } from "./own-hosts.ts";
import type { Router, RouteResult } from "./router.ts";
import { isOnThisMachine, parseRouteHost, RouteTable, type RouteHost, type StaticRoute } from "./static-route.ts";

const addressesPerHostMax = 8;
/** Short, because a changed MX should be seen soon; the resolver keeps the records themselves for longer. */
const keptMsMax = 60_000;
/** Of one family and host, and kept: an answer may hold thousands. Which of these are tried is drawn anew each time. */
const addressesKeptMax = 16;
/** Most have two hosts and take some 500 octets; twenty hosts with all addresses that are kept take 50 KB. */
const keptOctetsMax = 16 * 1024 * 1024;
const entryOctets = 300;
const hostOctets = 400;
const addressOctets = 60;
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
}

/** Found hosts, ready to be put in order for one attempt; or a result without any. */
interface Kept {
  readonly expiresAtMs: number;
  readonly answer: () => RouteResult;
  readonly octets: number;
}

interface Found {
  readonly answer: () => RouteResult;
  /** 0: not to be kept. */
  readonly ttlSeconds: number;
  readonly octets: number;
}

export class MxRouter implements Router {
  readonly #options: MxRouterOptions;
  #settings: RouterSettings;
  #table: RouteTable;
  #hasCapture: boolean;
  readonly #kept = new Map<string, Kept>();
  #keptOctets = 0;
  readonly #inFlight = new Map<string, Promise<RouteResult>>();

  constructor(options: MxRouterOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#table = new RouteTable(options.settings.routes);
    this.#hasCapture = hasCapture(options.settings);
  }

  /** From the next recipient on, also for queued mail. */
  reconfigure(settings: RouterSettings): void {
    this.#settings = settings;
    this.#table = new RouteTable(settings.routes);
    this.#hasCapture = hasCapture(settings);
    this.#kept.clear();
    this.#keptOctets = 0;
    this.#inFlight.clear();
  }

  /** For tests: what is kept takes so many octets. */
  get keptOctets(): number {
    return this.#keptOctets;
  }

  route(recipient: { readonly address: string; readonly domain: string }): Promise<RouteResult> {
    const route = this.#table.find(recipient);
    const found = this.#routeBy(route, recipient);
    return route?.convert === false ? found.then(withoutConversion) : found;
  }

  #routeBy(
    route: StaticRoute | undefined,
    recipient: { readonly address: string; readonly domain: string },
  ): Promise<RouteResult> {
    if (route === undefined) {
      const { isLocalDomain, toProgram, maildirPath } = this.#settings;
      if (!isLocalDomain(recipient.domain)) return this.#byMx(recipient.domain, "opportunistic");
      return hop(toProgram === true ? programHop : maildirHop(maildirPath));
    }
    switch (route.via) {
      case "mx":
        return this.#byMx(recipient.domain, route.tls ?? "opportunistic");
      case "relay":
      case "lmtp":
        return this.#byHost(route, route.via);
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

  #byMx(domain: string, tls: TlsLevel): Promise<RouteResult> {
    return this.#remembering(`mx ${tls} ${domain}`, () => this.#lookUpMx(domain, tls));
  }

  async #lookUpMx(domain: string, tls: TlsLevel): Promise<Found> {
    const { port, allowPrivate, own } = this.#settings;
    const judge = new AddressJudge(own, port, allowPrivate);
    const result = await lookUpMx(domain, {
      resolver: this.#options.resolver,
      judge,
      ownNames: new Set(own.names.map((name) => asciiLowerCase(name))),
    });
    if (result.kind !== "hosts") return { answer: () => result, ttlSeconds: 0, octets: 0 };
    const preferences = result.preferences.map((hosts) => hosts.map(cutToKept));
    const ordered = this.#ordering(preferences);
    const base = {
      kind: "smtp",
      site: `mx ${result.setName}:${port}${tls === "opportunistic" ? "" : ` tls ${tls}`}`,
      port,
      tls,
      implicitTls: false,
      description: `mx ${domain}`,
    } as const;
    return {
      answer: () => ({ kind: "hop", hop: { ...base, hosts: ordered() } }),
      ttlSeconds: result.ttlSeconds,
      octets: octetsOf(preferences.flat()),
    };
  }

  #byHost(route: StaticRoute, via: "relay" | "lmtp"): Promise<RouteResult> {
    const text = route.host ?? "";
    const host = parseRouteHost(text, via === "relay" ? relayPort : lmtpPort);
    if (host === undefined)
      return this.#misled(text, `The route's host "${text}" is not a valid host.`, "unreadable host");
    const tls = route.tls ?? defaultTls(host, route);
    const endpoint = host.kind === "unix" ? `unix:${host.path}` : hostAndPort(host);
    // Logins, TLS levels and authorities must not share kept connections.
    const login = route.auth === undefined ? "" : ` as ${route.auth.username}`;
    const authorities = route.ca === undefined ? "" : ` ca ${shortHash(route.ca)}`;
    const common = {
      site: `${via} ${endpoint}${login} tls ${tls}${authorities}`,
      tls,
      description: `${via} ${endpoint}`,
      ...(route.auth === undefined ? {} : { credentials: route.auth }),
      ...(route.ca === undefined ? {} : { certificateAuthorities: [route.ca] }),
    };
    if (host.kind === "unix") {
      if (via === "relay") return this.#misled(text, "A relay host cannot be a unix socket.", `relay ${endpoint}`);
      return hop({ kind: "lmtp", endpoint: { kind: "unix", path: host.path }, ...common });
    }
    const { port } = host;
    const withHosts = (hosts: readonly HopHost[]): NextHop =>
      via === "lmtp"
        ? { kind: "lmtp", endpoint: { kind: "hosts", hosts, port }, ...common }
        : { kind: "smtp", isRelay: true, hosts, port, implicitTls: port === implicitTlsPort, ...common };
    const name = host.kind === "name" ? host.name : host.address;
    return this.#remembering(`host ${name}:${port} ${common.site}`, () => this.#lookUpHost(host, withHosts));
  }

  async #lookUpHost(
    host: Exclude<RouteHost, { kind: "unix" }>,
    withHosts: (hosts: readonly HopHost[]) => NextHop,
  ): Promise<Found> {
    const text = hostAndPort(host);
    const found =
      host.kind === "name"
        ? await lookUpHost(this.#options.resolver, host.name, deliveryTo(host.name))
        : addressLookup(host.address);
    const failed = (status: "4.4.3" | "4.4.4" | "4.4.6", reason: string, detail: string) => {
      const result = deferral(status, reason, detail);
      return { answer: () => result, ttlSeconds: 0, octets: 0 };
    };
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
    const name = host.kind === "name" ? host.name : host.address;
    const kept = cutToKept({ name, ipv4: found.ipv4, ipv6: found.ipv6 });
    const ordered = this.#ordering([[kept]]);
    const answer = (): RouteResult => ({ kind: "hop", hop: withHosts(ordered()) });
    return { answer, ttlSeconds: found.ttlSeconds, octets: octetsOf([kept]) };
  }

  /** Gives the hosts in an order for one attempt: by preference, equals shuffled, addresses of equal rank too. */
  #ordering(preferences: readonly (readonly MailHost[])[]): () => readonly HopHost[] {
    const { random } = this.#options;
    const ipv6First = this.#hasIpv6();
    const hopHost = ({ name, ipv4, ipv6 }: MailHost): HopHost => {
      const [first, second] = ipv6First ? [ipv6, ipv4] : [ipv4, ipv6];
      return { name, addresses: interleave(shuffled(first, random), shuffled(second, random), addressesPerHostMax) };
    };
    const order = () => preferences.flatMap((equals) => shuffled(equals, random).map(hopHost));
    const nothingToShuffle = preferences.every(
      (equals) => equals.length < 2 && equals.every(({ ipv4, ipv6 }) => ipv4.length < 2 && ipv6.length < 2),
    );
    if (!nothingToShuffle) return order;
    const only = order();
    return () => only;
  }

  /** Without an IPv6 address of our own, IPv6 is tried last. */
  #hasIpv6(): boolean {
    return this.#settings.own
      .interfaceAddresses()
      .some((address) => address.includes(":") && !address.startsWith("fe80:") && address !== "::1");
  }

  /** From memory, or by one look-up for all who ask at the same time. */
  #remembering(key: string, lookUp: () => Promise<Found>): Promise<RouteResult> {
    const nowMs = this.#options.clock.monotonicMs();
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.expiresAtMs > nowMs) return Promise.resolve(kept.answer());
    const running = this.#inFlight.get(key);
    if (running !== undefined) return running;
    const started = this.#lookUpAndKeep(key, lookUp);
    this.#inFlight.set(key, started);
    return started;
  }

  async #lookUpAndKeep(key: string, lookUp: () => Promise<Found>): Promise<RouteResult> {
    const settings = this.#settings;
    try {
      const { answer, ttlSeconds, octets } = await lookUp();
      if (settings === this.#settings && ttlSeconds > 0) {
        const expiresAtMs = this.#options.clock.monotonicMs() + Math.min(keptMsMax, ttlSeconds * 1000);
        this.#keep(key, { expiresAtMs, answer, octets: octets + 2 * key.length });
      }
      return this.#noted(key, answer());
    } catch (error) {
      // Resolvers answer with values; whatever this is, the mail waits.
      const cause = error instanceof Error ? error.message : String(error);
      const reason = `This server could not find the route (${key}): ${cause}`;
      return this.#noted(key, deferral("4.3.0", reason, cause));
    } finally {
      if (settings === this.#settings) this.#inFlight.delete(key);
    }
  }

  #misled(host: string, reason: string, detail: string): Promise<RouteResult> {
    return Promise.resolve(this.#noted(`host ${host}`, deferral("4.4.4", reason, detail)));
  }

  /** What only this machine's operator can mend is not left to those who wait for mail. */
  #noted(route: string, result: RouteResult): RouteResult {
    if (result.kind === "deferred" && result.owner === "local-trouble") {
      const { status, reason, diagnostic } = result;
      this.#options.log.event("routing-failed", { route, status, reason, error: diagnostic?.text ?? reason });
    }
    return result;
  }

  #keep(key: string, kept: Kept): void {
    this.#drop(key);
    this.#kept.set(key, kept);
    this.#keptOctets += kept.octets;
    for (const oldest of this.#kept.keys()) {
      if (this.#keptOctets <= keptOctetsMax) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#keptOctets -= this.#kept.get(key)?.octets ?? 0;
    this.#kept.delete(key);
  }
}

/** A site of its own: what waits there goes out under the route's own terms. */
function withoutConversion(result: RouteResult): RouteResult {
  if (result.kind !== "hop" || (result.hop.kind !== "smtp" && result.hop.kind !== "lmtp")) return result;
  return { kind: "hop", hop: { ...result.hop, site: `${result.hop.site} unconverted`, convert: false } };
}

function cutToKept({ name, ipv4, ipv6 }: MailHost): MailHost {
  return { name, ipv4: ipv4.slice(0, addressesKeptMax), ipv6: ipv6.slice(0, addressesKeptMax) };
}

function octetsOf(hosts: readonly MailHost[]): number {
  const addresses = hosts.reduce((sum, { ipv4, ipv6 }) => sum + ipv4.length + ipv6.length, 0);
  return entryOctets + hostOctets * hosts.length + addressOctets * addresses;
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

function defaultTls(host: RouteHost, route: StaticRoute): TlsLevel {
  if (host.kind === "unix") return "none";
  if (route.ca !== undefined) return "verified";
  return route.auth !== undefined && !isOnThisMachine(host) ? "verified" : "opportunistic";
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

function hostAndPort(host: Exclude<RouteHost, { kind: "unix" }>): string {
  if (host.kind === "name") return `${host.name}:${host.port}`;
  return host.address.includes(":") ? `[${host.address}]:${host.port}` : `${host.address}:${host.port}`;
}

function addressLookup(address: string) {
  const ipv6 = address.includes(":");
  return {
    kind: "addresses",
    ipv4: ipv6 ? [] : [address],
    ipv6: ipv6 ? [address] : [],
    canonicalName: address,
    ttlSeconds: keptMsMax / 1000,
  } as const;
}

function hasCapture({ routes }: RouterSettings): boolean {
  return routes.some(({ via }) => via === "capture");
}
