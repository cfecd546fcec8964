/** Incoming reports over HTTP: the list, newest first, and one with its rows and what they mean. */
import { Hono } from "hono";
import { z } from "zod";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import {
  detailsText,
  doubtfulReportsNamespace,
  parseReportId,
  reportDetailsNamespace,
  reportKey,
  reportsNamespace,
  type ReportSummary,
} from "../reporting/received/received-report.ts";
import type { Spool, StoredRecord } from "../spool/spool.ts";
import { sentenceOf } from "./json-body.ts";

const querySchema = z.strictObject({
  domain: z.string().max(255).optional().describe("Only reports about this domain."),
  kind: z.enum(["dmarc", "tls", "unreadable"]).optional().describe("Only reports of this kind."),
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe("Largest number of reports in the answer."),
  after: z.string().max(15).optional().describe("Continue after the report with this id."),
});

/** How many reports a search looks at before it gives what it has: a second's work. */
const searchedMax = 20_000;
const pageRows = 500;

export function reportsApi(spool: Pick<Spool, "listRecords" | "getRecord">): Hono {
  const app = new Hono();

  app.get("/", async (context) => {
    const parsed = querySchema.safeParse(context.req.query());
    if (!parsed.success) return context.json({ error: sentenceOf(parsed.error) }, 400);
    const { limit, after, domain, kind } = parsed.data;
    const start = after === undefined ? undefined : parseReportId(after);
    if (after !== undefined && start === undefined) return context.json({ error: "after is the id of a report" }, 400);
    const wanted = (report: ReportSummary) =>
      (kind === undefined || report.kind === kind) && (domain === undefined || isAbout(report, asciiLowerCase(domain)));
    const reports = await search(spool, wanted, { limit: limit + 1, start });
    const shown = reports.slice(0, limit);
    return context.json({ reports: shown, next: reports.length > limit ? (shown.at(-1)?.id ?? null) : null });
  });

  app.get("/:id", async (context) => {
    const id = parseReportId(context.req.param("id"));
    const key = id === undefined ? undefined : reportKey(id);
    const summary =
      key === undefined
        ? undefined
        : ((await spool.getRecord(reportsNamespace, key)) ?? (await spool.getRecord(doubtfulReportsNamespace, key)));
    if (key === undefined || !summary)
      return context.json({ error: "no report has this id, or it is no longer kept" }, 404);
    const details = await spool.getRecord(reportDetailsNamespace, key);
    const first = JSON.stringify(summary);
    // Two objects in one: what strangers made long is not parsed here.
    const rest = details === undefined ? "}" : `,${detailsText(details as Parameters<typeof detailsText>[0]).slice(1)}`;
    return context.body(`${first.slice(0, -1)}${rest}`, 200, { "content-type": "application/json" });
  });

  return app;
}

async function search(
  spool: Pick<Spool, "listRecords">,
  wanted: (report: ReportSummary) => boolean,
  { limit, start }: { readonly limit: number; readonly start: string | undefined },
): Promise<readonly ReportSummary[]> {
  const found: ReportSummary[] = [];
  let after = start === undefined ? undefined : reportKey(start);
  for (let searched = 0; searched < searchedMax; searched += pageRows) {
    const page = await nextPage(spool, after);
    for (const { value } of page) {
      if (wanted(value as ReportSummary)) found.push(value as ReportSummary);
      if (found.length === limit) return found;
    }
    after = page.at(-1)?.key;
    if (page.length < pageRows) break;
  }
  return found;
}

/** Of reports and of what is doubtful, in the order of both. */
async function nextPage(
  spool: Pick<Spool, "listRecords">,
  after: string | undefined,
): Promise<readonly StoredRecord[]> {
  const page = { limit: pageRows, ...(after !== undefined && { after }) };
  const [reports, doubtful] = await Promise.all([
    spool.listRecords(reportsNamespace, page),
    spool.listRecords(doubtfulReportsNamespace, page),
  ]);
  return [...reports, ...doubtful].toSorted((a, b) => (a.key < b.key ? -1 : 1)).slice(0, pageRows);
}

/** A TLS report can be about several domains. */
function isAbout(report: ReportSummary, domain: string): boolean {
  return report.kind !== "unreadable" && report.domain.split(" ").includes(domain);
}
