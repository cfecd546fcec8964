/** What senders are told: failure, delay, relayed, delivered, expired, and when they are told nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stall } from "../../src/testing/scripted-peer.ts";
import { day, hour, minute, relayClient, second, SimulatedWorld } from "./support.ts";

/** What relays without a login may send, as a local user. */
async function sendAs(world: SimulatedWorld, mail: string, recipients: readonly string[], content = original) {
  const client = await world.client("mx", relayClient);
  const id = await client.send(mail, recipients, content);
  await world.quiet();
  return id;
}

const original = "Subject: minutes of the meeting\r\nX-Marker: 17\r\n\r\nthe body of it";

test("SMTP-048 DSN-012 DSN-013 DSN-014 DSN-015 DSN-021: a refusal comes back as one report about the failed recipient only", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ line }) =>
      line.startsWith("RCPT TO:<no@") ? "550-5.1.1 No such user\r\n550 5.1.1 here (#17)" : undefined,
  });
  await sendAs(world, "<ann@example.org> ENVID=QQ+2B314 RET=HDRS", [
    "yes@elsewhere.test",
    "<no@elsewhere.test> ORCPT=rfc822;old+2Bname@origin.test",
  ]);
  await world.advance(minute);
  const [report, ...others] = await world.reports("ann@example.org");
  assert.ok(report !== undefined && others.length === 0, "one report");
  assert.equal(peer.messages.length, 1);

  assert.match(report.raw, /^Return-Path: <>\n/);
  assert.match(report.raw, /^Content-Type: multipart\/report;[^]*?report-type="?delivery-status"?/im);
  const { email } = report;
  assert.match(email.from?.address ?? "", /^(mailer-daemon|postmaster)@mail\.example\.org$/i);
  assert.deepEqual(
    email.to?.map(({ address }) => address),
    ["ann@example.org"],
  );
  assert.ok(email.date !== undefined && email.messageId !== undefined && email.subject !== undefined);
  assert.match(email.headers.find(({ key }) => key === "auto-submitted")?.value ?? "", /^auto-(replied|generated)/);

  assert.match(report.text.trimStart().split(/\n\s*\n/, 1)[0] ?? "", /no@elsewhere\.test|could not be delivered/);
  assert.match(report.text, /No such user/);
  assert.equal(report.message.get("reporting-mta"), "dns; mail.example.org");
  assert.equal(report.message.get("original-envelope-id"), "QQ+314");
  assert.equal(report.recipients.length, 1);
  const [recipient = new Map<string, string>()] = report.recipients;
  assert.equal(recipient.get("final-recipient"), "rfc822; no@elsewhere.test");
  assert.equal(recipient.get("original-recipient"), "rfc822; old+name@origin.test");
  assert.equal(recipient.get("action"), "failed");
  assert.equal(recipient.get("status"), "5.1.1");
  assert.equal(recipient.get("remote-mta"), "dns; mx.elsewhere.test");
  assert.match(recipient.get("diagnostic-code") ?? "", /^smtp; 550[ -]5\.1\.1 No such user.* here \(#17\)$/);
  assert.ok(!recipient.has("will-retry-until"));
  assert.equal(report.returned.type, "text/rfc822-headers");
  assert.match(report.returned.text, /^X-Marker: 17\r?$/m);
  assert.doesNotMatch(report.returned.text, /the body of it/);
});

test("one message to many sites that refuse it gives its sender one report, and one warning where they put it off", async () => {
  await using world = await SimulatedWorld.start({ queue: { retry: ["30m"] } });
  const sites = Array.from({ length: 12 }, (_, n) => `site${n}.test`);
  let answer = "550 5.1.1 no such user";
  const script = { answer: ({ line }: { readonly line: string }) => (line.startsWith("RCPT") ? answer : undefined) };
  const peers = await Promise.all(sites.map((site) => world.peer(site, script)));
  const all = sites.map((site) => `x@${site}`);
  await sendAs(world, "<ann@example.org>", all);
  await world.advance(minute);
  const [refused, ...more] = await world.reports("ann@example.org");
  assert.equal(more.length, 0);
  assert.equal(refused?.recipients.length, sites.length);

  answer = "450 4.2.0 later";
  await sendAs(world, "<bob@example.org>", all);
  await world.advance(6 * hour);
  const [late, ...others] = await world.reports("bob@example.org");
  assert.equal(others.length, 0);
  assert.equal(late?.recipients.length, sites.length);
  assert.deepEqual(new Set(late.recipients.map((fields) => fields.get("action"))), new Set(["delayed"]));
  for (const peer of peers) await peer[Symbol.asyncDispose]();
});

test("DSN-016: with RET=FULL a failure returns the whole message", async () => {
  await using world = await SimulatedWorld.start();
  await using _peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no" : undefined),
  });
  await sendAs(world, "<ann@example.org> RET=FULL", ["no@elsewhere.test"]);
  await world.advance(minute);
  const [report] = await world.reports("ann@example.org");
  assert.equal(report?.returned.type, "message/rfc822");
  assert.match(report?.returned.text ?? "", /the body of it/);
});

test("DSN-010 SMTPC-014: silence of the other side: one warning after four hours, expiry after five days, both told", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "451 4.7.1 try again later" : undefined),
  });
  const id = await sendAs(world, "ann@example.org", ["slow@elsewhere.test"]);
  await world.advance(3 * hour);
  assert.equal((await world.reports("ann@example.org")).length, 0);
  await world.advance(6 * hour);
  const [warning, ...none] = await world.reports("ann@example.org");
  assert.ok(warning !== undefined && none.length === 0, "one warning");
  assert.equal(warning.recipients[0]?.get("action"), "delayed");
  assert.equal(warning.recipients[0]?.get("status"), "4.7.1");
  const until = new Date(warning.recipients[0]?.get("will-retry-until") ?? "").getTime();
  assert.equal(until, Date.UTC(2026, 0, 6), "five days after it was accepted");
  await world.advance(6 * day);
  const reports = await world.reports("ann@example.org");
  assert.equal(reports.length, 2);
  assert.deepEqual(
    new Set(reports.map(({ recipients }) => recipients[0]?.get("action"))),
    new Set(["delayed", "failed"]),
  );
  const failed = reports.find(({ recipients }) => recipients[0]?.get("action") === "failed");
  assert.match(failed?.recipients[0]?.get("status") ?? "", /^[45]\.[47]\.[17]$/);
  assert.match(failed?.text ?? "", /try again later/);
  assert.deepEqual(await world.states(id), ["slow@elsewhere.test expired"]);
  const attempts = peer.verbs.filter((verb) => verb === "RCPT").length;
  assert.ok(attempts > 20 && attempts < 60, `${attempts} attempts in five days`);
  await world.advance(2 * day);
  assert.equal(peer.verbs.filter((verb) => verb === "RCPT").length, attempts, "and then no more");
});

test("DSN-007 DSN-008: SUCCESS gives a relayed report where the next hop knows no DSN, a delivered one for a mailbox", async () => {
  await using world = await SimulatedWorld.start();
  await using plain = await world.peer("plain.test");
  await using knowing = await world.peer("knowing.test", { keywords: ["DSN"] });
  await sendAs(world, "<ann@example.org> ENVID=E1 RET=HDRS", [
    "<a@plain.test> NOTIFY=SUCCESS,FAILURE",
    "<b@knowing.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B@knowing.test",
    "<bob@example.org> NOTIFY=SUCCESS",
    "<quiet@plain.test> NOTIFY=NEVER",
    "unasked@plain.test",
  ]);
  await world.advance(minute);
  const told = (await world.reports("ann@example.org")).flatMap(({ recipients }) =>
    recipients.map((fields) => `${fields.get("action")} ${fields.get("final-recipient")}`),
  );
  assert.deepEqual(told.toSorted(), ["delivered rfc822; bob@example.org", "relayed rfc822; a@plain.test"]);
  assert.equal(plain.messages.length, 1);
  assert.doesNotMatch(plain.lines.join("\n"), /NOTIFY|ENVID|RET=|ORCPT/);
  // DSN-005: passed on as they were.
  assert.match(knowing.messages[0]?.mail ?? "", / ENVID=E1\b/);
  assert.match(knowing.messages[0]?.mail ?? "", / RET=HDRS\b/);
  assert.match(knowing.messages[0]?.recipients[0] ?? "", / NOTIFY=SUCCESS,FAILURE\b/);
  assert.match(knowing.messages[0]?.recipients[0] ?? "", / ORCPT=rfc822;B@knowing\.test\b/);
});

test("DSN-001: RET, ENVID, NOTIFY and ORCPT change no verdict, good or bad", async () => {
  await using world = await SimulatedWorld.start();
  const client = await world.client();
  const parameters = " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x@y.test";
  for (const mail of ["<a@sender.test>", "<>", "<a@unqualified>"]) {
    const replies: string[] = [];
    for (const dsn of ["", " RET=FULL ENVID=x"]) {
      client.write(`MAIL FROM:${mail}${dsn}\r\n`);
      replies.push(await client.reply());
      await client.expect("RSET", "250");
    }
    assert.equal(replies[0], replies[1], mail);
  }
  await client.expect("MAIL FROM:<a@sender.test>", "250");
  for (const path of ["<ann@example.org>", "<nobody@example.org>", "<far@elsewhere.test>", "<postmaster>"]) {
    const replies: string[] = [];
    for (const dsn of ["", parameters, " NOTIFY=NEVER"]) {
      client.write(`RCPT TO:${path}${dsn}\r\n`);
      replies.push(await client.reply());
    }
    assert.equal(new Set(replies).size, 1, `${path}: ${replies.join(" / ")}`);
  }
});

test("DSN-009: NOTIFY without FAILURE, or NEVER, and a failure is told to nobody", async () => {
  await using world = await SimulatedWorld.start();
  await using _peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no" : undefined),
  });
  const id = await sendAs(world, "ann@example.org", [
    "<a@elsewhere.test> NOTIFY=SUCCESS",
    "<b@elsewhere.test> NOTIFY=NEVER",
  ]);
  await world.advance(day);
  assert.deepEqual(await world.states(id), ["a@elsewhere.test failed", "b@elsewhere.test failed"]);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
});

test("DSN-011 DSN-019: the null reverse-path is never answered, and a report that fails ends in the log", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 no" : undefined),
  });
  const id = await sendAs(world, "<>", ["<gone@elsewhere.test> NOTIFY=SUCCESS,FAILURE,DELAY"]);
  await world.advance(day);
  assert.deepEqual(await world.states(id), ["gone@elsewhere.test failed"]);
  assert.equal(world.log.of("message-accepted").length, 1);
  assert.equal(world.log.of("report-queued").length, 0);

  await sendAs(world, "also-gone@elsewhere.test", ["gone@elsewhere.test"]);
  await world.advance(day);
  assert.equal(world.log.of("report-queued").length, 1, "one report, about the message");
  assert.deepEqual(
    peer.lines.filter((line) => line.startsWith("MAIL")).map((line) => /<.*?>/.exec(line)?.[0]),
    ["<>", "<also-gone@elsewhere.test>", "<>"],
  );
  assert.equal(world.log.of("report-undeliverable").length, 2);
  assert.deepEqual(await world.stats(), { scheduled: 0, claimed: 0, held: 0, oldestSeconds: 0 });
});

test("a report goes where mail for the reverse-path would go: to an alias's targets, and to nobody for a forged address", async () => {
  await using world = await SimulatedWorld.start();
  await using _peer = await world.peer("elsewhere.test", {
    answer: ({ verb }) => (verb === "RCPT" ? "550 5.1.1 No such user" : undefined),
  });
  await using far = await world.peer("far.test");
  await world.stop();
  await world.start({ alias: [{ address: "info@example.org", to: ["ann@example.org", "away@far.test"] }] });
  await sendAs(world, "info@example.org", ["no@elsewhere.test"]);
  const forged = await sendAs(world, "nobody@example.org", ["no@elsewhere.test"]);
  await world.advance(minute);
  assert.equal((await world.reports("ann@example.org")).length, 1);
  assert.deepEqual(
    far.messages.map(({ mail, recipients }) => [mail.split(" ")[0], recipients[0]?.split(" ")[1]]),
    [["MAIL", "TO:<away@far.test>"]],
  );
  assert.match(far.lines.find((line) => line.startsWith("MAIL")) ?? "", /^MAIL FROM:<>/);
  assert.equal((await world.mailbox("nobody@example.org")).length, 0, "no mailbox is made for a forged sender");
  const told = JSON.stringify((await world.command(["explain", forged, "--json", "--data-dir", "/data"])).stdout);
  assert.match(told, /no such user exists: it was forged, or the user was deleted/);
});

test("SMTPC-007: a null MX is a failure within the first attempt, 5.1.10", async () => {
  await using world = await SimulatedWorld.start();
  world.resolver.addMx("nomail.test", "0 .").add("nomail.test", "A", "198.51.100.50");
  await sendAs(world, "ann@example.org", ["a@nomail.test"]);
  await world.advance(10 * second);
  const [report] = await world.reports("ann@example.org");
  assert.equal(report?.recipients[0]?.get("status"), "5.1.10");
  assert.ok(!report?.recipients[0]?.has("remote-mta"), "nobody was contacted");
  assert.deepEqual(world.resolver.queries, ["MX nomail.test"], "and no address was asked for");
});

test("SMTPC-003: while DNS fails mail waits, and the domain's own address is not used in its place", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test");
  world.resolver.add("elsewhere.test", "A", "198.51.100.60").fail("elsewhere.test", "MX");
  const id = await sendAs(world, "ann@example.org", ["far@elsewhere.test"]);
  await world.advance(hour);
  assert.deepEqual(await world.states(id), ["far@elsewhere.test scheduled"]);
  assert.equal((await world.mailbox("ann@example.org")).length, 0);
  assert.ok(!world.resolver.queries.includes("A elsewhere.test"));
  world.resolver.heal("elsewhere.test", "MX");
  await world.advance(4 * hour);
  assert.deepEqual(await world.states(id), ["far@elsewhere.test relayed"]);
  assert.equal(peer.messages.length, 1);
});

test("SMTPC-013: a peer that accepts the content and never answers is left after ten minutes, not before", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("elsewhere.test", { answer: ({ verb }) => (verb === "." ? stall : undefined) });
  const id = await sendAs(world, "ann@example.org", ["far@elsewhere.test"]);
  await world.advance(10 * minute - 1000);
  assert.equal(peer.openSessions, 1);
  assert.deepEqual(await world.states(id), ["far@elsewhere.test claimed"]);
  await world.advance(2000);
  assert.equal(peer.openSessions, 0);
  assert.deepEqual(await world.states(id), ["far@elsewhere.test scheduled"]);
  // SMTPC-012: the peer may have it, and the reason says so.
  const { stdout } = await world.command(["explain", id, "--data-dir", "/data"]);
  assert.match(stdout, /twice|duplicate|may have/i);
});

test("EXT-014 EXT-024: content that the next hop cannot take is reported with 5.6.3 and never sent", async () => {
  await using world = await SimulatedWorld.start({
    route: [{ domain: "elsewhere.test", via: "mx", convert: false }],
  });
  await using peer = await world.peer("elsewhere.test", { keywords: ["CHUNKING"] });
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<ann@example.org> BODY=8BITMIME", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "250");
  await client.expect("DATA", "354");
  await client.expect("Subject: x\r\n\r\ngrün\r\n.", "250");
  await client.expect("MAIL FROM:<ann@example.org> BODY=BINARYMIME", "250");
  await client.expect("RCPT TO:<far@elsewhere.test>", "250");
  await client.expect("BDAT 19 LAST\r\nSubject: x\r\n\r\na\nb", "250");
  await world.advance(minute);
  const reports = await world.reports("ann@example.org");
  assert.deepEqual(
    reports.map(({ recipients }) => recipients[0]?.get("status")),
    ["5.6.3", "5.6.3"],
  );
  assert.equal(peer.messages.length, 0);
});

test("SMUG-008 HDR-006: no report carries a bare CR or LF or an endless line, whatever the original and the peer wrote", async () => {
  await using world = await SimulatedWorld.start();
  const endless = `550 5.1.1 ${"because ".repeat(50)}`;
  await using peer = await world.peer("elsewhere.test", {
    keywords: ["CHUNKING", "BINARYMIME", "8BITMIME"],
    answer: ({ line }) => (line.startsWith("RCPT TO:<no@") ? endless : undefined),
  });
  const content = `Subject: x\r\nReferences: ${"<id@origin.test> ".repeat(500)}\r\n\r\nx\ny\rz\0`;
  const client = await world.client("mx", relayClient);
  await client.expect("MAIL FROM:<sender@elsewhere.test> BODY=BINARYMIME RET=FULL", "250");
  await client.expect("RCPT TO:<no@elsewhere.test>", "250");
  client.write(`BDAT ${content.length} LAST\r\n${content}`);
  assert.match(await client.reply(), /^250 /);
  await world.advance(minute);
  const report = peer.messages[0]?.content.toString("latin1") ?? assert.fail("no report was sent");
  assert.match(peer.messages[0]?.mail ?? "", /^MAIL FROM:<>/);
  assert.doesNotMatch(report, /[^\r]\n|\r(?!\n)|\0/);
  assert.ok(report.split("\r\n").every((line) => line.length <= 998));
});

test("DSN-020: what can be refused in the session is refused there, and never returned to a sender who may be forged", async () => {
  await using world = await SimulatedWorld.start({ limits: { message_size: "1KB" } });
  const client = await world.client();
  await client.expect("MAIL FROM:<victim@elsewhere.test>", "250");
  await client.expect("RCPT TO:<nobody@example.org>", "550 5.1.1");
  await client.expect("RCPT TO:<far@elsewhere.test>", "550 5.7.1");
  const hops = "Received: from a by b; Mon, 1 Jan 2001 00:00:00 +0000\r\n";
  for (const [content, refusal] of [
    [`Subject: x\r\n\r\n${"x".repeat(900)}\r\n${"x".repeat(900)}`, "552 5.3.4"],
    ["Subject: x\r\n\r\nbare\nline", "550 5.5.2"],
  ] as const) {
    await client.expect("RCPT TO:<ann@example.org>", "250");
    await client.expect("DATA", "354");
    await client.expect(`${content}\r\n.`, refusal);
    await client.expect("MAIL FROM:<victim@elsewhere.test>", "250");
  }
  await client.expect("QUIT", "221");
  await using looping = await SimulatedWorld.start();
  const again = await looping.client();
  await again.expect("MAIL FROM:<victim@elsewhere.test>", "250");
  await again.expect("RCPT TO:<ann@example.org>", "250");
  await again.expect("DATA", "354");
  await again.expect(`${hops.repeat(100)}\r\nx\r\n.`, "554 5.4.6");
  for (const each of [world, looping]) {
    await each.advance(day);
    assert.equal(each.log.of("message-accepted").length, 0);
    assert.equal(each.log.of("report-queued").length, 0);
    // The checks of the sender ask for addresses and records; where mail for the sender would go, nobody asks.
    assert.deepEqual(
      each.resolver.queries.filter((query) => query.startsWith("MX ")),
      [],
    );
  }
});
