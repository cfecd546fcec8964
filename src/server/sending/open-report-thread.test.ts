/** The real thread for reports: it reads and makes what this thread would, while this one takes its turns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AggregateReport } from "../../dmarc/report/aggregate-report.ts";
import { openReportThread } from "./open-report-thread.ts";
import { workInThisThread } from "../../reporting/report-work.ts";
import { turnsDuring } from "../../testing/turns.ts";

const rowCount = 5000;
const report: AggregateReport = {
  ...{ organization: "Far", email: "dmarc@far.test", reportId: "1@far.test", begin: 0, end: 86_400_000, errors: [] },
  policy: { domain: "example.org", p: "none" },
  rows: Array.from({ length: rowCount }, (_, index) => ({
    sourceAddress: `10.0.${index >> 8}.${index & 255}`,
    count: 1,
    disposition: "none",
    dkimAligned: false,
    spfAligned: false,
    reasons: [],
    headerFrom: "example.org",
    dkim: Array.from({ length: 5 }, (__, key) => ({ domain: `d${key}.test`, selector: "s", result: "fail" })),
    spf: [],
  })),
};
const input = { report, submitter: "far.test", from: "dmarc@far.test", to: ["reports@example.org"], at: 0 };
const received = { id: "4QJ7ZC2M9KXD", at: 0, from: "dmarc@far.test", keepMs: 1 };

test("the largest report of a day is made and read elsewhere, with the same result", async () => {
  const thread = openReportThread();
  // The thread has begun, so that what follows is the work alone.
  await thread.read(new Uint8Array(10), received);
  const making = thread.make(input);
  assert.ok((await turnsDuring(making)) > 10);
  const made = await making;
  assert.deepEqual(made, await workInThisThread.make(input));
  const reading = thread.read(Uint8Array.from(made.bytes), received);
  assert.ok((await turnsDuring(reading)) > 10);
  const read = await reading;
  assert.deepEqual(read, await workInThisThread.read(Uint8Array.from(made.bytes), received));
  assert.deepEqual([read.reports, read.reason], [["DMARC report of Far about example.org"], ""]);
  await thread.close();
  await assert.rejects(thread.make(input), /is closed/);
});
