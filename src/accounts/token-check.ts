/**
 * Checks OAuth bearer tokens (RFC 6750), for OAUTHBEARER and XOAUTH2. An interface: who issues tokens, and how they are
 * checked, is somebody else's; without one, the two mechanisms are not offered.
 */
export interface TokenCheck {
  /** Never rejects. */
  check(token: string): Promise<TokenResult>;
}

export type TokenResult =
  /** `username`: whose token it is, as an address. */
  | { readonly kind: "valid"; readonly username: string }
  /** `reason` is for the log only. */
  | { readonly kind: "invalid"; readonly reason: string }
  /** It could not be checked. */
  | { readonly kind: "unavailable"; readonly reason: string };
