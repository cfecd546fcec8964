/** EHLO, HELO and LHLO: what is announced, what is remembered, and that what is announced is honoured. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reply } from "../reply.ts";
import { Conversation, greeted, withRecipient } from "../../testing/server-conversation.ts";

test("SMTP-001: every verb is recognised, also with wrong arguments", () => {
  for (const verb of ["EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "BDAT"]) {
    for (const argument of ["", " ", " nonsense", " <>", " FROM:", " \u00ff"]) {
      const answer = new Conversation().send(`${verb}${argument}\r\n`).read();
      assert.doesNotMatch(answer.slice(answer.indexOf("\n") + 1), /^500/, verb + argument);
    }
  }
});

test("SMTP-002: HELO gets a single line and no keywords", () => {
  assert.equal(new Conversation().send("HELO c.example\r\n").read(), "220 mx.example ESMTP\r\n250 mx.example\r\n");
});

test("SMTP-003 ESC-001: the EHLO answer has our name, then one registered keyword a line, none twice", () => {
  const settings = { tlsAvailable: true, authMechanisms: { clear: [], tls: ["PLAIN", "LOGIN"] }, transactionsMax: 50 };
  const conversation = new Conversation(settings);
  conversation.read();
  const lines = conversation.send("EHLO c.example\r\n").read().trimEnd().split("\r\n");
  assert.equal(lines[0], "250-mx.example");
  assert.match(lines.at(-1) ?? "", /^250 /);
  const keywords = lines.slice(1).map((line) => line.slice(4).split(" ")[0] ?? "");
  const registered = [
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "CHUNKING",
    "BINARYMIME",
    "SIZE",
  ];
  assert.deepEqual(keywords, [...registered, "STARTTLS", "LIMITS", "HELP"]);
  for (const line of lines.slice(1)) assert.match(line, /^250[ -][A-Z0-9][A-Z0-9-]*(?: [!-~]+)*$/);
});

test("SMTP-004: each keyword's command or parameter is honoured", () => {
  const conversation = withRecipient({ tlsAvailable: true });
  conversation.play(`
    C: RSET
    S: 250
    C: MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x
    S: 250 2.1.0
    C: RCPT TO:<c@d.example> NOTIFY=NEVER ORCPT=rfc822;c@d.example
    S: 250 2.1.5
    C: BDAT 0
    S: 250
    C: RSET
    S: 250
    C: MAIL FROM:<a@b.example> BODY=BINARYMIME
    S: 250
    C: RSET
    S: 250
    C: HELP
    S: 214
    C: STARTTLS
    S: 220
  `);
});

test("SMTP-006: an accepted EHLO drops the transaction", () => {
  const conversation = withRecipient().play(`
    C: EHLO again.example
    S: 250-mx.example|
    C: DATA
    S: 503 5.5.1
    C: RCPT TO:<x@y.example>
    S: 503 5.5.1
  `);
  assert.ok(conversation.events.some((event) => event.kind === "reset" && event.cause === "hello"));
});

test("SMTP-007: a refused EHLO leaves the state as it was", () => {
  greeted({}, (event) =>
    event.kind === "hello" && event.name === "bad.example" ? reply(550, "5.7.1", "No") : "proceed",
  ).play(`
      C: MAIL FROM:<a@b.example>
      S: 250
      C: EHLO
      S: 501 5.5.4
      C: EHLO bad.example
      S: 550 5.7.1
      C: RCPT TO:<c@d.example>
      S: 250
    `);
});

test("SMTP-008 EAI-008: any name is let through, also where it is no domain", () => {
  for (const name of [
    "[127.0.0.1]",
    "[IPv6:::1]",
    "localhost",
    "WIN_PC",
    "[1.2.3]",
    "PhpStorm 2017.2",
    "b\u00fccher.example",
    "a".repeat(300),
    "\u{1f600}\u009b2J\u2028",
    "gr\xfcn",
  ]) {
    const conversation = new Conversation();
    // The last in Latin-1, as old machines have it.
    const event = conversation
      .send(Buffer.from(`EHLO ${name}\r\n`, name === "gr\xfcn" ? "latin1" : "utf8"))
      .events.find(({ kind }) => kind === "hello");
    const kept = name.slice(0, 255).replace("\u009b", "?").replace("\u2028", "?");
    assert.deepEqual(event, { kind: "hello", verb: "EHLO", name: kept });
    assert.match(conversation.read(), /^220 [^\r]*\r\n250[- ]/);
  }
  // 255 characters are not cut through one that UTF-16 writes as two.
  const long = Buffer.from(`EHLO ${"a".repeat(254)}\u{1f600}\r\n`);
  const cut = new Conversation().send(long).events.find(({ kind }) => kind === "hello");
  assert.ok(cut?.kind === "hello" && cut.name.isWellFormed());
});

test("a command that belongs to another port is told where", () => {
  greeted().play("C: AUTH PLAIN\nS: 502 5.5.1 Authentication is not available on this port; use port 587 or 465");
  greeted().play("C: LHLO x\nS: 500 5.5.1 This is SMTP, not LMTP; introduce yourself with EHLO");
  for (const verb of ["EHLO", "HELO"]) {
    greeted({ kind: "lmtp" }).play(`C: ${verb} x\nS: 500 5.5.1 This is LMTP; introduce yourself with LHLO`);
  }
});
