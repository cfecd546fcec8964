/** MAIL and RCPT: who may send, to whom, and where an address leads. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { ReceivingServer } from "../testing/receiving-server.ts";

test("SMTP-005: commands take any letter case, and a local-part keeps its own to the end", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("mAiL fRoM:<Ab.C@x.example> bOdY=8bitmime", "250");
  await client.expect("rCpT tO:<ANN@Example.ORG>", "250");
  assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 2\.0\.0 Ok: queued as [0-9A-Z]{12}$/);
  const { message, recipients } = await server.onlyMessage();
  assert.equal(message.reversePath, "Ab.C@x.example");
  assert.equal(message.body, "8BITMIME");
  assert.equal(recipients[0]?.address, "ANN@Example.ORG");
  assert.equal(recipients[0]?.domain, "example.org");
});

test("SMTP-013: a transaction takes nothing over from the one before", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.envelope("<one@x.example>", "<ann@example.org>");
  await client.content("Subject: 1\r\n\r\none");
  await client.envelope("<two@x.example>", "<bob@example.org>");
  await client.content("Subject: 2\r\n\r\ntwo");
  const [first, second] = await server.messages();
  assert.deepEqual(
    first?.recipients.map(({ address }) => address),
    ["ann@example.org"],
  );
  assert.deepEqual(
    second?.recipients.map(({ address }) => address),
    ["bob@example.org"],
  );
  assert.equal(second?.message.reversePath, "two@x.example");
});

test("SMTP-006 SMTP-015: RSET and a new EHLO forget the recipients", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  for (const command of ["RSET", "EHLO again.test"]) {
    await client.envelope("<one@x.example>", "<ann@example.org>");
    await client.expect(command, "250");
    await client.expect("DATA", "503");
  }
  await client.envelope("<two@x.example>", "<bob@example.org>");
  await client.content("Subject: 2\r\n\r\ntwo");
  const { recipients } = await server.onlyMessage();
  assert.equal(recipients.length, 1);
});

test("SMTP-026: a source route is dropped, and its last mailbox is the recipient", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<@a.example,@b.example:ann@example.org>", "250");
  await client.expect("RCPT TO:<@example.org:victim@elsewhere.test>", "550 5.7.1");
  await client.content("Subject: x\r\n\r\nhello");
  assert.equal((await server.onlyMessage()).recipients[0]?.address, "ann@example.org");
});

test("SMTP-027: quoted local-parts are names, whatever is inside them", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect('RCPT TO:<"a@b >c"@example.org>', "250");
  await client.expect('RCPT TO:<"ann"@example.org>', "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.content("Subject: x\r\n\r\nhello");
  assert.deepEqual(
    (await server.onlyMessage()).recipients.map(({ address }) => address),
    ['"a@b >c"@example.org', "ann@example.org"],
  );
});

test("SMTP-033: postmaster is taken everywhere, in any letter case", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  for (const path of [
    "PostMaster",
    "POSTMASTER@example.org",
    "postmaster@xn--bcher-kva.example",
    "postmaster@mail.example.org",
    "postmaster@[192.0.2.25]",
  ]) {
    await client.expect(`RCPT TO:<${path}>`, "250");
  }
  await client.content("Subject: x\r\n\r\nhelp");
  assert.deepEqual(
    (await server.onlyMessage()).recipients.map(({ address, acceptedAs }) => [address, acceptedAs]),
    [["ann@example.org", "PostMaster"]],
  );
});

test("addresses without brackets or domain are completed for relay networks and in development, and refused from strangers", async () => {
  await using relaying = await ReceivingServer.open({ relayNetworks: ["198.51.100.0/24"] });
  await using development = await ReceivingServer.open({ development: true });
  for (const [server, kind] of [
    [relaying, "mx"],
    [development, "submission"],
  ] as const) {
    const client = await server.client(kind);
    await client.expect("MAIL FROM: root", "250");
    await client.expect("RCPT TO:\tfar@elsewhere.test NOTIFY=NEVER", "250");
    await client.content("Subject: x\r\n\r\nhello");
    const { message, recipients } = await server.onlyMessage();
    assert.equal(message.reversePath, "root@mail.example.org");
    assert.equal(recipients[0]?.address, "far@elsewhere.test");
  }
  await using server = await ReceivingServer.open();
  const stranger = await server.client("mx");
  await stranger.expect("MAIL FROM:root", "501");
  await stranger.expect("MAIL FROM:<root>", "501");
  await stranger.expect("MAIL FROM:<a..b@docomo.example>", "250");
  await stranger.expect("RCPT TO:ann@example.org", "501");
});

test("a client whose addresses are completed hears which address does not exist", async () => {
  await using server = await ReceivingServer.open({ relayNetworks: ["198.51.100.0/24"] });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<root>", "250");
  await client.expect("RCPT TO:<nobody>", "550 5.1.1 No such user here: nobody@mail.example.org");
  const longest = `${"l".repeat(64)}@example.org`;
  await client.expect(`RCPT TO:<${longest}>`, `550 5.1.1 No such user here: ${longest}`);
  await using other = await ReceivingServer.open();
  const stranger = await other.client("mx");
  await stranger.expect("MAIL FROM:<a@x.example>", "250");
  const reply = await stranger.expect("RCPT TO:<nobody@example.org>", "550");
  assert.equal(reply, "550 5.1.1 No such user here");
});

test("SMTP-034: the longest local-part, domain and path are accepted", async () => {
  await using server = await ReceivingServer.open({ relayNetworks: ["198.51.100.0/24"] });
  const client = await server.client("mx");
  const local = "l".repeat(64);
  const domain = `${"d".repeat(63)}.${"e".repeat(63)}.${"f".repeat(53)}.test`;
  assert.equal(`<${local}@${domain}>`.length, 253);
  await client.expect(`MAIL FROM:<${local}@${domain}>`, "250");
  await client.expect(`RCPT TO:<${local}@${domain}>`, "250");
  await client.content("Subject: x\r\n\r\nhello");
  assert.equal((await server.onlyMessage()).recipients[0]?.address, `${local}@${domain}`);
});

test("SMTP-036: a hundred recipients are taken", async () => {
  await using server = await ReceivingServer.open({ relayNetworks: ["198.51.100.7"], limits: { recipients: 100 } });
  const client = await server.client("mx");
  const all = Array.from({ length: 100 }, (_, index) => `<u${index}@far.test>`);
  await client.envelope("<s@x.example>", ...all);
  await client.content("Subject: x\r\n\r\nhello");
  assert.equal((await server.onlyMessage()).recipients.length, 100);
});

test("SMTP-037 OPT-014: recipients above the announced limit get 452, and the earlier ones stay", async () => {
  await using server = await ReceivingServer.open({ relayNetworks: ["198.51.100.7"], limits: { recipients: 100 } });
  const client = await server.client("mx");
  assert.match(await client.expect("EHLO client.test", "250"), /LIMITS RCPTMAX=100/);
  const all = Array.from({ length: 100 }, (_, index) => `<u${index}@far.test>`);
  await client.envelope("<s@x.example>", ...all);
  await client.expect("RCPT TO:<more@far.test>", "452 4.5.3");
  await client.content("Subject: x\r\n\r\nhello");
  assert.equal((await server.onlyMessage()).recipients.length, 100);
});

test("SMTP-047: nothing that a stranger writes opens a relay", async () => {
  await using server = await ReceivingServer.open({ limits: { refused_recipients: 1000 } });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<ann@example.org>", "250");
  const cases: readonly (readonly [string, string])[] = [
    ["u@elsewhere.test", "550 5.7.1"],
    ["U@ELSEWHERE.TEST", "550 5.7.1"],
    ["u@[203.0.113.9]", "550 5.7.1"],
    ["u@[IPv6:2001:db8::1]", "550 5.7.1"],
    ["@example.org:u@elsewhere.test", "550 5.7.1"],
    ['"ann@example.org"@elsewhere.test', "550 5.7.1"],
    ["ann%example.org@elsewhere.test", "550 5.7.1"],
    ["u@sub.example.org", "550 5.7.1"],
    ["u@example.org.elsewhere.test", "550 5.7.1"],
    ["u%elsewhere.test@example.org", "550 5.1.1"],
    ["elsewhere.test!u@example.org", "550 5.1.1"],
    ['"u@elsewhere.test"@example.org', "550 5.1.1"],
    ["u@mail.example.org", "550 5.1.1"],
    ["u@elsewhere.test@example.org", "501"],
    ["", "501"],
  ];
  for (const [path, code] of cases) await client.expect(`RCPT TO:<${path}>`, code);
  await client.expect("DATA", "503");
  await client.expect("RSET", "250");
  await client.expect("MAIL FROM:<>", "250");
  await client.expect("RCPT TO:<u@elsewhere.test>", "550 5.7.1");
  assert.ok(server.log.of("recipient-refused").every(({ reason }) => typeof reason === "string"));
  assert.equal(server.log.of("recipient-refused")[0]?.["setting"], "relay.networks");
});

test("SMTP-047: networks that are configured may relay without a login", async () => {
  await using server = await ReceivingServer.open({ relayNetworks: ["198.51.100.0/24"] });
  const trusted = await server.client("mx", "198.51.100.9");
  await trusted.envelope("<s@x.example>", "<u@elsewhere.test>");
  await trusted.content("Subject: x\r\n\r\nhello");
  const stranger = await server.client("mx", "203.0.113.9");
  await stranger.expect("MAIL FROM:<s@x.example>", "250");
  await stranger.expect("RCPT TO:<u@elsewhere.test>", "550 5.7.1");
  const { events } = await server.onlyMessage();
  assert.ok(events[0]?.kind === "message-accepted");
  assert.deepEqual(events[0].decisions, [
    { address: "u@elsewhere.test", reason: "relay-network", setting: "relay.networks", rule: "relay-permission" },
  ]);
});

test("EAI-007: a local domain is the same in A- and U-labels", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example> SMTPUTF8", "250");
  await client.expect("RCPT TO:<u@bücher.example>", "250");
  await client.expect("RCPT TO:<v@xn--bcher-kva.example>", "250");
  await client.content("Subject: x\r\n\r\nhello");
  const { message, recipients } = await server.onlyMessage();
  assert.equal(message.smtpUtf8, true);
  assert.deepEqual(
    recipients.map(({ address }) => address),
    ["ann@example.org"],
  );
});

test("LIST-001 LIST-002: an alias keeps the sender, also the null one", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  for (const from of ["<s@x.example>", "<>"]) {
    await client.envelope(from, "<team@example.org>");
    await client.content("Subject: x\r\n\r\nhello");
  }
  const [named, bounce] = await server.messages();
  assert.equal(named?.message.reversePath, "s@x.example");
  assert.equal(bounce?.message.reversePath, "");
  assert.deepEqual(
    named?.recipients.map(({ address, acceptedAs }) => [address, acceptedAs]),
    [
      ["ann@example.org", "team@example.org"],
      ["bob@example.org", "team@example.org"],
      ["far@elsewhere.test", "team@example.org"],
    ],
  );
});

test("OPT-013: REQUIRETLS stays with a message that an alias leads to several addresses", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.submitter();
  await client.envelope("<ann@example.org> REQUIRETLS", "<team@example.org>");
  await client.content("From: ann@example.org\r\nSubject: x\r\n\r\nhello");
  const [stored, ...more] = await server.messages();
  assert.deepEqual(more, []);
  assert.equal(stored?.message.requireTls, true);
  assert.equal(stored.recipients.length, 3);
});

test("DSN-018: one target inherits every DSN parameter; of several none inherits SUCCESS", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example> RET=HDRS ENVID=e+2B1", "250");
  await client.expect("RCPT TO:<single@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;single@example.org", "250");
  await client.content("Subject: x\r\n\r\nhello");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<team@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;team@example.org", "250");
  await client.content("Subject: x\r\n\r\nhello");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<team@example.org> NOTIFY=SUCCESS", "250");
  await client.content("Subject: x\r\n\r\nhello");
  const [single, several, successOnly] = await server.messages();
  assert.equal(single?.message.ret, "HDRS");
  assert.equal(single?.message.envelopeId, "e+2B1");
  assert.deepEqual(single?.recipients[0]?.notify, ["SUCCESS", "FAILURE"]);
  assert.equal(single?.recipients[0]?.originalRecipient, "rfc822;single@example.org");
  assert.equal(single?.events.length, 1);
  assert.deepEqual(
    several?.recipients.map(({ notify, originalRecipient }) => [notify, originalRecipient]),
    Array.from({ length: 3 }, () => [["FAILURE"], "rfc822;team@example.org"]),
  );
  assert.deepEqual(successOnly?.recipients[0]?.notify, ["NEVER"]);
  const queued = several?.events.find((event) => event.kind === "report-queued");
  assert.equal(queued?.action, "expanded");
  const commits = server.log.of("message-accepted").length + server.log.of("report-queued").length;
  assert.deepEqual(server.accepted, Array(commits).fill(undefined), "the queue looks for the report, too");
  const report = await server.spool.message(queued?.report ?? "");
  assert.equal(report?.message.reversePath, "");
  assert.equal(report?.message.reportOn, several?.message.id);
  assert.equal(report?.recipients[0]?.address, "s@x.example");
  await using content = await server.spool.openContent(queued?.report ?? "");
  assert.match(Buffer.from(content?.whole ?? []).toString("latin1"), /^Action: expanded\r$/m);
});

test("an alias that leads in a circle puts mail off, since the fault is ours", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<loop@example.org>", "451 4.3.5");
  assert.equal(server.log.of("recipient-refused")[0]?.["reason"], "alias-loop");
});

test("trap 16: a line end hidden in AUTH= of MAIL is refused and reaches no stored message", async () => {
  await using server = await ReceivingServer.open();
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.example> AUTH=a+0Ab@x.example", "501");
  await client.expect("MAIL FROM:<s@x.example> AUTH=<>", "250");
});
