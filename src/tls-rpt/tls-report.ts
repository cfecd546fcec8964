/** A TLS report as a value (RFC 8460 §4.4). */
import type { Instant } from "../lib/instant.ts";

export interface TlsReport {
  readonly organization: string;
  readonly contact: string;
  readonly reportId: string;
  readonly begin: Instant;
  readonly end: Instant;
  readonly policies: readonly TlsPolicyReport[];
}

/** What befell sessions under one policy. */
export interface TlsPolicyReport {
  /** `unknown` where the reporter wrote something else. */
  readonly policyType: "tlsa" | "sts" | "no-policy-found" | "unknown";
  readonly policyDomain: string;
  readonly policyStrings: readonly string[];
  readonly mxHosts: readonly string[];
  readonly successfulSessions: number;
  readonly failedSessions: number;
  readonly failures: readonly TlsFailure[];
}

export interface TlsFailure {
  /** One of RFC 8460 §4.3, or what the reporter wrote instead. */
  readonly resultType: string;
  readonly sessions: number;
  readonly sendingAddress?: string;
  readonly receivingHost?: string;
  readonly receivingAddress?: string;
  readonly reasonCode?: string;
  readonly information?: string;
}
