/**
 * Brings one connection to one address to the point where a transaction can begin: connects, opens the session, and says
 * what follows for the mail where that fails. A server that hangs up on EHLO is greeted with HELO on a second connection,
 * where neither TLS nor a login is needed; one that refuses us is told QUIT. Owns what follows from a demand of TLS:
 *
 * | demand | STARTTLS not offered or refused | handshake fails or stalls | certificate not valid |
 * | --- | --- | --- | --- |
 * | none | not asked for | – | – |
 * | opportunistic | in clear | once again in clear, unless we log in | used |
 * | required | deferred 4.7.4 | deferred 4.7.5 | used |
 * | pki | deferred 4.7.4 | deferred 4.7.5 | deferred 4.7.5 |
 * | dane | deferred 4.7.4 | deferred 4.7.5 | deferred 4.7.5, used where no record can be |
 *
 * Where a password may not cross (open-session.ts), the mail waits. A server that sends octets between 220 and the
 * handshake gets neither mail nor a second chance in clear (RFC 3207 §6).
 */
import { withCertificateWords } from "../lib/certificate-words.ts";
import { isLoopback } from "../lib/ip-network.ts";
import type { ClockSteps } from "../lib/clock-steps.ts";
import { errorText } from "../lib/error-text.ts";
import type { AccessTokenSource } from "../oauth/access-tokens.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Log } from "../ports/log.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import { NetworkError, type Network, type TlsClientOptions } from "../ports/network.ts";
import type { HandshakeDemand } from "../ports/tls-demand.ts";
import type { HopCredentials, TlsDecision } from "../route/next-hop.ts";
import { decisionText, demandWord } from "../route/tls-policy.ts";
import type { MessageSigning } from "../signing/message-signing.ts";
import type { ClientFailure } from "../smtp/client/failure.ts";
import { failureSetback, finding, temporaryRefusal, type PeerFacts, type Setback } from "./delivery-verdict.ts";
import { loginFor, noteRefusedToken } from "./hop-login.ts";
import { openSession, type SessionCredentials, type SessionTrouble } from "./open-session.ts";
import type { ConnectionObserver } from "./connection-observer.ts";
import type { SmtpDeliverySettings } from "./settings.ts";
import { SmtpClientConnection } from "./smtp-client-connection.ts";

/** One address of a next hop. */
export interface Target {
  readonly dialect: "smtp" | "lmtp";
  readonly site: string;
  /** For TLS, logs and reports. */
  readonly host: string;
  readonly endpoint: Endpoint;
  readonly tls: TlsDecision;
  readonly implicitTls: boolean;
  readonly credentials: HopCredentials | undefined;
  /** Trusted besides the usual ones; PEM. */
  readonly certificateAuthorities: readonly string[] | undefined;
}

export interface SetupContext {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** What ages of messages can be believed. */
  readonly clockSteps: Pick<ClockSteps, "whenAged">;
  readonly log: Log;
  readonly settings: SmtpDeliverySettings;
  readonly signal: AbortSignal;
  /** Takes over a connection that is of no use: says QUIT if the server can read it, and closes. */
  readonly leave: (connection: SmtpClientConnection) => void;
  /** Queue id, for the log. */
  readonly message: string;
  /** What makes our own signatures, if any. */
  readonly signing?: (() => MessageSigning | undefined) | undefined;
  /** Absent: no route logs in by OAuth. */
  readonly accessTokens?: AccessTokenSource | undefined;
  /** Asked for an observer before each connection. */
  readonly observe?: ((target: Target) => ConnectionObserver | undefined) | undefined;
  /** HELO may follow a connection that was closed on EHLO. Not at the first attempt: any busy server may hang up once. */
  readonly mayUseHelo: boolean;
}

export type SetupResult =
  /** `hungUpOnEhlo`: HELO was said for that reason, so what the server can do is not known. */
  | { readonly kind: "ready"; readonly connection: SmtpClientConnection; readonly hungUpOnEhlo?: true }
  /** `tryNext` false: another address would answer the same, or must not be asked (a refused login). */
  | { readonly kind: "failed"; readonly setback: Setback; readonly tryNext: boolean };

type SetupAttempt =
  | SetupResult
  | { readonly kind: "tls-trouble"; readonly reason: string; readonly setback: Setback }
  /** The connection was closed instead of an answer to EHLO. */
  | { readonly kind: "hung-up"; readonly reason: string; readonly setback: Setback };

interface Manner {
  readonly startTls: boolean;
  /** HELO instead of EHLO. */
  readonly plain: boolean;
}

/** A target whose access token, if it wants one, has been fetched. */
interface ReadyTarget extends Target {
  readonly login: SessionCredentials | undefined;
}

export async function setUpConnection(asked: Target, context: SetupContext): Promise<SetupResult> {
  const found = await loginFor(asked.credentials, context.accessTokens, peerOf(asked));
  if (found.kind === "failed") {
    logLoginFailed(asked, context, found.setback);
    return { kind: "failed", setback: found.setback, tryNext: false };
  }
  const target: ReadyTarget = { ...asked, login: found.credentials };
  const { demand } = target.tls;
  const first = await attempt(target, context, { startTls: demand.kind !== "none", plain: false });
  if (first.kind === "ready" || first.kind === "failed") return first;
  const tlsIsOptional = demand.kind === "none" || (demand.kind === "opportunistic" && !target.implicitTls);
  const mayBegin = !context.signal.aborted && (first.kind !== "hung-up" || context.mayUseHelo);
  const mayGoClear = tlsIsOptional && target.credentials === undefined && mayBegin;
  if (!mayGoClear) return { kind: "failed", setback: first.setback, tryNext: true };
  const second = await attemptInClear(target, context, first);
  if (second.kind === "ready" && first.kind === "hung-up") return { ...second, hungUpOnEhlo: true };
  return second.kind === "ready" || second.kind === "failed"
    ? second
    : { kind: "failed", setback: second.setback, tryNext: true };
}

async function attemptInClear(
  target: ReadyTarget,
  context: SetupContext,
  first: Exclude<SetupAttempt, SetupResult>,
): Promise<SetupAttempt> {
  if (target.tls.demand.kind !== "none") {
    context.log.event("tls-fell-back", {
      message: context.message,
      site: target.site,
      host: target.host,
      address: addressText(target.endpoint),
      reason: first.reason,
    });
  }
  return await attempt(target, context, { startTls: false, plain: first.kind === "hung-up" });
}

/** `192.0.2.1` or `unix:/path`. */
export function addressText(endpoint: Endpoint): string {
  return endpoint.kind === "unix" ? `unix:${endpoint.path}` : endpoint.address;
}

function peerOf({ host, endpoint, tls }: Target): PeerFacts {
  return { host, address: addressText(endpoint), tls: undefined, tlsDemand: decisionText(tls) };
}

async function attempt(target: ReadyTarget, context: SetupContext, manner: Manner): Promise<SetupAttempt> {
  const { endpoint } = target;
  const peer = peerOf(target);
  const observer = context.observe?.(target);
  let connection: SmtpClientConnection;
  try {
    connection = await SmtpClientConnection.connect(endpoint, {
      ...connectOptions(target, context),
      ...(observer?.dialogue && { onDialogue: (line) => observer.dialogue?.(line) }),
    });
  } catch (error) {
    observer?.connectFailed(errorText(error));
    return connectFailed(error, target, context, peer);
  }
  observer?.connected(connection);
  // Asked to stop: whatever step is under way ends now; nothing has been handed over yet.
  const stop = (): void => connection.abandon(stopped);
  context.signal.addEventListener("abort", stop, { once: true });
  try {
    const result = await converse(connection, target, context, manner, peer, observer);
    if (result.kind === "ready") observer?.ready(connection);
    else {
      observer?.failed(result.setback);
      context.leave(connection);
    }
    return result;
  } finally {
    context.signal.removeEventListener("abort", stop);
  }
}

const stopped: ClientFailure = { kind: "lost", command: "idle", detail: "this server is stopping" };

async function converse(
  connection: SmtpClientConnection,
  target: ReadyTarget,
  context: SetupContext,
  { startTls, plain }: Manner,
  clearPeer: PeerFacts,
  observer: ConnectionObserver | undefined,
): Promise<SetupAttempt> {
  const trouble = await openSession(connection, {
    endpoint: target.endpoint,
    startTls: startTls ? tlsOptions(target) : undefined,
    credentials: target.login,
    random: context.random,
    plainHello: plain,
    signal: context.signal,
    onTls: (facts) => observer?.secured(facts),
  });
  if (trouble === undefined) return { kind: "ready", connection };
  const attempt = attemptAfter(trouble, target, connection, clearPeer);
  if (attempt.kind === "failed" && attempt.setback.owner === "our-authentication") {
    logLoginFailed(target, context, attempt.setback);
  }
  if (trouble.kind === "login-refused") noteRefusedToken(target.credentials, target.login, context.accessTokens);
  return attempt;
}

/** All mail of the route waits for whoever can mend the settings, and hears of it by this line alone. */
function logLoginFailed(target: Target, { log, message }: SetupContext, { reason }: Setback): void {
  const { site, host, endpoint, credentials } = target;
  const account = credentials?.username ?? "";
  log.event("relay-login-failed", { message, site, host, address: addressText(endpoint), account, reason });
}

function attemptAfter(
  trouble: SessionTrouble,
  target: ReadyTarget,
  connection: SmtpClientConnection,
  clearPeer: PeerFacts,
): SetupAttempt {
  const peer: PeerFacts = { ...clearPeer, tls: connection.tls };
  switch (trouble.kind) {
    case "failed":
      return stepFailed(trouble, target, connection, clearPeer);
    case "tls-not-offered": {
      const reason = `${target.host} does not offer STARTTLS, but ${whyTls(target)}`;
      return { kind: "failed", setback: finding("4.7.4", "remote-trouble", reason, clearPeer), tryNext: true };
    }
    case "tls-refused": {
      const setback = temporaryRefusal(trouble.reply, "STARTTLS", "4.7.4", "remote-trouble", clearPeer);
      return { kind: "failed", setback, tryNext: true };
    }
    case "password-withheld": {
      const { facts } = trouble;
      const why =
        facts === undefined ? "without TLS" : `over unverified TLS (${facts.verifyError ?? "no reason given"})`;
      const reason = `the ${secretWord(target)} for ${target.host} is not sent ${why}`;
      return { kind: "failed", setback: finding("4.7.0", "our-authentication", reason, peer), tryNext: true };
    }
    // A wrong password is ours to mend, and asking the next host with it could lock the account.
    case "no-mechanism": {
      const ours = secretWord(target) === "password" ? "SCRAM, PLAIN, LOGIN" : "OAUTHBEARER, XOAUTH2";
      const reason = `${target.host} offers no AUTH mechanism that this server supports (${ours})`;
      return { kind: "failed", setback: finding("4.7.0", "our-authentication", reason, peer), tryNext: false };
    }
    case "login-refused": {
      const setback = temporaryRefusal(trouble.reply, "AUTH", "4.7.0", "our-authentication", peer);
      return { kind: "failed", setback, tryNext: false };
    }
    default:
      return trouble satisfies never;
  }
}

function secretWord({ credentials }: Target): string {
  return credentials !== undefined && "oauth" in credentials ? "access token" : "password";
}

function stepFailed(
  { step, failure }: Extract<SessionTrouble, { readonly kind: "failed" }>,
  target: ReadyTarget,
  connection: SmtpClientConnection,
  clearPeer: PeerFacts,
): SetupAttempt {
  const cut = failure.kind === "lost" || failure.kind === "timed-out";
  // Servers that do not know EHLO are to answer 500 (RFC 5321 §4.1.4); some hang up. They take HELO on a new connection.
  if (step === "hello" && failure.kind === "lost" && failure.command === "EHLO") {
    return { kind: "hung-up", reason: failure.detail, setback: failureSetback(failure, clearPeer) };
  }
  if (step === "handshake") return tlsFailed(failure, clearPeer, target);
  // Lost or stalled right after the handshake is how broken TLS stacks show; a refusal is the host's word.
  if (step === "hello-again" && cut) return tlsFailed(failure, { ...clearPeer, tls: connection.tls }, target);
  return hostFailed(failure, connection, clearPeer);
}

/**
 * A greeting or EHLO refused with 5yz says that this host takes no mail from us; others of the site may (RFC 7504 §3,
 * RFC 5321 §3.1). What becomes of the mail when every address said so is in door-refusal.ts.
 */
function hostFailed(failure: ClientFailure, connection: SmtpClientConnection, peer: PeerFacts): SetupResult {
  const setback = failureSetback(failure, { ...peer, tls: connection.tls });
  return { kind: "failed", setback, tryNext: true };
}

function tlsFailed(failure: ClientFailure, peer: PeerFacts, { tls }: Target): SetupAttempt {
  if (failure.kind === "protocol-error" || failure.kind === "refused") {
    return { kind: "failed", setback: failureSetback(failure, peer), tryNext: true };
  }
  const detail = failure.kind === "bare-line-end" ? "" : failure.detail;
  const reason = `${peer.host}: ${withCertificateWords(detail)}${policyClause(tls, detail)}`;
  return { kind: "tls-trouble", reason: detail, setback: finding("4.7.5", "remote-trouble", reason, peer) };
}

function connectFailed(error: unknown, target: ReadyTarget, context: SetupContext, peer: PeerFacts): SetupResult {
  const reason = errorText(error);
  const { message, log } = context;
  log.event("connection-failed", { message, site: target.site, host: target.host, address: peer.address, reason });
  const where = `${target.host} [${peer.address}]`;
  if (error instanceof NetworkError && error.code === "ETLS") {
    const setback = finding(
      "4.7.5",
      "remote-trouble",
      `TLS with ${where} failed: ${withCertificateWords(reason)}`,
      peer,
    );
    return { kind: "failed", setback, tryNext: true };
  }
  const setback = finding("4.4.1", "remote-trouble", `could not connect to ${where}: ${reason}`, peer);
  return { kind: "failed", setback, tryNext: true };
}

function connectOptions(
  target: ReadyTarget,
  context: SetupContext,
): Parameters<typeof SmtpClientConnection.connect>[1] {
  const { settings, network, clock, signal, log } = context;
  const { site, host } = target;
  const address = addressText(target.endpoint);
  const localAddress = bindAddress(target.endpoint, settings.bindAddresses);
  return {
    network,
    clock,
    signal,
    dialect: target.dialect,
    heloName: settings.heloName,
    timeouts: settings.timeouts,
    connectTimeoutMs: settings.connectTimeoutMs,
    tlsTimeoutMs: settings.tlsTimeoutMs,
    onPhase: (before, event, after) =>
      log.event("connection-phase", { site, host, address, from: before.kind, event, to: after.kind }),
    ...(localAddress !== undefined && { localAddress }),
    ...(target.implicitTls && { implicitTls: tlsOptions(target) }),
  };
}

/** Whose the demand is: the settings', or one that the other side published. */
function whyTls({ site, tls }: Target): string {
  const { demand, reason } = tls;
  if (reason.setting !== undefined) return `TLS to ${site} is set to ${demandWord(demand)}`;
  return `its policy (${reason.rule}) asks for TLS`;
}

/** Which published policy the mail waits for, unless the words before say so; nothing where none asked. */
function policyClause({ reason: { rule } }: TlsDecision, detail: string): string {
  if (rule === "mta-sts") return "; the MTA-STS policy of the domain demands TLS with a valid certificate";
  return rule === "dane" && !detail.includes("DANE:") ? "; the TLSA records of the host (DANE) demand TLS" : "";
}

/** Opportunistic TLS never validates: an unverified session is better than a clear one. */
function tlsOptions(target: ReadyTarget): TlsClientOptions {
  const demand = handshakeDemand(target.tls);
  return {
    serverName: demand.kind === "dane" ? (demand.names[0] ?? target.host) : target.host,
    demand,
    sessionKey: `${target.site} ${target.host}`,
    ...(target.certificateAuthorities && { certificateAuthorities: target.certificateAuthorities }),
  };
}

/** `none` comes here where TLS begins with the first octet. */
function handshakeDemand({ demand }: TlsDecision): HandshakeDemand {
  return demand.kind === "none" ? { kind: "required" } : demand;
}

/** The first of the target's family; loopback is not reached from elsewhere. */
function bindAddress(endpoint: Endpoint, addresses: readonly string[]): string | undefined {
  if (endpoint.kind === "unix" || addresses.length === 0 || isLoopback(endpoint.address)) return undefined;
  const isV6 = endpoint.address.includes(":");
  return addresses.find((address) => address.includes(":") === isV6);
}
