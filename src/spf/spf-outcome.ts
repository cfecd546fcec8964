/** What SPF says of one identity (RFC 7208 §2.6), as a value. */
export type SpfResult = "none" | "neutral" | "pass" | "fail" | "softfail" | "temperror" | "permerror";

export interface SpfOutcome {
  readonly result: SpfResult;
  /** Which identity was checked (RFC 7208 §2.3, §2.4). */
  readonly identity: "mailfrom" | "helo";
  /** The domain whose record was evaluated first; "" where the identity names none. */
  readonly domain: string;
  /** Why, for people: `matched ip4:192.0.2.0/24 in the record of example.org`. Never longer than 300 characters. */
  readonly reason: string;
  /** With `fail`: the text that the domain publishes (RFC 7208 §6.2), printable ASCII, cut to 250 characters. */
  readonly explanation?: string;
  /** DNS terms used (at most 10) and void look-ups (at most 2); RFC 7208 §4.6.4. */
  readonly lookups: number;
  readonly voidLookups: number;
}
