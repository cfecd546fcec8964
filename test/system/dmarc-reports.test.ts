/** Aggregate reports on whole servers: what is sent the day after, and what comes in, is kept and shown. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { gzipSync } from "node:zlib";
import { test } from "node:test";
import PostalMime from "postal-mime";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { recordText } from "../../src/dkim/signing-key.ts";
import { DkimVerifier } from "../../src/dkim/verifier.ts";
import type { AggregateReport } from "../../src/dmarc/report/aggregate-report.ts";
import { parseAggregateReport } from "../../src/dmarc/report/parse-report.ts";
import { makeReportMessage } from "../../src/dmarc/report/report-message.ts";
import { unpack } from "../../src/lib/unpack.ts";
import { parseHeaderFields } from "../../src/message/header-section.ts";
import { lintMessage } from "../../src/testing/message-lint.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { addresses, day, hour, SimulatedWorld, stranger } from "./support.ts";

const withReports = { reports: { address: "reports@example.org", organization: "Example" } };
const fromSender = "From: Joe <joe@sender.test>\r\nSubject: Hi\r\n\r\nx";

async function reportIn(content: Buffer): Promise<AggregateReport> {
  const { attachments } = await PostalMime.parse(content);
  const opened = unpack(Buffer.from(attachments[0]?.content as ArrayBuffer), { bytesMax: 1_000_000 });
  assert.ok(opened.kind === "files");
  const parsed = parseAggregateReport(opened.files[0] ?? assert.fail());
  return parsed.kind === "report" ? parsed.report : assert.fail(parsed.reason);
}

/** Time in steps, since one round of reports waits for its own answers. */
async function pass(world: SimulatedWorld, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += hour / 2) await world.advance(hour / 2);
}

async function receive(world: SimulatedWorld, from: string, to: string, content: string): Promise<string> {
  const client = await world.client();
  const id = await client.send(from, to, content);
  await client.expect("QUIT", "221");
  await world.quiet();
  return id;
}

test("DMARC-017 HDR-007: a domain that asks gets the next day, signed, what was counted of its mail; ruf gets nothing", async () => {
  await using world = await SimulatedWorld.start({
    ...withReports,
    dkim: { require_published: false, key: [{ domain: "example.org", selector: "s1", key: testKey("rsa") }] },
  });
  const { resolver } = world;
  await using sender = await world.peer("sender.test");
  await using forger = await world.peer("ruf.test");
  resolver
    .add("_dmarc.sender.test", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@sender.test; ruf=mailto:ruf@ruf.test")
    .add("sender.test", "TXT", `v=spf1 ip4:${stranger} -all`)
    .add("s1._domainkey.example.org", "TXT", recordText(createPrivateKey(testKey("rsa"))));
  for (let count = 0; count < 3; count++) await receive(world, "joe@sender.test", "ann@example.org", fromSender);
  await receive(world, "x@elsewhere.test", "ann@example.org", fromSender);
  await receive(world, "joe@sender.test", "reports@example.org", fromSender);
  await pass(world, day + 2 * hour);
  assert.deepEqual(addresses(sender), ["dmarc@sender.test"]);
  assert.deepEqual(forger.messages, []);
  const { mail, content } = sender.messages[0] ?? assert.fail();
  assert.match(mail, /^MAIL FROM:<reports@example\.org>/);
  lintMessage(content);
  const report = await reportIn(content);
  assert.equal(report.organization, "Example");
  assert.deepEqual(report.policy.domain, "sender.test");
  assert.deepEqual([report.begin, report.end], [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2) - 1000]);
  assert.deepEqual(
    report.rows.map(({ sourceAddress, count, spfAligned, envelopeFrom, spf }) => ({
      ...{ sourceAddress, count, spfAligned, envelopeFrom },
      spf: spf[0]?.result,
    })),
    [
      { sourceAddress: stranger, count: 3, spfAligned: true, envelopeFrom: "sender.test", spf: "pass" },
      { sourceAddress: stranger, count: 1, spfAligned: false, envelopeFrom: "elsewhere.test", spf: "none" },
    ],
  );
  const bodies = new BodyHashes();
  const verifier = new DkimVerifier(parseHeaderFields(content), bodies, { resolver, now: world.clock.now() });
  bodies.push(content.subarray(content.indexOf("\r\n\r\n") + 2));
  bodies.end();
  const [signature] = await verifier.finish();
  assert.deepEqual([signature?.result, signature?.domain], ["pass", "example.org"]);
  await pass(world, day);
  assert.equal(sender.messages.length, 1, "nothing came the day after, so nothing is told");
});

test("a report leaves a domain of many letters in the form that every header can hold", async () => {
  await using world = await SimulatedWorld.start({ reports: { from: "dmarc@bücher.example" } });
  await using sender = await world.peer("sender.test");
  world.resolver.add("_dmarc.sender.test", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@sender.test");
  await receive(world, "joe@sender.test", "ann@example.org", fromSender);
  await pass(world, day + 2 * hour);
  const { mail, content } = sender.messages[0] ?? assert.fail();
  assert.match(mail, /^MAIL FROM:<dmarc@xn--bcher-kva\.example>/);
  assert.match(content.toString("latin1"), /filename="xn--bcher-kva\.example!sender\.test!\d+!\d+\.xml\.gz"/);
});

test("a stop does not lose the counts, and a report is sent once", async () => {
  await using world = await SimulatedWorld.start();
  await using sender = await world.peer("sender.test");
  world.resolver.add("_dmarc.sender.test", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@sender.test");
  await receive(world, "joe@sender.test", "ann@example.org", fromSender);
  await world.stop();
  await world.clock.advance(2 * day);
  await world.start();
  await pass(world, hour);
  await world.stop();
  await world.start();
  await pass(world, 2 * day);
  assert.equal(sender.messages.length, 1);
  const { mail, content } = sender.messages[0] ?? assert.fail();
  assert.match(mail, /^MAIL FROM:<postmaster@example\.org>/);
  assert.equal((await reportIn(content)).rows[0]?.count, 1);
});

const incoming: AggregateReport = {
  organization: "Far <&> Co",
  email: "dmarc@far.test",
  reportId: "1.example.org@far.test",
  begin: Date.UTC(2025, 11, 31),
  end: Date.UTC(2026, 0, 1) - 1000,
  errors: [],
  policy: { domain: "example.org", p: "none" },
  rows: [
    {
      ...{ sourceAddress: "203.0.113.9", count: 120, disposition: "none", dkimAligned: false, spfAligned: false },
      ...{ reasons: [], headerFrom: "example.org", dkim: [], spf: [] },
    },
    {
      ...{ sourceAddress: "192.0.2.25", count: 7, disposition: "none", dkimAligned: true, spfAligned: true },
      ...{ reasons: [], headerFrom: "example.org", dkim: [], spf: [] },
    },
  ],
};

test("a report to our address is kept and shown, with a sentence on who failed", async () => {
  await using world = await SimulatedWorld.start({ reports: { ...withReports.reports, keep: "1d" } });
  const { bytes } = makeReportMessage({
    ...{ report: incoming, submitter: "far.test", from: "dmarc@far.test", to: ["reports@example.org"] },
    at: world.clock.now(),
  });
  const id = await receive(world, "dmarc@far.test", "Reports@example.org", bytes.toString("latin1").trimEnd());
  assert.deepEqual(await world.states(id), ["Reports@example.org delivered"]);
  const listed = await world.command("reports list --data-dir /data");
  assert.match(listed.stdout, new RegExp(`${id} +2025-12-31 +dmarc +example\\.org +127 +120 +Far <&> Co`));
  const shown = await world.command(`reports show ${id} --data-dir /data`);
  assert.match(shown.stdout, /203\.0\.113\.9 +120 +fail +fail/);
  assert.match(shown.stdout, /203\.0\.113\.9 sent 120 messages that failed both SPF and DKIM; is it yours\?/);
  const { stdout } = await world.command(`reports show ${id.toLowerCase()} --json --data-dir /data`);
  const json = JSON.parse(stdout) as { rows: { source: string; count: number }[]; total: number };
  assert.deepEqual(
    json.rows.map(({ source, count }) => [source, count]),
    [
      ["203.0.113.9", 120],
      ["192.0.2.25", 7],
    ],
  );
  for (const [words, count] of [
    ["--domain example.org", 1],
    ["--domain other.test", 0],
    ["--kind tls", 0],
  ] as const) {
    const answer = await world.command(`reports list ${words} --json --data-dir /data`);
    assert.equal((JSON.parse(answer.stdout) as { reports: unknown[] }).reports.length, count, words);
  }
  await world.clock.advance(1.1 * day);
  const later = await world.command("reports list --data-dir /data");
  assert.match(later.stderr, /No report matches/);
});

test("a TLS report is kept beside it; what cannot be read is listed with the reason, and answered by nobody", async () => {
  await using world = await SimulatedWorld.start(withReports);
  await using far = await world.peer("far.test");
  const tls = gzipSync(
    JSON.stringify({
      "organization-name": "Far",
      "report-id": "7",
      "contact-info": "tls@far.test",
      "date-range": { "start-datetime": "2025-12-31T00:00:00Z", "end-datetime": "2025-12-31T23:59:59Z" },
      policies: [
        {
          policy: { "policy-type": "sts", "policy-domain": "example.org" },
          summary: { "total-successful-session-count": 10, "total-failure-session-count": 2 },
          "failure-details": [
            {
              "result-type": "certificate-expired",
              "receiving-mx-hostname": "mail.example.org",
              "failed-session-count": 2,
            },
          ],
        },
      ],
    }),
  );
  const message = (body: Buffer | string) =>
    `From: <tls@far.test>\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(body).toString("base64").replaceAll(/.{76}/g, "$&\r\n")}`;
  const good = await receive(world, "tls@far.test", "reports@example.org", message(tls));
  const bombs = [gzipSync(Buffer.alloc(20_000_000)), "<feedback><a>", "hello"];
  const bad: string[] = [];
  for (const bomb of bombs) bad.push(await receive(world, "tls@far.test", "reports@example.org", message(bomb)));
  const { stdout } = await world.command("reports list --json --data-dir /data");
  const { reports } = JSON.parse(stdout) as { reports: { id: string; kind: string; reason?: string }[] };
  assert.deepEqual(
    reports.map(({ id, kind }) => [id, kind]),
    [...bad.toReversed().map((id) => [id, "unreadable"]), [good, "tls"]],
  );
  assert.match(reports[2]?.reason ?? "", /more than/);
  const shown = await world.command(`reports show ${good} --data-dir /data`);
  assert.match(shown.stdout, /2 sessions with mail\.example\.org failed: its certificate has expired; renew it\./);
  const unreadable = await world.command(`reports show ${bad[1] ?? ""} --data-dir /data`);
  assert.match(unreadable.stdout, /no readable report/);
  await pass(world, day);
  assert.deepEqual(far.messages, [], "nothing is ever answered");
  assert.equal((await world.stats()).scheduled, 0);
});

test("the address for reports is no user's, and needs a domain of ours", async () => {
  await using world = await SimulatedWorld.start(withReports);
  const client = await world.client();
  await client.expect("MAIL FROM:<a@far.test>", "250");
  await client.expect("RCPT TO:<reports@example.org>", "250");
  await client.expect("RCPT TO:<report@example.org>", "550 5.1.1");
  await client.expect("QUIT", "221");
});
