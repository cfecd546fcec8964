/** What is wrong with a certificate, in words: the library's names for it say little to who has to mend it. */

const words: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "the chain ends in a certificate that is not trusted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server does not send the certificate between its own and a trusted root",
  UNABLE_TO_GET_ISSUER_CERT: "the issuer's certificate is missing",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the issuer is not trusted here, or the server leaves out a certificate between",
  CERT_HAS_EXPIRED: "the certificate has expired",
  CERT_NOT_YET_VALID: "the certificate is not valid yet",
  CERT_REVOKED: "the certificate was revoked",
  HOSTNAME_MISMATCH: "the certificate is for another name",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another name",
};

/** The same text; a name that is known is followed by what it means. */
export function withCertificateWords(text: string): string {
  const name = Object.keys(words).find((candidate) => new RegExp(`\\b${candidate}\\b`).test(text));
  return name === undefined ? text : text.replace(name, `${words[name] ?? name} (${name})`);
}
