/** Commands, their order and their replies: scripts for rows SMTP of the checklist that the core alone can show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { verbs } from "../command-parser.ts";
import { reply } from "../reply.ts";
import { commandPhases, commandTable } from "./command-table.ts";
import { Conversation, greeted, inContent, withRecipient } from "./test-support.ts";

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

test("SMTP-005: verbs, FROM: and TO:, keywords are case-insensitive; local-parts keep their case", () => {
  const conversation = greeted().play(`
    C: mAiL fRoM:<Ab.C@x.example> bOdY=8bitmime
    S: 250
    C: rcpt to:<De.F@Y.Example> notify=Success,delay
    S: 250
    C: dAtA
    S: 354
    C: .
    S: 250
  `);
  assert.deepEqual(conversation.messages, [{ sender: "Ab.C@x.example", recipients: ["De.F@Y.Example"], content: "" }]);
  const event = conversation.events.find(({ kind }) => kind === "recipient");
  assert.deepEqual(event?.kind === "recipient" && event.parameters, { notify: ["SUCCESS", "DELAY"] });
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

test("SMTP-008 EAI-008: any name is let through, and marked when it is no domain", () => {
  for (const [name, wellFormed] of [
    ["[127.0.0.1]", true],
    ["[IPv6:::1]", true],
    ["localhost", true],
    ["WIN_PC", false],
    ["[1.2.3]", false],
    ["PhpStorm 2017.2", false],
    ["b\u00fccher.example", false],
    ["a".repeat(300), false],
    ["\u{1f600}\u009b2J\u2028", false],
    ["gr\xfcn", false],
  ] as const) {
    const conversation = new Conversation();
    // The last in Latin-1, as old machines have it.
    const event = conversation
      .send(Buffer.from(`EHLO ${name}\r\n`, name === "gr\xfcn" ? "latin1" : "utf8"))
      .events.find(({ kind }) => kind === "hello");
    const kept = name.slice(0, 255).replace("\u009b", "?").replace("\u2028", "?");
    assert.deepEqual(event, { kind: "hello", verb: "EHLO", name: kept, wellFormed });
    assert.match(conversation.read(), /^220 [^\r]*\r\n250[- ]/);
  }
  // 255 characters are not cut through one that UTF-16 writes as two.
  const long = Buffer.from(`EHLO ${"a".repeat(254)}\u{1f600}\r\n`);
  const cut = new Conversation().send(long).events.find(({ kind }) => kind === "hello");
  assert.ok(cut?.kind === "hello" && cut.name.isWellFormed());
});

test("blanks behind FROM: and TO: change nothing, tabs neither", () => {
  for (const blanks of [" ", "\t", "  \t "]) {
    greeted().play(`C: MAIL FROM:${blanks}<a@b.example> SIZE=1\nS: 250\nC: RCPT TO:${blanks}<c@d.example>\nS: 250`);
    greeted().play(`C: MAIL FROM:${blanks}<>\nS: 250`);
  }
  greeted().play("C: MAIL FROM:<a\t@b.example>\nS: 501\nC: MAIL FROM:<a@b.example>\tSIZE=1\nS: 501");
});

test("a client of our own needs no brackets and no domain; any other hears what is missing", () => {
  const own = { completesAddresses: true, hostname: "mail.example.org" };
  const conversation = greeted(own).play(
    "C: MAIL FROM:root SIZE=9\nS: 250\nC: RCPT TO:ann\nS: 250\nC: RCPT TO:<bob>\nS: 250",
  );
  const paths = conversation.events.flatMap((event) =>
    event.kind === "mail" ? [event.reversePath] : event.kind === "recipient" ? [event.forwardPath] : [],
  );
  assert.deepEqual(
    paths.map((path) => path?.localPart),
    ["root", "ann", "bob"],
  );
  assert.ok(paths.every((path) => path?.domainKey === "mail.example.org"));
  greeted(own).play("C: MAIL FROM:root@\nS: 501\nC: MAIL FROM:\nS: 501");
  greeted().play(`
    C: MAIL FROM:root@b.example
    S: 501 5.1.7 The address needs angle brackets
    C: MAIL FROM:<root>
    S: 501 5.1.7 The address has no domain
    C: MAIL FROM:<root@b.example>
    S: 250
    C: RCPT TO:ann@b.example
    S: 501 5.1.3 The address needs angle brackets
    C: RCPT TO:<ann>
    S: 501 5.1.3 The address has no domain
  `);
});

test("a command that belongs to another port is told where", () => {
  greeted().play("C: AUTH PLAIN\nS: 502 5.5.1 Authentication is not available on this port; use port 587 or 465");
  greeted().play("C: LHLO x\nS: 500 5.5.1 This is SMTP, not LMTP; introduce yourself with EHLO");
  for (const verb of ["EHLO", "HELO"]) {
    greeted({ kind: "lmtp" }).play(`C: ${verb} x\nS: 500 5.5.1 This is LMTP; introduce yourself with LHLO`);
  }
});

test("SMTP-009 SMTP-010: NOOP, HELP, EXPN, VRFY and RSET work before EHLO; MAIL gets 503 and harms nothing", () => {
  new Conversation().play(`
    S: 220 mx.example
    C: NOOP
    S: 250 2.0.0
    C: NOOP with text
    S: 250
    C: RSET
    S: 250 2.0.0
    C: HELP
    S: 214
    C: VRFY someone
    S: 252
    C: EXPN list
    S: 502 5.5.1
    C: MAIL FROM:<a@b.example>
    S: 503 5.5.1
    C: EHLO c.example
    S: 250
    C: MAIL FROM:<a@b.example>
    S: 250
  `);
});

test("SMTP-011 SMTP-012: what is out of order gets 503, and the state stays as it was", () => {
  const conversation = greeted().play(`
    C: RCPT TO:<c@d.example>
    S: 503 5.5.1
    C: DATA
    S: 503 5.5.1
    C: MAIL FROM:<a@b.example>
    S: 250
    C: DATA
    S: 503 5.5.1
    C: MAIL FROM:<other@b.example>
    S: 503 5.5.1
    C: RCPT TO:<c@d.example>
    S: 250
    C: MAIL FROM:<other@b.example>
    S: 503 5.5.1
    C: DATA
    S: 354
    C: text
    C: .
    S: 250
  `);
  assert.deepEqual(conversation.messages, [
    { sender: "a@b.example", recipients: ["c@d.example"], content: "text\r\n" },
  ]);
});

test("the table of legality is what the core does", () => {
  const reach = {
    connected: [],
    greeted: ["EHLO x"],
    transaction: ["EHLO x", "MAIL FROM:<a@b>"],
    recipients: ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<a@b>"],
    chunks: ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<a@b>", "BDAT 0"],
  } as const;
  const argument: Record<string, string> = {
    HELO: " x",
    EHLO: " x",
    MAIL: " FROM:<a@b>",
    RCPT: " TO:<a@b>",
    BDAT: " 0",
    VRFY: " x",
    EXPN: " x",
    AUTH: " PLAIN",
  };
  for (const phase of commandPhases) {
    for (const verb of verbs) {
      if (verb === "LHLO") continue;
      const conversation = new Conversation({
        tlsAvailable: true,
        authMechanisms: { clear: ["PLAIN"], tls: ["PLAIN"] },
      });
      for (const line of reach[phase]) conversation.send(`${line}\r\n`);
      conversation.read();
      const answer = conversation.send(`${verb}${argument[verb] ?? ""}\r\n`).read();
      const rule = commandTable[verb][phase];
      assert.equal(answer.startsWith("503"), rule !== "legal", `${verb} in ${phase}: ${answer}`);
    }
  }
});

test("SMTP-013: the next transaction knows nothing of the one before", () => {
  const conversation = greeted();
  for (const name of ["a", "b"]) {
    conversation
      .send(`MAIL FROM:<${name}@s.example>\r\nRCPT TO:<${name}@r.example>\r\nDATA\r\n`)
      .send(`${name}\r\n.\r\n`);
  }
  assert.deepEqual(conversation.messages, [
    { sender: "a@s.example", recipients: ["a@r.example"], content: "a\r\n" },
    { sender: "b@s.example", recipients: ["b@r.example"], content: "b\r\n" },
  ]);
});

test("SMTP-014 trap 11: after any final reply to DATA all buffers are empty", () => {
  for (const verdict of [reply(550, "5.7.1", "No"), reply(451, "4.3.0", "Later"), reply(250, "2.0.0", "Ok")]) {
    withRecipient({}, (event) => (event.kind === "content-end" ? verdict : "proceed")).play(`
      C: DATA
      S: 354
      C: .
      S: ${verdict.code}
      C: RCPT TO:<x@y.example>
      S: 503 5.5.1
      C: DATA
      S: 503 5.5.1
      C: MAIL FROM:<>
      S: 250
    `);
  }
});

test("SMTP-015: RSET drops sender, recipients and data, and keeps the session", () => {
  const conversation = withRecipient().play(`
    C: RSET
    S: 250 2.0.0
    C: DATA
    S: 503
    C: NOOP
    S: 250
    C: RSET
    S: 250
  `);
  assert.deepEqual(
    conversation.events.filter(({ kind }) => kind === "reset"),
    [{ kind: "reset", cause: "rset" }],
  );
});

test("SMTP-016: QUIT gets 221, then the session closes and nothing is delivered", () => {
  const conversation = withRecipient().play(`
    C: QUIT
    S: 221 2.0.0
    C: NOOP
  `);
  assert.deepEqual(conversation.events.at(-1), { kind: "closed", cause: "quit", duringTransaction: true });
  assert.equal(conversation.core.nextEvent(), "paused");
  assert.deepEqual(conversation.messages, []);
});

test("SMTP-017 SMTP-049: unknown commands close nothing until the limit, which ends with 421", () => {
  const conversation = greeted({ errorsMax: 6 });
  for (let count = 0; count < 5; count++) conversation.play("C: FOO\nS: 500 5.5.1");
  conversation.play("C: NOOP\nS: 250\nC: FOO\nS: 500 5.5.1\nS: 421 4.7.0");
  assert.equal(conversation.closeCause, "errors");
});

test("SMTP-049: refused recipients are counted apart, and an accepted message clears the count", () => {
  const conversation = greeted({ errorsMax: 3, refusedRecipientsMax: 5 });
  for (let round = 0; round < 3; round++) {
    conversation.send("MAIL FROM:<a@b>\r\nRCPT TO:<ok@r>\r\n");
    for (let count = 0; count < 4; count++) conversation.send("RCPT TO:<no-such@r>\r\n");
    conversation.send("DATA\r\n").send(".\r\n");
  }
  assert.equal(conversation.messages.length, 3);
  conversation.send("MAIL FROM:<a@b>\r\n");
  for (let count = 0; count < 5; count++) conversation.send("RCPT TO:<no-such@r>\r\n");
  assert.equal(conversation.closeCause, "errors");
});

test("SMTP-049: endless commands without effect end with 421", () => {
  const conversation = greeted();
  for (let count = 0; count < 99; count++) conversation.send("NOOP\r\n");
  assert.equal(conversation.closeCause, undefined);
  for (let count = 0; count < 30; count++) conversation.send("NOOP\r\n");
  assert.equal(conversation.closeCause, "errors");
  assert.match(conversation.read(), /421 4\.7\.0 [^\n]*\r\n$/);
});

test("SMTP-018: a shutdown writes 421 and accepts nothing by half", () => {
  const idle = greeted().shutdown().play("S: 421 4.3.2");
  assert.equal(idle.closeCause, "shutdown");
  const content = inContent().send("half").shutdown().play("S: 421 4.3.2");
  assert.deepEqual(content.events.at(-1), { kind: "closed", cause: "shutdown", duringTransaction: true });
  assert.deepEqual(content.messages, []);
});

test("SMTP-018: a shutdown while a message is being committed waits for its verdict", () => {
  const conversation = inContent({}, (event) => (event.kind === "content-end" ? "wait" : "proceed"));
  conversation.send("x\r\n.\r\n").shutdown();
  assert.equal(conversation.read(), "");
  conversation.decide("proceed").play("S: 250 2.0.0\nS: 421 4.3.2");
  assert.equal(conversation.messages.length, 1);
});

test("SMTP-019: a connection lost in content cancels it; what came whole before the end counts", () => {
  const conversation = inContent().send("body\r\n").end();
  assert.deepEqual(conversation.events.at(-1), { kind: "closed", cause: "lost", duringTransaction: true });
  assert.ok(!conversation.kinds.includes("content-end"));
  const whole = withRecipient({}, () => "proceed")
    .send("BDAT 4 LAST\r\nbodyQUIT\r\n")
    .end();
  assert.equal(whole.messages.length, 1);
  assert.equal(whole.closeCause, "quit");
});

test("a verdict that comes after the connection is lost is ignored", () => {
  const conversation = inContent({}, (event) => (event.kind === "content-end" ? "wait" : "proceed")).send(".\r\n");
  conversation.core.connectionLost(1);
  assert.deepEqual(conversation.core.nextEvent(), { kind: "closed", cause: "lost", duringTransaction: true });
  conversation.core.proceed(2);
  conversation.core.answer(reply(250, "2.0.0", "Ok"), 2);
  conversation.core.challenge(Buffer.from("x"), 2);
  assert.equal(conversation.core.takeOutput(), undefined);
  assert.equal(conversation.core.nextEvent(), "paused");
});

test("SMTP-022: nothing of the input comes back", () => {
  const conversation = greeted({ errorsMax: 1000 });
  for (const octet of ["\u001b", "\0", "\u00ff", "\u007f", "\u0085"]) {
    for (const line of ["VRFY %", "MAIL FROM:<%@b>", "MAIL FROM:<a@b> X%=1", "%", "NOOP %", "RCPT TO:<%>", "AUTH %"]) {
      const answer = conversation.send(`${line.replace("%", octet)}\r\n`).read();
      assert.match(answer, /^[2-5]\d\d [ -~]*\r\n$/, JSON.stringify(line));
    }
  }
  for (const octet of ["\u001b", "\0", "\u00ff", "\u007f", "\u0085"]) {
    assert.match(greeted().send(`BDAT ${octet}\r\n`).read(), /^501 [ -~]*\r\n421 [ -~]*\r\n$/);
  }
  const long = "Z".repeat(1000);
  assert.ok(conversation.send(`MAIL FROM:<a@b> ${long}=1\r\n`).read().length < 100);
});

test("SMTP-023: DATA, RSET, QUIT with an argument get 501", () => {
  withRecipient().play(`
    C: RSET foo
    S: 501 5.5.4
    C: DATA x
    S: 501 5.5.4
    C: QUIT now
    S: 501 5.5.4
    C: DATA
    S: 354
    C: .
    S: 250
  `);
});

test("SMTP-024: white space before CRLF is tolerated", () => {
  greeted().play(`
    C: NOOP ${""}
    S: 250
    C: NOOP\t
    S: 250
    C: MAIL FROM:<a@b.example> ${""}
    S: 250
    C: RCPT TO:<a@b.example>\t ${""}
    S: 250
    C: DATA  ${""}
    S: 354
    C: .
    S: 250
  `);
});

test("SMTP-025: brackets are needed, <> is a sender and no recipient", () => {
  greeted({ errorsMax: 100 }).play(`
    C: MAIL FROM:a@b.example
    S: 501 5.1.7
    C: MAIL FROM:
    S: 501
    C: MAIL
    S: 501 5.5.4
    C: MAIL TO:<a@b.example>
    S: 501 5.5.4
    C: MAIL FROM:<a@b.example>SIZE=1
    S: 501
    C: MAIL FROM:<a@b.example>>
    S: 501
    C: MAIL FROM:<>
    S: 250
    C: RCPT TO:<>
    S: 501 5.1.3
    C: RCPT TO:c@d.example
    S: 501 5.1.3
    C: RCPT FROM:<c@d.example>
    S: 501 5.5.4
    C: RCPT TO: <c@d.example>
    S: 250
  `);
});

test("SMTP-028: control octets in commands get 501", () => {
  greeted({ errorsMax: 100 }).play(`
    C: MAIL FROM:<a\x07b@x>
    S: 501
    C: MAIL FROM:<a@x>\0
    S: 501
    C: MAIL FROM:<a@x> SIZE=1\x7f
    S: 501
    C: VRFY a\x1b
    S: 501
    C: MAIL FROM:<\u00e9@x>
    S: 501 5.5.2
  `);
});

test("SMTP-029: a domain with anything but letters, digits, underscores and inner hyphens is 501, in MAIL and in RCPT", () => {
  greeted().play("C: MAIL FROM:<a@b_c.example>\nS: 250\nC: RCPT TO:<a@_d.example>\nS: 250");
  for (const domain of ["-x.example", "x-.example", "x..y", "x,y"]) {
    greeted().play(`C: MAIL FROM:<a@${domain}>\nS: 501`);
    withRecipient().play(`C: RCPT TO:<a@${domain}>\nS: 501\nC: DATA\nS: 354`);
  }
});

test("SMTP-030: address literals are no syntax error in EHLO, MAIL and RCPT; wrong ones are 501", () => {
  for (const literal of ["[192.0.2.1]", "[IPv6:2001:db8::1]"]) {
    new Conversation().play(`S: 220\nC: EHLO ${literal}\nS: 250`);
    greeted().play(`C: MAIL FROM:<a@${literal}>\nS: 250\nC: RCPT TO:<b@${literal}>\nS: 250`);
  }
  greeted().play("C: MAIL FROM:<a@[1.2.3.999]>\nS: 501\nC: MAIL FROM:<a@[IPv6:x::1]>\nS: 501");
  withRecipient().play("C: RCPT TO:<a@[1.2.3.999]>\nS: 501");
});

test("SMTP-031: an unknown parameter gets 555", () => {
  greeted().play(`
    C: MAIL FROM:<a@b.example> FOO=1
    S: 555 5.5.4
    C: MAIL FROM:<a@b.example> FOO
    S: 555 5.5.4
    C: MAIL FROM:<a@b.example>
    S: 250
    C: RCPT TO:<c@d.example> BAR
    S: 555 5.5.4
    C: RCPT TO:<c@d.example> SIZE=1
    S: 555 5.5.4
  `);
});

test("SMTP-032 trap 17: repeated and malformed parameters get 501", () => {
  const conversation = greeted({ errorsMax: 100 });
  const wrong = [
    "SIZE=1 SIZE=2",
    "BODY=7BIT body=8BITMIME",
    "SMTPUTF8 SMTPUTF8",
    "ENVID=a ENVID=a",
    "=x",
    "=",
    "-A=1",
    "A=b=c",
    "SIZE=1 =",
    "RET=FULL RET=HDRS",
  ];
  for (const parameters of wrong) conversation.play(`C: MAIL FROM:<a@b.example> ${parameters}\nS: 501 5.5.4`);
});

test("SMTP-033: postmaster without a domain is a recipient", () => {
  const conversation = withRecipient().play("C: RCPT TO:<PostMaster>\nS: 250\nC: RCPT TO:<abuse>\nS: 501 5.1.3");
  assert.ok(conversation.events.some((event) => event.kind === "recipient" && event.forwardPath.domain === ""));
});

test("SMTP-034 SMTP-035: lines up to the limit are read; longer ones get one 500 and the session stays in step", () => {
  for (const cut of [1, 7, 600, 5000]) {
    const conversation = greeted();
    const wire = `NOOP ${"x".repeat(2048 - 7)}\r\nNOOP ${"x".repeat(2048 - 6)}\r\n${"RSET ".repeat(820)}\r\nNOOP\r\n`;
    for (let position = 0; position < wire.length; position += cut)
      conversation.send(wire.slice(position, position + cut));
    conversation.play("S: 250\nS: 500 5.5.2\nS: 500 5.5.2\nS: 250");
  }
});

test("memory: a line without an end is dropped while it arrives", () => {
  const conversation = greeted();
  for (let count = 0; count < 100; count++) {
    conversation.send("x".repeat(65536));
    assert.ok(conversation.core.bufferedBytes <= 2048);
  }
  conversation.send("\r\nNOOP\r\n").play("S: 500 5.5.2\nS: 250");
});

test("SMTP-036 SMTP-037: recipients up to the limit are accepted, the surplus gets 452, the earlier ones stay", () => {
  const conversation = greeted({ recipientsMax: 100 }).send("MAIL FROM:<a@b>\r\n");
  for (let count = 0; count < 100; count++) conversation.send(`RCPT TO:<r${count}@d>\r\n`);
  assert.match(conversation.read(), /^250 2\.1\.0 .*\r\n(?:250 2\.1\.5 .*\r\n){100}$/);
  conversation.play("C: RCPT TO:<surplus@d>\nS: 452 4.5.3\nC: DATA\nS: 354\nC: .\nS: 250");
  assert.equal(conversation.messages[0]?.recipients.length, 100);
});

test("SMTP-043: silence ends with 421 4.4.2 after five minutes and not before", () => {
  const conversation = greeted().pass(299_999);
  assert.equal(conversation.closeCause, undefined);
  conversation.pass(1).play("S: 421 4.4.2");
  assert.equal(conversation.closeCause, "deadline");
});

test("SMTP-043: a trickle of octets without a line end is silence too; content only has to go on", () => {
  const trickle = greeted();
  for (let count = 0; count < 10; count++) trickle.send("N").pass(40_000);
  assert.equal(trickle.closeCause, "deadline");
  const content = inContent();
  for (let count = 0; count < 10; count++) content.send("N").pass(200_000);
  assert.equal(content.closeCause, undefined);
  content.pass(300_000).play("S: 421 4.4.2");
  const drained = greeted().send("BDAT 100\r\n");
  for (let count = 0; count < 10; count++) drained.send("N").pass(200_000);
  assert.equal(drained.closeCause, undefined);
  assert.equal(content.closeCause, "deadline");
});

test("the whole session has a limit; while a verdict is owed there is none", () => {
  const session = greeted({ sessionTimeoutMs: 1_000_000 });
  for (let count = 0; count < 10; count++) session.send("NOOP\r\n").pass(110_000);
  assert.equal(session.closeCause, "deadline");
  const committing = inContent({}, (event) => (event.kind === "content-end" ? "wait" : "proceed")).send(".\r\n");
  assert.equal(committing.core.deadline(), undefined);
  committing.pass(9_000_000).decide("proceed");
  assert.match(committing.read(), /^250 /);
});

test("SMTP-044: a 554 greeting keeps the session for QUIT and answers all else 503", () => {
  const conversation = new Conversation({}, () => reply(554, undefined, "No service for you")).play(`
    S: 554 No service
    C: EHLO x
    S: 503 5.5.1
    C: MAIL FROM:<a@b>
    S: 503
    C: QUIT
    S: 221
  `);
  assert.equal(conversation.closeCause, "quit");
});

test("a verdict of 421 closes, from the greeting on", () => {
  const conversation = new Conversation({}, () => reply(421, "4.7.0", "Too many connections")).play("S: 421 4.7.0");
  assert.equal(conversation.closeCause, "refused");
});

test("SMTP-046: VRFY and EXPN when disabled", () => {
  greeted().play(`
    C: VRFY known
    S: 252
    C: VRFY unknown
    S: 252
    C: VRFY
    S: 501 5.5.4
    C: EXPN list
    S: 502 5.5.1
  `);
});

test("SMTP-046 EAI-002: VRFY and EXPN when enabled ask the driver", () => {
  const conversation = greeted({ verifyEnabled: true }, (event) =>
    event.kind === "vrfy" && event.text === "bob" ? reply(250, "2.1.5", "<bob@rcpt.example>") : "proceed",
  ).play(`
    C: VRFY bob
    S: 250 2.1.5
    C: VRFY eve
    S: 252
    C: EXPN list SMTPUTF8
    S: 252
    C: VRFY bob SMTPUTF8=1
    S: 501
  `);
  conversation.send(Buffer.from("VRFY é\r\nVRFY é SMTPUTF8\r\n")).play("S: 553 5.6.7\nS: 252");
  assert.deepEqual(conversation.events.at(-1), { kind: "vrfy", text: "é", smtpUtf8: true });
});

test("a browser's request and a TLS handshake close the session, and nothing in them is run", () => {
  const http = new Conversation()
    .send("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b>\r\n")
    .play("S: 220\nS: 421 4.7.0");
  assert.equal(http.closeCause, "not-smtp");
  for (const cut of [1, 2, 3]) {
    const hello = "\x16\x03\x01\x02\x00\x01\n";
    const tls = new Conversation().send(hello.slice(0, cut)).send(hello.slice(cut)).play("S: 220\nS: 421 4.7.0");
    assert.equal(tls.closeCause, "not-smtp");
  }
});

test("SMTP-020: one reply per command, however the commands are cut", () => {
  const wire =
    "EHLO x\r\nNOOP\r\nFOO\r\n\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcRSET\r\nVRFY x\r\nQUIT\r\n";
  const whole = new Conversation().send(wire).read();
  assert.equal(whole.match(/^\d{3} /gm)?.length, 11);
  for (let cut = 0; cut <= wire.length; cut++) {
    assert.equal(new Conversation().send(wire.slice(0, cut)).send(wire.slice(cut)).read(), whole);
  }
});
