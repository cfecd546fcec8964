/** A certificate chain and its key as PEM, and the check that they can serve TLS together. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

import type { Instant } from "../lib/instant.ts";

export interface CertificatePair {
  /** The server's own certificate first, then those that lead to a root. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateFacts {
  readonly subject: string;
  /** DNS names and addresses it is for, as in its subjectAltName. */
  readonly names: string;
  readonly validTo: Instant;
  readonly fingerprint256: string;
}

/** What is wrong with the files, in words for the person who configured them. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/** Throws {@link CertificateError} where the pair cannot serve TLS. An expired one can, and clients that verify refuse it. */
export function checkPair({ certificatePem, keyPem }: CertificatePair): CertificateFacts {
  const certificate = attempt("the certificate is not a PEM certificate", () => new X509Certificate(certificatePem));
  const key = attempt("the key is not a PEM private key without a passphrase", () => createPrivateKey(keyPem));
  if (!certificate.checkPrivateKey(key)) {
    throw new CertificateError(
      "the private key does not belong to the certificate (in a chain, the server's own certificate comes first)",
    );
  }
  attempt("the TLS library refuses the pair", () => createSecureContext({ cert: certificatePem, key: keyPem }));
  return {
    subject: certificate.subject,
    names: certificate.subjectAltName ?? "",
    validTo: certificate.validToDate.getTime(),
    fingerprint256: certificate.fingerprint256,
  };
}

function attempt<T>(complaint: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new CertificateError(`${complaint}: ${(cause as Error).message}`, { cause });
  }
}
