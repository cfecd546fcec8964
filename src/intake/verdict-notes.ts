/** A verdict on a message's sender, told: to the log, to the message's history, and to the aggregate reports. */
import type { AuthenticationNote } from "../events/authentication-note.ts";
import { shorten } from "../lib/shorten.ts";
import type { HeaderSection } from "../message/header-section.ts";
import { dispositionOf } from "../policy/authentication/authentication-results-field.ts";
import type { SenderVerdict } from "../policy/authentication/sender-verdict.ts";
import type { Log } from "../ports/log.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { Envelope } from "./envelope.ts";
import type { EvaluationNote } from "./evaluation-note.ts";

/** Signatures told in a message's history; a message with more is no better for it. */
const signaturesTold = 5;
const detailLengthMax = 300;

export function authenticationNote(verdict: SenderVerdict): AuthenticationNote {
  const { spf, dkim, arc, dmarc, iprev, disposition, rule, why, setting } = verdict;
  return {
    spf: { result: spf.result, domain: spf.domain, reason: cut(spf.reason) },
    dkim: dkim.slice(0, signaturesTold).map(({ result, domain, selector, detail }) => {
      return { result, domain, selector, detail: cut(detail) };
    }),
    arc: { result: arc.result, detail: cut(arc.detail) },
    dmarc: {
      result: dmarc.result,
      ...(dmarc.authorDomain !== undefined && { domain: dmarc.authorDomain }),
      policy: dmarc.policy,
      detail: cut(dmarc.detail),
    },
    iprev: { result: iprev.result, detail: cut(iprev.detail) },
    disposition,
    rule,
    why: cut(why),
    ...(setting !== undefined && { setting }),
  };
}

export function logVerdict(
  log: Log,
  { client, id, from }: { readonly client: string; readonly id: QueueId; readonly from: string },
  verdict: SenderVerdict,
): void {
  const { spf, dkim, arc, dmarc, iprev, disposition, decision, why, setting } = verdict;
  log.event("sender-checked", {
    message: id,
    client,
    from,
    author_domain: dmarc.authorDomain,
    spf: spf.result,
    dkim: dkim.slice(0, signaturesTold).map(({ result, domain }) => `${result} ${domain}`),
    arc: arc.result,
    dmarc: dmarc.result,
    policy: dmarc.policy,
    iprev: iprev.result,
    handling: decision?.verdict ?? disposition,
    why: cut(why),
    setting,
  });
}

/** RFC 9990: what was done, and why that is not what the author's domain asks for. */
export function evaluationNote(
  sourceAddress: string,
  { reversePath, accepted }: Envelope,
  header: HeaderSection,
  verdict: SenderVerdict,
): EvaluationNote {
  const { dmarc, spf, dkim, override } = verdict;
  return {
    sourceAddress,
    dmarc,
    spf,
    dkim,
    envelopeFrom: reversePath?.domainKey ?? "",
    disposition: dispositionOf(verdict),
    reasons: override === undefined ? [] : [override],
    recipients: accepted.map(({ address }) => address),
    isReport: isReport(header),
  };
}

/** An aggregate, TLS or failure report, by what the standards demand of their header (RFC 9990, RFC 8460, RFC 5965). */
export function isReport(header: HeaderSection): boolean {
  if (header.first("tls-report-domain") !== undefined) return true;
  const type = header.first("content-type")?.value ?? "";
  if (/^\s*multipart\/report\b/i.test(type) && /report-type\s*=\s*"?(?:tlsrpt|feedback-report)\b/i.test(type))
    return true;
  return /^\s*Report\s+Domain:.{1,600}\bSubmitter:/is.test(header.first("subject")?.value ?? "");
}

function cut(text: string): string {
  return shorten(text, detailLengthMax);
}
