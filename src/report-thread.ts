/** Root of the thread that reads mail to the address for reports, so that the main thread never waits for it. */
import { serveThread } from "./node/background-thread.ts";
import type { ReceivedFrom } from "./reporting/received/received-report.ts";
import { readReports } from "./reporting/received/read-reports.ts";

serveThread(({ content, received }: { readonly content: Uint8Array; readonly received: ReceivedFrom }) =>
  readReports(content, received),
);
