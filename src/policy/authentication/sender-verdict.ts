/** Everything that was found out about the sender of one message, and what follows from it. Types only. */
import type { ArcOutcome } from "../../arc/arc-outcome.ts";
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import type { OverrideReason } from "../../dmarc/report/aggregate-report.ts";
import type { SpfOutcome } from "../../spf/spf-outcome.ts";
import type { Refusal } from "../decision.ts";
import type { ReverseDnsOutcome } from "./reverse-dns.ts";

export interface SenderFindings {
  /** Of the reverse-path's domain; for the null reverse-path that of `postmaster@` the HELO name (RFC 7208 §2.4). */
  readonly spf: SpfOutcome;
  /** Of the HELO name by itself, where it was checked apart (RFC 7208 §2.3). */
  readonly helo?: SpfOutcome;
  /** One for each signature, in the order of the fields; empty where there is none. */
  readonly dkim: readonly DkimOutcome[];
  readonly arc: ArcOutcome;
  readonly dmarc: DmarcOutcome;
  readonly iprev: ReverseDnsOutcome;
}

/** Why something else was done than the author's domain asks for, as aggregate reports tell it. */
export type PolicyOverride = Required<OverrideReason>;

/** The rules of handling.ts, in their order. */
export type HandlingRule =
  | "spf-alone"
  | "dmarc-settled"
  | "policy-none"
  | "trusted-forwarder"
  | "unreadable-author"
  | "hidden-without-policy"
  | "hidden-author-passes"
  | "hidden-by-dns-trouble"
  | "trusted-seal"
  | "client-hidden"
  | "quarantine"
  | "override-rejects"
  | "reject-always"
  | "reject-never"
  | "signs-of-forwarding"
  | "evidence-against-client"
  | "no-evidence";

/** What is done with a message for what was found about its sender. */
export interface SenderHandling {
  /** The rule that decided. */
  readonly rule: HandlingRule;
  /** Where it goes when it is taken: `junk` marks it, and mailboxes put it into Junk. */
  readonly disposition: "deliver" | "junk";
  /** Refused or deferred; absent: taken. */
  readonly decision?: Refusal;
  readonly override?: PolicyOverride;
  /** A sentence for people: what was done and why. */
  readonly why: string;
  /** Key of the setting that decided. */
  readonly setting?: string;
}

export interface SenderVerdict extends SenderFindings, SenderHandling {
  /** Value of our Authentication-Results field behind the authserv-id, beginning with its `;`. */
  readonly results: string;
  /** The whole Authentication-Results field, CRLF-ended. */
  readonly field: string;
  /** The whole Received-SPF field, where the settings ask for it. */
  readonly receivedSpf?: string;
}
