/**
 * An aggregate report as XML (RFC 9990 §3.1, Appendix A): elements in the order of the schema, the same octets for the
 * same report. Everything that came from a message or from DNS is escaped, and stripped of what XML 1.0 cannot say.
 */
import type { DmarcAlignment } from "../dmarc-outcome.ts";
import type {
  AggregateReport,
  AggregateRow,
  DkimRowResult,
  OverrideReason,
  PublishedPolicy,
  SpfRowResult,
} from "./aggregate-report.ts";

/** As RFC 9990 §3.1.3 has it. */
const dkimResultsMax = 100;
const dmarcNamespace = "urn:ietf:params:xml:ns:dmarc-2.0";

export function makeAggregateReport(report: AggregateReport): string {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<feedback xmlns="${dmarcNamespace}">`,
    ...metadata(report),
    ...policy(report.policy),
    ...report.rows.flatMap((row) => record(row)),
    "</feedback>",
    "",
  ];
  return lines.join("\n");
}

const toEscape = /[\u0000-\u0008\u000b-\u001f\ufffe\uffff&<>]/;

/** Text as the content of an element. */
export function escapeXml(text: string): string {
  // Hardly any text needs it, and large reports have a hundred thousand.
  if (!toEscape.test(text) && text.isWellFormed()) return text;
  return text
    .toWellFormed()
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("\r", "&#13;");
}

function metadata(report: AggregateReport): readonly string[] {
  return [
    "  <version>1.0</version>",
    "  <report_metadata>",
    element(2, "org_name", report.organization),
    element(2, "email", report.email),
    ...some(2, "extra_contact_info", report.extraContact),
    element(2, "report_id", report.reportId),
    "    <date_range>",
    element(3, "begin", String(Math.floor(report.begin / 1000))),
    element(3, "end", String(Math.floor(report.end / 1000))),
    "    </date_range>",
    ...report.errors.map((error) => element(2, "error", error)).slice(0, 1),
    ...some(2, "generator", report.generator),
    "  </report_metadata>",
  ];
}

function policy(published: PublishedPolicy): readonly string[] {
  return [
    "  <policy_published>",
    element(2, "domain", published.domain),
    ...some(2, "discovery_method", published.discoveryMethod),
    element(2, "p", published.p ?? "none"),
    ...some(2, "sp", published.sp),
    ...some(2, "np", published.np),
    ...some(2, "fo", published.fo),
    ...some(2, "adkim", alignmentLetter(published.adkim)),
    ...some(2, "aspf", alignmentLetter(published.aspf)),
    ...some(2, "testing", published.testing === undefined ? undefined : published.testing ? "y" : "n"),
    "  </policy_published>",
  ];
}

function record(row: AggregateRow): readonly string[] {
  return [
    "  <record>",
    "    <row>",
    element(3, "source_ip", row.sourceAddress),
    element(3, "count", String(row.count)),
    "      <policy_evaluated>",
    element(4, "disposition", row.disposition === "unknown" ? "none" : row.disposition),
    element(4, "dkim", row.dkimAligned ? "pass" : "fail"),
    element(4, "spf", row.spfAligned ? "pass" : "fail"),
    ...row.reasons.flatMap((reason) => reasonLines(reason)),
    "      </policy_evaluated>",
    "    </row>",
    "    <identifiers>",
    element(3, "header_from", row.headerFrom),
    ...some(3, "envelope_from", row.envelopeFrom),
    ...some(3, "envelope_to", row.envelopeTo),
    "    </identifiers>",
    "    <auth_results>",
    ...row.dkim.slice(0, dkimResultsMax).flatMap((result) => dkimLines(result)),
    ...row.spf.slice(0, 1).flatMap((result) => spfLines(result)),
    "    </auth_results>",
    "  </record>",
  ];
}

function reasonLines({ type, comment }: OverrideReason): readonly string[] {
  return ["        <reason>", element(5, "type", type), ...some(5, "comment", comment), "        </reason>"];
}

function dkimLines({ domain, selector, result, humanResult }: DkimRowResult): readonly string[] {
  return [
    "      <dkim>",
    element(4, "domain", domain),
    element(4, "selector", selector ?? ""),
    element(4, "result", result),
    ...some(4, "human_result", humanResult),
    "      </dkim>",
  ];
}

function spfLines({ domain, scope, result, humanResult }: SpfRowResult): readonly string[] {
  return [
    "      <spf>",
    element(4, "domain", domain),
    ...some(4, "scope", scope),
    element(4, "result", result),
    ...some(4, "human_result", humanResult),
    "      </spf>",
  ];
}

function alignmentLetter(alignment: DmarcAlignment | undefined): string | undefined {
  return alignment === undefined ? undefined : alignment === "strict" ? "s" : "r";
}

function some(depth: number, name: string, text: string | undefined): readonly string[] {
  return text === undefined ? [] : [element(depth, name, text)];
}

function element(depth: number, name: string, text: string): string {
  return `${"  ".repeat(depth)}<${name}>${escapeXml(text)}</${name}>`;
}
