/** Which of the failures of RFC 8460 §4.3 the words of a failed handshake tell of. */
import type { TlsResultType } from "./session-note.ts";

/**
 * The words of OpenSSL and Node, by their codes, and those of our own DANE verdicts. RFC 8460 §4.3.4: what fits no other
 * type is a validation failure.
 */
const patterns: readonly (readonly [RegExp, TlsResultType])[] = [
  [/none of its TLSA records can be used/, "tlsa-invalid"],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|does not match certificate|certificate is not for /,
    "certificate-host-mismatch",
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/, "certificate-expired"],
  [
    /SELF_SIGNED_CERT|self-signed|UNABLE_TO_(?:VERIFY|GET_ISSUER)|CERT_(?:NOT_YET_VALID|REVOKED|UNTRUSTED|REJECTED|CHAIN_TOO_LONG)|INVALID_(?:CA|PURPOSE)|is not trusted|not valid yet|not meant for servers|critical extension|does not let it sign/,
    "certificate-not-trusted",
  ],
];

export function resultTypeOf(words: string): TlsResultType {
  return patterns.find(([pattern]) => pattern.test(words))?.[1] ?? "validation-failure";
}
