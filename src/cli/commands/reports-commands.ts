/** `posthaste reports list | show`: what others report about mail in our name, and about TLS on the way to us. */
import {
  type DmarcReport,
  receivedReport,
  type ReceivedReportLine,
  type TlsReportShown,
  receivedReports,
} from "../api-shapes.ts";
import { type Command, jsonOption } from "../command.ts";
import type { CliContext } from "../context.ts";
import { ask, openApi, serverOptions } from "../data-dir.ts";
import { ExitCode } from "../exit-code.ts";
import { printable } from "../../lib/printable-text.ts";
import { type Style, styleFor, tableColumns, textTable } from "../style.ts";
import { relativeTime } from "../words.ts";

const list: Command = {
  name: "reports list",
  summary: "list the DMARC and TLS reports that were received, newest first",
  options: [
    { name: "domain", value: "D", summary: "only reports about this domain" },
    { name: "kind", value: "KIND", choices: ["dmarc", "tls", "unreadable"], summary: "only reports of this kind" },
    { name: "limit", value: "N", summary: "at most N reports; default 100" },
    { name: "after", value: "ID", summary: "continue after the last report of the previous page" },
    jsonOption,
    ...serverOptions,
  ],
  positionals: [],
  examples: [
    { line: "posthaste reports list --domain example.org", does: "what others saw of example.org" },
    { line: "posthaste reports list --kind tls --json", does: "TLS reports, for a script" },
  ],
  run: async (given, context) => {
    const limit = given.number("limit", { min: 1, max: 1000 }) ?? 100;
    const query = new URLSearchParams({ limit: String(limit) });
    for (const name of ["domain", "kind", "after"]) {
      const value = given.text(name);
      if (value !== undefined) query.set(name, value);
    }
    await using api = await openApi(given, context);
    const answer = await ask(api, `/api/v1/reports?${query.toString()}`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const { reports, next } = receivedReports.parse(answer);
    const style = styleFor(context.stdout, context.environment);
    if (reports.length === 0)
      context.stderr.write("No report matches. docs/reports.md explains how to request reports.\n");
    else context.stdout.write(listTable(reports, context, style));
    if (next !== null) context.stderr.write(`There are more: add --after ${next}\n`);
    return ExitCode.ok;
  },
};

const show: Command = {
  name: "reports show",
  summary: "show one report: who sent mail in your name, whether it passed, and what to do",
  options: [jsonOption, ...serverOptions],
  positionals: [{ name: "ID", summary: "the id from `posthaste reports list`" }],
  examples: [
    { line: "posthaste reports show 4QJ7ZC2M9KXD", does: "the sources, and an explanation for each that failed" },
  ],
  run: async (given, context) => {
    const [id = ""] = given.positionals;
    await using api = await openApi(given, context);
    const answer = await ask(api, `/api/v1/reports/${encodeURIComponent(id)}`);
    if (given.flag("json")) {
      context.stdout.write(`${JSON.stringify(answer)}\n`);
      return ExitCode.ok;
    }
    const report = receivedReport.parse(answer);
    const style = styleFor(context.stdout, context.environment);
    context.stdout.write(shown(report, context, style));
    return ExitCode.ok;
  },
};

export const reportsCommands: readonly Command[] = [list, show];

function listTable(reports: readonly ReceivedReportLine[], context: CliContext, style: Style): string {
  const rows = reports.map((report) => {
    if (report.kind === "unreadable") {
      return [
        report.id,
        day(report.received_at),
        "unreadable",
        "",
        "",
        "",
        printable(`${report.from || "<>"}: ${report.reason}`),
      ];
    }
    const { id, kind, domain, organization, begin, total, failed } = report;
    return [id, day(begin), kind, printable(domain), String(total), String(failed), printable(organization)];
  });
  const head = ["ID", "DAY", "KIND", "ABOUT", "TOTAL", "FAILED", "REPORTER"];
  return textTable([head, ...rows], { columns: tableColumns(context.stdout), right: [4, 5], style });
}

function shown(report: ReturnType<typeof receivedReport.parse>, context: CliContext, style: Style): string {
  const now = context.clock.now();
  const top = (title: string) =>
    `${style.bold(report.id)}  ${title}\n  received ${relativeTime(report.received_at, now)} from ${printable(report.from || "<>")}\n`;
  switch (report.kind) {
    case "unreadable":
      return `${top("a message that holds no readable report")}  ${printable(report.reason)}\n`;
    case "dmarc":
    case "tls": {
      const what = report.kind === "dmarc" ? "DMARC report" : "TLS report";
      const title = `${what} of ${printable(report.organization)} about ${printable(report.domain)}`;
      const period = `  from ${minute(report.begin)} to ${minute(report.end)} UTC, ${printable(report.report_id)}\n`;
      const problems = report.problems.map((problem) => style.yellow(`  ${printable(problem)}\n`)).join("");
      const table =
        report.kind === "dmarc" ? sourceTable(report, context, style) : sessionTable(report, context, style);
      const advice = report.advice.map((sentence) => `${printable(sentence)}\n`).join("");
      return `${top(title)}${period}${problems}\n${table}\n${advice}`;
    }
    default:
      return report satisfies never;
  }
}

function sourceTable({ policy, rows }: DmarcReport, context: CliContext, style: Style): string {
  const lines = rows.map((row) => [
    printable(row.source),
    String(row.count),
    row.spf_aligned ? "pass" : "fail",
    row.dkim_aligned ? "pass" : "fail",
    row.disposition,
    printable([row.header_from, ...row.reasons.map(({ type }) => type)].join(" ")),
  ]);
  const head = ["SOURCE", "MESSAGES", "SPF", "DKIM", "DONE", "FROM AND WHY"];
  const published = `Policy as published: p=${policy.p ?? "?"}${policy.sp === undefined ? "" : ` sp=${policy.sp}`}\n`;
  return published + textTable([head, ...lines], { columns: tableColumns(context.stdout), right: [1], style });
}

function sessionTable({ policies }: TlsReportShown, context: CliContext, style: Style): string {
  const lines = policies.flatMap((policy) => [
    [printable(policy.domain), policy.type, String(policy.successful), String(policy.failed), ""],
    ...policy.failures.map((failure) => {
      const where = failure.receiving_host ?? failure.receiving_address ?? "";
      return ["", "", "", String(failure.sessions), printable(`${failure.result} ${where}`)];
    }),
  ]);
  const head = ["DOMAIN", "POLICY", "GOOD", "FAILED", "WHY AND WHERE"];
  return textTable([head, ...lines], { columns: tableColumns(context.stdout), right: [2, 3], style });
}

function day(iso: string): string {
  return iso.slice(0, 10);
}

function minute(iso: string): string {
  return iso.slice(0, 16).replace("T", " ");
}
