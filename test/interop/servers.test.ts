/**
 * The mail servers of the field as senders and as receivers: every message of the corpus arrives once, and octet for
 * octet as it was sent below the trace fields.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sendAll } from "./support/client.ts";
import { startDovecot } from "./support/dovecot.ts";
import { startExim } from "./support/exim.ts";
import { Folder } from "./support/folder.ts";
import { belowTrace, copiesOf, corpus, storedMessages, type TestMessage } from "./support/messages.ts";
import { startPosthaste } from "./support/posthaste.ts";
import { startPostfix } from "./support/postfix.ts";
import { freePort } from "./support/free-port.ts";
import { until } from "./support/program.ts";
import { startSendmail } from "./support/sendmail.ts";
import { chownSync, chmodSync } from "node:fs";

/** A server of ours that takes mail for `local.test` into a Maildir and relays the rest as `routes` say. */
async function ourServer(routes: string) {
  const port = await freePort();
  const server = await startPosthaste({
    ports: [port],
    configuration: `
      [[listener]]
      kind = "mx"
      listen = "127.0.0.1:${port}"
      [[domain]]
      name = "local.test"
      catch_all = "box@local.test"
      [[user]]
      address = "box@local.test"
      [relay]
      networks = ["127.0.0.0/8"]
      [admin]
      listen = "127.0.0.1:${await freePort()}"
      ${routes}
    `,
  });
  return { server, port, maildir: `${server.dataFolder}/mail/local.test/box` };
}

const relayTo = (domain: string, port: number) => `
      [[route]]
      domain = "${domain}"
      via = "relay"
      host = "127.0.0.1:${port}"
`;

async function assertArrived(messages: readonly TestMessage[], folder: string, output: () => string): Promise<void> {
  const arrived = () => {
    const stored = storedMessages(folder);
    return messages.every((message) => copiesOf(message, stored).length > 0);
  };
  await until(`${messages.length} messages in ${folder}`, arrived, undefined, 60).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${output()}`);
  });
  const stored = storedMessages(folder);
  for (const message of messages) {
    const copies = copiesOf(message, stored);
    assert.equal(copies.length, 1, `${message.token} arrived ${copies.length} times`);
    assert.equal(belowTrace(copies[0] ?? Buffer.alloc(0)).toString("latin1"), message.content.toString("latin1"));
  }
}

test("Postfix receives from us", async () => {
  await using postfix = await startPostfix({ nextPort: 9 });
  const { server, port } = await ourServer(relayTo("postfix.test", postfix.port));
  await using _ = server;
  const messages = corpus();
  await sendAll(port, { from: "ann@sender.test", to: "box@postfix.test" }, messages);
  await assertArrived(messages, postfix.maildir, () => server.program.output() + postfix.log());
});

test("Postfix sends to us", async () => {
  const { server, port, maildir } = await ourServer("");
  await using _ = server;
  await using postfix = await startPostfix({ nextPort: port });
  const messages = corpus();
  await sendAll(postfix.port, { from: "ann@sender.test", to: "box@local.test" }, messages);
  await assertArrived(messages, maildir, () => server.program.output() + postfix.log());
});

test("Exim receives from us", async () => {
  await using exim = await startExim();
  const { server, port } = await ourServer(relayTo("exim.test", exim.port));
  await using _ = server;
  const messages = corpus();
  await sendAll(port, { from: "ann@sender.test", to: "box@exim.test" }, messages);
  await assertArrived(messages, exim.maildir, () => server.program.output() + exim.log());
});

test("Sendmail receives from us", async () => {
  await using sendmail = await startSendmail({ nextPort: 9 });
  const { server, port } = await ourServer(relayTo("sendmail.test", sendmail.port));
  await using _ = server;
  const messages = corpus();
  await sendAll(port, { from: "ann@sender.test", to: "box@sendmail.test" }, messages);
  await assertArrived(messages, sendmail.mailFolder, () => server.program.output() + sendmail.output());
});

test("Sendmail sends to us", async () => {
  const { server, port, maildir } = await ourServer("");
  await using _ = server;
  await using sendmail = await startSendmail({ nextPort: port });
  // Sendmail as a sender splits lines above 990 octets.
  const messages = corpus().filter(({ content }) => !/[^\n]{991}/.test(content.toString("latin1")));
  await sendAll(sendmail.port, { from: "ann@sender.test", to: "box@local.test" }, messages);
  await assertArrived(messages, maildir, () => server.program.output() + sendmail.output());
});

for (const kind of ["unix", "tcp"] as const) {
  test(`Dovecot takes our mail over LMTP (${kind})`, async () => {
    using mail = new Folder();
    chownSync(mail.path, 65534, 65534);
    chmodSync(mail.path, 0o755);
    await using dovecot = await startDovecot(mail.path);
    const host = kind === "unix" ? `unix:${dovecot.lmtpSocket}` : `127.0.0.1:${dovecot.lmtpPort}`;
    const { server, port } = await ourServer(`
      [[route]]
      domain = "dovecot.test"
      via = "lmtp"
      host = "${host}"
    `);
    await using _ = server;
    const messages = corpus();
    await sendAll(port, { from: "ann@sender.test", to: "box@dovecot.test" }, messages);
    await assertArrived(messages, mail.file("dovecot.test/box"), () => server.program.output() + dovecot.log());
  });
}
