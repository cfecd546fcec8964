/**
 * The work on reports that takes longer than a turn of the event loop may: strangers decide how much there is to read, and
 * by what they send, how many rows the report about a domain has. In which thread it is done is the composition's affair.
 */
import { makeReportMessage, type ReportMessage, type ReportMessageInput } from "../dmarc/report/report-message.ts";
import { readReports, type ReportsRead } from "./received/read-reports.ts";
import type { ReceivedFrom } from "./received/received-report.ts";

export interface ReportWork {
  /** Takes the memory of `content` over. Rejects for faults of its own only. */
  read(content: Uint8Array, received: ReceivedFrom): Promise<ReportsRead>;
  make(input: ReportMessageInput): Promise<ReportMessage>;
  close(): Promise<void>;
}

/** Blocks until it is done. */
export const workInThisThread: ReportWork = {
  read: async (content, received) => readReports(content, received),
  make: async (input) => makeReportMessage(input),
  close: () => Promise.resolve(),
};
