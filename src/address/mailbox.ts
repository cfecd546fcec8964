/**
 * A mailbox (RFC 5321 §4.1.2): local-part and domain as a value. Parsing and formatting stand beside this file.
 */
export interface Mailbox {
  /** Without quotes and quoting backslashes; case kept (RFC 5321 §2.4), so `"joe"@d` and `joe@d` are equal. */
  readonly localPart: string;
  /** As received, case kept: a name in A- or U-labels, or a literal with its brackets; "" only for `<postmaster>`. */
  readonly domain: string;
  /** For comparing and routing: lower case, A-labels; literals normalised (`[192.0.2.1]`, `[IPv6:2001:db8::1]`). */
  readonly domainKey: string;
}
