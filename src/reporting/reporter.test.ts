import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { parseHeaderFields } from "../message/header-section.ts";
import type { NotifyCondition } from "../smtp/envelope.ts";
import type { Content, GeneratedMessage, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { fieldGroups, lintMessage } from "../testing/message-lint.ts";
import { intakeOfOwnMail } from "../testing/own-mail.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { MemorySpool } from "../testing/spool/memory-spool.ts";
import type { ReportableAttempt } from "./owed-reports.ts";
import { Reporter, type ReporterSettings } from "./reporter.ts";

const message: StoredMessage = {
  id: "4QJ7ZC2M9KXD",
  receivedAt: Date.UTC(2026, 0, 1),
  reversePath: "ann@example.org",
  origin: { listener: "submission", protocol: "ESMTPSA" },
  body: "7BIT",
  smtpUtf8: false,
  facts: {
    receivedCount: 0,
    ownReceived: false,
    autoSubmitted: false,
    deliveredTo: [],
    utf8Header: false,
    eightBit: false,
    binary: false,
    subject: "Lunch",
    messageId: "<lunch@example.org>",
  },
  size: 100,
  headerBlock: "Received: by mail.example.org id 4QJ7ZC2M9KXD; x\r\n",
};
const header = "From: ann@example.org\r\nSubject: Lunch\r\n";
const text = `${header}\r\nShall we?\r\n`;

const recipient = (index: number, changes: Partial<StoredRecipient> = {}): StoredRecipient => ({
  message: message.id,
  index,
  address: `user${index}@example.net`,
  domain: "example.net",
  state: "claimed",
  due: 0,
  attempts: 1,
  warned: false,
  ...changes,
});

const said = (reply: string) => ({ type: "smtp", text: reply, command: "RCPT", remoteHost: "mx.example.net" }) as const;
const bounced: DeliveryOutcome = {
  kind: "bounced",
  status: "5.1.1",
  owner: "recipient",
  reason: "refused",
  diagnostic: said("550 5.1.1 no such user"),
};
const deferred: DeliveryOutcome = {
  kind: "deferred",
  status: "4.2.2",
  owner: "recipient",
  reason: "later",
  diagnostic: said("452 4.2.2 full"),
};
const relayed = (dsnPassedOn: boolean): DeliveryOutcome => ({
  kind: "relayed",
  status: "2.0.0",
  dsnPassedOn,
  diagnostic: said("250 2.0.0 ok"),
});
const delivered: DeliveryOutcome = {
  kind: "delivered",
  status: "2.0.0",
  diagnostic: { type: "x-posthaste", text: "delivered to Maildir /srv/mail/ann" },
};

/** Content in slices of 7 octets; counts what was read and whether it was closed. */
class SlicedContent implements Content {
  readonly #bytes: Buffer;
  read = 0;
  closed = false;

  constructor(content: string | Buffer) {
    this.#bytes = Buffer.from(content);
  }
  get size(): number {
    return this.#bytes.length;
  }
  async *chunks(): AsyncGenerator<Uint8Array> {
    const step = Math.max(7, Math.trunc(this.#bytes.length / 50));
    for (let at = 0; at < this.#bytes.length; at += step) {
      this.read = Math.min(at + step, this.#bytes.length);
      yield new Uint8Array(this.#bytes.subarray(at, at + step));
    }
  }
  [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function setUp(settings: Partial<ReporterSettings> = {}) {
  const clock = new ManualClock(Date.UTC(2026, 0, 6));
  const log = new CollectingLog();
  let ids = 0;
  const intake = intakeOfOwnMail({ spool: new MemorySpool({ clock }), clock, hostname: "mail.example.org" });
  const reporter = new Reporter({
    settings: () => ({ hostname: "mail.example.org", ...settings }),
    clock,
    random: new SeededRandom(1),
    log,
    nextId: () => `REPORT${++ids}`,
    compose: (letter) => intake.compose(letter),
  });
  const reportsFor = async (
    attempts: readonly ReportableAttempt[],
    changes: Partial<StoredMessage> = {},
    content: string | Buffer = text,
  ) => {
    const opened: SlicedContent[] = [];
    const made = await reporter.reportsFor({
      message: { ...message, ...changes },
      attempts,
      openContent: () => {
        opened.push(new SlicedContent(content));
        return Promise.resolve(opened.at(-1) ?? assert.fail());
      },
    });
    assert.ok(
      opened.every(({ closed }) => closed),
      "content is closed",
    );
    return { ...made, opened };
  };
  return { reporter, intake, reportsFor, log };
}

function read({ content, message: { facts } }: GeneratedMessage) {
  const { header: top, parts } = lintMessage(Buffer.from(content), { utf8: facts.utf8Header });
  const [, status, returned] = parts;
  assert.ok(status !== undefined && returned !== undefined);
  const [perMessage, ...recipients] = fieldGroups(status.body);
  return { top, parts, perMessage, recipients, returned };
}

/** What each report says of whom. */
const told = (reports: readonly GeneratedMessage[]) =>
  reports.map((report) =>
    read(report).recipients.map((fields) => `${fields.get("action")} ${fields.get("final-recipient")?.slice(8)}`),
  );

test("DSN-012: a report has the null reverse-path, goes to the sender alone, and is never itself reported on", async () => {
  const { reports, events } = await setUp().reportsFor([{ recipient: recipient(0), outcome: bounced }]);
  const [report] = reports;
  assert.ok(report !== undefined && reports.length === 1);
  const { content: _content, message: made } = report;
  assert.equal(made.reversePath, "");
  assert.deepEqual(made.recipients, [{ address: "ann@example.org", domain: "example.org", notify: ["NEVER"] }]);
  assert.equal(made.ret, undefined);
  assert.equal(made.reportOn, message.id);
  assert.equal(made.facts.autoSubmitted, true);
  assert.equal(made.body, "7BIT");
  assert.equal(made.headerBlock, "Received: by mail.example.org id REPORT1; Tue, 6 Jan 2026 00:00:00 +0000\r\n");
  assert.equal(parseHeaderFields(Buffer.from(report.content)).first("auto-submitted")?.value, "auto-replied");
  assert.deepEqual(events, [
    {
      kind: "report-queued",
      at: made.receivedAt,
      message: message.id,
      report: "REPORT1",
      action: "failed",
      recipients: ["user0@example.net"],
    },
  ]);
});

const notifications: readonly {
  readonly row: string;
  readonly notify: readonly NotifyCondition[] | undefined;
  readonly failed: boolean;
  readonly delayed: boolean;
  readonly success: boolean;
}[] = [
  { row: "DSN-009", notify: undefined, failed: true, delayed: true, success: false },
  { row: "DSN-007", notify: ["NEVER"], failed: false, delayed: false, success: false },
  { row: "DSN-009", notify: ["SUCCESS"], failed: false, delayed: false, success: true },
  { row: "DSN-009", notify: ["FAILURE"], failed: true, delayed: false, success: false },
  { row: "DSN-010", notify: ["DELAY"], failed: false, delayed: true, success: false },
  { row: "DSN-008", notify: ["SUCCESS", "FAILURE", "DELAY"], failed: true, delayed: true, success: true },
];
for (const { row, notify, failed, delayed, success } of notifications) {
  test(`${row}: NOTIFY=${notify?.join() ?? "(absent)"}`, async () => {
    const { reportsFor } = setUp();
    const owed = async (attempt: Omit<ReportableAttempt, "recipient">) => {
      const asked = recipient(0, notify === undefined ? {} : { notify });
      const { reports, events } = await reportsFor([{ recipient: asked, ...attempt }]);
      assert.equal(events.filter(({ kind }) => kind === "report-queued").length, reports.length);
      return told(reports).flat();
    };
    const to = "user0@example.net";
    assert.deepEqual(await owed({ outcome: bounced }), failed ? [`failed ${to}`] : []);
    assert.deepEqual(await owed({ outcome: deferred, expired: true }), failed ? [`failed ${to}`] : []);
    assert.deepEqual(await owed({ outcome: deferred, delayWarningDue: true }), delayed ? [`delayed ${to}`] : []);
    assert.deepEqual(await owed({ outcome: deferred }), []);
    assert.deepEqual(await owed({ outcome: delivered }), success ? [`delivered ${to}`] : []);
    assert.deepEqual(await owed({ outcome: relayed(false) }), success ? [`relayed ${to}`] : []);
    assert.deepEqual(await owed({ outcome: relayed(true) }), []);
  });
}

test("DSN-010: a delay is told once, with the time until which attempts go on", async () => {
  const { reportsFor } = setUp();
  const willRetryUntil = Date.UTC(2026, 0, 7);
  const delay: ReportableAttempt = {
    recipient: recipient(0),
    outcome: deferred,
    delayWarningDue: true,
    willRetryUntil,
  };
  const first = await reportsFor([delay]);
  assert.deepEqual(first.warned, [0]);
  assert.equal(
    read(first.reports[0] ?? assert.fail()).recipients[0]?.get("will-retry-until"),
    "Wed, 7 Jan 2026 00:00:00 +0000",
  );
  const again = await reportsFor([{ ...delay, recipient: recipient(0, { warned: true }) }]);
  assert.deepEqual([again.reports, again.warned], [[], []]);
  // One that must not be told is not asked about each time either.
  const never = await reportsFor([{ ...delay, recipient: recipient(3, { notify: ["NEVER"] }) }]);
  assert.deepEqual([never.reports, never.warned], [[], [3]]);
});

test("DSN-011, DSN-019: the null reverse-path never gets a report, whatever happens and whatever was asked", async () => {
  const { reportsFor } = setUp();
  const all: readonly NotifyCondition[] = ["SUCCESS", "FAILURE", "DELAY"];
  for (const outcome of [bounced, deferred, delivered, relayed(false)]) {
    const { reports, events, opened } = await reportsFor(
      [{ recipient: recipient(0, { notify: all }), outcome, expired: true, delayWarningDue: true }],
      { reversePath: "" },
    );
    assert.deepEqual(reports, []);
    assert.equal(opened.length, 0);
    const failed = outcome.kind === "bounced" || outcome.kind === "deferred";
    assert.deepEqual(
      events.map(({ kind }) => kind),
      failed ? ["report-withheld"] : [],
    );
  }
});

test("SMTP-048: one report for all recipients with the same fate; those who got it are not in it", async () => {
  const { reports } = await setUp().reportsFor([
    { recipient: recipient(0), outcome: bounced },
    { recipient: recipient(1), outcome: relayed(false) },
    { recipient: recipient(2, { notify: ["SUCCESS"] }), outcome: relayed(false) },
    { recipient: recipient(3), outcome: deferred, expired: true },
    { recipient: recipient(4), outcome: deferred },
    { recipient: recipient(5, { notify: ["SUCCESS"] }), outcome: delivered },
    { recipient: recipient(6), outcome: deferred, delayWarningDue: true },
  ]);
  assert.deepEqual(told(reports), [
    ["failed user0@example.net", "failed user3@example.net"],
    ["delayed user6@example.net"],
    ["relayed user2@example.net"],
    ["delivered user5@example.net"],
  ]);
  const ids = reports.map(({ message: { id, facts } }) => `${id} ${facts.messageId}`);
  assert.equal(new Set(ids).size, 4);
});

test("DSN-014, ESC-007: parameters, status and words of an attempt reach the report", async () => {
  const outcome: DeliveryOutcome = { ...bounced, status: "5.99.123", diagnostic: said("550 5.99.123 odd") };
  const asked = recipient(0, { originalRecipient: "rfc822;info@example.net", acceptedAs: "info@example.net" });
  const { reports } = await setUp().reportsFor([{ recipient: asked, outcome }], { envelopeId: "id+2B1" });
  const { perMessage, recipients } = read(reports[0] ?? assert.fail());
  assert.equal(perMessage?.get("original-envelope-id"), "id+1");
  assert.equal(recipients[0]?.get("status"), "5.99.123");
  assert.equal(recipients[0]?.get("original-recipient"), "rfc822; info@example.net");
  assert.equal(recipients[0]?.get("diagnostic-code"), "smtp; 550 5.99.123 odd");
});

test("an expired recipient keeps the last status and is told how long was tried", async () => {
  const { reports } = await setUp().reportsFor([{ recipient: recipient(0), outcome: deferred, expired: true }]);
  const { recipients, parts } = read(reports[0] ?? assert.fail());
  assert.equal(recipients[0]?.get("status"), "4.2.2");
  assert.equal(recipients[0]?.get("action"), "failed");
  assert.match(parts[0]?.body.toString().replaceAll(/\s+/g, " ") ?? "", /kept trying for 5 days/);
});

const sizes = [
  { name: "RET absent", ret: undefined, whole: false },
  { name: "RET=HDRS", ret: "HDRS", whole: false },
  { name: "RET=FULL", ret: "FULL", whole: true },
] as const;
for (const { name, ret, whole } of sizes) {
  test(`DSN-016: ${name}`, async () => {
    const { reports } = await setUp().reportsFor(
      [{ recipient: recipient(0), outcome: bounced }],
      ret === undefined ? {} : { ret },
    );
    const { returned } = read(reports[0] ?? assert.fail());
    assert.equal(returned.type, whole ? "message/rfc822" : "text/rfc822-headers");
    assert.equal(returned.body.toString(), message.headerBlock + (whole ? text : header));
  });
}

test("OPT-011: a report on a message with REQUIRETLS says it too, and has the header alone even with RET=FULL", async () => {
  const failure: ReportableAttempt = { recipient: recipient(0), outcome: bounced };
  const { reports } = await setUp().reportsFor([failure], { ret: "FULL", requireTls: true });
  const report = reports[0] ?? assert.fail();
  assert.equal(read(report).returned.type, "text/rfc822-headers");
  assert.equal(report.message.requireTls, true);
  const { reporter } = setUp();
  const tagged: StoredMessage = { ...message, ret: "FULL", requireTls: true };
  const openContent = () => Promise.resolve(new SlicedContent(text));
  const { owed } = await reporter.owe({ message: tagged, attempts: [failure], openContent });
  const [first] = owed;
  assert.ok(first !== undefined && first.original.body === undefined);
  const gathered = await reporter.gathered(first, first.recipients);
  assert.equal(gathered.letter?.requireTls, true, "told later, it is the same");
  const plain = await setUp().reportsFor([failure], { ret: "FULL" });
  assert.equal(plain.reports[0]?.message.requireTls, undefined);
});

test("DSN-016: only failures return the whole message, only up to the cap, and no more is read than is returned", async () => {
  const failure: ReportableAttempt = { recipient: recipient(0), outcome: bounced };
  const delay: ReportableAttempt = { recipient: recipient(0), outcome: deferred, delayWarningDue: true };
  const type = ({ reports }: { readonly reports: readonly GeneratedMessage[] }) =>
    read(reports[0] ?? assert.fail()).returned.type;
  const { reportsFor } = setUp({ returnedBytesMax: 5000 });
  const large = `${text}${"Long body.\r\n".repeat(1000)}`;
  assert.equal(type(await reportsFor([delay], { ret: "FULL" })), "text/rfc822-headers");
  const capped = await reportsFor([failure], { ret: "FULL" }, large);
  assert.equal(type(capped), "text/rfc822-headers");
  assert.ok((capped.opened[0]?.read ?? 0) < large.length / 10);
  const binary = await reportsFor([failure], { ret: "FULL", facts: { ...message.facts, binary: true } }, `${text}\0\n`);
  assert.equal(type(binary), "text/rfc822-headers");
});

test("DSN-016: 8-bit content that is returned whole makes the report 8BITMIME", async () => {
  const { reports } = await setUp().reportsFor(
    [{ recipient: recipient(0), outcome: bounced }],
    { ret: "FULL", facts: { ...message.facts, eightBit: true } },
    `${text}grün\r\n`,
  );
  const [report] = reports;
  assert.deepEqual(
    [report?.message.body, report?.message.facts.eightBit, report?.message.smtpUtf8],
    ["8BITMIME", true, false],
  );
});

test("DSN-023, EAI-005: the report needs SMTPUTF8 only where the address it goes to does", async () => {
  const { reportsFor } = setUp();
  const failure: ReportableAttempt = { recipient: recipient(0, { address: "你好@example.net" }), outcome: bounced };
  const utf8Facts = { ...message.facts, utf8Header: true, eightBit: true };
  const ascii = (await reportsFor([failure], { facts: utf8Facts, smtpUtf8: true }, "Subject: grün\r\n\r\n")).reports[0];
  assert.deepEqual(
    [ascii?.message.smtpUtf8, ascii?.message.facts.utf8Header, ascii?.message.body],
    [false, false, "7BIT"],
  );
  const utf8 = (await reportsFor([failure], { reversePath: "grün@bücher.example" })).reports[0];
  assert.deepEqual(
    [utf8?.message.smtpUtf8, utf8?.message.facts.utf8Header, utf8?.message.body],
    [true, true, "8BITMIME"],
  );
  assert.equal(utf8?.message.recipients[0]?.domain, "xn--bcher-kva.example");
  assert.equal(read(utf8 ?? assert.fail()).top.first("to")?.value, "<grün@bücher.example>");
});

test("a header section beyond all measure is cut at a field, an unreadable content left out", async () => {
  const { reporter, reportsFor, log } = setUp();
  const many = `${header}${`X-Filler: ${"x".repeat(60)}\r\n`.repeat(5000)}`;
  const { reports } = await reportsFor([{ recipient: recipient(0), outcome: bounced }], {}, `${many}\r\nbody`);
  const { returned } = read(reports[0] ?? assert.fail());
  assert.ok(returned.body.length <= 70_000 && returned.body.toString().endsWith("x\r\n"));
  const broken = await reporter.reportsFor({
    message,
    attempts: [{ recipient: recipient(0), outcome: bounced }],
    openContent: () => Promise.reject(new Error("gone")),
  });
  assert.equal(read(broken.reports[0] ?? assert.fail()).returned.body.toString(), message.headerBlock);
  assert.equal(log.events.filter(({ name }) => name === "internal-error").length, 1);
});

test("what fails within this server, and where its sockets and mailboxes lie, is not told to the world", async () => {
  const secret = "/srv/mail";
  const trouble: DeliveryOutcome = {
    kind: "bounced",
    status: "5.3.0",
    owner: "local-trouble",
    reason: `EACCES ${secret}/ann`,
    diagnostic: { type: "x-posthaste", text: `EACCES ${secret}/ann` },
  };
  const socket: DeliveryOutcome = {
    ...bounced,
    diagnostic: { ...said("550 no"), remoteHost: `unix:${secret}/lmtp`, remoteAddress: `unix:${secret}/lmtp` },
  };
  const { reports } = await setUp().reportsFor([
    { recipient: recipient(0), outcome: trouble },
    { recipient: recipient(1), outcome: socket },
    { recipient: recipient(2, { notify: ["SUCCESS"] }), outcome: delivered },
  ]);
  assert.equal(reports.length, 2);
  for (const { content } of reports) assert.equal(Buffer.from(content).includes(secret), false);
});

test("DSN-018: an alias with several targets: one expanded report, where success was asked for", async () => {
  const { reporter, intake } = setUp();
  const { size: _size, ...fresh } = message;
  const expand = async (notify?: readonly NotifyCondition[], reversePath = message.reversePath) =>
    await reporter.expandedReport({
      message: { ...fresh, reversePath },
      header: parseHeaderFields(Buffer.from(header)),
      recipients: [
        { address: "team@example.org", originalRecipient: "rfc822;team@example.org", ...(notify && { notify }) },
      ],
    });
  const made = await expand(["SUCCESS", "FAILURE"]);
  assert.ok(made !== undefined);
  const { recipients, returned } = read(await intake.compose(made.letter));
  assert.equal(recipients[0]?.get("action"), "expanded");
  assert.equal(recipients[0]?.get("original-recipient"), "rfc822; team@example.org");
  assert.equal(recipients[0]?.has("remote-mta"), false);
  assert.equal(returned.body.toString(), message.headerBlock + header);
  assert.equal(made.event.kind === "report-queued" && made.event.action, "expanded");
  assert.equal(await expand(), undefined);
  assert.equal(await expand(["FAILURE"]), undefined);
  assert.equal(await expand(["SUCCESS"], ""), undefined);
});
