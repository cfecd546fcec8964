/** What we put into a Maildir, read back by a real mail program over IMAP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ImapFlow } from "imapflow";
import { sendAll } from "./support/client.ts";
import { startDovecot } from "./support/dovecot.ts";
import { belowTrace, corpus, storedMessages } from "./support/messages.ts";
import { startPosthaste } from "./support/posthaste.ts";
import { freePort } from "./support/free-port.ts";
import { runProgram, until } from "./support/program.ts";

test("Dovecot serves our Maildir over IMAP, each message whole", async () => {
  const port = await freePort();
  await using server = await startPosthaste({
    ports: [port],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [[domain]]
      name = "local.test"
      [[user]]
      address = "box@local.test"
      [admin]
      listen = "127.0.0.1:${await freePort()}"
    `,
  });
  const messages = corpus();
  await sendAll(port, { from: "ann@sender.test", to: "box+tag@local.test" }, messages);
  const maildir = `${server.dataFolder}/mail/local.test/box`;
  await until("the messages in the Maildir", () => storedMessages(maildir).length === messages.length, server.program);

  // Dovecot serves no mailboxes of root's; ours were written by root in this test.
  await runProgram("chmod", ["755", server.dataFolder]);
  await runProgram("chown", ["-R", "nobody:nogroup", `${server.dataFolder}/mail`]);
  await using dovecot = await startDovecot(`${server.dataFolder}/mail`);
  const client = new ImapFlow({
    host: "127.0.0.1",
    port: dovecot.imapPort,
    secure: false,
    doSTARTTLS: false,
    auth: { user: "box@local.test", pass: "secret" },
    logger: false,
  });
  await client.connect();
  try {
    const lock = await client.getMailboxLock("INBOX");
    const fetched: Buffer[] = [];
    for await (const { source } of client.fetch("1:*", { source: true })) if (source) fetched.push(source);
    lock.release();
    const sorted = (buffers: readonly Buffer[]) => buffers.map((bytes) => bytes.toString("latin1")).toSorted();
    assert.deepEqual(sorted(fetched.map(belowTrace)), sorted(messages.map(({ content }) => content)));
    for (const bytes of fetched) {
      assert.match(
        bytes.toString("latin1"),
        /^Return-Path: <ann@sender\.test>\r\nDelivered-To: box\+tag@local\.test\r\nAuthentication-Results: posthaste\.test;\r\n(?:\t[^\r]*\r\n)+Received: from sender\.test /,
      );
    }
  } finally {
    await client.logout();
  }
});
