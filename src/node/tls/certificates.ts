/** A certificate chain and its key as PEM, and the checks whether they can serve TLS together under some names. */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

import type { Instant } from "../../lib/instant.ts";
import type { CertificateJudgement, CertificatePair, JudgeCertificate } from "../../ports/certificates.ts";
import { isFromUsualRoot } from "./authorities.ts";
import { type ChainJudgement, judgeChain } from "./certificate-chain.ts";
import { stageOf } from "./expiry-stage.ts";

export interface CertificateFacts {
  readonly subject: string;
  /** DNS names and addresses it is for, as in its subjectAltName. */
  readonly names: string;
  /** The DNS names among them, in lower case. */
  readonly dnsNames: readonly string[];
  readonly validFrom: Instant;
  readonly validTo: Instant;
  readonly fingerprint256: string;
  readonly isFor: (hostname: string) => boolean;
  readonly chain: ChainJudgement;
}

/** What is wrong with the files, in words for the person who configured them. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
}

/** A certificate is for a few names; servers of a whole company are content with a hundred. */
const dnsNamesMax = 1000;

/** Throws {@link CertificateError} where the pair cannot serve TLS. What clients may object to, {@link faultsOf} tells. */
export function checkPair({ certificatePem, keyPem }: CertificatePair): CertificateFacts {
  const certificate = attempt("the certificate is not a PEM certificate", () => new X509Certificate(certificatePem));
  const key = attempt("the key is not a PEM private key without a passphrase", () => createPrivateKey(keyPem));
  if (!certificate.checkPrivateKey(key)) {
    throw new CertificateError(
      "the private key does not belong to the certificate (in a chain, the server's own certificate comes first)",
    );
  }
  attempt("the TLS library refuses the pair", () => createSecureContext({ cert: certificatePem, key: keyPem }));
  const names = certificate.subjectAltName ?? "";
  return {
    subject: certificate.subject,
    names,
    dnsNames: [...names.matchAll(/(?:^|, )DNS:([^\s,"]+)/g)]
      .slice(0, dnsNamesMax)
      .map(([, name = ""]) => asciiLowerCase(name)),
    validFrom: certificate.validFromDate.getTime(),
    validTo: certificate.validToDate.getTime(),
    fingerprint256: certificate.fingerprint256,
    isFor: (hostname) => certificate.checkHost(hostname) !== undefined,
    chain: attempt("the chain cannot be read", () => judgeChain(certificatePem, isFromUsualRoot)),
  };
}

/** In words; undefined: it is in date. */
export function outOfDate(
  { validFrom, validTo }: Pick<CertificateFacts, "validFrom" | "validTo">,
  now: Instant,
): string | undefined {
  if (now >= validTo) return `the certificate expired at ${new Date(validTo).toISOString()}`;
  return now < validFrom ? `the certificate is not valid before ${new Date(validFrom).toISOString()}` : undefined;
}

/** Why clients that verify certificates would refuse this one, in words. */
export interface CertificateFaults {
  /** It came by itself, as time passed, or because this machine's clock is wrong. */
  readonly date: string | undefined;
  readonly name: string | undefined;
  readonly chain: string | undefined;
}

/** `names`: all the names under which clients come; none: the certificate's own. */
export function faultsOf(facts: CertificateFacts, names: readonly string[], now: Instant): CertificateFaults {
  const wrong = names.filter((name) => !isForPattern(facts, name));
  return {
    date: outOfDate(facts, now),
    name: wrong.length === 0 ? undefined : `the certificate is for ${facts.names || "no name"}, not for ${wrong[0]}`,
    chain: facts.chain.kind === "incomplete" ? facts.chain.reason : undefined,
  };
}

/** A wildcard needs the same one in the certificate. */
function isForPattern({ isFor, dnsNames }: CertificateFacts, name: string): boolean {
  return name.startsWith("*.") ? dnsNames.includes(name) : isFor(name);
}

/** As `check config` does it. */
export const judgeCertificate: JudgeCertificate = (pair, { names, now }) => {
  try {
    const facts = checkPair(pair);
    const { date, name, chain } = faultsOf(facts, names, now);
    const problems = [date, name, chain].filter((fault) => fault !== undefined);
    return { problems, warnings: date === undefined ? certificateWarnings(facts, now) : [] };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    return { problems: [error.message], warnings: [] };
  }
};

function certificateWarnings(facts: CertificateFacts, now: Instant): CertificateJudgement["warnings"] {
  const ends = `the certificate expires at ${new Date(facts.validTo).toISOString()}`;
  return [
    ...(stageOf(facts, now) === undefined ? [] : [{ code: "warn-certificate-expires", message: ends } as const]),
    ...(facts.chain.kind === "unknown-authority"
      ? [{ code: "warn-certificate-authority", message: facts.chain.reason } as const]
      : []),
  ];
}

function attempt<T>(complaint: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new CertificateError(`${complaint}: ${(cause as Error).message}`, { cause });
  }
}
