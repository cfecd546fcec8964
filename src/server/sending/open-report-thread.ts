/** Reads and makes reports in a thread of its own, whose time and memory are bounded. */
import type { ReportMessage } from "../../dmarc/report/report-message.ts";
import { BackgroundThread, ThreadLimitError } from "../../node/threads/background-thread.ts";
import type { ReportsRead } from "../../reporting/received/read-reports.ts";
import type { ReportWork } from "../../reporting/report-work.ts";
import type { ReportTask } from "./report-thread.ts";

/** The budget of one message costs a second on a slow machine, the largest report two. This is for what nobody thought of. */
const limitMs = 30_000;
/** Ten megabytes of JSON or XML and what is made of them take up to a hundred. */
const heapMaxMiB = 256;
/** Reports come and go in a bunch after midnight. */
const idleMs = 60_000;

export function openReportThread(): ReportWork {
  // Unbuilt in a clone, JavaScript in the package: the thread's root has the same extension as this file.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const thread = new BackgroundThread<ReportTask, ReportsRead | ReportMessage>(
    new URL(`./report-thread${extension}`, import.meta.url),
    { name: "reports", limitMs, heapMaxMiB, idleMs },
  );
  return {
    read: async (content, received) => {
      try {
        const task: ReportTask = { kind: "read", content, received };
        return (await thread.run(task, [content.buffer as ArrayBuffer])) as ReportsRead;
      } catch (error) {
        if (!(error instanceof ThreadLimitError)) throw error;
        return { records: [], reports: [], reason: `reading the message took too much ${error.limit}` };
      }
    },
    make: async (input) => {
      const made = (await thread.run({ kind: "make", input })) as ReportMessage;
      // A Buffer is a plain array of octets when it comes from another thread.
      const { buffer, byteOffset, byteLength } = made.bytes;
      return { ...made, bytes: Buffer.from(buffer, byteOffset, byteLength) };
    },
    close: () => thread.close(),
  };
}
