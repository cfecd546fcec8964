/** Counting, and the reports of the day after, over a spool in memory and a clock that a test moves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import PostalMime from "postal-mime";
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import type { DmarcOutcome, DmarcRecord } from "../../dmarc/dmarc-outcome.ts";
import type { AggregateReport } from "../../dmarc/report/aggregate-report.ts";
import { parseAggregateReport } from "../../dmarc/report/parse-report.ts";
import { makeReportMessage } from "../../dmarc/report/report-message.ts";
import { HeaderCollector, parseHeaderFields } from "../../message/header-section.ts";
import { MemorySpool, MemoryStore } from "../../testing/spool/memory-spool.ts";
import { type RecordChange, SpoolError } from "../../spool/spool.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock, settle } from "../../testing/manual-clock.ts";
import { intakeOfOwnMail } from "../../testing/own-mail.ts";
import { SeededRandom } from "../../testing/seeded-random.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { DailyReports, type DailyReportsSettings } from "./daily-reports.ts";
import { EvaluationCounts } from "./evaluation-counts.ts";
import type { EvaluationNote } from "../../intake/evaluation-note.ts";
import { isReport } from "../../intake/verdict-notes.ts";
import { rowsNamespace } from "./report-rows.ts";

const hour = 3_600_000;
const noon = Date.UTC(2026, 0, 1, 12);

const record: DmarcRecord = {
  p: "reject",
  adkim: "relaxed",
  aspf: "relaxed",
  testing: false,
  psd: "u",
  rua: ["mailto:dmarc@sender.example"],
  ruf: [],
  fo: ["0"],
};
const failed: DmarcOutcome = {
  result: "fail",
  detail: "",
  authorDomain: "sender.example",
  policyDomain: "sender.example",
  organizationalDomain: "sender.example",
  record,
  policy: "reject",
  policyTag: "p",
  spfAligned: false,
  dkimAligned: false,
};
const signature = (domain: string, result: DkimOutcome["result"] = "pass"): DkimOutcome => ({
  result,
  reason: result === "pass" ? "good-signature" : "body-hash-mismatch",
  detail: "",
  domain,
  selector: "s1",
  algorithm: "rsa-sha256",
  signatureStart: "abc",
  testing: false,
});
const note: EvaluationNote = {
  sourceAddress: "203.0.113.9",
  dmarc: failed,
  spf: { result: "softfail", identity: "mailfrom", domain: "sender.example", reason: "", lookups: 0, voidLookups: 0 },
  dkim: [],
  envelopeFrom: "sender.example",
  disposition: "reject",
  reasons: [],
  recipients: ["ann@example.org"],
  isReport: false,
};

class Station {
  readonly clock = new ManualClock(noon);
  readonly store = new MemoryStore();
  readonly resolver = new StaticResolver();
  readonly log = new CollectingLog();
  readonly settings: DailyReportsSettings & { address?: string };
  spool!: MemorySpool;
  counts!: EvaluationCounts;
  daily!: DailyReports;
  #ids = 0;
  #starts = 0;
  /** Fails the change of records that it says true to. */
  broken: (changes: readonly RecordChange[]) => boolean = () => false;

  constructor(settings: Partial<DailyReportsSettings & { address: string }> = {}) {
    this.settings = {
      send: true,
      hostname: "mail.example.org",
      from: "reports@example.org",
      generator: "Posthaste 1",
      ...settings,
    };
    this.start();
  }

  start(): void {
    const { clock, log, resolver, settings } = this;
    const random = new SeededRandom(++this.#starts);
    this.spool = new MemorySpool({ clock, store: this.store });
    const change = this.spool.changeRecords.bind(this.spool);
    this.spool.changeRecords = (changes) =>
      this.broken(changes) ? Promise.reject(new Error("disk")) : change(changes);
    const { spool } = this;
    this.counts = new EvaluationCounts({ spool, clock, random, log, settings: () => settings });
    this.daily = new DailyReports({
      ...{ spool, resolver, clock, random, log },
      intake: intakeOfOwnMail({ spool, clock, hostname: "mail.example.org" }),
      nextId: () => `RPT${String(++this.#ids).padStart(9, "0")}`,
      settings: () => settings,
      make: async (input) => makeReportMessage(input),
      flush: () => this.counts.flush(),
    });
    this.daily.start();
  }

  async stop(): Promise<void> {
    await this.daily.close();
    await this.counts.close();
  }

  async pass(hours: number): Promise<void> {
    for (let step = 0; step < hours * 4; step++) {
      await this.clock.advance(hour / 4);
      for (let round = 0; round < 20; round++) await settle();
    }
  }

  /** Messages queued, oldest first. */
  async queued() {
    const found = await this.spool.find({}, { limit: 100 });
    const ids = [...new Set(found.map(({ message }) => message.id))].toSorted();
    return await Promise.all(
      ids.map(async (id) => {
        const stored = (await this.spool.message(id)) ?? assert.fail();
        await using content = (await this.spool.openContent(id)) ?? assert.fail();
        return { ...stored, content: Buffer.from(content.whole ?? []) };
      }),
    );
  }

  async reports(): Promise<readonly AggregateReport[]> {
    return await Promise.all((await this.queued()).map(async ({ content }) => await reportIn(content)));
  }

  async rows(): Promise<number> {
    return (await this.spool.listRecords(rowsNamespace, { limit: 10_000 })).length;
  }
}

async function reportIn(content: Buffer): Promise<AggregateReport> {
  const { attachments } = await PostalMime.parse(content);
  assert.equal(attachments.length, 1);
  assert.equal(attachments[0]?.mimeType, "application/gzip");
  const parsed = parseAggregateReport(gunzipSync(Buffer.from(attachments[0].content as ArrayBuffer)));
  assert.ok(parsed.kind === "report" && parsed.complete);
  return parsed.report;
}

/** A row as long as a stranger can make it, different for each number. */
function hostileNote(number: number, domain: string): EvaluationNote {
  const longName = (at: number) => `${`${"a".repeat(60)}.`.repeat(3)}${number}-${at}.example`;
  return {
    ...note,
    dmarc: { ...failed, policyDomain: domain, authorDomain: `${longName(0)}.${domain}` },
    dkim: Array.from({ length: 10 }, (_, at) => ({
      ...signature(longName(at), "permerror"),
      selector: longName(at),
      reason: "r".repeat(500),
    })),
    envelopeFrom: longName(1),
    reasons: [{ type: "local_policy", comment: "c".repeat(500) }],
  };
}

test("counted rows are bounded in octets: hostile ones are cut, a domain's end where the others' room begins", async () => {
  const station = new Station();
  const rowsOf = async (domain: string) =>
    (await station.spool.listRecords(rowsNamespace, { limit: 50_000, after: `2026-01-01/${domain}/` })).filter(
      ({ key }) => key.startsWith(`2026-01-01/${domain}/`),
    );
  // Five domains of strangers, each with as many rows as it may have.
  for (let number = 0; number < 1300; number++) {
    for (let domain = 0; domain < 5; domain++) station.counts.note(hostileNote(number, `evil${domain}.test`));
  }
  for (let number = 0; number < 200; number++) {
    station.counts.note({ ...note, sourceAddress: `198.51.100.${number}` });
  }
  await station.counts.flush();
  assert.equal((await rowsOf("sender.example")).length, 201, "an honest domain's rows, and its record");
  const evil = (await Promise.all([0, 1, 2, 3, 4].map((number) => rowsOf(`evil${number}.test`)))).flat();
  const octets = evil.map(({ value }) => JSON.stringify(value).length);
  assert.ok(Math.max(...octets) < 4000, `${Math.max(...octets)} octets in a row`);
  const sum = octets.reduce((total, size) => total + 2 * size, 0);
  assert.ok(sum < 40_000_000 && sum > 20_000_000, `${sum} octets`);
  assert.deepEqual(station.log.of("dmarc-counts-dropped"), [{ messages: 6500 - (evil.length - 5) }]);
  await station.stop();
});

test("DMARC-017: a day later one report for each policy domain holds what was counted, and only that day", async () => {
  const station = new Station();
  const other = { ...record, rua: ["mailto:d@other.example"] };
  const passed: EvaluationNote = {
    ...note,
    sourceAddress: "2001:db8::1",
    dmarc: { ...failed, result: "pass", authorDomain: "news.sender.example", dkimAligned: true },
    dkim: [signature("elsewhere.example", "fail"), signature("elsewhere.example"), signature("sender.example")],
    disposition: "none",
    envelopeFrom: "",
  };
  for (let count = 0; count < 120; count++) station.counts.note(note);
  station.counts.note(passed);
  station.counts.note({
    ...note,
    dmarc: { ...failed, policyDomain: "other.example", authorDomain: "other.example", record: other },
  });
  await station.pass(11);
  assert.equal((await station.queued()).length, 0, "the day is not over");
  await station.pass(2.25);
  station.counts.note(note);
  const [first, second] = await station.reports();
  assert.equal(second?.policy.domain, "sender.example");
  assert.deepEqual(first?.policy.domain, "other.example");
  assert.deepEqual(second, {
    organization: "example.org",
    email: "reports@example.org",
    reportId: "1767225600.sender.example@example.org",
    begin: Date.UTC(2026, 0, 1),
    end: Date.UTC(2026, 0, 1, 23, 59, 59),
    errors: [],
    generator: "Posthaste 1",
    policy: {
      domain: "sender.example",
      discoveryMethod: "treewalk",
      p: "reject",
      sp: "reject",
      np: "reject",
      fo: "0",
      adkim: "relaxed",
      aspf: "relaxed",
      testing: false,
    },
    rows: [
      {
        sourceAddress: "203.0.113.9",
        count: 120,
        disposition: "reject",
        dkimAligned: false,
        spfAligned: false,
        reasons: [],
        headerFrom: "sender.example",
        envelopeFrom: "sender.example",
        dkim: [],
        spf: [{ domain: "sender.example", scope: "mfrom", result: "softfail" }],
      },
      {
        sourceAddress: "2001:db8::1",
        count: 1,
        disposition: "none",
        dkimAligned: true,
        spfAligned: false,
        reasons: [],
        headerFrom: "news.sender.example",
        envelopeFrom: "",
        dkim: [
          { domain: "sender.example", selector: "s1", result: "pass" },
          { domain: "elsewhere.example", selector: "s1", result: "pass" },
          { domain: "elsewhere.example", selector: "s1", result: "fail", humanResult: "body-hash-mismatch" },
        ],
        spf: [{ domain: "sender.example", scope: "mfrom", result: "softfail" }],
      },
    ],
  });
  await station.pass(24);
  assert.equal((await station.queued()).length, 3);
  const third = (await station.reports()).find(({ begin }) => begin === Date.UTC(2026, 0, 2));
  assert.equal(third?.rows[0]?.count, 1);
  assert.equal(await station.rows(), 0, "what is reported is counted no more");
  await station.stop();
  assert.equal(station.clock.pendingTimers, 0);
});

test("DMARC-017: subject, file name, and an envelope from which no bounce comes", async () => {
  const station = new Station({ organization: "Example & Co", contact: "https://example.org/dmarc" });
  station.counts.note(note);
  await station.pass(14);
  const [queued] = await station.queued();
  const { message, recipients, content } = queued ?? assert.fail();
  const collected = new HeaderCollector().push(content);
  const header = parseHeaderFields(collected.kind === "complete" ? collected.header : assert.fail());
  assert.ok(
    content
      .toString("latin1")
      .split("\r\n")
      .every((line) => line.length <= 998 && !line.includes("\n")),
  );
  assert.equal(
    header.first("subject")?.value,
    "Report Domain: sender.example Submitter: example.org Report-ID: <1767225600.sender.example@example.org>",
  );
  assert.equal(header.first("auto-submitted")?.value, "auto-generated");
  assert.equal(header.first("from")?.value, "<reports@example.org>");
  assert.equal(message.reversePath, "reports@example.org");
  assert.equal(message.facts.autoSubmitted, true);
  assert.deepEqual(
    recipients.map(({ address, notify }) => [address, notify]),
    [["dmarc@sender.example", ["NEVER"]]],
  );
  const { attachments } = await PostalMime.parse(content);
  assert.equal(attachments[0]?.filename, "example.org!sender.example!1767225600!1767311999.xml.gz");
  const [report] = await station.reports();
  assert.deepEqual([report?.organization, report?.extraContact], ["Example & Co", "https://example.org/dmarc"]);
  await station.stop();
});

test("no report about a report, unless it is forged; none where nobody asks, and none when sending is off", async () => {
  const station = new Station({ address: "reports@example.org" });
  const isReportOf = (text: string) => isReport(parseHeaderFields(Buffer.from(text)));
  const passed = { ...failed, result: "pass" as const, dkimAligned: true };
  const reports = [
    "Subject: Report Domain: a.example\r\n Submitter: b.example Report-ID: <1@b>\r\n",
    'Content-Type: multipart/report; report-type="tlsrpt"; boundary=x\r\n',
    "Content-Type: multipart/report; report-type=feedback-report\r\n",
    "TLS-Report-Domain: a.example\r\n",
  ];
  for (const text of reports) station.counts.note({ ...note, dmarc: passed, isReport: isReportOf(text) });
  station.counts.note({ ...note, recipients: ["Reports@Example.org"] });
  station.counts.note({ ...note, dmarc: { ...failed, record: { ...record, rua: [] } } });
  station.counts.note({
    ...note,
    dmarc: { result: "none", detail: "", policy: "none", spfAligned: false, dkimAligned: false },
  });
  await station.counts.flush();
  assert.equal(await station.rows(), 0);
  station.counts.note({ ...note, isReport: isReportOf(reports[0] ?? "") });
  station.counts.note({ ...note, recipients: ["reports@example.org", "ann@example.org"] });
  await station.counts.flush();
  assert.equal(await station.rows(), 2, "one row and its domain");
  await station.stop();
  const silent = new Station({ send: false });
  silent.counts.note(note);
  await silent.counts.flush();
  assert.equal(await silent.rows(), 0);
  await silent.stop();
});

test("DMARC-019: a domain that asks for failure reports gets none", async () => {
  const station = new Station();
  const dmarc = { ...failed, record: { ...record, rua: [], ruf: ["mailto:ruf@sender.example"], fo: ["1"] } };
  for (let count = 0; count < 50; count++) station.counts.note({ ...note, dmarc });
  await station.pass(30);
  assert.deepEqual(await station.queued(), []);
  await station.stop();
});

test("DMARC-018: an address elsewhere gets reports only where its owner agrees", async () => {
  const station = new Station();
  const { resolver } = station;
  const send = async (domain: string, ...rua: string[]) => {
    const dmarc = { ...failed, authorDomain: domain, policyDomain: domain, record: { ...record, rua } };
    station.counts.note({ ...note, dmarc });
  };
  resolver.add("yes.example._report._dmarc.there.example", "TXT", "v=DMARC1");
  resolver.add("moved.example._report._dmarc.there.example", "TXT", "v=DMARC1; rua=mailto:new@there.example");
  resolver.add("stolen.example._report._dmarc.there.example", "TXT", "v=DMARC1; rua=mailto:victim@third.example");
  await send("yes.example", "mailto:a@there.example", "https://there.example/x", "mailto:own@yes.example");
  await send("no.example", "mailto:a@there.example");
  await send("moved.example", "mailto:a@there.example");
  await send("stolen.example", "mailto:a@there.example");
  await station.pass(14);
  const queued = await station.queued();
  assert.deepEqual(
    queued.map(({ recipients }) => recipients.map(({ address }) => address)),
    [["new@there.example"], ["a@there.example", "own@yes.example"]],
  );
  const notSent = station.log.events.filter(({ name }) => name === "dmarc-report-not-sent");
  assert.equal(notSent.length, 2);
  assert.equal(await station.rows(), 0);
  await station.stop();
});

test("a size limit keeps a report from who cannot take it", async () => {
  const station = new Station();
  const uris = ["mailto:small@sender.example", "mailto:large@sender.example"];
  const sized = { ...record, rua: uris, reportBytesMax: { "mailto:small@sender.example": 500 } };
  station.counts.note({ ...note, dmarc: { ...failed, record: sized } });
  const tiny = { ...record, reportBytesMax: { "mailto:dmarc@sender.example": 10 } };
  station.counts.note({
    ...note,
    dmarc: {
      ...failed,
      policyDomain: "tiny.example",
      record: { ...tiny, rua: ["mailto:dmarc@tiny.example"], reportBytesMax: { "mailto:dmarc@tiny.example": 10 } },
    },
  });
  await station.pass(14);
  const queued = await station.queued();
  assert.deepEqual(
    queued.map(({ recipients }) => recipients.map(({ address }) => address)),
    [["large@sender.example"]],
  );
  assert.match(queued[0]?.content.toString("latin1") ?? "", /^To: <large@sender\.example>\r$/m);
  await station.stop();
});

test("DNS that does not answer is asked again, for some days", async () => {
  const station = new Station();
  const name = "sender.example._report._dmarc.there.test";
  station.resolver.fail(name);
  const elsewhere = { ...record, rua: ["mailto:a@there.test"] };
  station.counts.note({ ...note, dmarc: { ...failed, record: elsewhere } });
  await station.pass(16);
  assert.equal((await station.queued()).length, 0);
  assert.ok((await station.rows()) > 0, "nothing is given up yet");
  station.resolver.heal(name).add(name, "TXT", "v=DMARC1;");
  await station.pass(1.5);
  assert.equal((await station.queued()).length, 1);
  station.resolver.fail(name);
  station.counts.note({ ...note, dmarc: { ...failed, record: elsewhere } });
  await station.pass(24 * 4);
  assert.equal((await station.queued()).length, 1);
  assert.equal(await station.rows(), 0, "given up");
  await station.stop();
});

test("a stop keeps what was counted, and runs of one day add up", async () => {
  const station = new Station();
  station.counts.note(note);
  station.counts.note(note);
  await station.stop();
  station.start();
  station.counts.note(note);
  await station.stop();
  await station.clock.advance(3 * 24 * hour);
  station.start();
  await station.pass(1);
  const [report] = await station.reports();
  assert.equal(report?.rows[0]?.count, 3);
  assert.equal(report.begin, Date.UTC(2026, 0, 1));
  await station.stop();
});

test("after the last flush nothing is counted, and no timer stays behind", async () => {
  const station = new Station();
  station.counts.note(note);
  await station.stop();
  const rows = await station.rows();
  assert.ok(rows > 0);
  const timers = station.clock.pendingTimers;
  station.counts.note({ ...note, sourceAddress: "192.0.2.77" });
  assert.equal(station.clock.pendingTimers, timers);
  await station.counts.flush();
  assert.equal(await station.rows(), rows);
});

test("a crash between the steps of sending makes neither two reports nor none", async () => {
  // Before the message: the mark is there, and the message is not.
  const before = new Station();
  before.counts.note(note);
  const begin = before.spool.begin.bind(before.spool);
  before.spool.begin = () => {
    throw new Error("crash");
  };
  await before.pass(12.9);
  assert.equal((await before.queued()).length, 0);
  before.spool.begin = begin;
  await before.stop();
  before.start();
  await before.pass(1);
  assert.equal((await before.queued()).length, 1);
  await before.stop();
  // After the message: the counts are still there.
  const after = new Station();
  after.counts.note(note);
  await after.counts.flush();
  after.broken = (changes) => changes.some(({ kind }) => kind === "delete");
  await after.pass(13);
  assert.equal((await after.queued()).length, 1);
  assert.ok((await after.rows()) > 0);
  await after.stop();
  after.broken = () => false;
  after.start();
  await after.pass(2);
  assert.equal((await after.queued()).length, 1);
  assert.equal(await after.rows(), 0);
  await after.stop();
});

test("found by simulation: a disk that is full while reports are made is told as that, and they follow when it is not", async () => {
  const station = new Station();
  station.counts.note(note);
  const begin = station.spool.begin.bind(station.spool);
  station.spool.begin = () => {
    throw new SpoolError("no-space", "ENOSPC");
  };
  await station.pass(13);
  assert.ok(station.log.of("spool-failed").some(({ where }) => where === "making aggregate reports"));
  assert.deepEqual(station.log.of("internal-error"), []);
  station.spool.begin = begin;
  await station.pass(2);
  assert.equal((await station.queued()).length, 1);
  await station.stop();
});

test("counts survive a spool that fails for a while", async () => {
  const station = new Station();
  station.broken = () => true;
  station.counts.note(note);
  await station.pass(1);
  assert.equal(await station.rows(), 0);
  station.broken = () => false;
  await station.pass(1);
  assert.equal(await station.rows(), 2);
  await station.stop();
});

test("rows and domains are bounded; what is left out is told", async () => {
  const station = new Station();
  for (let index = 0; index < 5100; index++) {
    station.counts.note({ ...note, sourceAddress: `10.0.${index >> 8}.${index & 255}` });
  }
  for (let index = 0; index < 1100; index++) {
    station.counts.note({ ...note, dmarc: { ...failed, policyDomain: `d${index}.example` } });
  }
  await station.counts.flush();
  const dropped = station.log.events.filter(({ name }) => name === "dmarc-counts-dropped");
  assert.deepEqual(
    dropped.map(({ fields }) => fields["messages"]),
    [100 + 101],
  );
  assert.equal(await station.rows(), 5000 + 999 + 1000);
  await station.stop();
});

test("a policy that was not applied has its reason", async () => {
  const station = new Station();
  const testing = { ...failed, record: { ...record, testing: true }, policy: "quarantine" as const };
  station.counts.note({ ...note, dmarc: testing, disposition: "quarantine", sourceAddress: "192.0.2.1" });
  station.counts.note({ ...note, disposition: "quarantine", sourceAddress: "192.0.2.2" });
  const reasons = [{ type: "trusted_forwarder" as const, comment: "ARC of list.example" }];
  station.counts.note({ ...note, disposition: "none", reasons, sourceAddress: "192.0.2.3" });
  const sub = {
    ...failed,
    record: { ...record, sp: "none" as const },
    policy: "none" as const,
    policyTag: "sp" as const,
  };
  station.counts.note({ ...note, dmarc: sub, disposition: "none", sourceAddress: "192.0.2.4" });
  await station.pass(14);
  const [report] = await station.reports();
  assert.deepEqual(
    report?.rows.map((row) => row.reasons),
    [[{ type: "policy_test_mode" }], [{ type: "local_policy" }], reasons, []],
  );
  await station.stop();
});
