/** The certificate that a client showed in a TLS handshake. Plain data; the key is proven, the names only where trusted. */
export interface ClientCertificate {
  /** SHA-256 of its public key (SubjectPublicKeyInfo in DER), in hex. The client has shown that it has the private key. */
  readonly keySha256: string;
  /** For people: the distinguished name on one line. */
  readonly subject: string;
  /** An authority that the listener trusts for clients vouches for it, and it is within its time. */
  readonly trusted: boolean;
  /** rfc822Name entries of subjectAltName. To be believed only where `trusted`. */
  readonly emails: readonly string[];
  /** Of the subject, where there is exactly one. To be believed only where `trusted`. */
  readonly commonName?: string;
}
