/**
 * Turns what a server said, or failed to say, into the outcome of a recipient. Pure functions; every reason is one
 * sentence for people, and the reply itself is in the diagnostic.
 *
 * Statuses: the server's own, where it gave one whose class agrees; else one that the reply code alone decides (521, 556,
 * 421); else `X.0.0`, since a bare 550 says nothing about why.
 */
import type { FaultOwner } from "../dsn/report.ts";
import type { DeliveryOutcome, Diagnostic } from "../events/delivery-outcome.ts";
import { shorten } from "../lib/shorten.ts";
import type { TlsFacts } from "../ports/network.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { ClientFailure } from "../smtp/client/failure.ts";
import type { RecipientResult } from "../smtp/client/recipient-results.ts";
import type { EnhancedStatus } from "../smtp/enhanced-status.ts";
import { replyText, type ReceivedReply } from "../smtp/reply-reader.ts";
import { faultOwner } from "./fault-owner.ts";

/** An outcome that is no success. */
export type Setback = Extract<DeliveryOutcome, { readonly kind: "deferred" | "bounced" }>;

/** Whom we spoke with. */
export interface PeerFacts {
  readonly host: string;
  /** IP address, or `unix:/path`. */
  readonly address: string;
  readonly tls: TlsFacts | undefined;
  /** What was demanded of TLS, and by whom, where it was more than the default. */
  readonly tlsDemand?: string | undefined;
}

/** It is stored once per recipient and attempt; the longest honest replies have about 2,000 characters. */
const diagnosticLengthMax = 4_000;
/** A sentence of a log line or a report; the diagnostic has the rest. */
const quoteLengthMax = 500;

export function diagnosticOf(reply: ReceivedReply, command: string, peer: PeerFacts): Diagnostic {
  return {
    type: "smtp",
    text: cut(replyText(reply), diagnosticLengthMax),
    code: reply.code,
    command,
    ...peerDiagnostic(peer),
  };
}

/** The verdict of a reply that refuses: its first digit decides. A 3yz where none belongs counts as trouble for now. */
export function refusal(reply: ReceivedReply, command: string, peer: PeerFacts): Setback {
  const owner = faultOwner(reply, command);
  const reason = `${peer.host} replied to ${command}: ${quote(reply)}`;
  const diagnostic = diagnosticOf(reply, command, peer);
  return reply.code >= 500
    ? { kind: "bounced", status: permanentStatus(reply), owner, reason, diagnostic }
    : { kind: "deferred", status: temporaryStatus(reply), owner, reason, diagnostic };
}

/** The verdict of a refusal that stands against us or our settings, not against the mail: never more than temporary. */
export function temporaryRefusal(
  reply: ReceivedReply,
  command: string,
  status: EnhancedStatus<4>,
  owner: FaultOwner,
  peer: PeerFacts,
): Setback {
  const reason = `${peer.host} replied to ${command}: ${quote(reply)}`;
  return { kind: "deferred", status, owner, reason, diagnostic: diagnosticOf(reply, command, peer) };
}

/** The verdict where a connection failed, at whatever step. */
export function failureSetback(failure: ClientFailure, peer: PeerFacts): Setback {
  switch (failure.kind) {
    case "refused":
      return refusal(failure.reply, failure.command, peer);
    case "lost":
    case "timed-out":
      // RFC 5321 §3.8: a lost connection counts as 451.
      return finding("4.4.2", "remote-trouble", `${peer.host}: ${failure.detail}`, peer);
    case "protocol-error":
      return finding("4.5.0", "remote-trouble", `${peer.host} broke the protocol: ${failure.detail}`, peer);
    case "bare-line-end":
      return {
        kind: "bounced",
        status: "5.6.3",
        owner: "content",
        reason: `the message has ${failure.detail}, which cannot be sent with DATA`,
      };
    default:
      return failure satisfies never;
  }
}

/**
 * The verdict where a relay host asks for a login that its route does not have; undefined: it is something else. Whoever
 * runs this server can mend it, so the mail waits. 530 may also ask for STARTTLS (RFC 3207 §4), and its words then say so.
 */
export function loginMissing(result: RecipientResult, hop: NextHop, peer: PeerFacts): Setback | undefined {
  if (hop.kind !== "smtp" || hop.isRelay !== true || hop.credentials !== undefined) return undefined;
  if (result.kind !== "refused" || result.reply.code !== 530 || /starttls/i.test(replyText(result.reply))) {
    return undefined;
  }
  return temporaryRefusal(result.reply, result.command, "4.7.0", "our-authentication", peer);
}

/** What one recipient's part of a transaction came to. */
export function outcomeOf(
  result: RecipientResult,
  peer: PeerFacts,
  success: { readonly kind: "delivered" } | { readonly kind: "relayed"; readonly dsnPassedOn: boolean },
): DeliveryOutcome {
  switch (result.kind) {
    case "accepted": {
      const { reply } = result;
      const status: EnhancedStatus<2> = isSuccess(reply.status) ? reply.status : "2.0.0";
      return { ...success, status, diagnostic: diagnosticOf(reply, "end of data", peer) };
    }
    case "refused":
      return refusal(result.reply, result.command, peer);
    case "too-many":
      return {
        kind: "deferred",
        status: "4.5.3",
        owner: "remote-trouble",
        reason: `${peer.host} accepts no more recipients in one transaction: ${quote(result.reply)}`,
        diagnostic: diagnosticOf(result.reply, "RCPT", peer),
        soon: true,
      };
    case "broken": {
      const setback = failureSetback(result.failure, peer);
      if (!result.contentSent) return setback;
      return {
        ...setback,
        reason: `${setback.reason}; the whole message had been sent, so the next attempt may create a duplicate`,
      };
    }
    default:
      return result satisfies never;
  }
}

/** No verdict on the message, and it cannot have been taken over: another host may be asked. */
export function isAboutHost(result: RecipientResult): boolean {
  switch (result.kind) {
    case "broken":
      return !result.contentSent && result.failure.kind !== "bare-line-end";
    case "refused":
      // 421 before anything was decided, and a server that cannot even reset.
      return result.command === "RSET" || (result.command === "MAIL" && result.reply.code === 421);
    case "accepted":
    case "too-many":
      return false;
    default:
      return result satisfies never;
  }
}

/** Our own finding about a host, for now. */
export function finding(status: EnhancedStatus<4>, owner: FaultOwner, reason: string, peer?: PeerFacts): Setback {
  if (peer === undefined) return { kind: "deferred", status, owner, reason };
  const diagnostic: Diagnostic = { type: "x-posthaste", text: reason, ...peerDiagnostic(peer) };
  return { kind: "deferred", status, owner, reason, diagnostic };
}

/** Our own finding that this message can never go to this host. */
export function impossible(status: EnhancedStatus<5>, owner: FaultOwner, reason: string, peer?: PeerFacts): Setback {
  if (peer === undefined) return { kind: "bounced", status, owner, reason };
  const diagnostic: Diagnostic = { type: "x-posthaste", text: reason, ...peerDiagnostic(peer) };
  return { kind: "bounced", status, owner, reason, diagnostic };
}

/** The same finding where it may be no more true tomorrow (RFC 3463 §2: subject and detail mean the same in every class). */
export function forNow(setback: Setback): Setback {
  if (setback.kind === "deferred") return setback;
  return { ...setback, kind: "deferred", status: `4${setback.status.slice(1)}` as EnhancedStatus<4> };
}

function quote(reply: ReceivedReply): string {
  return cut(replyText(reply), quoteLengthMax);
}

function cut(text: string, lengthMax: number): string {
  return shorten(text, lengthMax);
}

type PeerDiagnostic = Pick<Diagnostic, "remoteHost" | "remoteAddress" | "tls" | "tlsDemand">;

function peerDiagnostic({ host, address, tls, tlsDemand }: PeerFacts): PeerDiagnostic {
  const peer = { remoteHost: host, remoteAddress: address, ...(tlsDemand !== undefined && { tlsDemand }) };
  if (tls === undefined) return peer;
  const text = `${tls.protocol} ${tls.cipher} ${verifiedWords(tls)}`;
  return { ...peer, tls: text };
}

function verifiedWords({ verified, verifiedBy }: TlsFacts): string {
  if (!verified) return "unverified";
  if (verifiedBy === undefined || verifiedBy === "pki") return "verified";
  return verifiedBy === "dane-ee" ? "verified by DANE-EE" : "verified by DANE-TA";
}

function permanentStatus(reply: ReceivedReply): EnhancedStatus<5> {
  if (isPermanent(reply.status)) return reply.status;
  // RFC 7504 §4: 521 is a host, 556 a domain, that takes no mail.
  if (reply.code === 521) return "5.3.2";
  return reply.code === 556 ? "5.1.10" : "5.0.0";
}

function temporaryStatus(reply: ReceivedReply): EnhancedStatus<4> {
  if (isTemporary(reply.status)) return reply.status;
  return reply.code === 421 ? "4.3.2" : "4.0.0";
}

function isSuccess(status: EnhancedStatus | undefined): status is EnhancedStatus<2> {
  return status?.startsWith("2.") === true;
}
function isTemporary(status: EnhancedStatus | undefined): status is EnhancedStatus<4> {
  return status?.startsWith("4.") === true;
}
function isPermanent(status: EnhancedStatus | undefined): status is EnhancedStatus<5> {
  return status?.startsWith("5.") === true;
}
