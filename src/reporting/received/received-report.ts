/**
 * Reports that came to us, as they are kept: a summary for lists and the whole for one, under keys that put the newest
 * first. Times are ISO texts and names those of the API, so that what is stored is what is shown: the details are the text
 * of the API's answer, so that whoever shows them parses and formats nothing.
 *
 * What is doubtful (mail without a readable report, mail that is marked as Junk) is kept apart, so that it can be bounded
 * apart: no amount of it pushes out a report.
 */
import type { AggregateReport } from "../../dmarc/report/aggregate-report.ts";
import { type Instant, isoTime } from "../../lib/instant.ts";
import { parseQueueId, type QueueId } from "../../spool/queue-id.ts";
import type { RecordChange } from "../../spool/spool.ts";
import type { TlsReport } from "../../tls-rpt/tls-report.ts";
import { dmarcDetails, failureJson, rowJson, tlsDetails } from "./report-json.ts";

export const reportsNamespace = "reports";
export const doubtfulReportsNamespace = "reports-doubtful";
/** Of both. */
export const reportDetailsNamespace = "report-details";

/** A report of a very large sender; beyond, the rows with the fewest messages are left out. */
export const keptRowsMax = 5000;
/** Rows of real reports have some 400 octets. Strangers choose how long theirs are, and packed they cost them nothing. */
export const keptOctetsMax = 2_000_000;
/** Texts in summaries are for one line of a list, and a list has up to a thousand of them. */
const summaryTextMax = 200;
const problemsMax = 15;

/** The queue id of the message that brought it; of the second report in one message that id with ".2", and so on. */
export type ReportId = string;

interface Common {
  readonly id: ReportId;
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

export interface ReceivedFrom {
  readonly id: QueueId;
  readonly at: Instant;
  readonly from: string;
  readonly keepMs: number;
  /** Its mail is marked as Junk: the domain that it says it is from asks for suspicion. */
  readonly junk?: boolean;
}

/** What is kept of one report. */
export interface KeptReport {
  readonly summary: ReadableReport;
  /** JSON: the fields of the API's answer beyond those of the summary. */
  readonly details: string;
}

/** The details as JSON. Until version 0.1 they were stored as the report itself. */
export function detailsText(
  stored:
    | string
    | { readonly kind: "dmarc"; readonly report: AggregateReport }
    | { readonly kind: "tls"; readonly report: TlsReport },
): string {
  if (typeof stored === "string") return stored;
  return JSON.stringify(stored.kind === "dmarc" ? dmarcDetails(stored.report) : tlsDetails(stored.report));
}

/** `octetsMax`: of the details. */
export function keepDmarcReport(
  common: Common,
  { report, problems, octetsMax }: { report: AggregateReport; problems: readonly string[]; octetsMax: number },
): KeptReport {
  const { rows } = report;
  const kept = withinBudget(
    rows.toSorted((a, b) => b.count - a.count),
    { octetsMax, shown: rowJson },
  );
  const omitted = rows.length - kept.length;
  const details = JSON.stringify(dmarcDetails({ ...report, rows: kept }));
  const summary: ReadableReport = {
    ...common,
    kind: "dmarc",
    organization: line(report.organization),
    domain: report.policy.domain.slice(0, domainLengthMax),
    report_id: line(report.reportId),
    begin: isoTime(report.begin),
    end: isoTime(report.end),
    total: sum(rows.map(({ count }) => count)),
    failed: sum(rows.map(({ count, spfAligned, dkimAligned }) => (spfAligned || dkimAligned ? 0 : count))),
    octets: details.length,
    problems: lines(omitted > 0 ? [...problems, `${omitted} rows with the fewest messages were left out`] : problems),
  };
  return { summary, details };
}

/** `octetsMax`: of the details. */
export function keepTlsReport(
  common: Common,
  { report, problems, octetsMax }: { report: TlsReport; problems: readonly string[]; octetsMax: number },
): KeptReport {
  const policies = withinTlsBudget(report, octetsMax);
  const domains = [...new Set(policies.map(({ policyDomain }) => policyDomain))].filter((domain) => domain !== "");
  const failed = sum(policies.map(({ failedSessions }) => failedSessions));
  const details = JSON.stringify(tlsDetails({ ...report, policies }));
  const summary: ReadableReport = {
    ...common,
    kind: "tls",
    organization: line(report.organization),
    domain: domains
      .slice(0, 5)
      .map((domain) => domain.slice(0, domainLengthMax))
      .join(" "),
    report_id: line(report.reportId),
    begin: isoTime(report.begin),
    end: isoTime(report.end),
    total: failed + sum(policies.map(({ successfulSessions }) => successfulSessions)),
    failed,
    octets: details.length,
    problems: lines(problems),
  };
  return { summary, details };
}

export function storeReport(received: ReceivedFrom, { summary, details }: KeptReport): readonly RecordChange[] {
  const put = { kind: "put", key: reportKey(summary.id), expiresAt: received.at + received.keepMs } as const;
  const namespace = received.junk === true ? doubtfulReportsNamespace : reportsNamespace;
  return [
    { ...put, namespace, value: summary },
    { ...put, namespace: reportDetailsNamespace, value: details },
  ];
}

export function storeUnreadable(received: ReceivedFrom, reason: string): readonly RecordChange[] {
  const value: UnreadableReport = { ...commonOf(received, 1), kind: "unreadable", reason: reason.slice(0, 500) };
  const expiresAt = received.at + received.keepMs;
  return [{ kind: "put", namespace: doubtfulReportsNamespace, key: reportKey(value.id), value, expiresAt }];
}

/** `number`: which report of the message, from 1. */
export function commonOf({ id, at, from }: ReceivedFrom, number: number): Common {
  return { id: number === 1 ? id : `${id}.${number}`, received_at: isoTime(at), from };
}

/** Reads an id as a person may type it. */
export function parseReportId(text: string): ReportId | undefined {
  const [, first = "", number] = /^([^.]{12})(?:\.([2-9]|[1-9]\d))?$/.exec(text) ?? [];
  const id = parseQueueId(first);
  return id === undefined || number === undefined ? id : `${id}.${number}`;
}

const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Rises where the id falls: queue ids rise with time, and the newest report is to come first. */
export function reportKey(id: ReportId): string {
  const [first = "", number] = id.split(".");
  const key = Array.from(first, (digit) => digits.charAt(digits.length - 1 - digits.indexOf(digit))).join("");
  return number === undefined ? key : `${key}.${number.padStart(2, "0")}`;
}

/** The first ones, as many as are kept. */
function withinBudget<T>(
  list: readonly T[],
  { octetsMax, shown }: { readonly octetsMax: number; readonly shown: (entry: T) => unknown },
): readonly T[] {
  let octets = 0;
  const kept: T[] = [];
  for (const entry of list) {
    octets += JSON.stringify(shown(entry)).length + 1;
    if (kept.length === keptRowsMax || octets > octetsMax) break;
    kept.push(entry);
  }
  return kept;
}

/** Policies keep their counts; of their failures those with the fewest sessions go, then the texts of the policy. */
function withinTlsBudget({ policies }: TlsReport, octetsMax: number): TlsReport["policies"] {
  let left = octetsMax;
  const take = <T>(list: readonly T[], shown: (entry: T) => unknown): readonly T[] => {
    const kept = withinBudget(list, { octetsMax: left, shown });
    left -= JSON.stringify(kept.map(shown)).length;
    return kept;
  };
  return policies.map((policy) => ({
    ...policy,
    failures: take(
      policy.failures.toSorted((a, b) => b.sessions - a.sessions),
      failureJson,
    ),
    policyStrings: take(policy.policyStrings, String),
    mxHosts: take(policy.mxHosts, String),
  }));
}

/** RFC 1035 §2.3.4. */
const domainLengthMax = 255;

function line(text: string): string {
  return text.slice(0, summaryTextMax);
}

function lines(texts: readonly string[]): readonly string[] {
  return texts.slice(0, problemsMax).map(line);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
