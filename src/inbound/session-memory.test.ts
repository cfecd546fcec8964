/** All sessions together hold no more than limits.session_memory, and small mail gets in while others take what they can. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedBudget } from "../lib/shared-budget.ts";
import { settle } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";
import { SessionMemory } from "./session-memory.ts";

const mebibyte = 1024 * 1024;
const limits = { session_memory: "16MiB", client_connections: 0, client_connection_rate: 0 } as const;

async function honestMail(server: ReceivingServer): Promise<void> {
  const client = await server.client("mx", "198.51.100.9");
  await client.envelope("<joe@elsewhere.test>", "<ann@example.org>");
  assert.match(await client.content("Subject: hello\r\n\r\ntext"), /^250 /);
  await client.expect("QUIT", "221");
}

test("header sections of all sessions share one budget: the largest hear 452, ordinary mail is taken meanwhile", async () => {
  await using server = await ReceivingServer.open({ limits, chunkBytes: 64 * 1024 });
  const crowd = [];
  for (let count = 0; count < 40; count++) {
    const client = await server.client("mx", "203.0.113.1");
    await client.envelope("<joe@elsewhere.test>", "<ann@example.org>");
    await client.expect("DATA", "354");
    client.send(`X-A: ${`${"y".repeat(990)}\r\n `.repeat(900)}`);
    await settle();
    crowd.push(client);
    assert.ok(server.memory.used <= 16 * mebibyte);
  }
  assert.ok(server.memory.used > 12 * mebibyte, `${server.memory.used} octets`);
  await honestMail(server);
  const replies = [];
  for (const client of crowd) {
    client.send("z\r\n\r\ntext\r\n.\r\n");
    replies.push((await client.reply()).slice(0, 9));
  }
  assert.deepEqual([...new Set(replies)].toSorted(), ["250 2.0.0", "452 4.3.2"]);
  const refused = server.log.of("content-refused");
  assert.deepEqual(refused[0]?.["reason"], "memory-short");
  assert.deepEqual(refused[0]?.["setting"], "limits.session_memory");
});

test("recipients count too: a session with very many hears 452 for further ones, others go on", async () => {
  await using server = await ReceivingServer.open({
    limits: { ...limits, recipients: 10_000 },
    relayNetworks: ["203.0.113.0/24"],
  });
  const original = "x".repeat(480);
  let refused = 0;
  for (let count = 0; count < 4; count++) {
    const client = await server.client("mx", "203.0.113.1");
    await client.expect("MAIL FROM:<joe@elsewhere.test>", "250");
    let replies = "";
    for (let block = 0; block < 60; block++) {
      const name = (at: number) => `u${block}-${at}-${"a".repeat(40)}@${"b".repeat(60)}.${"c".repeat(60)}.test`;
      const line = (at: number) => `RCPT TO:<${name(at)}> ORCPT=rfc822;${original}\r\n`;
      client.send(Array.from({ length: 100 }, (_, at) => line(at)).join(""));
      for (let at = 0; at < 100; at++) replies += (await client.reply()).slice(0, 9) + ";";
    }
    refused += replies.split("452 4.3.2").length - 1;
  }
  assert.ok(refused > 0);
  assert.ok(server.memory.used <= 16 * mebibyte);
  await honestMail(server);
});

test("input that waits for a decision counts: a session with more than there is room for is closed", async () => {
  const commits = Promise.withResolvers<void>();
  await using server = await ReceivingServer.open({
    limits,
    chunkBytes: 64 * 1024,
    spool: (real) => ({
      begin: () => {
        const writer = real.begin();
        const commit = writer.commit.bind(writer);
        writer.commit = async (...given) => {
          await commits.promise;
          return await commit(...given);
        };
        return writer;
      },
    }),
  });
  const ended: Promise<boolean>[] = [];
  for (let count = 0; count < 200; count++) {
    const client = await server.client("mx", "203.0.113.1");
    await client.envelope("<joe@elsewhere.test>", "<ann@example.org>");
    await client.expect("DATA", "354");
    client.send("Subject: x\r\n\r\ntext\r\n.\r\n");
    await settle();
    client.send("NOOP\r\n".repeat(20_000));
    await settle();
    ended.push(client.ended());
    assert.ok(server.memory.used <= 16 * mebibyte);
  }
  const shed = (await Promise.all(ended)).filter((value) => value).length;
  assert.ok(shed > 0 && shed < 200, `${shed} were closed`);
  assert.equal(server.log.of("session-shed").length, shed);
  commits.resolve();
  await settle();
  await honestMail(server);
});

test("content counts until its commit has ended, also where the client has gone meanwhile", async () => {
  const commits = Promise.withResolvers<void>();
  await using server = await ReceivingServer.open({
    limits,
    spool: (real) => ({
      begin: () => {
        const writer = real.begin();
        const commit = writer.commit.bind(writer);
        writer.commit = (...given) => commits.promise.then(() => commit(...given));
        return writer;
      },
    }),
  });
  const client = await server.client("mx", "203.0.113.1");
  await client.envelope("<joe@elsewhere.test>", "<ann@example.org>");
  await client.expect("DATA", "354");
  client.send(`Subject: x\r\n\r\n${"text\r\n".repeat(10_000)}.\r\n`);
  await settle();
  client.connection.destroy();
  await settle();
  assert.ok(server.memory.used > 60_000, `${server.memory.used} octets`);
  commits.resolve();
  await settle();
  assert.equal(server.memory.used, 0);
});

test("what a session held is free again when it ends, whatever it was at", () => {
  const budget = new SharedBudget(1000);
  const memory = new SessionMemory(budget);
  assert.equal(memory.holdRecipient(50), true);
  const message = memory.ofMessage();
  assert.equal(message.hold(150), true);
  assert.equal(memory.holdInput(100), true);
  assert.equal(memory.holdInput(40), true);
  assert.equal(budget.used, 240);
  assert.equal(message.hold(400), false);
  assert.equal(memory.holdInput(900), false);
  memory.close();
  assert.equal(budget.used, 200);
  message.release();
  assert.equal(budget.used, 0);
  assert.equal(message.hold(10_000), true, "an answer that comes late is kept by nobody");
  assert.equal(budget.used, 0);
});
