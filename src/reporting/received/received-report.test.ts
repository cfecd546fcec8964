import assert from "node:assert/strict";
import { test } from "node:test";
import type { AggregateReport, AggregateRow } from "../../dmarc/report/aggregate-report.ts";
import type { TlsReport } from "../../tls-rpt/tls-report.ts";
import { MemorySpool } from "../../spool/memory-spool.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock } from "../../testing/manual-clock.ts";
import {
  reportDetailsNamespace,
  reportKey,
  reportsNamespace,
  type ReportSummary,
  storeDmarcReport,
  storeTlsReport,
  storeUnreadable,
} from "./received-report.ts";
import { ReportKeeper } from "./report-keeper.ts";
import { adviceOnDmarc, adviceOnTls } from "./report-advice.ts";

const row: AggregateRow = {
  sourceAddress: "203.0.113.9",
  count: 120,
  disposition: "none",
  dkimAligned: false,
  spfAligned: false,
  reasons: [],
  headerFrom: "example.org",
  dkim: [],
  spf: [],
};
const report = (...rows: readonly AggregateRow[]): AggregateReport => ({
  ...{ organization: "Far", email: "", reportId: "", begin: 0, end: 0, errors: [] },
  policy: { domain: "example.org", p: "none" },
  rows,
});

test("keys of newer reports come before those of older ones", () => {
  const ids = ["000000000000", "4QJ7ZC2M9KXD", "4QJ7ZC2M9KXE", "4QK000000000", "ZZZZZZZZZZZZ"];
  assert.deepEqual(ids.map(reportKey).toSorted(), ids.toReversed().map(reportKey));
});

test("who failed is told by source, the worst first, with what to do", () => {
  const [first, second] = adviceOnDmarc(
    report({ ...row, count: 3 }, row, {
      ...row,
      sourceAddress: "192.0.2.7",
      count: 500,
      spf: [{ domain: "lists.test", result: "pass" }],
    }),
  );
  assert.match(first ?? "", /^192\.0\.2\.7 sent 500 messages .* passed for lists\.test; if that service sends for you/);
  assert.equal(
    second,
    "203.0.113.9 sent 123 messages that failed both SPF and DKIM; is it yours? If it is, add it to your SPF record and sign its mail; if not, your policy is there for it. Your policy p=none let them through.",
  );
});

test("where all is well, that is said; SPF alone is worth a word", () => {
  const good = { ...row, dkimAligned: true, count: 1 };
  assert.deepEqual(adviceOnDmarc(report(good)), ["The message passed. Nothing needs to be done."]);
  assert.match(adviceOnDmarc(report({ ...row, spfAligned: true })).join(), /SPF alone; sign them/);
  assert.deepEqual(adviceOnDmarc(report()), ["The report counts no messages."]);
});

test("no more sentences than anybody reads", () => {
  const rows = Array.from({ length: 200 }, (_, index) => ({ ...row, sourceAddress: `192.0.2.${index}` }));
  const sentences = adviceOnDmarc(report(...rows));
  assert.equal(sentences.length, 11);
  assert.match(sentences[10] ?? "", /^190 more sources/);
});

test("failures of TLS are told with their host and what to do", () => {
  const policy = { policyDomain: "example.org", policyStrings: [], mxHosts: [], successfulSessions: 5 };
  const tls = (failures: TlsReport["policies"][number]["failures"], failedSessions = 3): TlsReport => ({
    ...{ organization: "", contact: "", reportId: "", begin: 0, end: 0 },
    policies: [{ ...policy, policyType: "sts", failures, failedSessions }],
  });
  assert.deepEqual(
    adviceOnTls(
      tls([
        { resultType: "something-new", sessions: 1 },
        { resultType: "certificate-expired", sessions: 2, receivingHost: "mx.example.org" },
      ]),
    ),
    [
      "2 sessions with mx.example.org failed: its certificate has expired; renew it.",
      '1 session with a host that is not named failed: the reporter calls it "something-new".',
    ],
  );
  assert.match(adviceOnTls(tls([])).join(), /3 sessions for example\.org failed; the report does not say why/);
  assert.deepEqual(adviceOnTls(tls([], 0)), ["All 5 sessions were encrypted as they should be."]);
});

test("what is kept of one report is bounded, however long its texts are", () => {
  const received = { id: "4QJ7ZC2M9KXD", at: 0, from: "", keepMs: 1 };
  const long = { domain: "a.test", result: "fail", humanResult: "x".repeat(1000) };
  const rows = Array.from({ length: 4000 }, (_, count) => ({ ...row, count, dkim: [long, long] }));
  const [first, second] = storeDmarcReport(received, report(...rows), []);
  assert.ok(first?.kind === "put" && second?.kind === "put");
  const size = JSON.stringify(second.value).length;
  assert.ok(size > 1_900_000 && size < 2_100_000, `${size}`);
  assert.match((first.value as { problems: string[] }).problems.join(), /rows with the fewest/);
  const failures = Array.from({ length: 5000 }, (_, sessions) => ({ resultType: "x".repeat(1000), sessions }));
  const policy = { policyDomain: "", policyStrings: [], mxHosts: [], successfulSessions: 0, failedSessions: 0 };
  const policies = [1, 2].map(() => ({ ...policy, policyType: "sts" as const, failures }));
  const [, details] = storeTlsReport(
    received,
    { organization: "", contact: "", reportId: "", begin: 0, end: 0, policies },
    [],
  );
  assert.ok(details?.kind === "put" && JSON.stringify(details.value).length < 2_100_000);
});

test("of all reports the oldest go when there are too many, or they are too large", async () => {
  const clock = new ManualClock();
  const spool = new MemorySpool({ clock });
  const log = new CollectingLog();
  const store = async (number: number, readable: boolean) => {
    const received = { id: `4QJ7ZC2M${String(number).padStart(4, "0")}`, at: clock.now(), from: "", keepMs: 1e9 };
    await spool.changeRecords(
      readable ? storeDmarcReport(received, report(row), []) : storeUnreadable(received, "spam"),
    );
  };
  const ids = async () =>
    (await spool.listRecords(reportsNamespace, { limit: 2000 })).map(({ value }) =>
      (value as ReportSummary).id.slice(8),
    );
  for (let number = 0; number < 1200; number++) await store(number, number % 2 === 0);
  const keeper = new ReportKeeper({ spool, clock, log }, { reportsMax: 700, octetsMax: 1e9 });
  keeper.received();
  await clock.advance(300_000);
  await keeper.close();
  const left = await ids();
  assert.deepEqual([left.length, left[0], left.at(-1)], [700, "1199", "0500"]);
  assert.equal((await spool.listRecords(reportDetailsNamespace, { limit: 2000 })).length, 350);
  assert.deepEqual(
    log.of("reports-removed").map(({ reports }) => reports),
    [500],
  );
  const octets = JSON.stringify(row).length;
  const strict = new ReportKeeper({ spool, clock, log }, { reportsMax: 700, octetsMax: octets * 3 });
  strict.received();
  strict.received();
  await clock.advance(300_000);
  await strict.close();
  assert.deepEqual(await ids(), ["1199", "1198", "1197", "1196", "1195", "1194", "1193"]);
  assert.equal(clock.pendingTimers, 0);
});
