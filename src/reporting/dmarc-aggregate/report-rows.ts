/**
 * The rows counted so far, as records in the spool. Each run of the server has records of its own, so that counting never
 * reads: a row's record holds what that run has counted of it, and a report adds the runs up.
 *
 * Keys: `2026-01-31/example.org/RUN/7` for a row, `2026-01-31/example.org/RUN` for the domain itself.
 */
import type { DmarcRecord } from "../../dmarc/dmarc-outcome.ts";
import type { AggregateRow } from "../../dmarc/report/aggregate-report.ts";
import type { Instant } from "../../lib/instant.ts";
import { recordPages } from "../../spool/record-pages.ts";
import type { RecordChange, Spool } from "../../spool/spool.ts";
import type { UncountedRow } from "./row-of-evaluation.ts";

export const rowsNamespace = "dmarc-report-rows";

/** Rows that nobody turned into a report by then are of no use to anyone. */
const keptMs = 7 * 86_400_000;
const dayMs = 86_400_000;

export interface StoredDomain {
  /** As published when it was last seen. */
  readonly record: DmarcRecord;
  readonly seenAt: Instant;
}

export interface DomainRows {
  readonly record: DmarcRecord;
  readonly rows: readonly AggregateRow[];
}

/** `2026-01-31`, of UTC. */
export function dayOf(at: Instant): string {
  const number = Math.floor(at / dayMs);
  if (number !== lastDay.number) lastDay = { number, text: new Date(at).toISOString().slice(0, 10) };
  return lastDay.text;
}

/** Asked for each message, and nearly always the same. */
let lastDay = { number: Number.NaN, text: "" };

export function startOfDay(day: string): Instant {
  return Date.parse(`${day}T00:00:00Z`);
}

export function putDomain(day: string, domain: string, run: string, value: StoredDomain): RecordChange {
  return put(day, `${day}/${domain}/${run}`, value);
}

export function putRow(day: string, domain: string, run: string, index: number, value: AggregateRow): RecordChange {
  return put(day, `${day}/${domain}/${run}/${index}`, value);
}

function put(day: string, key: string, value: unknown): RecordChange {
  return { kind: "put", namespace: rowsNamespace, key, value, expiresAt: startOfDay(day) + dayMs + keptMs };
}

/** The first domain behind `after` of the days before `today`, in order of day and name. */
export async function nextUnreported(
  spool: Pick<Spool, "listRecords">,
  today: string,
  after: { readonly day: string; readonly domain: string } | undefined,
): Promise<{ readonly day: string; readonly domain: string } | undefined> {
  // "0" is the character behind "/": everything of that domain is passed over.
  const position = after === undefined ? {} : { after: `${after.day}/${after.domain}0` };
  const [first] = await spool.listRecords(rowsNamespace, { limit: 1, ...position });
  const [day, domain] = first?.key.split("/") ?? [];
  return day === undefined || domain === undefined || day >= today ? undefined : { day, domain };
}

/** Everything counted for a domain on a day, runs added up; undefined where its record is missing. */
export async function readRows(
  spool: Pick<Spool, "listRecords">,
  day: string,
  domain: string,
): Promise<DomainRows | undefined> {
  let newest: StoredDomain | undefined;
  const rows = new Map<string, AggregateRow>();
  for await (const page of pagesOf(spool, day, domain)) {
    for (const { key, value } of page) {
      if (key.split("/").length === 3) {
        const stored = value as StoredDomain;
        if (newest === undefined || stored.seenAt >= newest.seenAt) newest = stored;
        continue;
      }
      const { count, ...row } = value as AggregateRow;
      const name = rowName(row);
      rows.set(name, { ...row, count: count + (rows.get(name)?.count ?? 0) });
    }
  }
  return newest && { record: newest.record, rows: [...rows.values()].toSorted(byImportance) };
}

export async function removeRows(
  spool: Pick<Spool, "listRecords" | "changeRecords">,
  day: string,
  domain: string,
): Promise<void> {
  for await (const page of pagesOf(spool, day, domain)) {
    await spool.changeRecords(page.map(({ key }) => ({ kind: "delete", namespace: rowsNamespace, key })));
  }
}

/** Equal for messages that count in one row. */
export function rowName(row: UncountedRow): string {
  return JSON.stringify([
    row.sourceAddress,
    row.disposition,
    row.dkimAligned,
    row.spfAligned,
    row.headerFrom,
    row.envelopeFrom,
    row.reasons,
    row.dkim,
    row.spf,
  ]);
}

function pagesOf(spool: Pick<Spool, "listRecords">, day: string, domain: string) {
  return recordPages(spool, rowsNamespace, { prefix: `${day}/${domain}/` });
}

/** The most messages first; equals by address, so that the same counts give the same report. */
function byImportance(a: AggregateRow, b: AggregateRow): number {
  return b.count - a.count || (a.sourceAddress < b.sourceAddress ? -1 : a.sourceAddress > b.sourceAddress ? 1 : 0);
}
