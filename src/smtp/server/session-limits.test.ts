/** What a client may not exceed: errors, idle commands, the length of a line, recipients, time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { greeted, inContent } from "../../testing/server-conversation.ts";

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
