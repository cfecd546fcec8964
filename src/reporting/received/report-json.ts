/** One report as the API shows it, beyond the fields of its summary: names of the API, `null` for what a report leaves out. */
import type { AggregateReport, AggregateRow, PublishedPolicy } from "../../dmarc/report/aggregate-report.ts";
import type { TlsFailure, TlsReport } from "../../tls-rpt/tls-report.ts";
import { adviceOnDmarc, adviceOnTls } from "./report-advice.ts";

export function dmarcDetails(report: AggregateReport): Readonly<Record<string, unknown>> {
  return {
    email: report.email,
    contact: report.extraContact ?? null,
    errors: report.errors,
    generator: report.generator ?? null,
    policy: policyJson(report.policy),
    rows: report.rows.map(rowJson),
    advice: adviceOnDmarc(report),
  };
}

export function tlsDetails(report: TlsReport): Readonly<Record<string, unknown>> {
  return {
    contact: report.contact,
    policies: report.policies.map((policy) => ({
      type: policy.policyType,
      domain: policy.policyDomain,
      policy: policy.policyStrings,
      mx: policy.mxHosts,
      successful: policy.successfulSessions,
      failed: policy.failedSessions,
      failures: policy.failures.map(failureJson),
    })),
    advice: adviceOnTls(report),
  };
}

export function rowJson(row: AggregateRow): Readonly<Record<string, unknown>> {
  return {
    source: row.sourceAddress,
    count: row.count,
    disposition: row.disposition,
    dkim_aligned: row.dkimAligned,
    spf_aligned: row.spfAligned,
    reasons: row.reasons,
    header_from: row.headerFrom,
    envelope_from: row.envelopeFrom ?? null,
    envelope_to: row.envelopeTo ?? null,
    dkim: row.dkim.map(resultJson),
    spf: row.spf.map(resultJson),
  };
}

export function failureJson(failure: TlsFailure): Readonly<Record<string, unknown>> {
  return {
    result: failure.resultType,
    sessions: failure.sessions,
    sending_address: failure.sendingAddress ?? null,
    receiving_host: failure.receivingHost ?? null,
    receiving_address: failure.receivingAddress ?? null,
    reason_code: failure.reasonCode ?? null,
    information: failure.information ?? null,
  };
}

function policyJson({ discoveryMethod, ...policy }: PublishedPolicy) {
  return { ...policy, discovery_method: discoveryMethod ?? null };
}

function resultJson(result: {
  readonly domain: string;
  readonly result: string;
  readonly selector?: string;
  readonly scope?: string;
  readonly humanResult?: string;
}) {
  const { domain, selector, scope, humanResult } = result;
  return {
    domain,
    ...(selector !== undefined && { selector }),
    ...(scope !== undefined && { scope }),
    result: result.result,
    ...(humanResult !== undefined && { detail: humanResult }),
  };
}
