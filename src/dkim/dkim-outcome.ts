/** What DKIM says of one signature (RFC 6376 §6.1, RFC 8601 §2.7.1), as a value. */
export type DkimResult = "pass" | "fail" | "policy" | "neutral" | "temperror" | "permerror";

export interface DkimOutcome {
  readonly result: DkimResult;
  /** One of a fixed list of words with hyphens: `good-signature`, `body-hash-mismatch`, `key-revoked`, … */
  readonly reason: string;
  /** A sentence for people. */
  readonly detail: string;
  /** d=, lower case, A-labels; "" where the field could not be read. */
  readonly domain: string;
  /** s=, lower case. */
  readonly selector: string;
  /** a= as given, lower case; "" where it could not be read. */
  readonly algorithm: string;
  /** i=, where it was given. */
  readonly identity?: string;
  /** The first octets of b=, enough to tell signatures of one domain apart (RFC 6008). */
  readonly signatureStart: string;
  /** The key says t=y: the domain is testing (RFC 6376 §3.6.1). */
  readonly testing: boolean;
  /** Of an RSA key. */
  readonly keyBits?: number;
}
