/** A certificate chain and its key as PEM, and the check that they can serve TLS together. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

import type { Instant } from "../../lib/instant.ts";
import type { CertificateJudgement, CertificatePair, JudgeCertificate } from "../../ports/certificates.ts";

/** Renewals come thirty days before the end of a certificate of ninety; of short ones a part of their time counts. */
const expiresSoonMs = 14 * 86_400_000;

export interface CertificateFacts {
  readonly subject: string;
  /** DNS names and addresses it is for, as in its subjectAltName. */
  readonly names: string;
  readonly validFrom: Instant;
  readonly validTo: Instant;
  readonly fingerprint256: string;
  readonly isFor: (hostname: string) => boolean;
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
    validFrom: certificate.validFromDate.getTime(),
    validTo: certificate.validToDate.getTime(),
    fingerprint256: certificate.fingerprint256,
    isFor: (hostname) => certificate.checkHost(hostname) !== undefined,
  };
}

/** In words; undefined: it is in date. */
export function outOfDate({ validFrom, validTo }: CertificateFacts, now: Instant): string | undefined {
  if (now >= validTo) return `the certificate expired at ${new Date(validTo).toISOString()}`;
  return now < validFrom ? `the certificate is not valid before ${new Date(validFrom).toISOString()}` : undefined;
}

/** What is probably not meant. */
export function certificateWarnings(
  facts: CertificateFacts,
  { hostname, now }: { readonly hostname: string; readonly now: Instant },
): CertificateJudgement["warnings"] {
  const { validFrom, validTo, names } = facts;
  const left = validTo - now;
  const soon = left < Math.min(expiresSoonMs, (validTo - validFrom) / 4);
  return [
    ...(soon && left > 0
      ? [
          {
            code: "warn-certificate-expires",
            message: `the certificate expires at ${new Date(validTo).toISOString()}`,
          } as const,
        ]
      : []),
    ...(facts.isFor(hostname)
      ? []
      : [
          {
            code: "warn-certificate-name",
            message: `the certificate is for ${names || "no name"}, not for ${hostname}`,
          } as const,
        ]),
  ];
}

/** As `check config` does it. */
export const judgeCertificate: JudgeCertificate = (pair, terms) => {
  try {
    const facts = checkPair(pair);
    return { problem: outOfDate(facts, terms.now), warnings: certificateWarnings(facts, terms) };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    return { problem: error.message, warnings: [] };
  }
};

function attempt<T>(complaint: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new CertificateError(`${complaint}: ${(cause as Error).message}`, { cause });
  }
}
