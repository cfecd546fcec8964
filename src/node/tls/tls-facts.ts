/**
 * What is told of an established TLS layer, and whether the server gave what was demanded: a certificate of an authority for one
 * of some names, or one that fits its TLSA records. A resumed session shows no certificate: what its full handshake found,
 * under the same demand, stands for it.
 */
import { createHash } from "node:crypto";
import { checkServerIdentity, type PeerCertificate as CertificateFacts, type TLSSocket } from "node:tls";
import { readDerCertificate } from "../../lib/der-certificate.ts";
import { demandsVerification, verifyDane } from "../../dane/verify-dane.ts";
import { clientCertificateOf } from "./client-certificates.ts";
import type { PeerCertificate, TlsClientOptions, TlsFacts } from "../../ports/network.ts";
import type { HandshakeDemand } from "../../ports/tls-demand.ts";

/** What was verified of the server, or why nothing was. */
export type PeerVerdict = Pick<TlsFacts, "verified" | "verifiedBy" | "verifyError">;

/** Honest servers send two to four; verification looks at no more than these. */
const certificatesMax = 16;

export function serverFacts(socket: TLSSocket): TlsFacts {
  const serverName = (socket as TLSSocket & { readonly servername?: string | false }).servername;
  const clientCertificate = clientCertificateOf(socket);
  return {
    ...commonFacts(socket),
    ...(serverName && { serverName }),
    verified: false,
    ...(clientCertificate && { clientCertificate }),
  };
}

/** `kept`: what the full handshake of the session that was offered found. */
export function clientFacts(socket: TLSSocket, options: TlsClientOptions, kept: PeerVerdict | undefined): TlsFacts {
  const common = commonFacts(socket);
  const before = common.resumed ? kept : undefined;
  const { demand, serverName } = options;
  const verdict = demand.kind === "dane" ? (before ?? daneVerdict(socket, demand)) : pkiVerdict(socket, before);
  const peerCertificate = describeCertificate(socket);
  return { ...common, serverName, ...verdict, ...(peerCertificate !== undefined && { peerCertificate }) };
}

/** The part that stands for the certificate of later sessions. */
export function verdictOf({ verified, verifiedBy, verifyError }: TlsFacts): PeerVerdict {
  return { verified, ...(verifiedBy && { verifiedBy }), ...(verifyError !== undefined && { verifyError }) };
}

/** Why the demand is not met; undefined: it is. */
export function unmetDemand({ verified, verifyError }: PeerVerdict, demand: HandshakeDemand): string | undefined {
  if (verified || !demandsVerification(demand)) return undefined;
  return verifyError ?? "the certificate is not trusted";
}

/** Undefined where the certificate is for one of the names that the demand takes. */
export function wrongName(certificate: CertificateFacts, { serverName, demand }: TlsClientOptions): Error | undefined {
  const names = demand.kind === "pki" ? demand.names : [serverName];
  const strict = demand.kind === "pki" && demand.dnsNamesOnly === true;
  const counting = strict ? withDnsNamesOnly(certificate) : certificate;
  if (counting === undefined) return new Error("the certificate has no DNS name in its subjectAltName");
  const wrong = names.map((name) => checkServerIdentity(name, counting));
  return wrong.includes(undefined) ? undefined : (wrong[0] ?? new Error("no name is demanded"));
}

/**
 * Node falls back to the common name where there is no DNS name, and takes `mx*.example.org` for a wildcard. What it quotes
 * may hold anything, commas and "DNS:" too, so nothing counts from the first quotation mark on.
 */
function withDnsNamesOnly(certificate: CertificateFacts): CertificateFacts | undefined {
  const [unquoted = ""] = (certificate.subjectaltname ?? "").split('"', 1);
  const names = unquoted.split(", ").filter((text) => /^DNS:(?:\*\.)?[^*]+$/.test(text));
  return names.length === 0 ? undefined : { ...certificate, subjectaltname: names.join(", ") };
}

/** The dates of a resumed session's certificate were looked at again by OpenSSL, its name was not. */
function pkiVerdict(socket: TLSSocket, before: PeerVerdict | undefined): PeerVerdict {
  if (socket.authorized && (before?.verified ?? true)) return { verified: true, verifiedBy: "pki" };
  return { verified: false, verifyError: before?.verifyError ?? errorText(socket.authorizationError) };
}

/** RFC 7672 §3.2: by the host's records alone, whatever the system's authorities say. */
function daneVerdict(
  socket: TLSSocket,
  { records, names }: Extract<HandshakeDemand, { readonly kind: "dane" }>,
): PeerVerdict {
  const verdict = verifyDane(sentCertificates(socket), records, names, Date.now());
  if (verdict.kind === "failed") return { verified: false, verifyError: `DANE: ${verdict.reason}` };
  return { verified: true, verifiedBy: verdict.record.usage === 3 ? "dane-ee" : "dane-ta" };
}

/** As they were sent, the server's own first. */
function sentCertificates(socket: TLSSocket): readonly Uint8Array[] {
  const sent: Uint8Array[] = [];
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined && sent.length < certificatesMax) {
    sent.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return sent;
}

function commonFacts(socket: TLSSocket): { protocol: string; cipher: string; resumed: boolean } {
  const cipher = socket.getCipher();
  return {
    protocol: socket.getProtocol() ?? "unknown",
    cipher: cipher.standardName ?? cipher.name,
    resumed: socket.isSessionReused(),
  };
}

/** @types/node says Error; at run time it is the code, or the message of a failed name check. */
function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function describeCertificate(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerCertificate(false);
  if (certificate.subject === undefined) return undefined;
  const key = readDerCertificate(certificate.raw)?.publicKeyInfo;
  return {
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    validTo: new Date(certificate.valid_to).toISOString(),
    fingerprint256: certificate.fingerprint256,
    ...(key !== undefined && { publicKeySha256: createHash("sha256").update(key).digest("hex") }),
  };
}

function distinguishedName(parts: object): string {
  return Object.entries(parts)
    .map(([type, value]) => `${type}=${String(value)}`)
    .join(", ");
}
