import assert from "node:assert/strict";
import { test } from "node:test";
import type { AggregateReport, AggregateRow } from "../../dmarc/report/aggregate-report.ts";
import type { TlsReport } from "../../tls-rpt/tls-report.ts";
import { MemorySpool } from "../../testing/spool/memory-spool.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock } from "../../testing/manual-clock.ts";
import {
  commonOf,
  doubtfulReportsNamespace,
  keepDmarcReport,
  keepTlsReport,
  parseReportId,
  reportDetailsNamespace,
  reportKey,
  reportsNamespace,
  type ReportSummary,
  storeReport,
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
  const ofOneMessage = ["4QJ7ZC2M9KXD", "4QJ7ZC2M9KXD.2", "4QJ7ZC2M9KXD.9", "4QJ7ZC2M9KXD.10", "4QJ7ZC2M9KXC"];
  assert.deepEqual(ofOneMessage.map(reportKey).toSorted(), ofOneMessage.map(reportKey));
  for (const id of ofOneMessage) assert.equal(parseReportId(id.toLowerCase()), id);
  for (const id of ["", "4QJ7ZC2M9KXD.", "4QJ7ZC2M9KXD.1", "4QJ7ZC2M9KXD.02", "4QJ7ZC2M9KXD.2.2", "4QJ7ZC2M9KXU"]) {
    assert.equal(parseReportId(id), undefined, id);
  }
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
  const common = commonOf({ id: "4QJ7ZC2M9KXD", at: 0, from: "", keepMs: 1 }, 1);
  const octetsMax = 2_000_000;
  const long = { domain: "a.test", result: "fail", humanResult: "x".repeat(1000) };
  const rows = Array.from({ length: 4000 }, (_, count) => ({ ...row, count, dkim: [long, long] }));
  const kept = keepDmarcReport(common, {
    report: { ...report(...rows), organization: "y".repeat(1000) },
    problems: Array.from({ length: 30 }, () => "z".repeat(300)),
    octetsMax,
  });
  const size = kept.details.length;
  assert.ok(size > 1_900_000 && size < 2_010_000, `${size}`);
  assert.ok(JSON.stringify(kept.summary).length < 4000, "a list has up to a thousand of them");
  assert.match(
    keepDmarcReport(common, { report: report(...rows), problems: [], octetsMax }).summary.problems.join(),
    /rows with the fewest/,
  );
  const failures = Array.from({ length: 5000 }, (_, sessions) => ({ resultType: "x".repeat(1000), sessions }));
  const texts = Array.from({ length: 50 }, () => "x".repeat(1000));
  const policy = { policyDomain: "", policyStrings: texts, mxHosts: texts, successfulSessions: 0, failedSessions: 0 };
  const policies = Array.from({ length: 100 }, () => ({ ...policy, policyType: "sts" as const, failures }));
  const tls = { organization: "", contact: "", reportId: "", begin: 0, end: 0, policies };
  const { details } = keepTlsReport(common, { report: tls, problems: [], octetsMax });
  assert.ok(details.length > 1_900_000 && details.length < 2_050_000, `${details.length}`);
});

test("of all reports the oldest go when there are too many, or they are too large; rubbish pushes out rubbish only", async () => {
  const clock = new ManualClock();
  const spool = new MemorySpool({ clock });
  const log = new CollectingLog();
  const store = async (number: number, kind: "report" | "unreadable" | "junk") => {
    const received = { id: `4QJ7ZC2M${String(number).padStart(4, "0")}`, at: clock.now(), from: "", keepMs: 1e9 };
    const kept = keepDmarcReport(commonOf(received, 1), { report: report(row), problems: [], octetsMax: 10_000 });
    await spool.changeRecords(
      kind === "unreadable"
        ? storeUnreadable(received, "spam")
        : storeReport({ ...received, junk: kind === "junk" }, kept),
    );
    return kept.summary.octets;
  };
  const ids = async (namespace = reportsNamespace) =>
    (await spool.listRecords(namespace, { limit: 2000 })).map(({ value }) => (value as ReportSummary).id.slice(8));
  for (let number = 0; number < 700; number++) await store(number, "report");
  for (let number = 700; number < 2200; number++) await store(number, number % 2 === 0 ? "junk" : "unreadable");
  const limits = { reportsMax: 600, octetsMax: 1e9, doubtfulMax: 50, doubtfulOctetsMax: 1e9 };
  const round = async (more: Partial<typeof limits>) => {
    const keeper = new ReportKeeper({ spool, clock, log }, { ...limits, ...more });
    keeper.received();
    keeper.received();
    await clock.advance(300_000);
    await keeper.close();
  };
  await round({});
  const left = await ids();
  assert.deepEqual(
    [left.length, left[0], left.at(-1)],
    [600, "0699", "0100"],
    "1,500 pieces of rubbish cost no report",
  );
  const doubtful = await ids(doubtfulReportsNamespace);
  assert.deepEqual([doubtful.length, doubtful[0], doubtful.at(-1)], [50, "2199", "2150"]);
  assert.equal((await spool.listRecords(reportDetailsNamespace, { limit: 2000 })).length, 625);
  assert.deepEqual(
    log.of("reports-removed").map(({ reports, doubtful: junk }) => [reports, junk]),
    [[100, 1450]],
  );
  const octets = await store(699, "report");
  await round({ octetsMax: octets * 3, doubtfulOctetsMax: octets * 2 });
  assert.deepEqual(await ids(), ["0699", "0698", "0697"]);
  assert.deepEqual(await ids(doubtfulReportsNamespace), ["2199", "2198", "2197", "2196", "2195"]);
  assert.equal(clock.pendingTimers, 0);
});
