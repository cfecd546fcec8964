/** A look at a certificate and its key, before a server uses them. */
import type { Instant } from "../lib/instant.ts";

export interface CertificatePair {
  /** The server's own certificate first, then those that lead to a root. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateJudgement {
  /** Why it must not serve; none: it may. */
  readonly problems: readonly string[];
  /** What is right by itself and probably not meant. */
  readonly warnings: readonly {
    readonly code: "warn-certificate-expires" | "warn-certificate-authority";
    readonly message: string;
  }[];
}

/** `names`: those that it has to be for, wildcards included. */
export type JudgeCertificate = (
  pair: CertificatePair,
  terms: { readonly names: readonly string[]; readonly now: Instant },
) => CertificateJudgement;
