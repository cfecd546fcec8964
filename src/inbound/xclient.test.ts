/** Sessions that a listed proxy passes on by XCLIENT: whose address counts, what the proxy cannot lend, and who may not say it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plain, ReceivingServer } from "../testing/receiving-server.ts";

const proxy = "10.0.0.1";
const xclientFrom = [proxy];

function opened(server: ReceivingServer) {
  return server.log.of("session-opened").map(({ client, proxy: by }) => [client, by]);
}

test("FRONT-005 FRONT-007: listed proxies alone are offered XCLIENT, and the client that was named cannot name another", async () => {
  await using server = await ReceivingServer.open({ xclientFrom });
  const stranger = await server.client("mx", "198.51.100.7");
  await stranger.expect("XCLIENT ADDR=10.0.0.1", "550 5.7.0");
  assert.doesNotMatch(await stranger.expect("EHLO client.test", "250"), /XCLIENT/);
  const client = await server.client("mx", proxy);
  assert.match(await client.expect("EHLO x", "250"), /250-XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT\r?\n/);
  await client.expect("XCLIENT ADDR=nobody", "501 5.5.4");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("XCLIENT ADDR=203.0.113.9", "503 5.5.1");
  await client.expect("RSET", "250");
  await client.expect("XCLIENT ADDR=203.0.113.9 NAME=[UNAVAILABLE] LOGIN=ann@example.org", "220 ");
  await client.expect("MAIL FROM:<s@x.example>", "503 5.5.1");
  assert.doesNotMatch(await client.expect("EHLO client.test", "250"), /XCLIENT|STARTTLS/);
  await client.expect("XCLIENT ADDR=10.0.0.1", "550 5.7.0");
  await client.expect("STARTTLS", "502");
});

test("FRONT-007: the named address counts, for mail and for relaying, and the proxy lends nothing of its own", async () => {
  await using server = await ReceivingServer.open({ xclientFrom, relayNetworks: [proxy, "192.0.2.77"] });
  const client = await server.client("mx", proxy);
  await client.expect("XCLIENT ADDR=203.0.113.9 DESTADDR=192.0.2.25", "220 ");
  await client.expect("EHLO client.test", "250");
  await client.expect("MAIL FROM:<s@x.example>", "250");
  await client.expect("RCPT TO:<u@elsewhere.test>", "550 5.7.1");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.content("Subject: x\r\n\r\nhello");
  const { message } = await server.onlyMessage();
  assert.equal(message.origin.clientAddress, "203.0.113.9");
  assert.equal(message.origin.login, undefined);
  assert.deepEqual(opened(server), [
    [proxy, undefined],
    ["203.0.113.9", proxy],
  ]);

  const hidden = await server.client("mx", proxy);
  await hidden.expect("XCLIENT ADDR=[UNAVAILABLE]", "220 ");
  await hidden.expect("EHLO client.test", "250");
  await hidden.expect("XCLIENT ADDR=192.0.2.77", "550 5.7.0");
  await hidden.expect("MAIL FROM:<s@x.example>", "250");
  await hidden.expect("RCPT TO:<u@elsewhere.test>", "550 5.7.1");

  const relayed = await server.client("mx", proxy);
  await relayed.expect("XCLIENT ADDR=192.0.2.77", "220 ");
  await relayed.expect("EHLO client.test", "250");
  await relayed.expect("MAIL FROM:<s@x.example>", "250");
  await relayed.expect("RCPT TO:<u@elsewhere.test>", "250");
});

test("FRONT-007: a client that guesses passwords behind a proxy is banned by its own address, and the proxy is not", async () => {
  const bans = { failed_logins: 3, unknown_recipients: 3, errors: 4, tarpit: "0s" };
  await using server = await ReceivingServer.open({ xclientFrom, bans });
  const named = async () => {
    const client = await server.client("submission", proxy);
    await client.startTls();
    await client.expect("EHLO client.test", "250");
    client.send("XCLIENT ADDR=203.0.113.9\r\n");
    return client;
  };
  const guilty = await named();
  assert.match(await guilty.reply(), /^220 /);
  await guilty.expect("EHLO client.test", "250");
  for (let user = 0; user < 4; user++)
    await guilty.expect(`AUTH PLAIN ${plain(`u${user}@example.org`, "x")}`, "535 5.7.8");
  assert.deepEqual(
    server.log.of("network-banned").map(({ network }) => network),
    ["203.0.113.9"],
  );
  const again = await named();
  assert.match(await again.reply(), /^421 /);
  assert.equal(await again.ended(), true);
  await server.client("submission", proxy);
});

test("the proxy's own address has no limit of connections: one client could use it up for all", async () => {
  await using server = await ReceivingServer.open({ xclientFrom, limits: { client_connections: 2 } });
  for (let number = 0; number < 2; number++) {
    const held = await server.client("mx", proxy);
    await held.expect("XCLIENT ADDR=203.0.113.9", "220 ");
  }
  const third = await server.client("mx", proxy);
  assert.match(await third.expect("XCLIENT ADDR=203.0.113.9", "421"), /too many|Too many/);
  for (let number = 0; number < 4; number++) {
    const other = await server.client("mx", proxy);
    await other.expect(`XCLIENT ADDR=203.0.113.${10 + number}`, "220 ");
  }
});

test("FRONT-006: what is sent behind XCLIENT without waiting is not run, and the connection ends", async () => {
  await using server = await ReceivingServer.open({ xclientFrom });
  const client = await server.client("mx", proxy);
  client.send("XCLIENT ADDR=203.0.113.9\r\nEHLO x\r\nMAIL FROM:<s@x.example>\r\n");
  assert.match(await client.reply(), /^554 5\.5\.0 /);
  assert.equal(await client.ended(), true);
  assert.deepEqual(opened(server), [[proxy, undefined]]);
});

test("FRONT-006: the proxy's TLS stays, and with it logins, without the proxy's certificate or channel binding", async () => {
  await using server = await ReceivingServer.open({ xclientFrom });
  const client = await server.client("submission", proxy);
  await client.expect("XCLIENT ADDR=203.0.113.9", "530 5.7.0");
  await client.startTls();
  await client.expect("EHLO client.test", "250");
  await client.expect("XCLIENT ADDR=203.0.113.9 LOGIN=ann@example.org", "220 ");
  const offered = await client.expect("EHLO client.test", "250");
  assert.match(offered, /250-AUTH /);
  assert.doesNotMatch(offered, /-PLUS|EXTERNAL|STARTTLS/);
  await client.expect("MAIL FROM:<ann@example.org>", "530 5.7.0");
});
