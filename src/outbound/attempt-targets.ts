/** The addresses that one attempt may ask, and what connections of different attempts must have in common to be shared. */
import { demandKey } from "../ports/tls-demand.ts";
import type { HopCredentials, HopHost, NextHop } from "../route/next-hop.ts";
import type { HostDemand } from "./connection-reuse.ts";
import type { Target } from "./connection-setup.ts";

export type SmtpHop = Extract<NextHop, { readonly kind: "smtp" | "lmtp" }>;

/**
 * At most `addressesMax`, in the order of the hosts. Each host gets one before any gets a second, so that a host with a
 * long list of addresses does not keep the attempt from its backup.
 */
export function targetsOf(hop: SmtpHop, addressesMax: number): readonly Target[] {
  const common = {
    dialect: hop.kind,
    site: hop.site,
    implicitTls: hop.kind === "smtp" && hop.implicitTls,
    credentials: hop.credentials,
    certificateAuthorities: hop.certificateAuthorities,
  };
  const where = hop.kind === "lmtp" ? hop.endpoint : { kind: "hosts" as const, hosts: hop.hosts, port: hop.port };
  if (where.kind === "unix") {
    const { kind, path, tls } = where;
    return [{ ...common, host: localName, endpoint: { kind, path }, tls }];
  }
  const shares = sharesOf(where.hosts, addressesMax);
  return where.hosts.flatMap(({ name, addresses, tls }, index) =>
    addresses.slice(0, shares[index]).map((address) => ({
      ...common,
      ...{ host: name, tls },
      endpoint: { kind: "ip", address, port: where.port } as const,
    })),
  );
}

/** What a server behind a unix socket is called. */
const localName = "localhost";

/** Of every server, also of those that the attempt has no time for. */
export function hostNamesOf(hop: SmtpHop): readonly string[] {
  return hostsOf(hop).map(({ name }) => name);
}

/** What the hop demands of each host, for those that wait for mail: a kept connection must have been made under it. */
export function demandsOf(hop: SmtpHop): readonly HostDemand[] {
  return hostsOf(hop).map(({ name, tls }) => ({ host: name, demand: demandKey(tls.demand) }));
}

function hostsOf(hop: SmtpHop): readonly Pick<HopHost, "name" | "tls">[] {
  if (hop.kind === "smtp") return hop.hosts;
  return hop.endpoint.kind === "hosts" ? hop.endpoint.hosts : [{ name: localName, tls: hop.endpoint.tls }];
}

/** How many addresses of each host. */
function sharesOf(hosts: readonly HopHost[], addressesMax: number): readonly number[] {
  const shares = hosts.map(() => 0);
  const rounds = Math.max(0, ...hosts.map(({ addresses }) => addresses.length));
  let left = addressesMax;
  for (let round = 0; round < rounds && left > 0; round++) {
    hosts.forEach(({ addresses }, index) => {
      if (left === 0 || addresses.length <= round) return;
      shares[index] = round + 1;
      left--;
    });
  }
  return shares;
}

/** What may share a connection has all of this in common. */
export function reuseKey(hop: SmtpHop): string {
  const login = loginText(hop.credentials);
  const where = hop.kind === "smtp" ? `${hop.port} ${hop.implicitTls}` : lmtpEndpointText(hop.endpoint);
  const demands = demandsOf(hop).map(({ host, demand }) => `${host} ${demand}`);
  return [`${hop.kind} ${hop.site} ${where}`, login, ...demands.toSorted()].join("\0");
}

/** A token that was good stays good for the session: another one makes no other session. */
function loginText(credentials: HopCredentials | undefined): string {
  if (credentials === undefined) return "";
  const secret = "password" in credentials ? credentials.password : `\0${credentials.oauth}`;
  return `${credentials.username}\0${secret}`;
}

function lmtpEndpointText(endpoint: Extract<SmtpHop, { readonly kind: "lmtp" }>["endpoint"]): string {
  return endpoint.kind === "unix"
    ? endpoint.path
    : `${endpoint.hosts.map(({ name }) => name).join(",")} ${endpoint.port}`;
}
