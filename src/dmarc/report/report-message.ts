/**
 * An aggregate report as a message (RFC 9990 §3.5): subject, file name and parts as the standard has them, the XML packed
 * with gzip. The same report gives the same message, so that a repetition can be told from a second report.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Instant } from "../../lib/instant.ts";
import { formatDate } from "../../message/date.ts";
import { foldField } from "../../message/fold.ts";
import type { AggregateReport } from "./aggregate-report.ts";
import { makeAggregateReport } from "./make-report.ts";

export interface ReportMessageInput {
  readonly report: AggregateReport;
  /** Our domain, as Submitter and in the file name; A-labels. */
  readonly submitter: string;
  /** `local@domain`. */
  readonly from: string;
  readonly to: readonly string[];
  readonly at: Instant;
}

export interface ReportMessage {
  readonly bytes: Buffer;
  readonly subject: string;
  readonly messageId: string;
}

export function makeReportMessage({ report, submitter, from, to, at }: ReportMessageInput): ReportMessage {
  const { domain } = report.policy;
  const packed = gzipSync(makeAggregateReport(report), { level: 9 });
  const fileName = reportFileName({ receiver: submitter, domain, begin: report.begin, end: report.end });
  const subject = `Report Domain: ${domain} Submitter: ${submitter} Report-ID: <${report.reportId}>`;
  // The Report-ID is unique and looks like one; a second copy is told by it (RFC 9990 §3.5.2).
  const messageId = `<${report.reportId}>`;
  const boundary = `=_${createHash("sha256").update(report.reportId).digest("hex").slice(0, 32)}`;
  const header =
    foldField("From", `<${from}>`) +
    foldField("To", to.map((address) => `<${address}>`).join(", ")) +
    foldField("Subject", subject) +
    foldField("Date", formatDate(at)) +
    foldField("Message-ID", messageId) +
    // RFC 3834 §5: nobody's holiday notice answers it.
    foldField("Auto-Submitted", "auto-generated") +
    foldField("MIME-Version", "1.0") +
    foldField("Content-Type", `multipart/mixed; boundary="${boundary}"`);
  const parts =
    `\r\n--${boundary}\r\n` +
    foldField("Content-Type", "text/plain; charset=us-ascii") +
    `\r\n${annotation(report, submitter)}\r\n--${boundary}\r\n` +
    foldField("Content-Type", `application/gzip; name="${fileName}"`) +
    foldField("Content-Disposition", `attachment; filename="${fileName}"`) +
    foldField("Content-Transfer-Encoding", "base64") +
    `\r\n${base64Lines(packed)}--${boundary}--\r\n`;
  return { bytes: Buffer.from(header + parts, "latin1"), subject, messageId };
}

/** RFC 9990 §3.5.2: `receiver!policy-domain!begin!end.xml.gz`, times in seconds. */
export function reportFileName(parts: {
  readonly receiver: string;
  readonly domain: string;
  readonly begin: Instant;
  readonly end: Instant;
}): string {
  const { receiver, domain, begin, end } = parts;
  return `${receiver}!${domain}!${Math.floor(begin / 1000)}!${Math.floor(end / 1000)}.xml.gz`;
}

function annotation({ policy, begin, end }: AggregateReport, submitter: string): string {
  return [
    `This is a DMARC aggregate report about ${policy.domain}, made by ${submitter},`,
    `for the time from ${formatDate(begin)}`,
    `to ${formatDate(end)}.`,
    "The domain asks for it with the rua tag of its DMARC record.",
    "",
  ].join("\r\n");
}

/** RFC 2045 §6.8: lines of at most 76 characters. */
function base64Lines(bytes: Buffer): string {
  const text = bytes.toString("base64");
  let lines = "";
  for (let at = 0; at < text.length; at += 76) lines += `${text.slice(at, at + 76)}\r\n`;
  return lines;
}
