/** STARTTLS, AUTH, status codes and LMTP: rows TLS, AUTH, ESC and LMTP that the core alone can show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reply } from "../reply.ts";
import { serverReplies } from "./replies.ts";
import { Conversation, greeted, inContent, withRecipient, type Judge } from "../../testing/server-conversation.ts";

const tls = { tlsAvailable: true, authMechanisms: { clear: [], tls: ["PLAIN", "LOGIN"] } } as const;

function underTls(settings: object = {}, judge?: Judge): Conversation {
  const conversation = greeted({ ...tls, ...settings }, judge)
    .send("STARTTLS\r\n")
    .play("S: 220 2.0.0");
  conversation.core.tlsEstablished(0);
  return conversation;
}

test("TLS-001: after the handshake nothing of the client is known", () => {
  underTls().play(`
    C: MAIL FROM:<a@b>
    S: 503 5.5.1
    C: RCPT TO:<a@b>
    S: 503
    C: EHLO x
    S: 250
    C: MAIL FROM:<a@b>
    S: 250
  `);
});

test("TLS-002 trap 7: clear text behind STARTTLS is never run, whenever it comes", () => {
  for (const wire of ["STARTTLS\r\nNOOP\r\n", "STARTTLS\r\nN", "STARTTLS\r\n\r\n"]) {
    const together = greeted(tls).send(wire).play("S: 554 5.5.0");
    assert.equal(together.closeCause, "plaintext-after-starttls");
    assert.ok(!together.kinds.includes("starttls"));
  }
  const waiting = greeted(tls, (event) => (event.kind === "starttls" ? "wait" : "proceed"))
    .send("STARTTLS\r\n")
    .send("NOOP\r\n");
  waiting.decide("proceed").play("S: 554 5.5.0");
  assert.equal(waiting.closeCause, "plaintext-after-starttls");
  const handshake = greeted(tls).send("STARTTLS\r\n").play("S: 220").send("NOOP\r\n");
  assert.equal(handshake.read(), "");
  assert.equal(handshake.closeCause, "plaintext-after-starttls");
  const late = greeted(tls).send("STARTTLS\r\n");
  late.core.receive(Buffer.from("NOOP\r\n"), 0);
  late.core.tlsEstablished(0);
  assert.deepEqual(late.core.nextEvent(), {
    kind: "closed",
    cause: "plaintext-after-starttls",
  });
});

test("TLS-003: STARTTLS is neither listed nor accepted under TLS", () => {
  const conversation = underTls();
  assert.doesNotMatch(conversation.send("EHLO x\r\n").read(), /STARTTLS/);
  conversation.play("C: STARTTLS\nS: 503 5.5.1");
  assert.doesNotMatch(new Conversation({ ...tls, tlsActive: true }).send("EHLO x\r\n").read(), /STARTTLS/);
});

test("TLS-004 trap 10: STARTTLS takes no argument, not during a transaction, 454 when the driver has no TLS", () => {
  greeted(tls).play(`
    C: STARTTLS now
    S: 501 5.5.4
    C: MAIL FROM:<a@b>
    S: 250
    C: STARTTLS
    S: 503 5.5.1
  `);
  greeted(tls, (event) => (event.kind === "starttls" ? reply(454, "4.7.0", "Not now") : "proceed")).play(`
    C: STARTTLS
    S: 454 4.7.0
    C: NOOP
    S: 250
  `);
  greeted().play("C: STARTTLS\nS: 502 5.5.1");
});

test("TLS-005: without the setting nobody needs TLS", () => {
  assert.equal(inContent(tls).send(".\r\n").messages.length, 1);
});

test("TLS-006: where TLS is required, all but NOOP, EHLO, STARTTLS and QUIT get 530", () => {
  const conversation = new Conversation({ ...tls, tlsRequired: true, errorsMax: 100 }).play("S: 220");
  for (const line of [
    "HELO x",
    "MAIL FROM:<a@b>",
    "RCPT TO:<a@b>",
    "DATA",
    "RSET",
    "VRFY x",
    "HELP",
    "AUTH PLAIN",
    "BDAT 0 LAST",
  ]) {
    conversation.play(`C: ${line}\nS: 530 5.7.0`);
  }
  conversation.send("BDAT 6\r\nQUIT\r\n").play("S: 530 5.7.0\nC: NOOP\nS: 250");
  assert.doesNotMatch(conversation.send("EHLO x\r\n").read(), /AUTH/);
  conversation.play("C: STARTTLS\nS: 220");
});

test("TLS-007: TLS that is too weak leaves only QUIT", () => {
  const conversation = greeted(tls).send("STARTTLS\r\n").play("S: 220");
  conversation.core.tlsEstablished(0, { refusal: reply(554, "5.7.0", "TLS too weak") });
  conversation.play("C: EHLO x\nS: 554 5.7.0\nC: MAIL FROM:<a@b>\nS: 554\nC: QUIT\nS: 221");
});

test("during a handshake nothing is written, whatever ends it", () => {
  const slow = greeted(tls).send("STARTTLS\r\n").play("S: 220").pass(300_000);
  assert.equal(slow.read(), "");
  assert.equal(slow.closeCause, "deadline");
  const stopped = greeted(tls).send("STARTTLS\r\n").play("S: 220").shutdown();
  assert.equal(stopped.read(), "");
  assert.equal(stopped.closeCause, "shutdown");
});

test("SUB-001: where a login is required, MAIL gets 530 5.7.0 before it and 250 after it", () => {
  underTls({ authRequired: true, kind: "submission" }).play(`
    C: EHLO x
    S: 250
    C: MAIL FROM:<a@b>
    S: 530 5.7.0
    C: BDAT 0 LAST
    S: 530 5.7.0
    C: AUTH PLAIN AGEAYg==
    S: 235 2.7.0
    C: MAIL FROM:<a@b>
    S: 250
  `);
});

test("AUTH-001: a second AUTH, and AUTH in a transaction, get 503", () => {
  underTls().play(`
    C: EHLO x
    S: 250
    C: MAIL FROM:<a@b>
    S: 250
    C: AUTH PLAIN AGEAYg==
    S: 503 5.5.1
    C: RSET
    S: 250
    C: AUTH PLAIN AGEAYg==
    S: 235
    C: AUTH PLAIN AGEAYg==
    S: 503 5.5.1
  `);
});

const login: Judge = (event) => {
  if (event.kind === "auth")
    return { challenge: event.mechanism === "LOGIN" ? Buffer.from("Username:") : Buffer.alloc(0) };
  return "proceed";
};

test("AUTH-002 AUTH-003: an empty challenge has its space; = is an empty response", () => {
  const conversation = underTls({}, login).send("EHLO x\r\n");
  conversation.read();
  assert.equal(conversation.send("AUTH PLAIN\r\n").read(), "334 \r\n");
  assert.equal(conversation.send("\r\n").read(), "235 2.7.0 Authentication successful\r\n");
  const response = conversation.events.at(-1);
  assert.equal(response?.kind === "auth-response" && response.response.length, 0);
  const initial = underTls()
    .send("EHLO x\r\nAUTH PLAIN =\r\nNOOP\r\n")
    .events.find(({ kind }) => kind === "auth");
  assert.equal(initial?.kind === "auth" && initial.initialResponse?.length, 0);
  const absent = underTls()
    .send("EHLO x\r\nAUTH plain\r\n")
    .events.find(({ kind }) => kind === "auth");
  assert.deepEqual(absent, { kind: "auth", mechanism: "PLAIN" });
});

test("AUTH-004: * cancels with 501 and leaves the session as it was", () => {
  const conversation = underTls({}, login).play(`
    C: EHLO x
    S: 250
    C: AUTH LOGIN
    S: 334 VXNlcm5hbWU6
    C: *
    S: 501 5.7.0
    C: NOOP
    S: 250
    C: AUTH LOGIN
    S: 334
    C: YQ==
    S: 235
  `);
  assert.ok(conversation.events.some((event) => event.kind === "auth-cancelled" && event.cause === "client"));
});

test("AUTH-005: base64 is strict", () => {
  const conversation = underTls({ errorsMax: 100 }, login).send("EHLO x\r\n");
  conversation.read();
  for (const wrong of ["=AAA", "AAA=BBB", "!!!!", "YQ", "YQ=", "YR==", "Y Q==", "YQ==YQ==", "YQ-_"]) {
    conversation.play(`C: AUTH PLAIN ${wrong}\nS: 501 5.5.2\nC: AUTH PLAIN\nS: 334\nC: ${wrong}\nS: 501 5.5.2`);
  }
});

test("AUTH-007: a response of 12,288 octets is read, one of 20 KB gets 500 5.5.6 and the session stays in step", () => {
  const conversation = underTls({}, login).send("EHLO x\r\n");
  conversation.read();
  const large = Buffer.alloc(9216, 1).toString("base64");
  assert.equal(large.length, 12_288);
  conversation.play(`C: AUTH PLAIN\nS: 334\nC: ${"A".repeat(20_000)}\nS: 500 5.5.6\nC: NOOP\nS: 250`);
  conversation.play(`C: AUTH PLAIN\nS: 334\nC: ${large}\nS: 235`);
  underTls()
    .send("EHLO x\r\n")
    .send(`AUTH PLAIN ${large.slice(16)}\r\n`)
    .send("QUIT\r\n")
    .core.takeOutput();
});

test("AUTH-008 AUTH-009: unknown mechanisms get 504; those for TLS only get 538 in clear and are not listed", () => {
  const conversation = greeted(tls);
  assert.doesNotMatch(conversation.send("EHLO x\r\n").read(), /AUTH/);
  conversation.play("C: AUTH PLAIN AGEAYg==\nS: 538 5.7.11\nC: AUTH FOO\nS: 504 5.5.4\nC: AUTH\nS: 501 5.5.4");
  underTls().play("C: EHLO x\nS: 250\nC: AUTH FOO\nS: 504 5.5.4");
  greeted().play("C: AUTH PLAIN\nS: 502 5.5.1");
  assert.match(
    greeted({ authMechanisms: { clear: ["PLAIN"], tls: [] } })
      .send("EHLO x\r\n")
      .read(),
    /250-AUTH PLAIN\r\n/,
  );
});

test("AUTH-012: three refused logins leave the session open", () => {
  const conversation = underTls({}, (event) => (event.kind === "auth" ? reply(535, "5.7.8", "No") : "proceed"));
  conversation.play("C: EHLO x\nS: 250");
  for (let count = 0; count < 3; count++) conversation.play("C: AUTH PLAIN AGEAYg==\nS: 535 5.7.8");
  conversation.play("C: NOOP\nS: 250");
});

test("ESC-001 ESC-002 ESC-004 ESC-005: the core's own replies carry registered codes of their class", () => {
  const registered = new Set([
    "0.0",
    "1.0",
    "1.5",
    "3.2",
    "3.4",
    "4.2",
    "5.0",
    "5.1",
    "5.2",
    "5.3",
    "5.4",
    "5.6",
    "7.0",
    "7.11",
  ]);
  for (const [name, { code, ...value }] of Object.entries(serverReplies)) {
    const status = "status" in value ? value.status : undefined;
    if (code === 354) {
      assert.equal(status, undefined);
      continue;
    }
    assert.match(status ?? "", /^[245]\.\d{1,3}\.\d{1,3}$/, name);
    assert.equal(status?.[0], String(code)[0], name);
    assert.ok(registered.has(status?.slice(2) ?? ""), `${name} ${status}`);
  }
});

test("ESC-001 ESC-003: a whole session: codes everywhere but in the greeting, EHLO and 3yz", () => {
  const conversation = new Conversation({ tlsAvailable: true, helpText: ["One", "Two"] });
  conversation
    .send("EHLO x\r\nHELP\r\nFOO\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a>\r\nRCPT TO:<a@b>\r\nDATA\r\n")
    .send(".\r\nBDAT 3\r\nabcQUIT\r\n");
  const lines = conversation.read().trimEnd().split("\r\n");
  const start = lines.findIndex((line) => line === "250 HELP") + 1;
  for (const line of lines.slice(0, start)) assert.doesNotMatch(line, /^\d{3}[ -]\d\.\d/);
  for (const line of lines.slice(start)) assert.match(line, /^(?:354 |([245])\d\d[ -]\1\.\d+\.\d+ )/);
  assert.ok(lines.includes("214-2.0.0 One") && lines.includes("214 2.0.0 Two"));
});

test("LMTP-001: LHLO in the place of HELO and EHLO, which get 500", () => {
  const conversation = new Conversation({ kind: "lmtp" }).play(
    "S: 220 mx.example LMTP\nC: EHLO x\nS: 500 5.5.1\nC: HELO x\nS: 500 5.5.1",
  );
  const answer = conversation.send("LHLO x\r\n").read();
  for (const keyword of ["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"])
    assert.match(answer, new RegExp(`250-${keyword}\r\n`));
  new Conversation().play("S: 220\nC: LHLO x\nS: 500 5.5.1");
});

const perRecipient: Judge = (event) => {
  if (event.kind === "content-end")
    return [reply(250, "2.0.0", "One"), reply(452, "4.2.2", "Full"), reply(250, "2.0.0", "Two")];
  return event.kind === "recipient" && event.forwardPath.localPart === "no-such"
    ? reply(550, "5.1.1", "No such")
    : "proceed";
};

test("LMTP-002 LMTP-004: one reply for each accepted recipient, repetitions included; one for each other chunk", () => {
  const commands = "MAIL FROM:<a@b>\r\nRCPT TO:<x@d>\r\nRCPT TO:<no-such@d>\r\nRCPT TO:<full@d>\r\nRCPT TO:<x@d>\r\n";
  const data = greeted({ kind: "lmtp" }, perRecipient).send(commands);
  data.read();
  data
    .send("DATA\r\n")
    .send(".\r\nNOOP\r\n")
    .play("S: 354\nS: 250 2.0.0 One\nS: 452 4.2.2\nS: 250 2.0.0 Two\nS: 250 2.0.0 Ok");
  const chunks = greeted({ kind: "lmtp" }, perRecipient).send(commands);
  chunks.read();
  chunks
    .send("BDAT 2\r\nhiBDAT 0 LAST\r\n")
    .play("S: 250 2.0.0 2 octets\nS: 250 2.0.0 One\nS: 452 4.2.2\nS: 250 2.0.0 Two");
});

test("LMTP-002: a single verdict, and a refusal of the core, are repeated for each recipient", () => {
  const settings = { kind: "lmtp", messageBytesMax: 5 } as const;
  const conversation = withRecipient(settings).send("RCPT TO:<c@d>\r\n");
  conversation.read();
  conversation.send("DATA\r\n").send("much too long\r\n.\r\n").play("S: 354\nS: 552 5.3.4\nS: 552 5.3.4");
  const accepted = withRecipient(settings).send("RCPT TO:<c@d>\r\n");
  accepted.read();
  accepted.send("DATA\r\n").send("ok\r\n.\r\n").play("S: 354\nS: 250 2.0.0\nS: 250 2.0.0");
});

test("a driver that gives the wrong number of replies is told", () => {
  const conversation = inContent({ kind: "lmtp" }, (event) => (event.kind === "content-end" ? "wait" : "proceed")).send(
    ".\r\n",
  );
  assert.throws(() => conversation.decide([reply(250, "2.0.0", "1"), reply(250, "2.0.0", "2")]), RangeError);
  assert.throws(() => new Conversation().core.proceed(0), /No event waits/);
});

test("replies to commands that arrive together are to be sent before they gather", () => {
  const { core } = greeted({ errorsMax: 100_000 });
  const commands = 20_000;
  core.receive(Buffer.from("NOOP\r\n".repeat(commands)), 0);
  let replies = 0;
  let taken = 0;
  for (let said = core.nextEvent(); said === "output-full"; said = core.nextEvent()) {
    const output = core.takeOutput() ?? Buffer.alloc(0);
    assert.ok(output.length < 66_000, `${output.length} octets at once`);
    replies += output.toString("latin1").split("\r\n").length - 1;
    taken++;
  }
  replies += (core.takeOutput()?.toString("latin1") ?? "").split("\r\n").length - 1;
  assert.equal(replies, commands);
  assert.ok(taken >= 3);
});
