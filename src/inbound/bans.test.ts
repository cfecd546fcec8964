/** What clients of a network see that misbehaves: delays, then 421 at connect, AUTH and MAIL. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../testing/manual-clock.ts";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";

const bans = { failed_logins: 3, unknown_recipients: 3, errors: 4, tarpit: "0s" };

async function submission(server: ReceivingServer) {
  const client = await server.client("submission");
  await client.startTls();
  await client.expect("EHLO client.test", "250");
  return client;
}

test("failed logins ban the network from submission: open sessions at AUTH, new ones at connect, never its mail", async () => {
  await using server = await ReceivingServer.open({ bans });
  const open = await submission(server);
  const guessing = await submission(server);
  const wrong = (user: number) => `AUTH PLAIN ${plain(`u${user}@example.org`, "x")}`;
  for (let user = 0; user < 4; user++) await guessing.expect(wrong(user), "535 5.7.8");
  assert.deepEqual(
    server.log.of("network-banned").map(({ network, service, offence }) => [network, service, offence]),
    [["198.51.100.7", "submission", "failed-login"]],
  );
  const reply = await open.expect(`AUTH PLAIN ${plain("ann@example.org", "secret")}`, "421 4.7.0");
  assert.match(reply, /Too many failed logins from your network/);
  assert.equal(await open.ended(), true);
  assert.equal(server.log.of("login-failed").at(-1)?.["reason"], "network-banned");

  assert.match(await (await server.dial("submission")).reply(), /^421 4\.7\.0|^421 Too many failed logins/);
  assert.equal(server.log.of("session-refused")[0]?.["reason"], "network-banned");
  const implicit = server.dial("submissions");
  await assert.rejects(implicit, "its handshake would cost us more than it costs the client");
  assert.equal(server.log.of("connections-dropped")[0]?.["reason"], "network-banned");

  const mx = await server.client("mx");
  await mx.envelope("<s@x.test>", "<ann@example.org>");
  assert.match(await mx.content("Subject: x\r\n\r\nhello"), /^250 /);
  await server.client("submission", "198.51.100.8");
});

test("a login from the network keeps it from being banned", async () => {
  await using server = await ReceivingServer.open({ bans });
  await server.submitter();
  const phone = await submission(server);
  for (let user = 0; user < 10; user++) {
    await phone.expect(`AUTH PLAIN ${plain(`u${user}@example.org`, "x")}`, "535");
  }
  await server.submitter();
  assert.deepEqual(server.log.of("network-banned"), []);
});

test("unknown recipients and errors ban the network from port 25; open sessions hear it at MAIL", async () => {
  for (const offence of ["unknown-recipient", "error"] as const) {
    await using server = await ReceivingServer.open({ bans });
    const open = await server.client("mx");
    const client = await server.client("mx");
    await client.expect("MAIL FROM:<s@x.test>", "250");
    for (let round = 0; round < 5; round++) {
      if (offence === "error") await client.expect("WHAT", "500");
      else await client.expect(`RCPT TO:<nobody${round}@example.org>`, "550 5.1.1");
    }
    assert.equal(server.log.of("network-banned")[0]?.["offence"], offence);
    await open.expect("MAIL FROM:<s@x.test>", "421 4.7.0");
    const refused = server.log.of("mail-refused")[0];
    assert.deepEqual(
      [refused?.["rule"], refused?.["reason"], refused?.["setting"]],
      ["bans", "network-banned", "bans"],
    );
    assert.match(await (await server.dial("mx")).reply(), /^421 /);
    await server.client("submission");
  }
});

test("relaying is tried: an error; recipients that exist speak for the network", async () => {
  await using server = await ReceivingServer.open({ bans });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.test>", "250");
  for (let round = 0; round < 8; round++) {
    await client.expect(`RCPT TO:<nobody${round}@example.org>`, "550 5.1.1");
    await client.expect(`RCPT TO:<ann+${round}@example.org>`, "250");
  }
  assert.deepEqual(server.log.of("network-banned"), []);
  for (let round = 0; round < 5; round++) await client.expect("RCPT TO:<far@elsewhere.test>", "550 5.7.1");
  assert.equal(server.log.of("network-banned")[0]?.["offence"], "error");
});

test("a tarpit keeps the reply back, holds one timer, and gives it up with the session, the server or the place", async () => {
  const pit = { ...bans, unknown_recipients: 10, tarpit: "5s" };
  await using server = await ReceivingServer.open({ bans: pit });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@x.test>", "250");
  for (let round = 0; round < 5; round++) await client.expect(`RCPT TO:<n${round}@example.org>`, "550");
  const before = server.clock.pendingTimers;
  client.send("RCPT TO:<n@example.org>\r\nNOOP\r\n");
  await settle();
  assert.equal(await client.unread(), "");
  assert.equal(server.clock.pendingTimers, before + 1);
  await server.clock.advance(4999);
  assert.equal(await client.unread(), "");
  await server.clock.advance(1);
  assert.match(await client.reply(), /^550 5\.1\.1/);
  assert.match(await client.reply(), /^250/);

  client.send("RCPT TO:<n@example.org>\r\n");
  await settle();
  client.connection.destroy();
  await settle();
  // Others have connected meanwhile; a server that stops does not wait for the delay.
  const last = await server.client("mx");
  await last.expect("MAIL FROM:<s@x.test>", "250");
  last.send("RCPT TO:<n@example.org>\r\n");
  await settle();
  const stopped = server.inbound.shutdown({ deadlineMs: 60_000 });
  assert.match(await last.reply(), /^550/);
  assert.match(await last.reply(), /^421/);
  last.connection.destroy();
  await stopped;
});
