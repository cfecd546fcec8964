/** How control of a name is proven: what each kind of challenge wants to see (RFC 8555 §8, RFC 8737 §3). */
import { createHash } from "node:crypto";

export type ChallengeType = "http-01" | "tls-alpn-01" | "dns-01";

/** A proof, ready to be shown. */
export interface Proof {
  readonly type: ChallengeType;
  /** The name that is proven, in A-labels, without `*.`. */
  readonly name: string;
  readonly token: string;
  /** RFC 8555 §8.1. */
  readonly keyAuthorization: string;
}

export function proofOf(type: ChallengeType, name: string, token: string, thumbprint: string): Proof {
  return { type, name, token, keyAuthorization: `${token}.${thumbprint}` };
}

/** What HTTP-01 asks for, on port 80 (RFC 8555 §8.3). */
export const httpChallengePrefix = "/.well-known/acme-challenge/";

/** The TXT record of DNS-01 (RFC 8555 §8.4). */
export function dnsRecordOf({ name, keyAuthorization }: Proof): { readonly name: string; readonly value: string } {
  return {
    name: `_acme-challenge.${name}`,
    value: createHash("sha256").update(keyAuthorization).digest("base64url"),
  };
}

/** The extension of the certificate of TLS-ALPN-01 holds it (RFC 8737 §3). */
export function alpnDigestOf({ keyAuthorization }: Proof): Buffer {
  return createHash("sha256").update(keyAuthorization).digest();
}
