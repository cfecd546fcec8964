/**
 * What is told of each attempt to set up TLS with a mail host, for the daily reports to the domains whose mail it was
 * (RFC 8460 §4). Types only; whoever counts must cost the mail nothing.
 */

/** RFC 8460 §4.3. */
export type TlsResultType =
  | "starttls-not-supported"
  | "certificate-host-mismatch"
  | "certificate-expired"
  | "certificate-not-trusted"
  | "validation-failure"
  | "tlsa-invalid"
  | "dnssec-invalid"
  | "sts-policy-fetch-error"
  | "sts-policy-invalid"
  | "sts-webpki-invalid";

/** A policy as reports show it (RFC 8460 §4.4). */
export interface ReportedPolicy {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  /** Where it is published: the domain of the mail, or the TLSA base domain. Absent: the domain of the mail. */
  readonly domain?: string;
  /** TLSA records, or the lines of the MTA-STS policy. */
  readonly strings: readonly string[];
  /** The host patterns of the MTA-STS policy. */
  readonly mxHosts: readonly string[];
}

export interface TlsFailureFacts {
  readonly type: TlsResultType;
  /** Our address and the mail host's, where a connection was made. */
  readonly sendingAddress?: string;
  readonly receivingHost?: string;
  readonly receivingAddress?: string;
  /** One line for people. */
  readonly reason?: string;
}

/** The MTA-STS policy that is in force for a domain. */
export interface StsInForce {
  readonly mode: string;
  readonly lines: readonly string[];
  readonly mx: readonly string[];
  readonly lists: (host: string) => boolean;
}

export interface TlsSessionRecorder {
  /** The MTA-STS policy of a domain as it was found last; undefined: it has none. */
  stsPolicy(domain: string, policy: StsInForce | undefined): void;
  /** One session for mail to `domain`, under the policy that decided. `failure` absent: TLS is as it should be. */
  session(domain: string, policy: ReportedPolicy | "sts-or-none", session: TlsSessionFacts): void;
  /** No host could be asked, or none of this policy: the policy itself is at fault. */
  policyFailure(domain: string, type: ReportedPolicy["type"], failure: TlsFailureFacts): void;
}

export interface TlsSessionFacts {
  readonly host: string;
  readonly failure?: TlsFailureFacts;
  /** What would have failed under a policy that is only being tested: the certificate is not valid for the host. */
  readonly failureIfTested?: TlsFailureFacts;
}
