/** What `check dns` prints for people: a line for each subject, what is behind it, and records that can be copied whole. */
import { sentence as ended } from "../lib/sentence.ts";
import type { CheckStatus, DnsCheck } from "../admin/dns-checks/dns-check.ts";
import type { DnsReport } from "../admin/dns-checks/check-dns.ts";
import type { SpfDescription } from "../spf/describe.ts";
import { printable } from "../lib/printable-text.ts";
import { shorten } from "../lib/shorten.ts";
import { type Style } from "./style.ts";
import { plural } from "./words.ts";

const titles: Readonly<Record<DnsCheck["check"], string>> = {
  mx: "MX",
  addresses: "addresses",
  spf: "SPF",
  dkim: "DKIM",
  dmarc: "DMARC",
  "mta-sts": "MTA-STS",
  "tls-rpt": "TLS-RPT",
  dane: "DANE",
};
/** Colour and title. */
const indent = " ".repeat(20);
const foundLengthMax = 100;

export function formatDnsReport(report: DnsReport, style: Style): string {
  return report.checks.map((check) => formatCheck(check, style)).join("") + summaryOf(report, style);
}

function formatCheck(check: DnsCheck, style: Style): string {
  const { status, sentence, details, found, publish, tree } = check;
  const lines = [
    `${coloured(status, style)}  ${style.bold(titles[check.check].padEnd(10))}  ${ended(printable(sentence))}`,
  ];
  for (const detail of details)
    lines.push(`${indent}${coloured(detail.status, style)}  ${ended(printable(detail.sentence))}`);
  for (const { name, type, value } of found)
    lines.push(style.dim(`${indent}found    ${name} ${type} ${printable(status === "green" ? cut(value) : value)}`));
  if (tree !== undefined && tree.lookups > 0)
    lines.push(...treeLines(tree).map((line) => style.dim(`${indent}${line}`)));
  for (const { name, type, value } of publish) {
    lines.push(`${indent}${style.cyan("publish")}  ${name} ${type} ${printable(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A record that is right need not be read to its end; keys are long. */
function cut(value: string): string {
  return shorten(value, foundLengthMax);
}

/** Terms that cost a look-up, each with what it costs, those below it included. */
function treeLines(root: SpfDescription): string[] {
  const lines = [`${plural(root.lookups, "look-up")} for ${root.domain}`];
  const walk = (description: SpfDescription, depth: number): void => {
    for (const { text, lookups, voidLookups, below } of description.terms) {
      if (lookups === 0) continue;
      const empty = voidLookups > 0 ? ` (${voidLookups} without records)` : "";
      lines.push(`${"  ".repeat(depth)}${String(lookups).padStart(2)}  ${printable(text)}${empty}`);
      if (below !== undefined) walk(below, depth + 1);
    }
  };
  walk(root, 1);
  return lines;
}

function summaryOf({ domain, checks }: DnsReport, style: Style): string {
  const count = (status: CheckStatus): number => checks.filter((check) => check.status === status).length;
  const [red, yellow] = [count("red"), count("yellow")];
  const verdict =
    red > 0
      ? style.red(`${plural(red, "check")} red`)
      : yellow > 0
        ? style.yellow("nothing is red")
        : style.green("everything is green");
  return `\n${style.bold(domain)}: ${verdict}${red > 0 || yellow === 0 ? "" : `, ${yellow} yellow`}.\n`;
}

function coloured(status: CheckStatus, style: Style): string {
  return style[status](status.padEnd(6));
}
