/** What the certificate of a client says, read from an established TLS connection of the server's side. */
import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { ClientCertificate } from "../../ports/client-certificate.ts";

/** Names that we look at; certificates of people have one or two. */
const emailsMax = 32;

/** undefined: the client showed none, or one with a key that we cannot read. */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  const keySha256 = certificate && keyDigestOf(certificate);
  if (certificate === undefined || keySha256 === undefined) return undefined;
  const commonName = commonNameOf(certificate.subject);
  return {
    keySha256,
    subject: certificate.subject.replaceAll("\n", ", "),
    trusted: isTrusted(socket),
    emails: emailsOf(certificate.subjectAltName ?? ""),
    ...(commonName !== undefined && { commonName }),
  };
}

/** Throws for a key that cannot be read. */
export function sha256OfPublicKey(key: X509Certificate["publicKey"]): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
}

function keyDigestOf(certificate: X509Certificate): string | undefined {
  try {
    return sha256OfPublicKey(certificate.publicKey);
  } catch {
    return undefined;
  }
}

/**
 * OpenSSL's own verdict on the chain, with the dates and with the purpose of a client. Node hands it out only to a
 * `tls.Server`; where a later version hides it from us, no certificate is trusted.
 */
function isTrusted(socket: TLSSocket): boolean {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { verifyError?(): unknown } };
  return typeof handle?.verifyError === "function" && handle.verifyError() === null;
}

/**
 * Node writes `email:ann@example.org, DNS:example.org`, and puts a value that could be mistaken for several into quotes.
 * Such a value is no address that we want; a text of another form gives no names at all.
 */
export function emailsOf(alternatives: string): readonly string[] {
  const emails: string[] = [];
  for (let at = 0; at < alternatives.length;) {
    const colon = alternatives.indexOf(":", at);
    const end = colon < 0 ? -1 : endOfValue(alternatives, colon + 1);
    if (end < 0 || emails.length >= emailsMax) return [];
    const value = alternatives.slice(colon + 1, end);
    if (alternatives.slice(at, colon) === "email" && value !== "" && !value.includes('"')) emails.push(value);
    at = end + separator.length;
  }
  return emails;
}

const separator = ", ";

/** Of a value that begins at `start`; -1: a quoted one does not end as it must. */
function endOfValue(text: string, start: number): number {
  if (text[start] !== '"') {
    const next = text.indexOf(separator, start);
    return next < 0 ? text.length : next;
  }
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  const end = at + 1;
  return at < text.length && (end === text.length || text.startsWith(separator, end)) ? end : -1;
}

/** Node puts each attribute of the subject on a line, and escapes line ends within one. */
function commonNameOf(subject: string): string | undefined {
  const names = subject.split("\n").filter((line) => line.startsWith("CN="));
  const [only] = names;
  return only === undefined || names.length > 1 ? undefined : only.slice("CN=".length);
}
