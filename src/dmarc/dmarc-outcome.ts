/** What DMARC says of a message (RFC 9989 §5.3), as a value. */
export type DmarcPolicy = "none" | "quarantine" | "reject";
export type DmarcAlignment = "relaxed" | "strict";

/** A record as published, with the defaults of RFC 9989 §4.7 filled in. */
export interface DmarcRecord {
  readonly p: DmarcPolicy;
  readonly sp?: DmarcPolicy;
  readonly np?: DmarcPolicy;
  readonly adkim: DmarcAlignment;
  readonly aspf: DmarcAlignment;
  /** t=y: the domain is testing, the policy counts one step lower. */
  readonly testing: boolean;
  readonly psd: "y" | "n" | "u";
  /** URIs as published, without the obsolete size limit behind them; at most ten. */
  readonly rua: readonly string[];
  /** Octets of the largest report that each of the URIs of `rua` takes, where it says so (RFC 7489 §6.2). */
  readonly reportBytesMax?: Readonly<Record<string, number>>;
  readonly ruf: readonly string[];
  readonly fo: readonly string[];
}

export interface DmarcOutcome {
  readonly result: "none" | "pass" | "fail" | "temperror" | "permerror";
  /** A sentence for people. */
  readonly detail: string;
  /** A-labels, lower case; absent where From names no single domain. */
  readonly authorDomain?: string;
  /** Where the record was found. */
  readonly policyDomain?: string;
  /** Absent where it was not needed: nothing but the author domain itself was to be compared, and it has a record. */
  readonly organizationalDomain?: string;
  readonly record?: DmarcRecord;
  /** What the domain asks for this message when it fails: p, sp or np, lowered by t=y. `none` where there is no record. */
  readonly policy: DmarcPolicy;
  /** Which tag `policy` came from. */
  readonly policyTag?: "p" | "sp" | "np";
  readonly spfAligned: boolean;
  readonly dkimAligned: boolean;
}
