/**
 * What a fixture of the stored format holds: every state of a recipient, content in a row and in a file, reports, all
 * optional parts of messages and recipients, and records of every namespace, written by the parts that own them.
 */
import assert from "node:assert/strict";
import { UserStore } from "../../src/accounts/user-store.ts";
import { readPrivateKey, recordText } from "../../src/dkim/signing-key.ts";
import { parseDmarcRecord } from "../../src/dmarc/dmarc-record.ts";
import type { AggregateReport, AggregateRow } from "../../src/dmarc/report/aggregate-report.ts";
import { RewritingKeys } from "../../src/forwarding/rewriting-keys.ts";
import { sentNamespace } from "../../src/reporting/dmarc-aggregate/daily-reports.ts";
import { noticesNamespace } from "../../src/reporting/held-mail-keeper.ts";
import { owedRecord } from "../../src/reporting/owed-record.ts";
import { putDomain, putRow } from "../../src/reporting/dmarc-aggregate/report-rows.ts";
import {
  commonOf,
  keepDmarcReport,
  storeReport,
  storeUnreadable,
} from "../../src/reporting/received/received-report.ts";
import { putCounts } from "../../src/reporting/tls-reports/stored-counts.ts";
import { sentTlsNamespace } from "../../src/reporting/tls-reports/daily-tls-reports.ts";
import { GrantStore } from "../../src/oauth/grant-store.ts";
import { BanStore } from "../../src/policy/ban-store.ts";
import { GreylistStore } from "../../src/policy/greylisting/greylist-store.ts";
import { spoolPolicyStore } from "../../src/route/spool-policy-store.ts";
import { KeyStore } from "../../src/signing/key-store.ts";
import { keptNamespace } from "../../src/forwarding/sender-rewriting.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { CollectingLog } from "../../src/testing/collecting-log.ts";
import type { ManualClock } from "../../src/testing/manual-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { deferred, delivered, draft, put, recipient, settle, terms } from "../contract/spool-fixture.ts";

const minute = 60_000;
const dayMs = 86_400_000;
const keepMs = 90 * dayMs;

/** Domains of recipients that are not final, and where their mail may go. */
export const openDomains = [
  "claimed.test",
  "later.test",
  "held.test",
  "large.test",
  "elsewhere.test",
  "origin.test",
  "captured.test",
];

/** Ends with a claim that is not settled: the caller copies the files as a crash would leave them. */
export async function tellStory(spool: Spool, clock: ManualClock): Promise<void> {
  await everyState(spool, clock);
  await everyOption(spool);
  await records(spool, clock);
  await capturedMail(spool);
  await put(spool, draft(["cara@claimed.test"]), { claim: terms, content: "Subject: claimed\r\n\r\nIn delivery.\r\n" });
}

async function everyState(spool: Spool, clock: ManualClock): Promise<void> {
  const names = ["delivered", "relayed", "failed", "expired", "removed", "held", "later"];
  const message = draft(names.map((name) => recipient(`${name}@${name}.test`)));
  const content = "Subject: every state\r\n\r\nSeven recipients.\r\n";
  const claimed = await put(spool, message, { claim: terms, content });
  assert.ok(claimed);
  const at = clock.now();
  const report = draft(["sender@origin.test"], {
    reversePath: "",
    origin: { listener: "local", protocol: "local" },
    reportOn: message.id,
  });
  await settle(
    spool,
    claimed,
    [
      delivered(0),
      { index: 1, to: "relayed", reply: "250 2.0.0 queued as 12345" },
      { index: 2, to: "failed", reply: "550 5.1.1 no such user" },
      { index: 3, to: "expired", reply: "451 4.3.0 still not" },
      deferred(4, at + 10 * minute),
      { index: 5, to: "held", by: "ann", reason: "a look first" },
      deferred(6, at + 10 * minute, { warned: true }),
    ],
    {
      reports: [
        { message: report, content: Buffer.from("Subject: Undelivered\r\n\r\nIt could not be delivered.\r\n") },
      ],
      events: [
        {
          kind: "recipient-failed",
          at,
          message: message.id,
          recipient: 2,
          address: "failed@failed.test",
          attempt: {
            number: 1,
            durationMs: 12,
            route: "mx failed.test (10 mx.failed.test)",
            outcome: {
              kind: "bounced",
              status: "5.1.1",
              owner: "recipient",
              reason: "the server refused the recipient",
              diagnostic: { type: "smtp", text: "550 5.1.1 no such user" },
            },
          },
        },
      ],
    },
  );
  await spool.remove({ message: message.id, to: "removed@removed.test" }, "ann");

  const done = await put(spool, draft(["delivered@delivered.test"]), { claim: terms });
  assert.ok(done);
  await settle(spool, done, [delivered(0)]);

  // Above 256 KiB, so that it is a file.
  const large = Buffer.concat([
    Buffer.from("Subject: large\r\n\r\n"),
    Buffer.from(`${"x".repeat(76)}\r\n`.repeat(4000)),
  ]);
  await put(spool, draft([recipient("lara@large.test", { due: at + 20 * minute })]), { content: large });
}

async function everyOption(spool: Spool): Promise<void> {
  const message = draft(
    [
      recipient("far@elsewhere.test", {
        acceptedAs: "info@example.org",
        notify: ["SUCCESS", "FAILURE", "DELAY"],
        originalRecipient: "rfc822;info@example.org",
        forwarded: true,
        held: { by: "policy", reason: "for the fixture" },
      }),
      recipient("jörg@elsewhere.test", { held: { by: "policy", reason: "for the fixture" } }),
    ],
    {
      reversePath: "jürgen@origin.test",
      origin: {
        listener: "submissions",
        protocol: "UTF8SMTPSA",
        clientAddress: "2001:db8::1",
        hello: "[IPv6:2001:db8::1]",
        login: "ann@example.org",
        tls: { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
      },
      body: "8BITMIME",
      smtpUtf8: true,
      ret: "HDRS",
      envelopeId: "QQ314159",
      tags: ["newsletter"],
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      junk: true,
      forwarded: { reversePath: "SRS0=1234=AA=origin.test=a@example.org", headerBlock: "X-Seal: yes\r\n" },
    },
  );
  await put(spool, message, { content: "Subject: options\r\n\r\nGrüße\r\n" });
}

/** One that was delivered, as most are, in a row and in a file, and one that is still in the queue. */
async function capturedMail(spool: Spool): Promise<void> {
  const captured = { captured: true } as const;
  for (const content of ["Subject: captured\r\n\r\nKept.\r\n", `Subject: large\r\n\r\n${"x".repeat(300_000)}\r\n`]) {
    const message = draft([recipient("ann@captured.test", captured), recipient("bob@captured.test", captured)], {
      authors: ["sender@origin.test"],
    });
    const claimed = await put(spool, message, { claim: terms, content });
    assert.ok(claimed);
    await settle(spool, claimed, [delivered(0), delivered(1)]);
  }
  const held = { by: "policy", reason: "for the fixture" };
  await put(spool, draft([recipient("queued@captured.test", { ...captured, held })]), {
    content: "Subject: q\r\n\r\nQ.\r\n",
  });
}

async function records(spool: Spool, clock: ManualClock): Promise<void> {
  const now = clock.now();
  const day = "2025-12-31";
  const received = { id: "2C3RD8G0CCCC", at: now, from: "r@reporter.test", keepMs };
  const user = { address: "made@example.org", passwords: [phc], createdAt: now };
  const users = new UserStore(spool);
  await users.put("made@example.org", user);
  await users.decoyKey(new SeededRandom(7));
  await users.keys.add({ sha256: keyDigest, user: "made@example.org", label: "laptop", createdAt: now });
  await users.keys.uses.note(keyDigest, now);
  await users.appPasswords.add({
    ...{ id: appPasswordDigest, user: "made@example.org", label: "phone", createdAt: now },
    ...{ scopes: ["send", "reports"], scram: [scramVerifier] },
  });
  await users.appPasswords.uses.note(appPasswordDigest, now);
  await users.grants.add({ user: "made@example.org", address: "*@example.org", createdAt: now });
  const bans = new BanStore(spool);
  const ban = { network: "192.0.2.66", client: "192.0.2.66", since: now, until: now + dayMs, times: 1 };
  await bans.putBan({ ...ban, service: "submission", offence: "failed-login" });
  await bans.putSignedIn("192.0.2.1", now);
  await new GreylistStore(spool).put("192.0.2.9 greylisted.test", now);
  await new GrantStore(spool).put({ client: "provider", username: "relay@example.org", refreshToken: "r", since: now });
  const policy = { mode: "enforce", mx: ["mx.policy.test"], maxAgeSeconds: 86_400 } as const;
  await spoolPolicyStore(spool).put(
    "policy.test",
    { current: { policy, id: "20260101", fetchedAt: now } },
    now + dayMs,
  );
  const privateKey = testKey("ed25519");
  const read = readPrivateKey(privateKey);
  assert.equal(read.kind, "key");
  const { algorithm, key } = read;
  await new KeyStore(spool).change({
    put: [
      {
        domain: "example.org",
        selector: "fixture",
        algorithm,
        createdAt: now,
        privateKey,
        record: recordText(key),
        state: { kind: "active", since: now, seenAt: now },
      },
    ],
  });
  const keys = await RewritingKeys.open({ spool, clock, random: new SeededRandom(5), log: new CollectingLog() }, []);
  await keys.close();
  const parsed = parseDmarcRecord("v=DMARC1; p=reject; rua=mailto:d@counted.test");
  assert.equal(parsed.kind, "record");
  const { record } = parsed;
  await spool.changeRecords([
    { kind: "put", namespace: keptNamespace, key: "token", value: "long@origin.test", expiresAt: now + dayMs },
    {
      kind: "put",
      namespace: sentNamespace,
      key: `${day}/sent.test`,
      value: { id: "2C3RD8G0BBBB" },
      expiresAt: now + dayMs,
    },
    putCounts(day, "tls.counted.test", "run", []),
    {
      kind: "put",
      namespace: sentTlsNamespace,
      key: `${day}/tls.sent.test`,
      value: { id: "2C3RD8G0DDDD", posted: [] },
      expiresAt: now + dayMs,
    },
    putDomain(day, "counted.test", "run", { record, seenAt: now }),
    putRow(day, "counted.test", "run", 0, row),
    { kind: "put", namespace: noticesNamespace, key: "last", value: now },
    owedRecord({
      about: { id: "2C3RD8G0EEEE", reversePath: "sender@origin.test" },
      action: "failed",
      tellBy: now + 60_000,
      original: {
        id: "2C3RD8G0EEEE",
        receivedAt: now,
        subject: "gathered",
        header: Buffer.from("Subject: gathered\r\n"),
        utf8Header: false,
        eightBit: false,
        binary: false,
      },
      recipients: [{ index: 0, told: { address: "gone@gathered.test", status: "5.1.1", lastAttemptAt: now } }],
    }),
    ...storeReport(
      received,
      keepDmarcReport(commonOf(received, 1), { report: receivedReport(now), problems: [], octetsMax: 10_000 }),
    ),
    ...storeUnreadable({ id: "2C3RD8G0DDDD", at: now, from: "r@other.test", keepMs }, "no XML in it"),
  ]);
}

const phc = "$argon2id$v=19$m=19456,t=2,p=1$c2VjcmV0Li4uLi4uLi4uLg$c2VjcmV0Li4uLi4uLi4uLg";

/** SHA-256 of a registered public key. */
export const keyDigest = "5f".repeat(32);
export const appPasswordDigest = "a9".repeat(32);
const scramVerifier = `SCRAM-SHA-256$16384:${"c2FsdA=="}$${"A".repeat(43)}=:${"A".repeat(43)}=`;

const row: AggregateRow = {
  sourceAddress: "192.0.2.1",
  count: 3,
  disposition: "reject",
  dkimAligned: false,
  spfAligned: false,
  reasons: [{ type: "local_policy", comment: "for the fixture" }],
  headerFrom: "counted.test",
  envelopeFrom: "counted.test",
  dkim: [],
  spf: [{ domain: "counted.test", scope: "mfrom", result: "fail" }],
};

function receivedReport(now: number): AggregateReport {
  return {
    organization: "Reporter",
    email: "r@reporter.test",
    reportId: "fixture",
    begin: now - dayMs,
    end: now,
    errors: [],
    policy: { domain: "example.org", p: "reject" },
    rows: [{ ...row, headerFrom: "example.org" }],
  };
}
