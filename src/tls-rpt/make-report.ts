/** Writes a TLS report as JSON (RFC 8460 §4.4), and as a message (§5.3): packed, with the fields that name its domain and us. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Instant } from "../lib/instant.ts";
import { formatDate } from "../message/date.ts";
import { foldField } from "../message/fold.ts";
import type { TlsFailure, TlsPolicyReport, TlsReport } from "./tls-report.ts";

/** For mail and HTTPS alike (RFC 8460 §6.4). */
export const packedReportType = "application/tlsrpt+gzip";

export function makeTlsReport(report: TlsReport): Buffer {
  const json = {
    "organization-name": report.organization,
    "date-range": { "start-datetime": timeText(report.begin), "end-datetime": timeText(report.end) },
    "contact-info": report.contact,
    "report-id": report.reportId,
    policies: report.policies.map(policyJson),
  };
  return gzipSync(JSON.stringify(json), { level: 9 });
}

function policyJson(policy: TlsPolicyReport) {
  const { policyType, policyDomain, policyStrings, mxHosts, failures } = policy;
  return {
    policy: {
      "policy-type": policyType,
      "policy-domain": policyDomain,
      ...(policyStrings.length > 0 && { "policy-string": policyStrings }),
      ...(mxHosts.length > 0 && { "mx-host": mxHosts }),
    },
    summary: {
      "total-successful-session-count": policy.successfulSessions,
      "total-failure-session-count": policy.failedSessions,
    },
    ...(failures.length > 0 && { "failure-details": failures.map(failureJson) }),
  };
}

function failureJson(failure: TlsFailure) {
  const { sendingAddress, receivingHost, receivingAddress, reasonCode, information } = failure;
  return {
    "result-type": failure.resultType,
    ...(sendingAddress !== undefined && { "sending-mta-ip": sendingAddress }),
    ...(receivingHost !== undefined && { "receiving-mx-hostname": receivingHost }),
    ...(receivingAddress !== undefined && { "receiving-ip": receivingAddress }),
    "failed-session-count": failure.sessions,
    ...(information !== undefined && { "additional-information": information }),
    ...(reasonCode !== undefined && { "failure-reason-code": reasonCode }),
  };
}

/** To the second, in UTC (RFC 8460 §4.4). */
function timeText(at: Instant): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

export interface TlsReportMessageInput {
  readonly report: TlsReport;
  /** What {@link makeTlsReport} made of it. */
  readonly packed: Uint8Array;
  /** The domain that asked for it; A-labels. */
  readonly domain: string;
  /** Our domain; A-labels. */
  readonly submitter: string;
  /** `local@domain`. */
  readonly from: string;
  readonly to: readonly string[];
  readonly at: Instant;
}

/** The same report gives the same message. */
export function makeTlsReportMessage(input: TlsReportMessageInput): Buffer {
  const { report, packed, domain, submitter, from, to, at } = input;
  const { reportId, begin, end } = report;
  const name = `${submitter}!${domain}!${seconds(begin)}!${seconds(end)}.json.gz`;
  const boundary = `=_${createHash("sha256").update(reportId).digest("hex").slice(0, 32)}`;
  const header =
    foldField("From", `<${from}>`) +
    foldField("To", to.map((address) => `<${address}>`).join(", ")) +
    foldField("Subject", `Report Domain: ${domain} Submitter: ${submitter} Report-ID: <${reportId}>`) +
    foldField("Date", formatDate(at)) +
    foldField("Message-ID", `<${reportId}>`) +
    foldField("TLS-Report-Domain", domain) +
    foldField("TLS-Report-Submitter", submitter) +
    // RFC 8460 §3: a report about broken TLS must get through broken TLS; such mail is not counted, either.
    foldField("TLS-Required", "No") +
    foldField("Auto-Submitted", "auto-generated") +
    foldField("MIME-Version", "1.0") +
    foldField("Content-Type", `multipart/report; report-type="tlsrpt"; boundary="${boundary}"`);
  const parts =
    `\r\n--${boundary}\r\n` +
    foldField("Content-Type", "text/plain; charset=us-ascii") +
    `\r\n${annotation(domain, submitter, report)}\r\n--${boundary}\r\n` +
    foldField("Content-Type", packedReportType) +
    foldField("Content-Transfer-Encoding", "base64") +
    foldField("Content-Disposition", `attachment; filename="${name}"`) +
    `\r\n${base64Lines(packed)}--${boundary}--\r\n`;
  return Buffer.from(header + parts, "latin1");
}

function annotation(domain: string, submitter: string, { begin, end }: TlsReport): string {
  return [
    `This is a report about TLS to the mail servers of ${domain}, made by ${submitter},`,
    `for the time from ${formatDate(begin)}`,
    `to ${formatDate(end)}.`,
    `The domain asks for it with the TXT record _smtp._tls.${domain}.`,
    "",
  ].join("\r\n");
}

function seconds(at: Instant): number {
  return Math.floor(at / 1000);
}

/** RFC 2045 §6.8: lines of at most 76 characters. */
function base64Lines(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("base64");
  let lines = "";
  for (let at = 0; at < text.length; at += 76) lines += `${text.slice(at, at + 76)}\r\n`;
  return lines;
}
