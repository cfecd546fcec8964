/**
 * Whether a file has all the certificates that clients need to trust the first one (RFC 8446 §4.4.2): the
 * chain leads to a root that is in the file or that this machine knows.
 */
import { X509Certificate } from "node:crypto";

export type ChainJudgement =
  | { readonly kind: "complete" }
  /** Clients cannot verify it. `reason`: a sentence with what to do. */
  | { readonly kind: "incomplete"; readonly reason: string }
  /** It may be that of an authority of the house, which clients know and this machine does not. */
  | { readonly kind: "unknown-authority"; readonly reason: string };

/** Honest chains have two to four; OpenSSL sends no more than these along. */
const certificatesMax = 16;

/**
 * Public authorities say in each certificate where theirs can be had (RFC 5280 §4.2.2.1), which those of a house rarely do:
 * by that, a forgotten intermediate certificate is told from an authority that this machine does not know.
 *
 * @param chainPem the server's own certificate first; the order of the others does not matter, and ones too many do no harm
 * @throws where a certificate cannot be read
 */
export function judgeChain(
  chainPem: string,
  isFromKnownRoot: (certificate: X509Certificate) => boolean,
): ChainJudgement {
  const [own, ...others] = certificatesIn(chainPem);
  if (own === undefined) return { kind: "incomplete", reason: "the file contains no certificate" };
  let last = own;
  const left = new Set(others);
  while (!isSelfIssued(last)) {
    const issuer = [...left].find((other) => issued(other, last));
    if (issuer === undefined) break;
    left.delete(issuer);
    last = issuer;
  }
  if (isSelfIssued(last) || isFromKnownRoot(last)) return { kind: "complete" };
  const [issuer, subject] = [named(last.issuer), named(last.subject)];
  return last.infoAccess?.includes("CA Issuers")
    ? {
        kind: "incomplete",
        reason: `the chain is incomplete: the certificate of ${issuer}, which issued that of ${subject}, is missing from the file; use the file that contains the whole chain, often called fullchain.pem`,
      }
    : {
        kind: "unknown-authority",
        reason: `${issuer}, which issued the certificate of ${subject}, is neither in the file nor an authority that this machine trusts; clients that do not know it refuse the certificate`,
      };
}

function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.slice(0, certificatesMax).map((block) => new X509Certificate(block));
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Node puts each attribute on a line of its own. */
function named(distinguishedName: string): string {
  return `"${distinguishedName.replaceAll("\n", ", ")}"`;
}
