/** What comes to the address for reports: read whatever it is packed in, and final whatever it is. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { DeliveryJob } from "../queue/delivery-agent.ts";
import {
  keptRowsMax,
  type ReportDetails,
  reportDetailsNamespace,
  reportKey,
  reportsNamespace,
  type ReportSummary,
} from "../reporting/received/received-report.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { conformancePath, noConformanceData, vectorPath } from "../testing/conformance-data.ts";
import { storedMessage, storedRecipient } from "../testing/delivery-fixture.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { ReportDelivery } from "./report-delivery.ts";

const receivedAt = Date.UTC(2026, 0, 2);
const message = storedMessage({ receivedAt, reversePath: "far@far.test" });

interface Delivered {
  readonly summary: ReportSummary;
  readonly details: ReportDetails | undefined;
  readonly said: string;
}

async function deliver(raw: Buffer | string, options: { readonly size?: number } = {}): Promise<Delivered> {
  const bytes = Buffer.from(raw);
  const clock = new ManualClock(receivedAt);
  const log = new CollectingLog();
  const agent = new ReportDelivery({ clock, log, settings: () => ({ keepMs: 86_400_000 }) });
  const job: DeliveryJob = {
    message,
    recipients: [storedRecipient("reports@example.org")],
    hop: { kind: "reports", site: "reports", description: "reports" },
    openContent: () =>
      Promise.resolve({
        size: options.size ?? bytes.length,
        async *chunks() {
          for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  const running = agent.deliver(job);
  let over = false;
  const ended = running.finally(() => {
    over = true;
  });
  // Large ones let others have their turn.
  while (!over) {
    await settle();
    await clock.advance(1);
  }
  const { outcomes, records = [] } = await ended;
  const [outcome] = outcomes;
  assert.equal(outcome?.outcome.kind, "delivered", "nothing is tried again or answered");
  const stored = new Map(
    records.map((change) => {
      assert.ok(change.kind === "put" && change.key === reportKey(message.id));
      assert.equal(change.expiresAt, receivedAt + 86_400_000);
      return [change.namespace, change.value] as const;
    }),
  );
  return {
    summary: stored.get(reportsNamespace) as ReportSummary,
    details: stored.get(reportDetailsNamespace) as ReportDetails | undefined,
    said: outcome.outcome.diagnostic?.text ?? "",
  };
}

function mail(body: Buffer | string, type = "application/gzip"): string {
  const lines = Buffer.from(body).toString("base64").replaceAll(/.{76}/g, "$&\r\n");
  return `From: <a@far.test>\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="x"\r\n\r\n${lines}\r\n`;
}

function reasonOf({ summary }: Delivered): string {
  return summary.kind === "unreadable" ? summary.reason : assert.fail(`it was read as ${summary.kind}`);
}

const rows = (count: number) =>
  Array.from(
    { length: count },
    (_, index) =>
      `<record><row><source_ip>10.1.${index >> 8}.${index & 255}</source_ip><count>${index + 1}</count></row></record>`,
  ).join("");
const xml = (content: string) =>
  `<feedback><report_metadata><org_name>Far</org_name></report_metadata><policy_published><domain>example.org</domain></policy_published>${content}</feedback>`;

test("every sample mail with a report is read", async (t) => {
  const folders = [conformancePath("dmarc", "reports", "aggregate"), conformancePath("tls-rpt", "reports")];
  const files = folders.flatMap((folder) => (folder === undefined ? [] : globSync(`${folder}/**/*.eml`)));
  if (files.length === 0) return t.skip(noConformanceData);
  for (const file of files) {
    const { summary, details } = await deliver(readFileSync(file));
    const name = path.basename(file);
    const reason = summary.kind === "unreadable" ? summary.reason : "";
    assert.equal(summary.kind, file.includes("tls-rpt") ? "tls" : "dmarc", `${name}: ${reason}`);
    assert.equal(details?.kind, summary.kind);
    assert.ok(summary.total > 0 && summary.domain !== "", name);
  }
  return undefined;
});

test("samples of failure reports are no aggregate reports, and end as unreadable", async (t) => {
  const folder = vectorPath(t, "dmarc", "reports", "failure");
  if (folder === undefined) return;
  for (const file of globSync(`${folder}/**/*.eml`)) assert.match(reasonOf(await deliver(readFileSync(file))), /./);
});

test("declared types and names are not asked; the first octets are", async () => {
  const report = xml(rows(2));
  for (const type of ["application/zip", "text/html", "image/png", "application/octet-stream; name=a.exe"]) {
    for (const body of [report, gzipSync(report)])
      assert.equal((await deliver(mail(body, type))).summary.kind, "dmarc");
  }
  const plain = `From: a@far.test\r\nContent-Type: text/plain\r\n\r\n${report}\r\n`;
  assert.equal((await deliver(plain)).summary.kind, "dmarc", "in the text itself");
});

test("a report is summed up, and one with very many rows is kept without the smallest", async () => {
  const few = await deliver(mail(xml(rows(3))));
  assert.ok(few.summary.kind === "dmarc");
  assert.deepEqual([few.summary.total, few.summary.failed, few.summary.problems.length], [6, 6, 1]);
  assert.match(few.said, /DMARC report of Far about example\.org/);
  const count = keptRowsMax + 10;
  const { summary, details } = await deliver(mail(gzipSync(xml(rows(count)))));
  assert.ok(summary.kind === "dmarc" && details?.kind === "dmarc");
  assert.equal(summary.total, (count * (count + 1)) / 2);
  assert.equal(details.report.rows.length, keptRowsMax);
  assert.match(summary.problems.join(), /10 rows with the fewest/);
});

test("what is broken, hostile or no report at all is kept with its reason", async () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ["Subject: hi\r\n\r\nhello\r\n", /holds no report/],
    ["\r\n", /holds no report/],
    [mail(gzipSync(Buffer.alloc(30_000_000))), /holds more than/],
    [mail(gzipSync(xml("")).subarray(0, 40)), /cut off/],
    [mail("PK\u0003\u0004nonsense"), /zip archive/],
    [mail("<html></html>"), /no aggregate report/],
    [mail('{"a":1}'), /no TLS report/],
    [mail(xml("<a>".repeat(50))), /deeper/],
  ];
  for (const [raw, reason] of table) assert.match(reasonOf(await deliver(raw)), reason);
  assert.match(reasonOf(await deliver("x", { size: 15_000_001 })), /larger than/);
});

test("a good part is found beside bad ones", async () => {
  const parts = [Buffer.from("<html></html>"), gzipSync("text"), gzipSync(xml(rows(1)))];
  const body = parts
    .map(
      (part) =>
        `--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${part.toString("base64")}\r\n`,
    )
    .join("");
  const raw = `MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hi\r\n${body}--b--\r\n`;
  assert.equal((await deliver(raw)).summary.kind, "dmarc");
});
