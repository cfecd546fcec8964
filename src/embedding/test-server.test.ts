/** The test inbox in this process: waiting, filters, clearing, and what is said when nothing came. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SendError, sendMail } from "./smtp-client.ts";
import type { TestRefusal } from "./test-refusals.ts";
import { MailTimeoutError, startTestServer } from "./test-server.ts";

test("waits for mail by recipient, subject, condition and place, and reads all of it", async () => {
  await using inbox = await startTestServer();
  const send = (to: string, subject: string) =>
    sendMail(inbox.smtp, {
      from: "shop@example.org",
      to,
      subject,
      text: "Your code is 493817",
      headers: { "X-Tag": "welcome" },
      attachments: [{ name: "a.txt", bytes: Buffer.from("attached") }],
    });
  const coming = inbox.waitFor({ to: "ann@example.org" });
  await send("bob@example.org", "For Bob");
  await send("ann@example.org", "Sign in");
  const first = await coming;
  assert.equal(first.subject, "Sign in");
  assert.deepEqual([first.codes, first.header("x-tag")], [["493817"], "welcome"]);
  assert.equal(Buffer.from(await first.attachment(0)).toString(), "attached");
  await assert.rejects(first.attachment(1), /is not there/);
  assert.match(Buffer.from(await first.raw()).toString(), /^Received: /);

  await send("ann@example.org", "Sign in again");
  const second = await inbox.waitFor({ subject: /^sign in/i }, { after: first });
  assert.equal(second.subject, "Sign in again");
  assert.equal((await inbox.waitFor({ where: ({ to }) => to.includes("bob@example.org") })).subject, "For Bob");
  const all = (await inbox.messages({ to: "ann@example.org" })).map(({ subject }) => subject);
  assert.deepEqual(all, ["Sign in", "Sign in again"]);

  assert.equal(await inbox.clear({ to: "ann@example.org" }), 2);
  assert.deepEqual([(await inbox.messages()).length, await inbox.clear()], [1, 1]);
});

test("in vain: says what was waited for, and what is there", async () => {
  await using inbox = await startTestServer();
  await sendMail(inbox.smtp, { from: "", to: "bob@example.org", subject: "For Bob" });
  await assert.rejects(
    inbox.waitFor({ to: "ann@example.org", subject: /code/ }, { timeoutMs: 20 }),
    (error: unknown) => {
      assert.ok(error instanceof MailTimeoutError);
      assert.match(error.message, /^no message to ann@example\.org with subject \/code\/ came within 20 ms/);
      assert.match(error.message, /the inbox has 1 \(newest: to bob@example\.org: "For Bob"\)$/);
      return true;
    },
  );
});

test("1,000 waits at once are the most; stopping ends them all at once, and later ones", async () => {
  const inbox = await startTestServer();
  const waits = Array.from({ length: 1_000 }, () => inbox.waitFor({}, { timeoutMs: 600_000 }));
  const ended = Promise.allSettled(waits);
  await assert.rejects(inbox.waitFor({}, { timeoutMs: 600_000 }), /^Error: too many calls of waitFor wait at once$/);
  await inbox.stop();
  const reasons = (await ended).map((outcome) => outcome.status === "rejected" && String(outcome.reason));
  assert.deepEqual(new Set(reasons), new Set(["Error: the test server has stopped"]));
  await assert.rejects(inbox.waitFor(), /^Error: the test server has stopped$/);
});

test("refuses the recipients in its list with their replies, and accepts the others", async () => {
  await using inbox = await startTestServer({
    refusals: [
      { recipient: "gone@example.org", reply: "550 5.1.1 No such user" },
      { recipient: "Full@EXAMPLE.org", reply: "452 4.2.2 Mailbox full", times: 1 },
    ],
  });
  const mail = { from: "shop@example.org", to: ["ann@example.org", "gone@example.org", "full@example.org"] };
  const first = await sendMail(inbox.smtp, mail);
  assert.deepEqual(first.accepted, ["ann@example.org"]);
  assert.deepEqual(
    first.refused.map(({ address, code, reply }) => [address, code, reply]),
    [
      ["gone@example.org", 550, "550 5.1.1 No such user"],
      ["full@example.org", 452, "452 4.2.2 Mailbox full"],
    ],
  );
  const again = await sendMail(inbox.smtp, mail);
  assert.deepEqual(again.accepted, ["ann@example.org", "full@example.org"], "once only");
  assert.deepEqual((await inbox.waitFor()).to, ["ann@example.org", "full@example.org"]);
});

test("fails each command as often as it was asked to", async () => {
  for (const [command, reply] of [
    ["connect", "421 4.3.2 Not now"],
    ["EHLO", "550 5.7.1 Not you"],
    ["MAIL", "451 4.3.0 Try later"],
    ["RCPT", "450 4.2.1 Try later"],
    ["DATA", "451 4.3.0 Try later"],
    ["content", "554 5.6.0 Content refused"],
  ] as const) {
    await using inbox = await startTestServer({ refusals: [{ command, reply, times: command === "EHLO" ? 2 : 1 }] });
    const mail = { from: "shop@example.org", to: "ann@example.org" };
    await assert.rejects(sendMail(inbox.smtp, mail), (error: unknown) => {
      assert.ok(error instanceof SendError, String(error));
      assert.equal(error.isTemporary, reply.startsWith("4"), command);
      assert.ok(JSON.stringify([error.message, error.refused]).includes(reply), `${command}: ${error.message}`);
      return true;
    });
    assert.equal((await inbox.messages()).length, 0);
    assert.deepEqual((await sendMail(inbox.smtp, mail)).accepted, ["ann@example.org"], `${command}, the next time`);
  }
});

test("a refusal that makes no sense is an error at the start", async () => {
  for (const refusal of [
    { command: "DATA", reply: "250 2.0.0 Ok" },
    { command: "DATA", reply: "451 5.3.0 Two classes" },
    { command: "DATA", reply: "451" },
    { command: "DATA", reply: "451 4.3.0 two\r\nlines" },
    { command: "QUIT", reply: "451 4.3.0 Try later" },
    { recipient: "nobody", reply: "550 5.1.1 No such user" },
  ]) {
    await assert.rejects(startTestServer({ refusals: [refusal as TestRefusal] }), TypeError, JSON.stringify(refusal));
  }
});
