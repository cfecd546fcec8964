/** Incoming reports over HTTP: the list, newest first, and one with its rows and what they mean. */
import { Hono } from "hono";
import { z } from "zod";
import {
  type ReportDetails,
  reportDetailsNamespace,
  reportKey,
  reportsNamespace,
  type ReportSummary,
} from "../reporting/received/received-report.ts";
import { adviceOnDmarc, adviceOnTls } from "../reporting/received/report-advice.ts";
import { parseQueueId } from "../spool/queue-id.ts";
import type { Spool } from "../spool/spool.ts";

const querySchema = z.strictObject({
  domain: z.string().max(255).optional().describe("Only reports about this domain."),
  kind: z.enum(["dmarc", "tls", "unreadable"]).optional().describe("Only reports of this kind."),
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe("At most so many."),
  after: z.string().max(12).optional().describe("Go on behind the report with this id."),
});

/** How many reports a search looks at before it gives what it has: a second's work. */
const searchedMax = 20_000;
const pageRows = 500;

export function reportsApi(spool: Pick<Spool, "listRecords" | "getRecord">): Hono {
  const app = new Hono();

  app.get("/", async (context) => {
    const parsed = querySchema.safeParse(context.req.query());
    if (!parsed.success) return context.json({ error: z.prettifyError(parsed.error) }, 400);
    const { limit, after, domain, kind } = parsed.data;
    const start = after === undefined ? undefined : parseQueueId(after);
    if (after !== undefined && start === undefined) return context.json({ error: "after is the id of a report" }, 400);
    const wanted = (report: ReportSummary) =>
      (kind === undefined || report.kind === kind) && (domain === undefined || isAbout(report, domain.toLowerCase()));
    const reports = await search(spool, wanted, { limit: limit + 1, start });
    const shown = reports.slice(0, limit);
    return context.json({ reports: shown, next: reports.length > limit ? (shown.at(-1)?.id ?? null) : null });
  });

  app.get("/:id", async (context) => {
    const id = parseQueueId(context.req.param("id"));
    const key = id === undefined ? undefined : reportKey(id);
    const summary = key === undefined ? undefined : ((await spool.getRecord(reportsNamespace, key)) as ReportSummary);
    if (key === undefined || !summary)
      return context.json({ error: "no report has this id, or it is no longer kept" }, 404);
    const details = (await spool.getRecord(reportDetailsNamespace, key)) as ReportDetails | undefined;
    return context.json({ ...summary, ...(details === undefined ? {} : detailsJson(details)) });
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
    const page = await spool.listRecords(reportsNamespace, {
      limit: pageRows,
      ...(after === undefined ? {} : { after }),
    });
    for (const { value } of page) {
      if (wanted(value as ReportSummary)) found.push(value as ReportSummary);
      if (found.length === limit) return found;
    }
    after = page.at(-1)?.key;
    if (page.length < pageRows) break;
  }
  return found;
}

/** A TLS report can be about several domains. */
function isAbout(report: ReportSummary, domain: string): boolean {
  return report.kind !== "unreadable" && report.domain.split(" ").includes(domain);
}

function detailsJson(details: ReportDetails): Record<string, unknown> {
  switch (details.kind) {
    case "dmarc": {
      const { report } = details;
      return {
        email: report.email,
        contact: report.extraContact ?? null,
        errors: report.errors,
        generator: report.generator ?? null,
        policy: policyJson(report.policy),
        rows: report.rows.map((row) => ({
          source: row.sourceAddress,
          count: row.count,
          disposition: row.disposition,
          dkim_aligned: row.dkimAligned,
          spf_aligned: row.spfAligned,
          reasons: row.reasons,
          header_from: row.headerFrom,
          envelope_from: row.envelopeFrom ?? null,
          envelope_to: row.envelopeTo ?? null,
          dkim: row.dkim.map(resultJson),
          spf: row.spf.map(resultJson),
        })),
        advice: adviceOnDmarc(report),
      };
    }
    case "tls": {
      const { report } = details;
      return {
        contact: report.contact,
        policies: report.policies.map((policy) => ({
          type: policy.policyType,
          domain: policy.policyDomain,
          policy: policy.policyStrings,
          mx: policy.mxHosts,
          successful: policy.successfulSessions,
          failed: policy.failedSessions,
          failures: policy.failures.map((failure) => ({
            result: failure.resultType,
            sessions: failure.sessions,
            sending_address: failure.sendingAddress ?? null,
            receiving_host: failure.receivingHost ?? null,
            receiving_address: failure.receivingAddress ?? null,
            reason_code: failure.reasonCode ?? null,
            information: failure.information ?? null,
          })),
        })),
        advice: adviceOnTls(report),
      };
    }
    default:
      return details satisfies never;
  }
}

function policyJson({ discoveryMethod, ...policy }: Extract<ReportDetails, { kind: "dmarc" }>["report"]["policy"]) {
  return { ...policy, discovery_method: discoveryMethod ?? null };
}

function resultJson(result: {
  readonly domain: string;
  readonly result: string;
  readonly selector?: string;
  readonly scope?: string;
  readonly humanResult?: string;
}) {
  const { domain, selector, scope, humanResult } = result;
  return {
    domain,
    ...(selector === undefined ? {} : { selector }),
    ...(scope === undefined ? {} : { scope }),
    result: result.result,
    ...(humanResult === undefined ? {} : { detail: humanResult }),
  };
}
