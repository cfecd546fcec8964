/**
 * Counted TLS sessions as records in the spool: `2026-01-31/example.org/RUN`, so that each run of the server writes its own and
 * none is read to be changed; and where the reports about them go.
 */
import type { Resolver } from "../../ports/resolver.ts";
import { recordPages } from "../../spool/record-pages.ts";
import type { RecordChange, Spool } from "../../spool/spool.ts";
import { findTlsReportRecord } from "../../tls-rpt/tls-rpt-record.ts";
import type { TlsPolicyReport } from "../../tls-rpt/tls-report.ts";
import { startOfDay } from "../dmarc-aggregate/report-rows.ts";
import { sumOf } from "./counted-policies.ts";

export const countsNamespace = "tls-report-counts";

const dayMs = 86_400_000;
/** Counts that nobody turned into a report by then are of no use to anyone. */
const keptMs = 7 * dayMs;

export interface CountedAt {
  readonly day: string;
  readonly domain: string;
}

export function putCounts(
  day: string,
  domain: string,
  run: string,
  policies: readonly TlsPolicyReport[],
): RecordChange {
  const expiresAt = startOfDay(day) + dayMs + keptMs;
  return { kind: "put", namespace: countsNamespace, key: `${day}/${domain}/${run}`, value: { policies }, expiresAt };
}

/** The first domain behind `after` of the days before `today`, in order of day and name. */
export async function nextCounted(
  spool: Pick<Spool, "listRecords">,
  today: string,
  after: CountedAt | undefined,
): Promise<CountedAt | undefined> {
  // "0" is the character behind "/": everything of that domain is passed over.
  const position = after === undefined ? {} : { after: `${after.day}/${after.domain}0` };
  const [first] = await spool.listRecords(countsNamespace, { limit: 1, ...position });
  const [day, domain] = first?.key.split("/") ?? [];
  return day === undefined || domain === undefined || day >= today ? undefined : { day, domain };
}

/** Of all runs together. */
export async function readCounts(
  spool: Pick<Spool, "listRecords">,
  { day, domain }: CountedAt,
): Promise<readonly TlsPolicyReport[]> {
  const runs: (readonly TlsPolicyReport[])[] = [];
  for await (const page of recordPages(spool, countsNamespace, { prefix: `${day}/${domain}/` })) {
    runs.push(...page.map(({ value }) => (value as { readonly policies: readonly TlsPolicyReport[] }).policies));
  }
  return sumOf(runs);
}

export async function removeCounts(
  spool: Pick<Spool, "listRecords" | "changeRecords">,
  { day, domain }: CountedAt,
): Promise<void> {
  for await (const page of recordPages(spool, countsNamespace, { prefix: `${day}/${domain}/` })) {
    await spool.changeRecords(page.map(({ key }) => ({ kind: "delete", namespace: countsNamespace, key })));
  }
}

export type FoundUris =
  | { readonly kind: "uris"; readonly uris: readonly string[] }
  /** It asks for no reports, or by a record that does not count. */
  | { readonly kind: "none" }
  | { readonly kind: "failure"; readonly reason: string };

/** RFC 8460 §3. */
export async function findReportUris(resolver: Resolver, domain: string): Promise<FoundUris> {
  const name = `_smtp._tls.${domain}`;
  const answer = await resolver.query(name, "TXT");
  if (answer.kind === "failure") return { kind: "failure", reason: `the DNS did not answer about ${name}` };
  const found = answer.kind === "records" ? findTlsReportRecord(answer.records) : undefined;
  return found?.kind === "record" ? { kind: "uris", uris: found.record.rua } : { kind: "none" };
}
