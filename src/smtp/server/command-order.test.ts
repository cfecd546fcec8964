/** Which command is legal when, what ends a transaction, and that each command has one reply. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { verbs } from "../command-parser.ts";
import { reply } from "../reply.ts";
import { commandPhases, commandTable } from "./command-table.ts";
import { Conversation, greeted, withRecipient } from "../../testing/server-conversation.ts";

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

test("SMTP-020: one reply per command, however the commands are cut", () => {
  const wire =
    "EHLO x\r\nNOOP\r\nFOO\r\n\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nabcRSET\r\nVRFY x\r\nQUIT\r\n";
  const whole = new Conversation().send(wire).read();
  assert.equal(whole.match(/^\d{3} /gm)?.length, 11);
  for (let cut = 0; cut <= wire.length; cut++) {
    assert.equal(new Conversation().send(wire.slice(0, cut)).send(wire.slice(cut)).read(), whole);
  }
});
