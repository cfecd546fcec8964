/** Rules that concern several settings together; each setting's own rules are in its schema. */
import { AccountTable } from "../accounts/account-table.ts";
import { challengeAddress } from "../acme/settings.ts";
import { domainKeyOf } from "../address/domain.ts";
import { parseIpAddress } from "../address/ip-address.ts";
import { readPrivateKey, recordName } from "../dkim/signing-key.ts";
import { mailboxKey, parseMailbox } from "../address/mailbox-text.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { isLoopback } from "../lib/ip-network.ts";
import { type Endpoint, formatEndpoint } from "../lib/endpoint.ts";
import { formatDuration } from "../lib/setting-types.ts";
import type { ConfigProblemCode } from "./config-problem.ts";
import { isSubmission } from "../policy/client.ts";
import { isOnThisMachine, parseRouteHost } from "../route/static-route.ts";
import { listenAddressOf } from "./listener-address.ts";
import type { SettingPath } from "./setting-path.ts";
import type { Settings } from "./settings-schema.ts";

export interface CrossProblem {
  readonly code: ConfigProblemCode;
  readonly path: SettingPath;
  readonly message: string;
}

export function crossProblems(settings: Settings): CrossProblem[] {
  return [
    ...listenerProblems(settings),
    ...adminProblems(settings),
    ...tlsProblems(settings),
    ...acmeProblems(settings),
    ...accountProblems(settings),
    ...passwordProblems(settings),
    ...issuerProblems(settings),
    ...settings.route.flatMap((route, index) => routeProblems(route, index)),
    ...routeLoginProblems(settings),
    ...queueProblems(settings),
    ...dkimProblems(settings),
    ...reportsProblems(settings),
  ];
}

function listenerProblems(all: Settings): CrossProblem[] {
  const { listener } = all;
  const problems: CrossProblem[] = [];
  if (listener.length === 0) {
    problems.push({
      code: "config-no-listener",
      path: [],
      message: 'there is no [[listener]], so the server would accept no mail; add one with kind = "mx" or "submission"',
    });
  }
  const taken: { readonly address: Endpoint; readonly name: string }[] = [];
  for (const [index, settings] of listener.entries()) {
    const path = ["listener", index, ...(settings.listen ? ["listen"] : [])];
    const address = listenAddressOf(settings);
    if (address === undefined) {
      const message =
        'an lmtp listener has no default address; add listen = "unix:/run/posthaste/lmtp.sock" or "127.0.0.1:24"';
      problems.push({ code: "config-missing-key", path: [...path, "listen"], message });
      continue;
    }
    if (settings.kind === "lmtp" && address.kind === "ip" && address.port === 25) {
      const message = "LMTP must not use TCP port 25 (RFC 2033 §5); use another port, usually 24, or a unix socket";
      problems.push({ code: "config-listener-port", path, message });
    }
    for (const key of ["client_certificates", "client_ca"] as const) {
      if (!settings[key] || isSubmission({ listener: settings.kind })) continue;
      const message = `a ${settings.kind} listener has no logins; remove ${key}${settings.kind === "mx" ? ", or use relay.keys" : ""}`;
      problems.push({ code: "config-listener-unused-key", path: ["listener", index, key], message });
    }
    for (const key of ["proxy", "xclient"] as const) {
      if (settings[key] === undefined || address.kind !== "unix") continue;
      // Whoever connects there counts as a program on this machine, with logins in clear.
      const message = `a proxy that passes on connections must connect by TCP; remove ${key}, or listen on an address`;
      problems.push({ code: "config-listener-unused-key", path: ["listener", index, key], message });
    }
    const other = taken.find((earlier) => overlap(earlier.address, address));
    if (other) {
      const message = `${other.name} already uses ${formatEndpoint(address)}; give one of them another port`;
      problems.push({ code: "config-duplicate-listener", path, message });
    }
    taken.push({ address, name: `listener ${index + 1} (${settings.kind})` });
  }
  for (const { path, address, name, remedy } of otherAddresses(all)) {
    const other = taken.find((earlier) => overlap(earlier.address, address));
    if (other) {
      const message = `${other.name} already uses ${formatEndpoint(address)}; ${remedy}`;
      problems.push({ code: "config-duplicate-listener", path, message });
    }
    taken.push({ address, name });
  }
  return problems;
}

/** Where the server listens besides its listeners. */
function* otherAddresses({ admin, mta_sts: { listen }, tls: { acme } }: Settings) {
  const remedy = "give one of them another port";
  yield { path: ["admin", "listen"], address: admin.listen, name: "admin.listen", remedy };
  if (listen) yield { path: ["mta_sts", "listen"], address: listen, name: "mta_sts.listen", remedy };
  if (acme === undefined || acme.challenge === "dns-01") return;
  yield {
    path: ["tls", "acme", ...(acme.listen ? ["listen"] : [])],
    address: challengeAddress(acme),
    name: "tls.acme",
    // The authority looks at the one usual port only, so another port helps only behind a proxy.
    remedy: `${acme.challenge} needs it to get certificates; use challenge = "${acme.challenge === "http-01" ? "tls-alpn-01" : "http-01"}" or "dns-01", or another port in tls.acme.listen behind a proxy`,
  };
}

/** Equal, or one is the wildcard that covers the other. Port 0 is a new one each time. */
function overlap(a: Endpoint, b: Endpoint): boolean {
  if (a.kind === "unix" || b.kind === "unix") return a.kind === "unix" && b.kind === "unix" && a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  const [first, second] = [parseIpAddress(a.address), parseIpAddress(b.address)];
  if (first?.text === second?.text) return true;
  // [::] takes IPv4 as well.
  const covers = (wide: typeof first, narrow: typeof first) =>
    wide?.text === "::" || (wide?.text === "0.0.0.0" && narrow?.family === 4);
  return covers(first, second) || covers(second, first);
}

function adminProblems({ admin }: Settings): CrossProblem[] {
  if (admin.listen.kind === "unix" || isLoopback(admin.listen.address) || admin.token !== undefined) return [];
  return [
    {
      code: "config-admin-exposed",
      path: ["admin", "listen"],
      message:
        'anyone who can connect to this address could read and remove mail; listen on 127.0.0.1, or set token = { file = "admin.token" }',
    },
  ];
}

function acmeProblems({ tls: { acme, certificate, key } }: Settings): CrossProblem[] {
  if (acme === undefined) return [];
  const problems: CrossProblem[] = [];
  const add = (path: SettingPath, message: string) =>
    problems.push({ code: "config-acme", path: ["tls", ...path], message });
  if (certificate !== undefined || key !== undefined) {
    add(["acme"], "the certificate comes either from a file or by ACME; remove certificate and key, or acme");
  }
  const isDns = acme.challenge === "dns-01";
  if (isDns && acme.hook === undefined)
    add(["acme", "challenge"], 'dns-01 needs hook, as in hook = ["/etc/posthaste/dns-hook"]');
  if (!isDns && acme.hook !== undefined)
    add(["acme", "hook"], 'only dns-01 uses hook; write challenge = "dns-01", or remove it');
  if (isDns && acme.listen !== undefined) add(["acme", "listen"], "dns-01 does not use listen; remove it");
  if (!isDns && acme.names.some((name) => name.startsWith("*."))) {
    add(["acme", "names"], 'a wildcard can only be proven by DNS; write challenge = "dns-01"');
  }
  return problems;
}

function tlsProblems({ tls }: Settings): CrossProblem[] {
  if ((tls.certificate === undefined) === (tls.key === undefined)) return [];
  const [given, missing] = tls.certificate === undefined ? ["key", "certificate"] : ["certificate", "key"];
  const message = `${given} is set without ${missing}; set both, or neither for a self-signed certificate`;
  return [{ code: "config-tls-incomplete", path: ["tls", given], message }];
}

/** No login would match a password in clear, and everyone who can read the file could read it. */
function passwordProblems({ user }: Settings): CrossProblem[] {
  const message = 'write a password hash, "$argon2id$…" or "SCRAM-SHA-256$…"; `posthaste user hash` prints one';
  return user.flatMap(({ password = [] }, index) => {
    const verifiers = typeof password === "string" ? [password] : password;
    const right = (text: string) => /^(?:\$argon2id\$|SCRAM-SHA-\d)/.test(text);
    return verifiers.every(right)
      ? []
      : [{ code: "config-invalid-value", path: ["user", index, "password"], message } as const];
  });
}

/** Without an audience any token of the issuer would do, also one that a user gave to some other service. */
function issuerProblems({ oauth }: Settings): CrossProblem[] {
  return oauth.issuer.flatMap(({ url, audience, introspection }, index): CrossProblem[] => {
    const path = ["oauth", "issuer", index];
    if (oauth.issuer.findIndex((other) => other.url === url) < index) {
      const message = `another [[oauth.issuer]] has the url ${url}, too; remove one of them`;
      return [{ code: "config-invalid-value", path: [...path, "url"], message }];
    }
    if (audience !== undefined || introspection !== undefined) return [];
    const message = 'audience is missing, as in audience = ["mail.example.org"]: whom tokens must be meant for';
    return [{ code: "config-missing-key", path, message }];
  });
}

function dkimProblems({ dkim }: Settings): CrossProblem[] {
  const problems: CrossProblem[] = [];
  const names = new Set<string>();
  for (const [index, { domain, selector, key }] of dkim.key.entries()) {
    const read = readPrivateKey(key);
    if (read.kind === "problem") {
      const message = `the key ${read.problem}`;
      problems.push({ code: "config-invalid-value", path: ["dkim", "key", index, "key"], message });
    }
    const name = recordName({ domain: domainKeyOf(domain) ?? domain, selector: asciiLowerCase(selector) });
    if (names.has(name)) {
      const message = `another key has the name ${name}, too; give each key its own selector`;
      problems.push({ code: "config-invalid-value", path: ["dkim", "key", index, "selector"], message });
    }
    names.add(name);
  }
  return problems;
}

function accountProblems({ hostname, domain, user, alias }: Settings): CrossProblem[] {
  const { problems } = new AccountTable({
    settings: { hostname, domains: domain, users: user, aliases: alias },
    users: [],
  });
  return problems.flatMap(({ section, index, message, mayBeStored }) =>
    section === "stored-user" || mayBeStored ? [] : [{ code: "config-account", path: [section, index], message }],
  );
}

const keysOfRoutes = {
  mx: { needed: undefined, allowed: ["tls", "convert"] },
  relay: { needed: "host", allowed: ["host", "auth", "tls", "ca", "convert"] },
  lmtp: { needed: "host", allowed: ["host", "auth", "tls", "ca", "convert"] },
  maildir: { needed: undefined, allowed: ["path"] },
  capture: { needed: undefined, allowed: [] },
  discard: { needed: undefined, allowed: [] },
} as const satisfies Record<
  Settings["route"][number]["via"],
  { needed: "host" | undefined; allowed: readonly string[] }
>;

function routeProblems(route: Settings["route"][number], index: number): CrossProblem[] {
  const problems: CrossProblem[] = [];
  const { needed, allowed } = keysOfRoutes[route.via];
  if (needed !== undefined && route[needed] === undefined) {
    const example = route.via === "lmtp" ? "unix:/run/dovecot/lmtp" : "relay.test:25";
    const message = `via = "${route.via}" needs ${needed}, as in ${needed} = "${example}"`;
    problems.push({ code: "config-route-incomplete", path: ["route", index, "via"], message });
  }
  const host = route.host === undefined ? undefined : parseRouteHost(route.host, 25);
  if (route.host !== undefined && (host === undefined || (host.kind === "unix" && route.via === "relay"))) {
    const message =
      'write host as "relay.test:2525", "192.0.2.1:25" or "[2001:db8::1]:25", for lmtp also as "unix:/path"';
    problems.push({ code: "config-route-incomplete", path: ["route", index, "host"], message });
  }
  for (const key of ["host", "path", "auth", "tls", "ca", "convert"] as const) {
    if (route[key] === undefined || (allowed as readonly string[]).includes(key)) continue;
    const message = `via = "${route.via}" does not use ${key}; remove it, or choose another via`;
    problems.push({ code: "config-route-unused-key", path: ["route", index, key], message });
  }
  const isVerified = (route.tls === undefined || route.tls === "verified") && host?.kind !== "unix";
  if (route.ca !== undefined && (allowed as readonly string[]).includes("ca") && !isVerified) {
    const message = 'ca has an effect only if certificates are verified; write tls = "verified", or remove ca';
    problems.push({ code: "config-route-unused-key", path: ["route", index, "ca"], message });
  }
  if (route.auth && route.tls !== undefined && route.tls !== "verified" && !(host && isOnThisMachine(host))) {
    const message = `a login is sent only over verified TLS; write tls = "verified", or omit tls`;
    problems.push({ code: "config-route-clear-login", path: ["route", index, "tls"], message });
  }
  return problems;
}

function routeLoginProblems({ route, oauth }: Settings): CrossProblem[] {
  const routes = route.flatMap(({ auth }, index): CrossProblem[] => {
    if (auth === undefined) return [];
    const path = ["route", index, "auth"];
    const { password, oauth: name } = auth;
    if ((password === undefined) === (name === undefined)) {
      const message = "auth needs either a password or oauth, the name of an [[oauth.client]]";
      return [{ code: "config-missing-key", path, message }];
    }
    if (name === undefined || oauth.client.some((client) => client.name === name)) return [];
    const message = `there is no [[oauth.client]] with the name "${name}"`;
    return [{ code: "config-invalid-value", path: [...path, "oauth"], message }];
  });
  const clients = oauth.client.flatMap(
    ({ name, device_url: device, authorization_url: browser }, index): CrossProblem[] => {
      const path = ["oauth", "client", index];
      if (oauth.client.findIndex((other) => other.name === name) < index) {
        const message = `another [[oauth.client]] has the name "${name}", too`;
        return [{ code: "config-invalid-value", path: [...path, "name"], message }];
      }
      if (device !== undefined || browser !== undefined) return [];
      const message = "write device_url or authorization_url, so that `posthaste route login` can ask for consent";
      return [{ code: "config-missing-key", path, message }];
    },
  );
  return [...routes, ...clients];
}

function reportsProblems({ hostname, domain, user, alias, reports }: Settings): CrossProblem[] {
  const problems: CrossProblem[] = [];
  const local = new Set([...domain.map(({ name }) => name), hostname].map((name) => domainKeyOf(name)));
  for (const key of ["address", "from"] as const) {
    const address = reports[key];
    const mailbox = address === undefined ? undefined : parseMailbox(address);
    // Mail to the host name itself reaches nobody but its postmaster.
    const known = key === "from" ? local : new Set(domain.map(({ name }) => domainKeyOf(name)));
    if (mailbox === undefined || known.has(mailbox.domainKey)) continue;
    const message = `${mailbox.domain} is not declared as a [[domain]]; use an address in one of your domains`;
    problems.push({ code: "config-account", path: ["reports", key], message });
  }
  const mailbox = reports.address === undefined ? undefined : parseMailbox(reports.address);
  const taken = [...user, ...alias].some(({ address }) => {
    const other = parseMailbox(address);
    return mailbox !== undefined && other !== undefined && mailboxKey(other) === mailboxKey(mailbox);
  });
  if (taken) {
    const message = `${reports.address} is also a user or an alias, which would no longer get mail; use an address that is only for reports`;
    problems.push({ code: "config-account", path: ["reports", "address"], message });
  }
  return problems;
}

function queueProblems({ queue }: Settings): CrossProblem[] {
  if (queue.warn_after === 0 || queue.warn_after < queue.expire) return [];
  const message = `senders would be warned after ${formatDuration(queue.warn_after)}, but delivery has already failed after ${formatDuration(queue.expire)}; lower warn_after, or write "0s" for no warning`;
  return [{ code: "config-queue-times", path: ["queue", "warn_after"], message }];
}
