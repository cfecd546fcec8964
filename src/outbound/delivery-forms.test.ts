/** What a server must be able to do for a message: size, 8-bit content, international addresses, parameters of reports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TlsLevel } from "../route/static-route.ts";
import { decided } from "../testing/hop-hosts.ts";
import {
  OutboundWorld,
  hosts,
  brief,
  header,
  modernExtensions,
  classicExtensions,
  siteOf,
} from "../testing/outbound-world.ts";

test("a message larger than the peer takes is bounced 5.3.4 without MAIL", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: ["SIZE 20"] });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "bounced" && outcome.status === "5.3.4" && outcome.owner === "content");
  assert.ok(!peer.verbs.includes("MAIL"));
});

test("EXT-014 EXT-024: 8-bit and binary content never go to a peer that does not take them", async () => {
  for (const [facts, keywords, expected] of [
    [{ eightBit: true }, ["PIPELINING"], "bounced 5.6.3"],
    [{ eightBit: true }, ["8BITMIME"], "relayed 2.0.0"],
    [{ eightBit: true, binary: true }, ["8BITMIME", "CHUNKING"], "bounced 5.6.3"],
    [{ binary: true }, ["8BITMIME", "BINARYMIME"], "bounced 5.6.3"],
    [{ binary: true }, ["CHUNKING", "BINARYMIME"], "relayed 2.0.0"],
  ] as const) {
    await using world = new OutboundWorld();
    const peer = await world.peer("192.0.2.1", { keywords });
    const content = "binary" in facts ? "a: b\r\n\r\nx\0y\nz" : "a: b\r\n\r\nüé\r\n";
    const job = world.job({ content, hop: { convert: false } });
    const [outcome] = await world.deliver({
      ...job,
      message: { ...job.message, facts: { ...job.message.facts, ...facts } },
    });
    assert.equal(outcome && brief(outcome), expected, keywords.join(" "));
    const mail = peer.lines.find((line) => line.startsWith("MAIL"));
    if (expected.startsWith("bounced")) assert.equal(mail, undefined);
    else assert.match(mail ?? "", "binary" in facts ? /BODY=BINARYMIME$/ : /BODY=8BITMIME$/);
    if (peer.messages[0]) assert.equal(peer.messages[0].content.toString(), header + content);
  }
});

test("EXT-014: 8-bit content is converted for a server without 8BITMIME, alike at every attempt, and others get it as it is", async () => {
  const text = `Subject: x\r\n\r\n${"A naïve text of many lines\r\n.".repeat(400)}\r\n`;
  const sent = new Set<string>();
  for (const pieces of [undefined, 7, 1000]) {
    for (const keywords of [[], ["PIPELINING", "CHUNKING", "SIZE 100000"]]) {
      await using world = new OutboundWorld();
      const peer = await world.peer("192.0.2.1", { keywords });
      const job = world.job({ content: text, ...(pieces !== undefined && { pieces }) });
      const facts = { ...job.message.facts, eightBit: true };
      assert.deepEqual((await world.deliver({ ...job, message: { ...job.message, facts } })).map(brief), [
        "relayed 2.0.0",
      ]);
      sent.add(String(peer.messages[0]?.content));
      const mail = peer.messages[0]?.mail ?? "";
      assert.doesNotMatch(mail, /BODY=/);
      if (keywords.length > 0) assert.match(mail, new RegExp(` SIZE=${peer.messages[0]?.content.length}$`));
    }
  }
  const [only, ...others] = sent;
  assert.deepEqual(others, []);
  assert.match(
    only ?? "",
    /^Received: [^\n]+\nSubject: x\r\nMIME-Version: 1\.0\r\nContent-Type: text\/plain; charset=utf-8\r\n/,
  );
  assert.match(only ?? "", /\r\n\r\nA na=C3=AFve text of many lines\r\n\.A na=C3=AFve/);
});

test("EXT-014: what cannot be converted without harm is bounced 5.6.3 with the reason, and the next MX is asked first", async () => {
  for (const [headerBlock, content, reason] of [
    [header, "DKIM-Signature: v=1\r\n\r\nä\r\n", /has a DKIM signature that is not ours/],
    [header, "Subject: ä\r\n\r\nx\r\n", /a header is not ASCII/],
    [`ARC-Message-Signature: i=1\r\n${header}`, "Subject: x\r\n\r\nä\r\n", /has an ARC seal/],
    [`DKIM-Signature: v=1\r\n${header}`, "Subject: x\r\n\r\nä\r\n", /our signature could not be made/],
  ] as const) {
    await using world = new OutboundWorld();
    const first = await world.peer("192.0.2.1", { keywords: ["PIPELINING"] });
    const second = await world.peer("192.0.2.2", { keywords: ["8BITMIME"] });
    const job = world.job({ content, message: { headerBlock }, hop: { hosts: hosts(2) } });
    const message = { ...job.message, facts: { ...job.message.facts, eightBit: true } };
    assert.deepEqual((await world.deliver({ ...job, message })).map(brief), ["relayed 2.0.0"]);
    assert.equal(String(second.messages[0]?.content), headerBlock + content);
    await world.clock.advance(5_000);
    const [outcome] = await world.deliver({ ...job, message, hop: { ...siteOf(1), hosts: hosts(1) } });
    assert.equal(outcome && brief(outcome), "bounced 5.6.3");
    assert.match(outcome?.kind === "bounced" ? outcome.reason : "", reason);
    assert.deepEqual(first.messages, []);
  }
});

test("EXT-014: a converted message larger than the server takes is bounced 5.3.4", async () => {
  await using world = new OutboundWorld();
  await world.peer("192.0.2.1", { keywords: ["SIZE 160"] });
  const job = world.job({ content: `Subject: x\r\n\r\n${"ä".repeat(30)}\r\n` });
  const message = { ...job.message, facts: { ...job.message.facts, eightBit: true } };
  assert.deepEqual((await world.deliver({ ...job, message })).map(brief), ["bounced 5.3.4"]);
});

test("SMTPC-019: content with a bare LF whose facts are wrong is bounced and never becomes a message", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: classicExtensions });
  const [outcome] = await world.deliver(world.job({ content: "a: b\r\n\r\nx\n.\r\nMAIL FROM:<x@y>\r\n" }));
  assert.equal(outcome && brief(outcome), "bounced 5.6.3");
  assert.deepEqual(peer.messages, []);
});

test("EAI-005: an internationalised message goes to the MX that takes it, and bounces 5.6.7 where none does", async () => {
  await using world = new OutboundWorld();
  await world.peer("192.0.2.1", { keywords: ["8BITMIME"] });
  const second = await world.peer("192.0.2.2", { keywords: ["8BITMIME", "SMTPUTF8"] });
  const job = { to: ["пётр@example.org"], hop: { hosts: hosts(2) } };
  assert.equal((await world.deliver(world.job(job)))[0]?.kind, "relayed");
  assert.match(second.lines.find((line) => line.startsWith("MAIL")) ?? "", / SMTPUTF8/);
  await world.clock.advance(5_000);
  const [outcome] = await world.deliver(world.job({ ...job, hop: { hosts: hosts(1) } }));
  assert.ok(outcome?.kind === "bounced" && outcome.status === "5.6.7");
});

test("EAI-005: one international recipient does not take the others with it", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: ["8BITMIME"] });
  const to = [
    "ann@example.org",
    "пётр@example.org",
    { address: "bob@bücher.example", domain: "xn--bcher-kva.example" },
  ];
  assert.deepEqual((await world.deliver(world.job({ to }))).map(brief), [
    "relayed 2.0.0",
    "bounced 5.6.7",
    "relayed 2.0.0",
  ]);
  assert.deepEqual(peer.messages[0]?.recipients, ["RCPT TO:<ann@example.org>", "RCPT TO:<bob@xn--bcher-kva.example>"]);
});

test("EAI-006 EAI-010, trap 22: SMTPUTF8 follows from the message, on a kept connection too", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const mails = (): readonly string[] => peer.lines.filter((line) => line.startsWith("MAIL"));
  await world.deliver(world.job({ message: { smtpUtf8: true } }));
  assert.doesNotMatch(mails()[0] ?? "", /SMTPUTF8/);
  const job = world.job({ message: { smtpUtf8: true } });
  await world.deliver({ ...job, message: { ...job.message, facts: { ...job.message.facts, utf8Header: true } } });
  assert.match(mails()[1] ?? "", /BODY=8BITMIME SMTPUTF8/);
  await world.deliver(world.job({}));
  assert.doesNotMatch(mails()[2] ?? "", /SMTPUTF8/);
  await world.deliver(world.job({ message: { reversePath: "бob@our.test" } }));
  assert.match(mails()[3] ?? "", /SMTPUTF8/);
  assert.equal(peer.sessions, 1);
});

test("EAI-005: a UTF-8 header that nobody declared SMTPUTF8 is 8-bit content, in our own header block, too", async () => {
  for (const keywords of [["8BITMIME"], modernExtensions]) {
    for (const block of [header, `X-Found: grün\r\n${header}`]) {
      await using world = new OutboundWorld();
      const peer = await world.peer("192.0.2.1", { keywords });
      const job = world.job({ message: { headerBlock: block }, content: "Subject: grün\r\n\r\nx\r\n" });
      const facts = { ...job.message.facts, utf8Header: true, eightBit: true };
      const [outcome] = await world.deliver({ ...job, message: { ...job.message, facts } });
      assert.equal(outcome && brief(outcome), "relayed 2.0.0");
      assert.equal(String(peer.messages[0]?.content), `${block}Subject: grün\r\n\r\nx\r\n`);
      assert.match(peer.messages[0]?.mail ?? "", / BODY=8BITMIME$/);
    }
  }
});

test("EAI-005: a UTF-8 header that was declared SMTPUTF8 bounces 5.6.7 where the next hop lacks it", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: ["8BITMIME"] });
  const job = world.job({ message: { smtpUtf8: true } });
  const facts = { ...job.message.facts, utf8Header: true, eightBit: true };
  const [outcome] = await world.deliver({ ...job, message: { ...job.message, facts } });
  assert.equal(outcome && brief(outcome), "bounced 5.6.7");
  assert.deepEqual(peer.messages, []);
});

test("DSN-005 DSN-007: parameters reach a peer with DSN and are told as passed on; another gets none", async () => {
  for (const keywords of [classicExtensions, ["8BITMIME"]]) {
    await using world = new OutboundWorld();
    const peer = await world.peer("192.0.2.1", { keywords });
    const to = [
      { address: "ann@example.org", notify: ["SUCCESS", "DELAY"], originalRecipient: "rfc822;Ann+2B1@X.org" },
    ] as const;
    const [outcome] = await world.deliver(world.job({ to, message: { ret: "HDRS", envelopeId: "QQ+2B1" } }));
    const passedOn = keywords.includes("DSN");
    assert.ok(outcome?.kind === "relayed");
    assert.equal(outcome.dsnPassedOn, passedOn);
    const text = peer.lines.join("\n");
    assert.equal(/ RET=HDRS ENVID=QQ\+2B1$/m.test(text), passedOn);
    assert.equal(/ NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann\+2B1@X\.org$/m.test(text), passedOn);
  }
});

test("SMTPC-020: a peer that knows only HELO gets no ESMTP parameters", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "EHLO" ? "502 what" : undefined) });
  assert.equal((await world.deliver(world.job({ message: { ret: "FULL", envelopeId: "x" } })))[0]?.kind, "relayed");
  assert.deepEqual(peer.lines.slice(0, 4), [
    "EHLO our.test",
    "HELO our.test",
    "MAIL FROM:<bob@our.test>",
    "RCPT TO:<ann@example.org>",
  ]);
});

test("OPT-010 OPT-011: REQUIRETLS goes to verified servers that offer it; a report goes on without", async () => {
  const offered = { keywords: ["STARTTLS", "REQUIRETLS"], tlsKeywords: ["REQUIRETLS"] };
  const inClear = { keywords: ["STARTTLS", "REQUIRETLS"], tlsKeywords: ["SIZE"] };
  const named = (tls: TlsLevel) => ({ hosts: hosts(1).map((host) => ({ ...host, tls: decided(host.name, tls) })) });
  for (const [keywords, tls, reversePath, expected, parameter] of [
    [offered, "verified", "bob@our.test", "relayed 2.0.0", true],
    [inClear, "verified", "bob@our.test", "bounced 5.7.30", false],
    // What no route should lead to: the last door is closed as well.
    [offered, "none", "bob@our.test", "bounced 5.7.10", false],
    [offered, "verified", "", "relayed 2.0.0", true],
    [inClear, "verified", "", "relayed 2.0.0", false],
    [offered, "none", "", "relayed 2.0.0", false],
  ] as const) {
    await using world = new OutboundWorld();
    const peer = await world.peer("192.0.2.1", keywords);
    const message = { requireTls: true, reversePath } as const;
    const [outcome] = await world.deliver(world.job({ message, hop: named(tls) }));
    assert.equal(outcome && brief(outcome), expected, `${tls} <${reversePath}>`);
    const mail = peer.lines.find((line) => line.startsWith("MAIL")) ?? "";
    assert.equal(mail.includes("REQUIRETLS"), parameter);
    assert.equal(mail === "", expected.startsWith("bounced"));
  }
});

test("OPT-010: the second server of a site is asked where the first lacks REQUIRETLS", async () => {
  await using world = new OutboundWorld();
  const first = await world.peer("192.0.2.1", { keywords: ["STARTTLS"] });
  const second = await world.peer("192.0.2.2", { keywords: ["STARTTLS", "REQUIRETLS"] });
  const two = hosts(2).map((host) => ({ ...host, tls: decided(host.name, "verified") }));
  const job = world.job({ message: { requireTls: true }, hop: { hosts: two } });
  assert.deepEqual((await world.deliver(job)).map(brief), ["relayed 2.0.0"]);
  assert.ok(!first.verbs.includes("MAIL"));
  assert.match(second.lines.find((line) => line.startsWith("MAIL")) ?? "", / REQUIRETLS$/);
});
