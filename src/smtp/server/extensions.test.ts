/** SIZE, PIPELINING, CHUNKING, BINARYMIME, DSN, SMTPUTF8, LIMITS: rows EXT, DSN, EAI, OPT that the core alone can show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reply } from "../reply.ts";
import type { Judge } from "../../testing/server-conversation.ts";
import { Conversation, greeted, inContent, withRecipient } from "../../testing/server-conversation.ts";

test("EXT-001 EXT-006: SIZE over the limit gets 552, what is no size 501", () => {
  const conversation = greeted({ messageBytesMax: 1000, errorsMax: 100 });
  for (const [size, code] of [
    ["1000", "250"],
    ["1001", "552 5.3.4"],
    ["99999999999999999999", "552 5.3.4"],
    ["999999999999999999999", "501 5.5.4"],
    ["-1", "501 5.5.4"],
    ["0x10", "501 5.5.4"],
    ["1e3", "501 5.5.4"],
    ["", "501 5.5.4"],
    ["+1", "501 5.5.4"],
    ["0", "250"],
  ] as const) {
    conversation.play(`C: MAIL FROM:<a@b> SIZE=${size}\nS: ${code}\nC: RSET\nS: 250`);
  }
  conversation.play("C: MAIL FROM:<a@b> SIZE\nS: 501 5.5.4");
});

test("EXT-002: SIZE never decides where the message ends", () => {
  const conversation = greeted().send("MAIL FROM:<a@b> SIZE=10\r\nRCPT TO:<c@d>\r\nDATA\r\n");
  conversation.send(`${"x".repeat(498)}\r\n.\r\n`);
  assert.equal(conversation.messages[0]?.content.length, 500);
  assert.ok(conversation.events.some((event) => event.kind === "content-begin" && event.declaredSize === 10));
});

test("EXT-003: a message over the limit is read to its end, then gets one 552; memory stays flat", () => {
  const conversation = inContent({ messageBytesMax: 1_000_000 });
  let handedOn = 0;
  const line = `${"x".repeat(998)}\r\n`.repeat(64);
  for (let count = 0; count < 80; count++) {
    conversation.send(line);
    assert.ok(conversation.core.bufferedBytes < 2000);
  }
  for (const event of conversation.events) if (event.kind === "content") handedOn += event.slices.length;
  assert.ok(handedOn <= 16);
  conversation.send(".\r\n").play("S: 552 5.3.4\nC: NOOP\nS: 250\nC: RCPT TO:<x@y>\nS: 503");
  const refused = conversation.events.find(({ kind }) => kind === "content-refused");
  assert.equal(refused?.kind === "content-refused" && refused.reason, "too-large");
  assert.equal(refused?.kind === "content-refused" && refused.size, 80 * 64 * 1000);
});

test("EXT-004 EXT-005: exactly the limit is accepted, dots of transparency not counted", () => {
  const limit = { messageBytesMax: 3000 };
  assert.equal(inContent(limit).send(`${"..\r\n".repeat(1000)}.\r\n`).messages.length, 1);
  inContent(limit)
    .send(`${"..\r\n".repeat(1000)}\r\n.\r\n`)
    .play("S: 552 5.3.4");
});

test("trap 14: a limit of 0 is no limit", () => {
  const conversation = greeted({ messageBytesMax: 0 });
  conversation.play("C: MAIL FROM:<a@b> SIZE=999999999999\nS: 250\nC: RCPT TO:<c@d>\nS: 250\nC: DATA\nS: 354");
  conversation.send("x\r\n.\r\n").play("S: 250");
});

test("EXT-007 EXT-008: a pipelined group gets its replies in order, in one piece, without further input", () => {
  const conversation = greeted();
  const recipients = Array.from({ length: 50 }, (_, index) => `RCPT TO:<${index % 2 ? "no-such" : "r"}${index}@d>\r\n`);
  conversation.send(`MAIL FROM:<a@b>\r\n${recipients.join("")}DATA\r\n`);
  const codes = conversation
    .read()
    .trimEnd()
    .split("\r\n")
    .map((line) => line.slice(0, 3));
  assert.deepEqual(codes, ["250", ...recipients.map((_, index) => (index % 2 ? "550" : "250")), "354"]);
});

test("EXT-007: while a verdict is owed nothing behind it is worked off", () => {
  const conversation = greeted({}, (event) => (event.kind === "mail" ? "wait" : "proceed"));
  conversation.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nNOOP\r\n");
  assert.equal(conversation.read(), "");
  assert.equal(conversation.core.nextEvent(), "paused");
  assert.ok(conversation.core.bufferedBytes > 0);
  conversation.decide(reply(250, "2.1.0", "Fine")).play("S: 250 2.1.0 Fine\nS: 250 2.1.5\nS: 250 2.0.0");
  assert.equal(conversation.core.bufferedBytes, 0);
});

test("EXT-009: input is never dropped, whatever fails", () => {
  greeted().send("MAIL FROM:<bad\r\nRCPT TO:<c@d>\r\nDATA\r\nNOOP\r\n").play("S: 501 5.1.7\nS: 503\nS: 503\nS: 250");
});

test("EXT-010 EXT-011 LMTP-003: DATA without an accepted recipient gets 503 and no 354", () => {
  for (const kind of ["mx", "lmtp"] as const) {
    greeted({ kind })
      .send("MAIL FROM:<a@b>\r\nRCPT TO:<no-such@d>\r\nDATA\r\n.\r\n")
      .play("S: 250\nS: 550 5.1.1\nS: 503 5.5.1\nS: 500");
  }
});

test("EXT-012: who speaks before the greeting, or behind EHLO or DATA, is refused when that is set", () => {
  const early: Judge = (event) => (event.kind === "connect" ? "wait" : "proceed");
  const greeting = new Conversation({ earlyTalk: "refuse" }, early).send("EHLO x\r\n").decide("proceed");
  greeting.play("S: 554 ");
  assert.equal(greeting.closeCause, "early-talk");
  const hello = new Conversation({ earlyTalk: "refuse" })
    .send("EHLO x\r\nMAIL FROM:<a@b>\r\n")
    .play("S: 220\nS: 554 5.5.0");
  assert.equal(hello.closeCause, "early-talk");
  const data = withRecipient({ earlyTalk: "refuse" }).send("DATA\r\nSubject: x\r\n").play("S: 554 5.5.0");
  assert.equal(data.closeCause, "early-talk");
  const patient = withRecipient({ earlyTalk: "refuse" }).send("DATA\r\n").send("x\r\n.\r\n").play("S: 354\nS: 250");
  assert.equal(patient.messages.length, 1);
  assert.equal(withRecipient().send("DATA\r\nx\r\n.\r\n").play("S: 354\nS: 250").messages.length, 1);
});

test("EXT-015: BODY in any letter case; other values get 501", () => {
  const conversation = greeted();
  for (const body of ["7bit", "7BIT", "8bitMIME", "BINARYMIME"]) {
    conversation.play(`C: MAIL FROM:<a@b> BODY=${body}\nS: 250\nC: RSET\nS: 250`);
  }
  conversation.play("C: MAIL FROM:<a@b> BODY=foo\nS: 501 5.5.4\nC: MAIL FROM:<a@b> BODY\nS: 501 5.5.4");
});

test("EXT-016: BDAT and DATA in one transaction get 503; so do MAIL and RCPT between chunks", () => {
  withRecipient().send("BDAT 5\r\nabcde").play(`
    S: 250 2.0.0
    C: DATA
    S: 503 5.5.1
    C: RCPT TO:<x@y>
    S: 503 5.5.1
    C: MAIL FROM:<x@y>
    S: 503 5.5.1
    C: BDAT 0 LAST
    S: 250
  `);
});

test("EXT-017 EXT-019: each chunk has its 250; 0 LAST is valid; BDAT behind LAST gets 503", () => {
  const conversation = withRecipient().send(
    "BDAT 10\r\n0123456789BDAT 4\r\nabcdBDAT 0 LAST\r\nBDAT 3 LAST\r\nxyzNOOP\r\n",
  );
  conversation.play("S: 250 2.0.0 10 octets\nS: 250 2.0.0 14 octets\nS: 250\nS: 503 5.5.1\nS: 250");
  assert.deepEqual(
    conversation.messages.map(({ content }) => content),
    ["0123456789abcd"],
  );
  assert.equal(withRecipient().send("BDAT 2 LAST\r\nhi").messages[0]?.content, "hi");
});

test("trap 12 EXT-018 trap 14: a BDAT out of place reads its chunk away, then gets 503, never run as commands", () => {
  const payload = "QUIT\r\nMAIL FROM:<evil@x>\r\n.\r\n";
  for (const conversation of [new Conversation({}), greeted(), greeted().send("MAIL FROM:<a@b>\r\n")]) {
    conversation.read();
    conversation.send(`BDAT ${payload.length} LAST\r\n${payload}NOOP\r\n`).play("S: 503 5.5.1\nS: 250");
  }
});

test("EXT-018: a BDAT that the driver refuses reads its chunk away; the chunks behind it too", () => {
  const judge: Judge = (event) => (event.kind === "content-begin" ? reply(452, "4.3.1", "No space") : "proceed");
  const conversation = withRecipient({}, judge).send("BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
  conversation.play("S: 452 4.3.1\nS: 503 5.5.1\nS: 250");
  assert.equal(conversation.closeCause, undefined);
});

test("EXT-020 trap 15: RSET between chunks drops the partial message, and the next one starts clean", () => {
  const conversation = withRecipient().send(
    "BDAT 10\r\n0123456789RSET\r\nMAIL FROM:<b@c>\r\nRCPT TO:<d@e>\r\nBDAT 3 LAST\r\nnew",
  );
  assert.deepEqual(
    conversation.messages.map(({ sender, content }) => [sender, content]),
    [["b@c", "new"]],
  );
  assert.ok(conversation.kinds.includes("reset"));
});

test("EXT-021 trap 13: chunk sizes are digits; a chunk over the limit is drained and gets 552", () => {
  for (const size of ["-1", "1x", "", "5 FIRST", "99999999999999999999", "0x5", "1 2", "LAST"]) {
    const lost = withRecipient().play(`C: BDAT ${size}\nS: 501 5.5.4\nS: 421 4.5.0`);
    assert.equal(lost.closeCause, "lost-chunk");
  }
  const conversation = withRecipient({ messageBytesMax: 1000, errorsMax: 100 });
  conversation.send("BDAT 2000000\r\n");
  for (let count = 0; count < 20; count++) {
    conversation.send("x".repeat(100_000));
    assert.equal(conversation.core.bufferedBytes, 0);
  }
  conversation.play("S: 552 5.3.4").send("BDAT 2 LAST\r\nhiNOOP\r\n").play("S: 503 5.5.1\nS: 250");
  assert.equal(conversation.messages.length, 0);
});

test("EXT-022: chunks keep their dots and line ends", () => {
  const content = "..a\r\n.\r\nb\r\n";
  const conversation = withRecipient().send(`BDAT ${content.length} LAST\r\n${content}`);
  assert.equal(conversation.messages[0]?.content, content);
});

test("EXT-023: BODY=BINARYMIME may hold anything and needs BDAT", () => {
  const conversation = greeted().send("MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n");
  conversation.play("S: 250\nS: 250\nC: DATA\nS: 503 5.5.1");
  conversation.send("BDAT 6 LAST\r\na\nb\r\0\r").play("S: 250");
  assert.equal(conversation.messages[0]?.content, "a\nb\r\0\r");
});

test("SMUG-007: bare line ends in chunks of text get 550, also at the very end and over a cut", () => {
  for (const [chunks, code] of [
    [["a\nb"], "550 5.5.2"],
    [["a\rb"], "550 5.5.2"],
    [["a\r"], "550 5.5.2"],
    [["a\r", ""], "550 5.5.2"],
    [["a\r", "\nb"], "250"],
    [["a", "\nb"], "550 5.5.2"],
  ] as const) {
    const conversation = withRecipient();
    const wire = chunks.map(
      (chunk, index) => `BDAT ${chunk.length}${index === chunks.length - 1 ? " LAST" : ""}\r\n${chunk}`,
    );
    const replies = conversation.send(wire.join("")).read().trimEnd().split("\r\n");
    assert.ok(replies.at(-1)?.startsWith(code), JSON.stringify(chunks));
    assert.equal(conversation.messages.length, code === "250" ? 1 : 0);
  }
});

test("bare line ends in chunks of text are repaired where the listener says so, for any cut; those of BINARYMIME never", () => {
  for (const [body, content, stored] of [
    ["", "a\nb\rc\r\n.\n..\n", "a\r\nb\r\nc\r\n.\r\n..\r\n"],
    [" BODY=8BITMIME", "\n\r\r\n\n", "\r\n\r\n\r\n\r\n"],
    [" BODY=BINARYMIME", "a\nb\rc\r", "a\nb\rc\r"],
  ] as const) {
    for (let cut = 0; cut <= content.length; cut++) {
      const conversation = greeted({ bareLineEnds: "repair" });
      conversation.send(`MAIL FROM:<a@b>${body}\r\nRCPT TO:<c@d>\r\n`);
      conversation.send(`BDAT ${cut}\r\n${content.slice(0, cut)}`);
      conversation
        .send(`BDAT ${content.length - cut} LAST\r\n${content.slice(cut)}`)
        .play("S: 250\nS: 250\nS: 250\nS: 250");
      assert.equal(conversation.messages[0]?.content, stored, `${body} ${cut}`);
    }
  }
  // Nothing is left that could make a line end of a CR at the very end.
  for (const chunks of ["BDAT 3 LAST\r\n\na\r", "BDAT 3\r\n\na\rBDAT 0 LAST\r\n"]) {
    const conversation = withRecipient({ bareLineEnds: "repair" }).send(chunks);
    assert.match(conversation.read(), /(?:^|\r\n)550 5\.5\.2 The message contains a CR without LF[^\r]*\r\n$/);
    assert.equal(conversation.messages.length, 0);
  }
});

test("the driver can give content up while it arrives: the rest is drained unseen, then gets the driver's reply", () => {
  const conversation = inContent().send("first\r\n");
  conversation.core.refuseContent(reply(452, "4.3.1", "No space"));
  conversation.send("second\r\n").send(".\r\nNOOP\r\n").play("S: 452 4.3.1\nS: 250");
  assert.equal(conversation.kinds.filter((kind) => kind === "content").length, 1);
  assert.ok(conversation.events.some((event) => event.kind === "content-refused" && event.reason === "driver"));
  const chunks = withRecipient().send("BDAT 2\r\nhi");
  chunks.core.refuseContent(reply(452, "4.3.1", "No space"));
  chunks.send("BDAT 2\r\nhiBDAT 2 LAST\r\nhi").play("S: 250\nS: 452 4.3.1\nS: 503");
});

test("the driver can give content up also where its end came in the same piece", () => {
  for (const [{ core }, piece] of [
    [inContent(), "all of it\r\n.\r\nNOOP\r\n"],
    [withRecipient(), "BDAT 9 LAST\r\nall of itNOOP\r\n"],
  ] as const) {
    core.receive(Buffer.from(piece), 0);
    let event = core.nextEvent();
    for (; typeof event !== "string" && event.kind !== "content"; event = core.nextEvent()) core.proceed(0);
    core.refuseContent(reply(452, "4.3.1", "No space"));
    const kinds = [core.nextEvent(), core.nextEvent()].map((next) => (typeof next === "string" ? next : next.kind));
    assert.deepEqual(kinds, ["content-refused", "need-data"]);
    assert.match(String(core.takeOutput()), /452 4\.3\.1 No space\r\n250 [^\r]*\r\n$/);
  }
});

test("DSN-002 DSN-003 DSN-004: wrong values get 501, the limits themselves are accepted", () => {
  const conversation = greeted({ errorsMax: 100 });
  for (const wrong of [
    "RET=FOO",
    "RET",
    "ENVID=+G1",
    "ENVID=bad+2",
    "ENVID",
    `ENVID=${"x".repeat(101)}`,
    "ENVID=a+0Ab",
    "ENVID=+00",
  ]) {
    conversation.play(`C: MAIL FROM:<a@b> ${wrong}\nS: 501 5.5.4`);
  }
  conversation.play(`C: MAIL FROM:<a@b> RET=hdrs ENVID=${"x".repeat(100)}\nS: 250`);
  for (const wrong of [
    "NOTIFY=NEVER,SUCCESS",
    "NOTIFY=",
    "NOTIFY",
    "NOTIFY=FOO",
    "NOTIFY=SUCCESS,",
    "ORCPT=x",
    "ORCPT=;x",
    "ORCPT=rfc822;",
    "ORCPT=rfc822;a+0Ab",
    "ORCPT=rfc822;+g",
    `ORCPT=rfc822;${"x".repeat(494)}`,
    "ORCPT=utf-8;a+2Bb",
    "ORCPT=utf-8;\\x{0A}",
    "ORCPT=utf-8;\\y",
    "ORCPT=utf-8;\\x{D800}",
  ]) {
    conversation.play(`C: RCPT TO:<a@b> ${wrong}\nS: 501 5.5.4`);
  }
  conversation.play(`
    C: RCPT TO:<a@b> notify=Success,delay ORCPT=rfc822;${"x".repeat(493)}
    S: 250
    C: RCPT TO:<a@b> NOTIFY=NEVER
    S: 250
  `);
});

test("DSN-005 DSN-022: texts are handed on as received", () => {
  const conversation = greeted().send("MAIL FROM:<a@b> ENVID=Q+2B1 AUTH=e+3Dmc2@example.com\r\n");
  conversation.send("RCPT TO:<c@d> ORCPT=utf-8;\\x{4F60}@x\r\nRCPT TO:<c@d> ORCPT=RFC822;a+2Bb+3Dc@x\r\n");
  const parameters = conversation.events.flatMap((event) =>
    event.kind === "mail" || event.kind === "recipient" ? [event.parameters] : [],
  );
  assert.deepEqual(parameters, [
    { envelopeId: "Q+2B1", auth: "e+3Dmc2@example.com" },
    { originalRecipient: "utf-8;\\x{4F60}@x" },
    { originalRecipient: "RFC822;a+2Bb+3Dc@x" },
  ]);
});

test("AUTH-013 AUTH-015 trap 16: AUTH= takes xtext or <>, and no hidden line end", () => {
  const conversation = greeted({ errorsMax: 100 });
  for (const wrong of ["a+0Ab@x", "a+0Db@x", "a+00@x", "a+zz", "a=b", "", `${"x".repeat(501)}`]) {
    conversation.play(`C: MAIL FROM:<a@b> AUTH=${wrong}\nS: 501 5.5.4`);
  }
  conversation.play("C: MAIL FROM:<a@b> AUTH=<>\nS: 250");
});

test("EAI-001 EAI-002: the keyword has no parameter, SMTPUTF8=x gets 501", () => {
  assert.match(new Conversation().send("EHLO x\r\n").read(), /250-8BITMIME\r\n250-SMTPUTF8\r\n/);
  greeted().play("C: MAIL FROM:<a@b> SMTPUTF8=x\nS: 501 5.5.4\nC: MAIL FROM:<a@b> SMTPUTF8\nS: 250");
});

test("EAI-003 EAI-004: UTF-8 addresses need SMTPUTF8: 550 5.6.7 to MAIL, 553 5.6.7 to RCPT; malformed UTF-8 is 501", () => {
  const utf8 = (text: string): Buffer => Buffer.from(`${text}\r\n`, "utf8");
  greeted().send(utf8("MAIL FROM:<é@b>")).play("S: 550 5.6.7").send(utf8("MAIL FROM:<a@é>")).play("S: 550 5.6.7");
  withRecipient().send(utf8("RCPT TO:<é@b>")).play("S: 553 5.6.7").send(utf8("RCPT TO:<a@é>")).play("S: 553 5.6.7");
  const conversation = greeted().send(utf8("MAIL FROM:<é@bücher.example> SMTPUTF8")).play("S: 250");
  conversation.send(utf8("RCPT TO:<ü@é.example>")).play("S: 250");
  for (const wrong of ["\xc0\xaf", "\xed\xa0\x80", "\xff", "\xc3", "\xf5\x80\x80\x80"]) {
    conversation.send(`RCPT TO:<${wrong}@x>\r\n`).play("S: 501 5.5.2");
  }
  const mail = conversation.events.find(({ kind }) => kind === "mail");
  assert.equal(mail?.kind === "mail" && mail.reversePath?.domainKey, "xn--bcher-kva.example");
});

test("EAI-009: no reply has an octet above 127", () => {
  const conversation = greeted({ verifyEnabled: true }, () => reply(250, "2.1.5", "é <é@é>"));
  assert.match(conversation.send(Buffer.from("VRFY é SMTPUTF8\r\n")).read(), /^[\r\n -~]*$/);
});

test("OPT-014: LIMITS says what is enforced", () => {
  const conversation = new Conversation({ recipientsMax: 200, transactionsMax: 1 });
  assert.match(conversation.send("EHLO x\r\n").read(), /250-LIMITS RCPTMAX=200 MAILMAX=1\r\n/);
  conversation.play("C: MAIL FROM:<a@b>\nS: 250\nC: RSET\nS: 250\nC: MAIL FROM:<a@b>\nS: 421 4.7.0");
  assert.equal(conversation.closeCause, "transactions");
});

test("OPT-009: REQUIRETLS is offered and taken under TLS alone; in clear the client is told to begin TLS where it can", () => {
  const mail = "MAIL FROM:<a@b> REQUIRETLS\r\n";
  assert.doesNotMatch(new Conversation({ tlsAvailable: true }).send("EHLO x\r\n").read(), /REQUIRETLS/);
  greeted({ tlsAvailable: true }).send(mail).play("S: 530 5.7.0");
  greeted({ tlsAvailable: false }).send(mail).play("S: 555 5.5.4");
  const underTls = new Conversation({ tlsAvailable: true, tlsActive: true }).send("EHLO x\r\n");
  assert.match(underTls.read(), /250-REQUIRETLS\r\n/);
  underTls.send("MAIL FROM:<a@b> REQUIRETLS=yes\r\n").play("S: 501 5.5.4");
  underTls.send(mail).play("S: 250");
});
