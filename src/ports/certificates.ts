/** A look at a certificate and its key, before a server uses them. */
import type { Instant } from "../lib/instant.ts";

export interface CertificatePair {
  /** The server's own certificate first, then those that lead to a root. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface CertificateJudgement {
  /** Why the pair cannot serve; undefined: it can. */
  readonly problem: string | undefined;
  /** What is right by itself and probably not meant. */
  readonly warnings: readonly {
    readonly code: "warn-certificate-expires" | "warn-certificate-name";
    readonly message: string;
  }[];
}

export type JudgeCertificate = (
  pair: CertificatePair,
  terms: { readonly hostname: string; readonly now: Instant },
) => CertificateJudgement;
