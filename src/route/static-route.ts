/**
 * Routes as configured (`[[route]]`): which recipients one is for, and where it leads. The first that matches in the order
 * of the file wins; looking it up costs a few map reads, however many there are.
 */
import { withoutTag } from "../accounts/account-key.ts";
import { domainKeyOf } from "../address/domain.ts";
import { isLoopback, parseIpAddress } from "../address/ip-address.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { HopCredentials } from "./next-hop.ts";

/** How the settings write what they ask of TLS. `verified` implies required. */
export type TlsLevel = "none" | "opportunistic" | "required" | "verified";

/** As the configuration writes it, or (`reports`) as `reports.address` implies it. */
export interface StaticRoute {
  /** Exact domain, `*.example` (what is below it, not itself), `*`, or one whole address. */
  readonly domain: string;
  readonly via: "mx" | "relay" | "lmtp" | "maildir" | "capture" | "reports" | "discard";
  /** relay and lmtp: `name`, `name:port`, `192.0.2.1:25`, `[2001:db8::1]:25`; lmtp also `unix:/path`. */
  readonly host?: string | undefined;
  /** maildir: a template (see NextHop). */
  readonly path?: string | undefined;
  readonly auth?: HopCredentials | undefined;
  readonly tls?: TlsLevel | undefined;
  /** Trusted besides the usual authorities; PEM. */
  readonly ca?: string | undefined;
  /** Default true. */
  readonly convert?: boolean | undefined;
}

/** Where a relay or LMTP route connects to. */
export type RouteHost =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "address"; readonly address: string; readonly port: number }
  | { readonly kind: "name"; readonly name: string; readonly port: number };

/** Undefined where the text is none of the forms above. */
export function parseRouteHost(text: string, defaultPort: number): RouteHost | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { kind: "unix", path: text.slice(5) } : undefined;
  const bare = parseIpAddress(text);
  if (bare !== undefined) return { kind: "address", address: bare.text, port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (match === null || port < 1 || port > 65_535) return undefined;
  const address = parseIpAddress(match[1] ?? match[2] ?? "");
  if (address !== undefined) return { kind: "address", address: address.text, port };
  const name = match[2] === undefined ? undefined : domainKeyOf(match[2]);
  return name === undefined ? undefined : { kind: "name", name, port };
}

/** Nobody can listen in between: a login may go there in clear, so it does not ask for TLS by itself. */
export function isOnThisMachine(host: RouteHost): boolean {
  if (host.kind === "unix" || (host.kind === "name" && host.name === "localhost")) return true;
  const address = host.kind === "address" ? parseIpAddress(host.address) : undefined;
  return address !== undefined && isLoopback(address);
}

/** An index over routes. */
export class RouteTable {
  readonly #routes: readonly StaticRoute[];
  readonly #byAddress = new Map<string, number>();
  readonly #byDomain = new Map<string, number>();
  /** Keyed by what follows `*.`. */
  readonly #byParent = new Map<string, number>();
  #forAll = Number.POSITIVE_INFINITY;

  constructor(routes: readonly StaticRoute[]) {
    this.#routes = routes;
    for (const [index, { domain }] of routes.entries()) {
      const at = domain.lastIndexOf("@");
      if (domain === "*") this.#forAll = Math.min(this.#forAll, index);
      else if (at !== -1) setFirst(this.#byAddress, addressKey(domain, at, keyOf(domain.slice(at + 1))), index);
      else if (domain.startsWith("*.")) setFirst(this.#byParent, keyOf(domain.slice(2)), index);
      else setFirst(this.#byDomain, keyOf(domain), index);
    }
  }

  /** `domain` is the domainKey of `address`. */
  find({ address, domain }: { readonly address: string; readonly domain: string }): StaticRoute | undefined {
    if (this.#routes.length === 0) return undefined;
    const none = Number.POSITIVE_INFINITY;
    let index = Math.min(this.#forAll, this.#byDomain.get(domain) ?? none);
    if (this.#byAddress.size > 0) {
      const key = addressKey(address, address.lastIndexOf("@"), domain);
      const untagged = withoutTag(key);
      index = Math.min(index, this.#byAddress.get(key) ?? none);
      // `bob+shop@…` is bob: his mail goes where his route says.
      if (untagged !== undefined) index = Math.min(index, this.#byAddress.get(untagged) ?? none);
    }
    if (this.#byParent.size > 0) {
      for (let dot = domain.indexOf("."); dot !== -1; dot = domain.indexOf(".", dot + 1)) {
        index = Math.min(index, this.#byParent.get(domain.slice(dot + 1)) ?? none);
      }
    }
    return this.#routes[index];
  }
}

/** Local parts of routes are compared without case, as our own mailboxes are. */
function addressKey(address: string, at: number, domain: string): string {
  return `${asciiLowerCase(address.slice(0, Math.max(0, at)))}@${domain}`;
}

function keyOf(domain: string): string {
  return domainKeyOf(domain) ?? asciiLowerCase(domain);
}

function setFirst(map: Map<string, number>, key: string, index: number): void {
  if (!map.has(key)) map.set(key, index);
}

/** `relay.test:25`, `[2001:db8::1]:25`. */
export function hostAndPort(host: Exclude<RouteHost, { kind: "unix" }>): string {
  if (host.kind === "name") return `${host.name}:${host.port}`;
  return host.address.includes(":") ? `[${host.address}]:${host.port}` : `${host.address}:${host.port}`;
}
