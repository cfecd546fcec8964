/** How a session ends: QUIT, a shutdown, a lost connection, a refused client, and what is not SMTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reply } from "../reply.ts";
import { Conversation, greeted, inContent, withRecipient } from "../../testing/server-conversation.ts";

test("SMTP-016: QUIT gets 221, then the session closes and nothing is delivered", () => {
  const conversation = withRecipient().play(`
    C: QUIT
    S: 221 2.0.0
    C: NOOP
  `);
  assert.deepEqual(conversation.events.at(-1), { kind: "closed", cause: "quit" });
  assert.equal(conversation.core.nextEvent(), "paused");
  assert.deepEqual(conversation.messages, []);
});

test("SMTP-018: a shutdown writes 421 and accepts nothing by half", () => {
  const idle = greeted().shutdown().play("S: 421 4.3.2");
  assert.equal(idle.closeCause, "shutdown");
  const content = inContent().send("half").shutdown().play("S: 421 4.3.2");
  assert.deepEqual(content.events.at(-1), { kind: "closed", cause: "shutdown" });
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
  assert.deepEqual(conversation.events.at(-1), { kind: "closed", cause: "lost" });
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
  assert.deepEqual(conversation.core.nextEvent(), { kind: "closed", cause: "lost" });
  conversation.core.proceed(2);
  conversation.core.answer(reply(250, "2.0.0", "Ok"), 2);
  conversation.core.challenge(Buffer.from("x"), 2);
  assert.equal(conversation.core.takeOutput(), undefined);
  assert.equal(conversation.core.nextEvent(), "paused");
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
