/** What `check dns --json` prints; stable, described in docs/check-dns.md. */
import type { DnsCheck } from "../admin/dns-checks/dns-check.ts";
import type { DnsReport } from "../admin/dns-checks/check-dns.ts";
import type { SpfDescription } from "../spf/describe.ts";

export function dnsReportJson({ domain, status, checks }: DnsReport): string {
  return `${JSON.stringify({ domain, status, checks: checks.map(checkOf) })}\n`;
}

function checkOf({ check, status, sentence, details, found, publish, tree }: DnsCheck): object {
  return { check, status, sentence, details, found, publish, ...(tree !== undefined && { tree: treeOf(tree) }) };
}

function treeOf(description: SpfDescription): object {
  const { domain, state, lookups, voidLookups, problems, terms } = description;
  return {
    domain,
    state,
    lookups,
    void_lookups: voidLookups,
    problems,
    terms: terms.map(({ text, lookups: cost, voidLookups: voids, found, varies, below }) => ({
      text,
      lookups: cost,
      void_lookups: voids,
      found,
      ...(varies && { varies }),
      ...(below !== undefined && { below: treeOf(below) }),
    })),
  };
}
