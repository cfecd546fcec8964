/** The row of an aggregate report that a message counts in (RFC 9990 §3.1.1.7). Pure. */
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import type { DmarcOutcome } from "../../dmarc/dmarc-outcome.ts";
import type { AggregateRow, DkimRowResult, OverrideReason } from "../../dmarc/report/aggregate-report.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import type { EvaluationNote } from "../../intake/evaluation-note.ts";

/** Real messages bear one to four signatures; each makes the rows of a report more and longer. */
const signaturesMax = 10;
/** Of names and words of all signatures in one row: real ones have some 50 each. The first is told in any case. */
const signatureOctetsMax = 2000;
const commentLengthMax = 200;

export type UncountedRow = Omit<AggregateRow, "count">;

export function rowOf(note: EvaluationNote): UncountedRow {
  const { dmarc, spf } = note;
  return {
    sourceAddress: note.sourceAddress,
    disposition: note.disposition,
    dkimAligned: dmarc.dkimAligned,
    spfAligned: dmarc.spfAligned,
    reasons: reasonsOf(note),
    headerFrom: dmarc.authorDomain ?? "",
    envelopeFrom: asciiLowerCase(note.envelopeFrom),
    dkim: dkimRows(note.dkim, dmarc),
    spf: spf === undefined || spf.domain === "" ? [] : [{ domain: spf.domain, scope: "mfrom", result: spf.result }],
  };
}

/** Where the policy was not applied as published there must be a reason (RFC 9990 §3.1.1.9). */
function reasonsOf({ dmarc, disposition, reasons }: EvaluationNote): readonly OverrideReason[] {
  const given = reasons.map(({ type, comment }) => ({
    type,
    ...(comment !== undefined && { comment: comment.slice(0, commentLengthMax) }),
  }));
  if (given.length > 0 || dmarc.result !== "fail" || dmarc.record === undefined) return given;
  const { record, policyTag = "p" } = dmarc;
  const published = policyTag === "np" ? (record.np ?? record.sp) : policyTag === "sp" ? record.sp : record.p;
  if (disposition === (published ?? record.p)) return given;
  return [{ type: record.testing && disposition === dmarc.policy ? "policy_test_mode" : "local_policy" }];
}

/** RFC 9990 §3.1.3: those that pass and align best come first, those that fail last. */
function dkimRows(outcomes: readonly DkimOutcome[], dmarc: DmarcOutcome): readonly DkimRowResult[] {
  let octetsLeft = signatureOctetsMax;
  return outcomes
    .filter(({ domain, selector }) => domain !== "" && selector !== "")
    .toSorted((a, b) => preference(a, dmarc) - preference(b, dmarc))
    .slice(0, signaturesMax)
    .map(({ domain, selector, result, reason }) => ({
      domain,
      selector,
      result,
      ...(result !== "pass" && { humanResult: reason.slice(0, commentLengthMax) }),
    }))
    .filter(({ domain, selector, humanResult = "" }, index) => {
      octetsLeft -= domain.length + selector.length + humanResult.length;
      return index === 0 || octetsLeft >= 0;
    });
}

function preference({ result, domain }: DkimOutcome, dmarc: DmarcOutcome): number {
  if (result !== "pass") return 3;
  if (domain === dmarc.authorDomain) return 0;
  const organization = dmarc.organizationalDomain;
  const related = organization !== undefined && (domain === organization || domain.endsWith(`.${organization}`));
  return related ? 1 : 2;
}
