/** Reads mail to the address for reports in a thread of its own, whose time and memory are bounded. */
import { BackgroundThread, ThreadLimitError } from "./node/background-thread.ts";
import type { ReceivedFrom } from "./reporting/received/received-report.ts";
import type { ReportsRead, ReportsReader } from "./reporting/received/read-reports.ts";

/** The budget of one message costs a second on a slow machine. This is for what nobody thought of. */
const readWithinMs = 30_000;
/** Ten megabytes of JSON or XML and what is made of them take up to a hundred. */
const heapMaxMiB = 256;
/** Reports come in a bunch after midnight. */
const idleMs = 60_000;

export function openReportsReader(): ReportsReader {
  // Unbuilt in a clone, JavaScript in the package: the thread's root has the same extension as this file.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const thread = new BackgroundThread<{ content: Uint8Array; received: ReceivedFrom }, ReportsRead>(
    new URL(`./report-thread${extension}`, import.meta.url),
    { name: "report-reader", limitMs: readWithinMs, heapMaxMiB, idleMs },
  );
  return {
    read: async (content, received) => {
      try {
        return await thread.run({ content, received }, [content.buffer as ArrayBuffer]);
      } catch (error) {
        if (!(error instanceof ThreadLimitError)) throw error;
        return { records: [], reports: [], reason: `reading the message took too much ${error.limit}` };
      }
    },
    close: () => thread.close(),
  };
}
