/** Root of the thread that reads and makes reports, so that the main thread never waits for it. */
import { makeReportMessage, type ReportMessageInput } from "../../dmarc/report/report-message.ts";
import { serveThread } from "../../node/threads/background-thread.ts";
import { readReports } from "../../reporting/received/read-reports.ts";
import type { ReceivedFrom } from "../../reporting/received/received-report.ts";

export type ReportTask =
  | { readonly kind: "read"; readonly content: Uint8Array; readonly received: ReceivedFrom }
  | { readonly kind: "make"; readonly input: ReportMessageInput };

serveThread((task: ReportTask) =>
  task.kind === "read" ? readReports(task.content, task.received) : makeReportMessage(task.input),
);
