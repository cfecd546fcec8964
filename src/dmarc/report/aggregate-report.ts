/** An aggregate report as a value (RFC 9990 §3.1, and RFC 7489 Appendix C as read from others). Times are in UTC. */
import type { Instant } from "../../lib/instant.ts";
import type { DmarcAlignment, DmarcPolicy } from "../dmarc-outcome.ts";

export interface AggregateReport {
  /** Who made it, for people. */
  readonly organization: string;
  readonly email: string;
  readonly extraContact?: string;
  readonly reportId: string;
  /** Whole seconds. */
  readonly begin: Instant;
  readonly end: Instant;
  /** What went wrong with the policy record, in the reporter's words. */
  readonly errors: readonly string[];
  readonly generator?: string;
  readonly policy: PublishedPolicy;
  readonly rows: readonly AggregateRow[];
}

/** The record as the reporter found it. Others' reports may leave out anything but the domain. */
export interface PublishedPolicy {
  readonly domain: string;
  readonly discoveryMethod?: "psl" | "treewalk";
  readonly p?: DmarcPolicy;
  readonly sp?: DmarcPolicy;
  readonly np?: DmarcPolicy;
  readonly fo?: string;
  readonly adkim?: DmarcAlignment;
  readonly aspf?: DmarcAlignment;
  readonly testing?: boolean;
}

/** Messages of one source that had the same fate for the same reasons. */
export interface AggregateRow {
  /** As `parseIpAddress` writes it; as given where it is no address. */
  readonly sourceAddress: string;
  readonly count: number;
  readonly disposition: DmarcPolicy | "pass" | "unknown";
  /** Aligned and passed, not the bare result. */
  readonly dkimAligned: boolean;
  readonly spfAligned: boolean;
  readonly reasons: readonly OverrideReason[];
  readonly headerFrom: string;
  /** "" is the null reverse-path. */
  readonly envelopeFrom?: string;
  readonly envelopeTo?: string;
  readonly dkim: readonly DkimRowResult[];
  readonly spf: readonly SpfRowResult[];
}

/** Why the disposition is not what the policy asks for (RFC 9990 §3.1.6). */
export type OverrideType =
  "local_policy" | "mailing_list" | "other" | "policy_test_mode" | "trusted_forwarder" | "forwarded" | "sampled_out";

export interface OverrideReason {
  /** `forwarded` and `sampled_out` are read from reports of RFC 7489, never written. */
  readonly type: OverrideType;
  readonly comment?: string;
}

export interface DkimRowResult {
  readonly domain: string;
  readonly selector?: string;
  /** RFC 8601 §2.7.1, lower case. */
  readonly result: string;
  readonly humanResult?: string;
}

export interface SpfRowResult {
  readonly domain: string;
  /** RFC 9990 knows `mfrom` alone; older reports have `helo` too. */
  readonly scope?: "mfrom" | "helo";
  /** RFC 8601 §2.7.2, lower case. */
  readonly result: string;
  readonly humanResult?: string;
}
