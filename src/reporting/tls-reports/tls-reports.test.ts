/** Counting TLS sessions, and the reports of the day after, over a spool in memory and a clock that a test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { PostedReport, PostResult } from "../../ports/report-poster.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock, settle } from "../../testing/manual-clock.ts";
import { intakeOfOwnMail } from "../../testing/own-mail.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { MemorySpool, MemoryStore } from "../../testing/spool/memory-spool.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { parseTlsReport } from "../../tls-rpt/parse-report.ts";
import type { StsInForce, TlsFailureFacts } from "../../tls-rpt/session-note.ts";
import { readReports } from "../received/read-reports.ts";
import { DailyTlsReports, type DailyTlsReportsSettings } from "./daily-tls-reports.ts";
import { SessionCounts } from "./session-counts.ts";

const hour = 3_600_000;
const noon = Date.UTC(2026, 0, 1, 12);
const expired: TlsFailureFacts = { type: "certificate-expired", receivingHost: "mx.theirs.test", reason: "expired" };
const none = { type: "no-policy-found", strings: [], mxHosts: [] } as const;

function sts(mode: string, lists = true): StsInForce {
  return { mode, lines: ["version: STSv1", `mode: ${mode}`], mx: ["mx.theirs.test"], lists: () => lists };
}

class Station {
  readonly clock = new ManualClock(noon);
  readonly store = new MemoryStore();
  readonly resolver = new StaticResolver();
  readonly log = new CollectingLog();
  readonly posted: { readonly url: string; readonly report: PostedReport }[] = [];
  answer: PostResult = { kind: "response", status: 201 };
  readonly settings: { -readonly [K in keyof DailyTlsReportsSettings]: DailyTlsReportsSettings[K] } = {
    send: true,
    hostname: "mail.our.test",
    from: "reports@our.test",
    allowPrivate: false,
  };
  spool!: MemorySpool;
  counts!: SessionCounts;
  daily!: DailyTlsReports;
  #ids = 0;

  constructor() {
    this.start();
  }

  start(): void {
    const { clock, log, resolver } = this;
    const spool = new MemorySpool({ clock, store: this.store });
    this.spool = spool;
    const random = new SeededRandom(++this.#ids);
    this.counts = new SessionCounts({ spool, resolver, clock, random, log, enabled: () => this.settings.send });
    this.daily = new DailyTlsReports({
      ...{ spool, resolver, clock, log },
      poster: {
        post: (url, report) => {
          this.posted.push({ url: url.href, report });
          return Promise.resolve(this.answer);
        },
      },
      intake: intakeOfOwnMail({ spool, clock, hostname: "mail.our.test" }),
      nextId: () => `RPT${String(++this.#ids).padStart(9, "0")}`,
      settings: () => this.settings,
      flush: () => this.counts.flush(),
    });
    this.daily.start();
  }

  async stop(): Promise<void> {
    await this.daily.close();
    await this.counts.close();
  }

  asks(domain: string, rua: string): void {
    this.resolver.add(`_smtp._tls.${domain}`, "TXT", `v=TLSRPTv1; rua=${rua}`);
  }

  async pass(hours: number): Promise<void> {
    for (let step = 0; step < hours * 2; step++) {
      await this.clock.advance(hour / 2);
      for (let round = 0; round < 20; round++) await settle();
    }
  }

  queued() {
    return this.log.of("tls-report-queued");
  }

  /** The whole message of a report. */
  async content(id: string): Promise<Buffer> {
    await using content = await this.spool.openContent(id);
    assert.ok(content);
    const chunks: Uint8Array[] = [];
    for await (const chunk of content.chunks()) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}

test("a day's sessions become one report by mail, which our own reader of reports takes", async () => {
  const station = new Station();
  station.asks("theirs.test", "mailto:tls@reports.test");
  station.counts.stsPolicy("theirs.test", sts("enforce"));
  for (let session = 0; session < 3; session++)
    station.counts.session("theirs.test", "sts-or-none", { host: "mx.theirs.test" });
  station.counts.session("theirs.test", "sts-or-none", { host: "mx.theirs.test", failure: expired });
  const tlsa = { type: "tlsa", domain: "mx2.theirs.test", strings: ["3 1 1 00"], mxHosts: [] } as const;
  station.counts.session("theirs.test", tlsa, { host: "mx2.theirs.test" });
  await station.pass(18);
  const [queued, ...more] = station.queued();
  assert.deepEqual(more, []);
  assert.deepEqual([queued?.["domain"], queued?.["day"], queued?.["policies"]], ["theirs.test", "2026-01-01", 2]);
  const { message } = (await station.spool.message(String(queued?.["message"]))) ?? assert.fail();
  assert.equal(message.reversePath, "reports@our.test");
  assert.equal(message.facts.tlsOptional, true);
  const content = await station.content(String(queued?.["message"]));
  const read = readReports(content, { id: "4QJ7ZC2M9KXD", at: noon, from: "reports@our.test", keepMs: hour });
  assert.equal(read.reason, "");
  assert.deepEqual(read.reports, ["TLS report of our.test"]);
  const packed = /\r\n\r\n(H4s[\s\S]*?)--=_/.exec(content.toString("latin1"))?.[1] ?? "";
  const parsed = parseTlsReport(gunzipSync(Buffer.from(packed, "base64")));
  assert.ok(parsed.kind === "report");
  assert.deepEqual(
    parsed.report.policies.map(({ policyType, policyDomain, successfulSessions, failedSessions }) => [
      policyType,
      policyDomain,
      successfulSessions,
      failedSessions,
    ]),
    [
      ["sts", "theirs.test", 3, 1],
      ["tlsa", "mx2.theirs.test", 1, 0],
    ],
  );
  assert.equal(parsed.report.policies[0]?.failures[0]?.resultType, "certificate-expired");
  await station.pass(48);
  assert.equal(station.queued().length, 1);
  await station.stop();
});

test("a policy in testing mode is told as if it were enforced; without a policy, a certificate does not count", async () => {
  const station = new Station();
  station.asks("theirs.test", "https://reports.test/in");
  station.counts.session("theirs.test", "sts-or-none", { host: "a", failureIfTested: expired });
  station.counts.stsPolicy("theirs.test", sts("testing"));
  station.counts.session("theirs.test", "sts-or-none", { host: "a", failureIfTested: expired });
  station.counts.stsPolicy("theirs.test", sts("testing", false));
  station.counts.session("theirs.test", "sts-or-none", { host: "b" });
  station.counts.policyFailure("theirs.test", "sts", { type: "sts-policy-invalid", reason: "it has no mode" });
  await station.pass(18);
  assert.deepEqual(
    station.posted.map(({ url, report }) => [url, report.contentType]),
    [["https://reports.test/in", "application/tlsrpt+gzip"]],
  );
  const parsed = parseTlsReport(gunzipSync(station.posted[0]?.report.body ?? Buffer.alloc(0)));
  assert.ok(parsed.kind === "report");
  const [plain, testing] = parsed.report.policies;
  assert.deepEqual([plain?.policyType, plain?.successfulSessions, plain?.failedSessions], ["no-policy-found", 1, 0]);
  assert.deepEqual([testing?.policyType, testing?.successfulSessions, testing?.failedSessions], ["sts", 0, 3]);
  assert.deepEqual(
    testing?.failures.map(({ resultType }) => resultType),
    ["certificate-expired", "validation-failure", "sts-policy-invalid"],
  );
  assert.deepEqual(station.queued(), []);
  await station.stop();
});

test("counts outlive a stop and are added up; a domain that asks for nothing is asked once and not kept", async () => {
  const station = new Station();
  station.asks("theirs.test", "mailto:tls@theirs.test");
  for (const domain of ["theirs.test", "quiet.test"]) station.counts.session(domain, none, { host: "mx" });
  await station.stop();
  station.start();
  station.counts.session("theirs.test", none, { host: "mx", failure: { type: "starttls-not-supported" } });
  await station.pass(18);
  const content = await station.content(String(station.queued()[0]?.["message"]));
  const packed = /\r\n\r\n(H4s[\s\S]*?)--=_/.exec(content.toString("latin1"))?.[1] ?? "";
  const parsed = parseTlsReport(gunzipSync(Buffer.from(packed, "base64")));
  assert.ok(parsed.kind === "report");
  assert.deepEqual(
    parsed.report.policies.map(({ successfulSessions, failedSessions }) => [successfulSessions, failedSessions]),
    [[1, 1]],
  );
  assert.deepEqual(
    station.resolver.queries.filter((query) => query.includes("quiet")),
    ["TXT _smtp._tls.quiet.test"],
  );
  assert.deepEqual(await station.spool.listRecords("tls-report-counts", { limit: 10 }), []);
  await station.stop();
});

test("HTTPS that does not answer is tried again for three days, and mail is not sent twice meanwhile", async () => {
  const station = new Station();
  station.asks("theirs.test", "https://down.test/,mailto:tls@theirs.test");
  station.answer = { kind: "response", status: 503 };
  station.counts.session("theirs.test", none, { host: "mx" });
  await station.pass(30);
  assert.equal(station.queued().length, 1);
  const tries = station.posted.length;
  assert.ok(tries > 5, String(tries));
  station.answer = { kind: "response", status: 200 };
  await station.pass(3);
  assert.equal(station.log.of("tls-report-posted").length, 1);
  await station.pass(24);
  assert.equal(station.queued().length, 1);
  assert.equal(station.log.of("tls-report-posted").length, 1);
  station.answer = { kind: "failure", detail: "down.test cannot be reached: no answer" };
  station.resolver.add("_smtp._tls.web.test", "TXT", "v=TLSRPTv1; rua=https://down.test/");
  station.counts.session("web.test", none, { host: "mx" });
  await station.pass(100);
  const [given] = station.log.of("tls-report-not-sent");
  assert.deepEqual([given?.["domain"], given?.["reason"]], ["web.test", "down.test cannot be reached: no answer"]);
  await station.stop();
});

test("policies and failures of a domain are bounded, and what has no room is told", async () => {
  const station = new Station();
  station.asks("theirs.test", "https://reports.test/");
  for (let number = 0; number < 40; number++) {
    const failure = { type: "validation-failure", reason: `${number}` } as const;
    station.counts.session("theirs.test", none, { host: "mx", failure });
  }
  for (let number = 0; number < 40; number++) {
    const policy = { type: "tlsa", strings: [`3 1 1 ${number}`], mxHosts: [] } as const;
    station.counts.session("theirs.test", policy, { host: "mx" });
  }
  await station.pass(18);
  const parsed = parseTlsReport(gunzipSync(station.posted[0]?.report.body ?? Buffer.alloc(0)));
  assert.ok(parsed.kind === "report");
  const [first] = parsed.report.policies;
  assert.deepEqual([first?.failedSessions, first?.failures.length, parsed.report.policies.length], [40, 30, 10]);
  assert.deepEqual(
    station.log.of("tls-counts-dropped").map(({ sessions }) => sessions),
    [31],
  );
  await station.stop();
});

test("nothing is counted or sent where that is turned off", async () => {
  const station = new Station();
  station.asks("theirs.test", "mailto:tls@theirs.test");
  station.counts.session("theirs.test", none, { host: "mx" });
  await station.counts.flush();
  station.settings.send = false;
  station.counts.session("other.test", none, { host: "mx" });
  await station.pass(30);
  assert.deepEqual(station.queued(), []);
  assert.deepEqual(await station.spool.listRecords("tls-report-counts", { limit: 10 }), []);
  assert.ok(!station.resolver.queries.includes("TXT _smtp._tls.other.test"));
  await station.stop();
});
