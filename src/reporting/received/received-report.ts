/**
 * Reports that came to us, as they are kept: a summary for lists and the whole for one, under keys that put the newest
 * first. Times are ISO texts and names those of the API, so that what is stored is what is shown.
 */
import type { AggregateReport } from "../../dmarc/report/aggregate-report.ts";
import type { Instant } from "../../lib/instant.ts";
import type { QueueId, RecordChange } from "../../spool/spool.ts";
import type { TlsReport } from "../../tls-rpt/tls-report.ts";

export const reportsNamespace = "reports";
export const reportDetailsNamespace = "report-details";

/** A report of a very large sender; beyond, the rows with the fewest messages are left out. */
export const keptRowsMax = 5000;
/** Rows of real reports have some 400 octets. Strangers choose how long theirs are, and packed they cost them nothing. */
const keptOctetsMax = 2_000_000;

interface Common {
  /** Queue id of the message that brought it. */
  readonly id: QueueId;
  readonly received_at: string;
  /** The message's reverse-path. */
  readonly from: string;
}

export interface ReadableReport extends Common {
  readonly kind: "dmarc" | "tls";
  readonly organization: string;
  /** The domain it is about. */
  readonly domain: string;
  readonly report_id: string;
  readonly begin: string;
  readonly end: string;
  /** Messages of a DMARC report, sessions of a TLS report. */
  readonly total: number;
  /** Those that failed: neither SPF nor DKIM aligned, or TLS not established as the policy asks. */
  readonly failed: number;
  /** Of its details as they are stored. */
  readonly octets: number;
  /** What was wrong with the report and read over. */
  readonly problems: readonly string[];
}

export interface UnreadableReport extends Common {
  readonly kind: "unreadable";
  readonly reason: string;
}

export type ReportSummary = ReadableReport | UnreadableReport;

export type ReportDetails =
  { readonly kind: "dmarc"; readonly report: AggregateReport } | { readonly kind: "tls"; readonly report: TlsReport };

export interface ReceivedFrom {
  readonly id: QueueId;
  readonly at: Instant;
  readonly from: string;
  readonly keepMs: number;
}

export function storeDmarcReport(
  received: ReceivedFrom,
  report: AggregateReport,
  problems: readonly string[],
): readonly RecordChange[] {
  const { rows } = report;
  const { kept, octets } = withinBudget(rows.toSorted((a, b) => b.count - a.count));
  const leftOut = rows.length - kept.length;
  const summary: ReportSummary = {
    ...common(received),
    kind: "dmarc",
    organization: report.organization,
    domain: report.policy.domain,
    report_id: report.reportId,
    begin: isoTime(report.begin),
    end: isoTime(report.end),
    total: sum(rows.map(({ count }) => count)),
    failed: sum(rows.map(({ count, spfAligned, dkimAligned }) => (spfAligned || dkimAligned ? 0 : count))),
    octets,
    problems: leftOut > 0 ? [...problems, `${leftOut} rows with the fewest messages were left out`] : problems,
  };
  return changes(received, summary, { kind: "dmarc", report: { ...report, rows: kept } });
}

export function storeTlsReport(
  received: ReceivedFrom,
  report: TlsReport,
  problems: readonly string[],
): readonly RecordChange[] {
  const { policies, octets } = withinTlsBudget(report);
  const domains = [...new Set(policies.map(({ policyDomain }) => policyDomain))].filter((domain) => domain !== "");
  const failed = sum(policies.map(({ failedSessions }) => failedSessions));
  const summary: ReportSummary = {
    ...common(received),
    kind: "tls",
    organization: report.organization,
    domain: domains.slice(0, 5).join(" "),
    report_id: report.reportId,
    begin: isoTime(report.begin),
    end: isoTime(report.end),
    total: failed + sum(policies.map(({ successfulSessions }) => successfulSessions)),
    failed,
    octets,
    problems,
  };
  return changes(received, summary, { kind: "tls", report: { ...report, policies } });
}

export function storeUnreadable(received: ReceivedFrom, reason: string): readonly RecordChange[] {
  return changes(received, { ...common(received), kind: "unreadable", reason: reason.slice(0, 500) }, undefined);
}

const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Rises where the id falls: queue ids rise with time, and the newest report is to come first. */
export function reportKey(id: QueueId): string {
  return Array.from(id, (digit) => digits.charAt(digits.length - 1 - digits.indexOf(digit))).join("");
}

/** The first ones, as many as are kept. */
function withinBudget<T>(
  list: readonly T[],
  octetsMax = keptOctetsMax,
): { readonly kept: readonly T[]; readonly octets: number } {
  let octets = 0;
  const kept: T[] = [];
  for (const entry of list) {
    const size = JSON.stringify(entry).length;
    if (kept.length === keptRowsMax || octets + size > octetsMax) break;
    octets += size;
    kept.push(entry);
  }
  return { kept, octets };
}

/** Policies keep their counts; of their failures those with the fewest sessions go. */
function withinTlsBudget({ policies }: TlsReport): Pick<TlsReport, "policies"> & { readonly octets: number } {
  let octets = 0;
  const kept = policies.map((policy) => {
    const sorted = policy.failures.toSorted((a, b) => b.sessions - a.sessions);
    const failures = withinBudget(sorted, keptOctetsMax - octets);
    octets += failures.octets;
    return { ...policy, failures: failures.kept };
  });
  return { policies: kept, octets };
}

function changes(
  { id, at, keepMs }: ReceivedFrom,
  summary: ReportSummary,
  details: ReportDetails | undefined,
): readonly RecordChange[] {
  const common = { kind: "put", key: reportKey(id), expiresAt: at + keepMs } as const;
  const first = { ...common, namespace: reportsNamespace, value: summary };
  return details === undefined ? [first] : [first, { ...common, namespace: reportDetailsNamespace, value: details }];
}

function common({ id, at, from }: ReceivedFrom): Common {
  return { id, received_at: isoTime(at), from };
}

function isoTime(at: Instant): string {
  return new Date(at).toISOString();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
