/** What the aggregate reports want to know of each message whose author's domain has a DMARC record. */
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import type { DmarcOutcome, DmarcPolicy } from "../dmarc/dmarc-outcome.ts";
import type { OverrideReason } from "../dmarc/report/aggregate-report.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";

/** Plain data. */
export interface EvaluationNote {
  readonly sourceAddress: string;
  /** `authorDomain`, `policyDomain` and `record` are looked at here: without them nothing is counted. */
  readonly dmarc: DmarcOutcome;
  /** Of MAIL FROM (or postmaster@HELO for the null reverse-path); absent where it was not evaluated. */
  readonly spf?: SpfOutcome;
  readonly dkim: readonly DkimOutcome[];
  /** Domain of the reverse-path; "" for the null one. */
  readonly envelopeFrom: string;
  /** What was done with the message as far as DMARC goes: `none` delivered as usual, `quarantine` into Junk, `reject`. */
  readonly disposition: DmarcPolicy;
  /** Why that is not `dmarc.policy`, where it is not. */
  readonly reasons: readonly OverrideReason[];
  /** Accepted addresses, `local@domain`: what goes to our own report address is not counted. */
  readonly recipients: readonly string[];
  /** The message is itself a report, and not counted. */
  readonly isReport: boolean;
}

export interface EvaluationRecorder {
  /** Counts in memory and returns at once; never throws. Messages that do not matter for reports are passed over. */
  note(evaluation: EvaluationNote): void;
}
