/** The kinds of listener: what each one offers, asks for, and refuses. */
import type { Endpoint } from "../lib/endpoint.ts";
import type { IpNetworkList } from "../lib/ip-network.ts";
import { type Client, sendsOwnMail } from "../policy/client.ts";
import type { Log } from "../ports/log.ts";
import type { TlsServerOptions } from "../ports/network.ts";
import {
  defaultServerProtocolSettings,
  type ServerKind,
  type ServerProtocolSettings,
} from "../smtp/server/protocol-settings.ts";
import type { CertificateIdentity } from "../accounts/user-keys.ts";
import type { InboundSettings, InboundServices } from "./services.ts";

export interface ProxySettings {
  /** Those that must send a header, and alone may. */
  readonly from: IpNetworkList;
  /** Connections from elsewhere are closed; false: their own addresses count. */
  readonly required: boolean;
}

export interface ListenerOptions {
  readonly kind: ServerKind;
  readonly endpoint: Endpoint;
  /** Bare CR or LF in content: refuse it, or make CRLF of it for old programs. */
  readonly bareLineEnds: "refuse" | "repair";
  /** Commands that come before their turn (RFC 2920 §3.1); default: allow. */
  readonly earlyTalk?: "allow" | "refuse";
  /** false: every client hears 521; default: true. */
  readonly acceptsMail?: boolean;
  /** How long the greeting is kept back; default: 0. */
  readonly greetingDelayMs?: number;
  /** Clients are asked for a TLS certificate, to sign in with; `authorities`: PEM of those that may vouch for it. */
  readonly clientCertificates?: { readonly authorities: readonly string[]; readonly identity: CertificateIdentity };
  /** false: no TLS session is resumed. */
  readonly sessionTickets?: boolean;
  /** Proxies that say by a PROXY header whose connection they pass on. Absent: nobody is believed, and nothing is read. */
  readonly proxy?: ProxySettings;
  /** Proxies that say by XCLIENT whose session they pass on. */
  readonly xclientFrom?: IpNetworkList;
  /** Development only: logins are offered, in clear too, and nobody is asked for one. */
  readonly development?: true;
  /** false: STARTTLS is not offered. Development only, for programs that refuse a self-signed certificate. */
  readonly startTls?: boolean;
}

/** `code` is stable; the composition root shows the message. */
export class ListenerError extends Error {
  override readonly name = "ListenerError";
  readonly code: "lmtp-on-port-25" | "tls-without-certificate";
  constructor(code: ListenerError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Throws {@link ListenerError} for what must not be opened. */
export function checkListener({ kind, endpoint }: ListenerOptions, certificates: boolean): void {
  if (kind === "lmtp" && endpoint.kind === "ip" && endpoint.port === 25) {
    throw new ListenerError("lmtp-on-port-25", "LMTP must not use TCP port 25 (RFC 2033 §5)");
  }
  const needsTls = kind === "submissions" || (kind === "submission" && endpoint.kind === "ip");
  if (needsTls && !certificates) {
    throw new ListenerError("tls-without-certificate", `a ${kind} listener needs a certificate`);
  }
}

export function hasImplicitTls(kind: ServerKind): boolean {
  return kind === "submissions";
}

/** What a handshake begins with. Servers that relay by their key are asked for it where there are such keys. */
export function tlsOptionsOf(
  { kind, clientCertificates, sessionTickets = true }: ListenerOptions,
  { relayKeys }: Pick<InboundSettings, "relayKeys">,
  certificates: NonNullable<InboundServices["certificates"]>,
): TlsServerOptions {
  const { context } = certificates;
  const asksForKeys = kind === "mx" && relayKeys.length > 0;
  const authorities = clientCertificates?.authorities ?? (asksForKeys ? [] : undefined);
  return { context, sessionTickets, ...(authorities && { clientCertificates: { authorities } }) };
}

/** What the protocol core is told when a session begins. */
export function protocolSettings(
  { kind, endpoint, bareLineEnds, earlyTalk = "allow", ...listener }: ListenerOptions,
  { hostname, limits }: InboundSettings,
  session: {
    readonly certificates: boolean;
    readonly client: Client;
    readonly authMechanisms: ServerProtocolSettings["authMechanisms"];
    readonly log: Log;
  },
): ServerProtocolSettings {
  const { certificates, client, authMechanisms, log } = session;
  const { development, startTls, clientCertificates, xclientFrom } = listener;
  const submission = kind === "submission" || kind === "submissions";
  const tlsActive = hasImplicitTls(kind);
  const open = development === true;
  return {
    ...defaultServerProtocolSettings,
    hostname,
    kind,
    tlsAvailable: certificates && endpoint.kind === "ip" && !tlsActive && startTls !== false,
    tlsActive,
    // A public MX never demands TLS (RFC 3207 §4); a submission server does, since passwords come next (RFC 8314 §3.3).
    tlsRequired: kind === "submission" && endpoint.kind === "ip" && !open,
    // Where a certificate may stand for a login, MAIL decides (commands/mail.ts), and refuses with the same words.
    authRequired: submission && !open && clientCertificates === undefined,
    authMechanisms,
    messageBytesMax: limits.message_size,
    recipientsMax: limits.recipients,
    bareLineEnds,
    completesAddresses: sendsOwnMail(client),
    earlyTalk,
    // Asked anew for the client that was named: one outside the list cannot name another.
    xclient: xclientFrom?.contains(client.address) === true && client.hidden !== true,
    errorsMax: limits.errors,
    refusedRecipientsMax: limits.refused_recipients,
    idleTimeoutMs: limits.idle_timeout,
    contentTimeoutMs: limits.idle_timeout,
    sessionTimeoutMs: limits.session_timeout,
    observePhase: (from, event, to) => log.event("session-phase", { from, event, to }),
  };
}
