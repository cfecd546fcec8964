/** Channel binding data (RFC 5056) of an established TLS connection; the same octets at both of its ends. */
import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";

/** RFC 9266 §2. */
const exporterLabel = "EXPORTER-Channel-Binding";
const exporterBytes = 32;

/**
 * RFC 5929 §4.1: the digest of the certificate's signature, and SHA-256 in place of MD5 and SHA-1. By the object
 * identifier of the algorithm, in hex; others name no single digest.
 */
const digestOfSignature: Readonly<Record<string, string>> = {
  "2a864886f70d010104": "sha256", // md5WithRSAEncryption
  "2a864886f70d010105": "sha256", // sha1WithRSAEncryption
  "2a864886f70d01010b": "sha256", // sha256WithRSAEncryption
  "2a864886f70d01010c": "sha384", // sha384WithRSAEncryption
  "2a864886f70d01010d": "sha512", // sha512WithRSAEncryption
  "2a8648ce3d0401": "sha256", // ecdsa-with-SHA1
  "2a8648ce3d040302": "sha256", // ecdsa-with-SHA256
  "2a8648ce3d040303": "sha384", // ecdsa-with-SHA384
  "2a8648ce3d040304": "sha512", // ecdsa-with-SHA512
};

/** undefined: not for this type, or not on a connection like this one. */
export function channelBindingOf(socket: TLSSocket, side: "server" | "client", type: string): Uint8Array | undefined {
  if (socket.destroyed) return undefined;
  const protocol = socket.getProtocol();
  switch (type) {
    case "tls-exporter":
      // Under TLS 1.2 it needs the extended master secret (RFC 9266 §4.2), of which Node does not tell.
      if (protocol !== "TLSv1.3") return undefined;
      return socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0));
    case "tls-unique":
      // The client's Finished of a full handshake. A resumed session can be bound to two connections at once (RFC 7627 §1).
      if (protocol !== "TLSv1.2" || socket.isSessionReused()) return undefined;
      return (side === "client" ? socket.getFinished() : socket.getPeerFinished()) ?? undefined;
    case "tls-server-end-point":
      return endPoint(side === "client" ? socket.getPeerX509Certificate() : socket.getX509Certificate());
    default:
      return undefined;
  }
}

function endPoint(certificate: X509Certificate | undefined): Uint8Array | undefined {
  if (certificate === undefined) return undefined;
  const digest = digestOfSignature[signatureAlgorithmOf(certificate.raw) ?? ""];
  return digest === undefined ? undefined : createHash(digest).update(certificate.raw).digest();
}

/** RFC 5280 §4.1: SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, … }, … }. */
function signatureAlgorithmOf(der: Uint8Array): string | undefined {
  const certificate = contentOf(der, 0);
  const body = certificate && contentOf(der, certificate.start);
  const algorithm = body && contentOf(der, body.end);
  const identifier = algorithm && contentOf(der, algorithm.start);
  return identifier && Buffer.from(der.subarray(identifier.start, identifier.end)).toString("hex");
}

/** Where the content of the element at `at` starts and ends; OpenSSL has read the certificate, so its form is right. */
function contentOf(der: Uint8Array, at: number): { readonly start: number; readonly end: number } | undefined {
  const first = der[at + 1];
  if (first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthBytes;
  const length = lengthBytes === 0 ? first : der.subarray(at + 2, start).reduce((sum, octet) => sum * 256 + octet, 0);
  return start + length > der.length ? undefined : { start, end: start + length };
}
