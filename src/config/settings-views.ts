/** The configuration as single parts of the server take it. */
import { acmeCertificateFile } from "../acme/acme-files.ts";
import { domainKeyOf } from "../address/domain.ts";
import type { AccountSettings } from "../accounts/settings.ts";
import type { ForwardingOptions } from "../forwarding/settings.ts";
import type { InboundSettings } from "../inbound/services.ts";
import type { ListenerOptions } from "../inbound/listener-options.ts";
import type { IntakeSettings } from "../intake/services.ts";
import { isSubmission } from "../policy/client.ts";
import { authservIdOf, type SenderAuthenticationSettings } from "../policy/authentication/settings.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { StsPolicy } from "../mta-sts/sts-policy.ts";
import type { HopCredentials } from "../route/next-hop.ts";
import type { RouterSettings } from "../route/mx-router.ts";
import type { PublishedPolicySettings } from "../route/published-policies.ts";
import type { SigningSettings } from "../signing/open-signing.ts";
import { listenAddressOf } from "./listener-address.ts";
import { formatSettingPath, type SettingPath, valueAt } from "./setting-path.ts";
import type { Settings } from "./settings-schema.ts";

export function accountSettings({
  hostname,
  domain,
  user,
  alias,
  reports,
  sign_in: signIn,
}: Settings): AccountSettings {
  return {
    hostname,
    domains: domain,
    users: user,
    aliases: alias,
    mechanisms: signIn.mechanisms,
    ...(signIn.dovecot !== undefined && { outsideUsers: true }),
    reportAddress: reports.address,
    reportSender: reports.from,
  };
}

export function inboundSettings({ hostname, limits, relay, sign_in: signIn }: Settings): InboundSettings {
  return { hostname, limits, relayNetworks: relay.networks, relayKeys: relay.keys, mechanisms: signIn.mechanisms };
}

export function intakeSettings({ hostname, limits, queue }: Settings): IntakeSettings {
  return { hostname, hopLimit: queue.hop_limit, headerBytesMax: limits.header_size };
}

export function senderAuthenticationSettings({
  hostname,
  authentication,
  dmarc,
}: Settings): SenderAuthenticationSettings {
  return { hostname, authentication, dmarc };
}

export function signingSettings({ dkim, queue }: Settings): SigningSettings {
  return { dkim, expireMs: queue.expire };
}

export function listenerOptions(settings: Settings, development: boolean): readonly ListenerOptions[] {
  return settings.listener.flatMap((listener) => {
    const endpoint = listenAddressOf(listener);
    const open = development ? ({ development: true } as const) : {};
    return endpoint
      ? [
          {
            kind: listener.kind,
            endpoint,
            bareLineEnds: listener.bare_line_ends ?? (isSubmission({ listener: listener.kind }) ? "repair" : "refuse"),
            earlyTalk: listener.early_talk,
            acceptsMail: listener.accepts_mail,
            greetingDelayMs: listener.greeting_delay,
            sessionTickets: listener.session_tickets,
            ...(listener.proxy !== undefined && { proxy: listener.proxy }),
            ...(listener.xclient !== undefined && { xclientFrom: listener.xclient.from }),
            ...clientCertificates(listener),
            ...open,
          },
        ]
      : [];
  });
}

function clientCertificates(listener: Settings["listener"][number]): Pick<ListenerOptions, "clientCertificates"> {
  const { client_certificates: asked, client_ca: authorities, client_identity: identity } = listener;
  if (authorities !== undefined) return { clientCertificates: { authorities: [authorities], identity } };
  return asked ? { clientCertificates: { authorities: [], identity: undefined } } : {};
}

export function forwardingOptions(settings: Settings): ForwardingOptions {
  const local = localDomains(settings);
  const { forwarding, hostname } = settings;
  const authservId = authservIdOf(senderAuthenticationSettings(settings));
  return { ...forwarding, hostname, authservId, isOwnDomain: (key) => local.has(key) };
}

function localDomains({ hostname, domain }: Settings): ReadonlySet<string> {
  return new Set([hostname, ...domain.map(({ name }) => name)].map((name) => domainKeyOf(name) ?? name));
}

/** `interfaceAddresses`: of this machine. `toProgram`: the program that runs this server takes mail. */
export function routerSettings(
  settings: Settings,
  {
    interfaceAddresses,
    toProgram,
  }: { readonly interfaceAddresses: () => readonly string[]; readonly toProgram: boolean },
): RouterSettings {
  const { hostname, route, outbound, reports, data_dir: dataDir } = settings;
  const toReports = reports.address === undefined ? [] : [{ domain: reports.address, via: "reports" } as const];
  const local = localDomains(settings);
  const listeners = listenerOptions(settings, false).map(({ endpoint }) => endpoint);
  return {
    routes: [...toReports, ...route.map(({ auth, ...rest }) => ({ ...rest, auth: credentialsOf(auth) }))],
    isLocalDomain: (key) => local.has(key),
    toProgram,
    maildirPath: `${dataDir}/mail/{domain}/{user}`,
    port: outbound.port,
    allowPrivate: outbound.allow_private,
    own: { names: [hostname], listeners: listeners.filter((endpoint) => endpoint.kind === "ip"), interfaceAddresses },
  };
}

/** One of the two is set; the cross-checks see to that. */
function credentialsOf(auth: Settings["route"][number]["auth"]): HopCredentials | undefined {
  if (auth?.oauth !== undefined) return { username: auth.username, oauth: auth.oauth };
  return auth?.password === undefined ? undefined : { username: auth.username, password: auth.password };
}

export function publishedPolicySettings({ outbound }: Settings): PublishedPolicySettings {
  return { dane: outbound.dane, mtaSts: outbound.mta_sts, allowPrivate: outbound.allow_private };
}

/** Without `main`: a self-signed one. */
export function servedCertificates({ data_dir: dataDir, tls }: Settings) {
  const { certificate, key, certificates: others, acme } = tls;
  if (acme !== undefined) {
    const file = acmeCertificateFile(dataDir);
    return { main: { certificate: file, key: file, byAcme: true }, others };
  }
  const main = certificate === undefined || key === undefined ? undefined : { certificate, key };
  return { main, others };
}

/** The policy of our own domains; undefined: they have none. */
export function ownStsPolicy({ hostname, mta_sts: own }: Settings): StsPolicy | undefined {
  const { mode, mx = [hostname], max_age: maxAgeMs } = own;
  if (mode === undefined) return undefined;
  return { mode, mx: mx.map((name) => asciiLowerCase(name)), maxAgeSeconds: Math.floor(maxAgeMs / 1000) };
}

/** What a reload does not change: it would mean other sockets or other data. */
const fixed: readonly SettingPath[] = [["hostname"], ["data_dir"], ["dns"], ["admin", "listen"], ["mta_sts", "listen"]];

/** A sentence when a reload asks for what only a restart can do. */
export function needsRestart(before: Settings, after: Settings): string | undefined {
  const changed = fixed.filter((path) => !same(valueAt(before, path), valueAt(after, path))).map(formatSettingPath);
  const addresses = (settings: Settings) => listenerOptions(settings, false);
  if (!same(addresses(before), addresses(after))) changed.push("listener");
  return changed.length === 0
    ? undefined
    : `${changed.join(", ")} cannot change while the server runs; restart it, or undo the change`;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
