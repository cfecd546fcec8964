/** Sessions behind a proxy: whose address counts, what is closed without a reply, and what a proxy cannot borrow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SenderAuthentication } from "../policy/authentication/sender-authentication.ts";
import { proxyV2 } from "../testing/proxy-v2.ts";
import { plain, ReceivingServer, type ReceivingServerOptions } from "../testing/receiving-server.ts";
import { senderSettings } from "../testing/sender-zone.ts";
import { StaticResolver } from "../testing/static-resolver.ts";

const proxy = "10.0.0.1";
const header = "PROXY TCP4 203.0.113.9 192.0.2.25 4000 25\r\n";

function open(options: ReceivingServerOptions = {}, required = true): Promise<ReceivingServer> {
  return ReceivingServer.open({ ...options, proxy: { from: [proxy], required } });
}

function refusals(server: ReceivingServer) {
  return server.log.of("proxy-header-refused").map(({ client, reason }) => `${String(client)} ${String(reason)}`);
}

for (const [name, octets] of [
  ["1", Buffer.from(header)],
  ["2", proxyV2()],
] as const) {
  for (const chunkBytes of [1, 4096]) {
    test(`version ${name} in pieces of ${chunkBytes}: the client's address counts, and nothing is lost after the header`, async () => {
      await using server = await open({ chunkBytes });
      const client = await server.dial("mx", proxy);
      client.send(`${octets.toString("latin1")}EHLO client.test\r\n`);
      assert.match(await client.reply(), /^220 /);
      assert.match(await client.reply(), /^250-/);
      await client.envelope("<s@x.example>", "<ann@example.org>");
      await client.content("Subject: x\r\n\r\nhello");
      const { message } = await server.onlyMessage();
      assert.equal(message.origin.clientAddress, "203.0.113.9");
      assert.deepEqual(
        server.log.of("session-opened").map(({ client: address, proxy: by }) => [address, by]),
        [["203.0.113.9", proxy]],
      );
    });
  }
}

test("the header stands before the TLS handshake of a submissions listener", async () => {
  await using server = await open();
  const connection = await server.network.connect(
    { kind: "ip", address: "192.0.2.25", port: 465 },
    { localAddress: proxy },
  );
  connection.write(proxyV2());
  await connection.startTls({ side: "client", serverName: "mail.example.org", demand: { kind: "required" } });
  await server.clock.advance(0);
  assert.deepEqual(
    server.log.of("session-opened").map(({ client }) => client),
    ["203.0.113.9"],
  );
  connection.destroy();
});

test("FRONT-001: a listed proxy without a header, and anybody else, are closed before a session begins", async () => {
  await using server = await open();
  const direct = await server.dial("mx", "198.51.100.7");
  assert.equal(await direct.ended(), true);
  const silent = await server.dial("mx", proxy);
  silent.send("EHLO client.test\r\n");
  assert.equal(await silent.ended(), true);
  const forged = await server.dial("mx", "198.51.100.7");
  forged.send(header);
  assert.equal(await forged.ended(), true);
  for (const each of [direct, silent, forged]) assert.equal(await each.unread(), "");
  assert.deepEqual(refusals(server), ["198.51.100.7 not-listed", `${proxy} absent`, "198.51.100.7 not-listed"]);
  assert.equal(server.log.of("session-opened").length, 0);
});

test("FRONT-001: required = false: others are served under their own addresses, and their PROXY line is no command", async () => {
  await using server = await open({}, false);
  const client = await server.dial("mx", "198.51.100.7");
  assert.match(await client.reply(), /^220 /);
  await client.expect(header.trimEnd(), "500");
  assert.deepEqual(
    server.log.of("session-opened").map(({ client: address }) => address),
    ["198.51.100.7"],
  );
  const without = await server.dial("mx", proxy);
  without.send("NOOP\r\n");
  assert.equal(await without.ended(), true);
});

test("FRONT-002: a header that does not come in ten seconds, or never, ends the connection", async () => {
  await using server = await open();
  const slow = await server.dial("mx", proxy);
  slow.send("PROXY TCP4 ");
  await server.clock.advance(9999);
  assert.equal(await slow.ended(), false);
  await server.clock.advance(1);
  assert.equal(await slow.ended(), true);
  const gone = await server.dial("mx", proxy);
  gone.connection.end();
  assert.equal(await gone.ended(), true);
  assert.deepEqual(refusals(server), [`${proxy} timeout`, `${proxy} lost`]);
});

test("at most 1,000 connections wait for their header: the one that has waited longest goes", async () => {
  await using server = await open();
  const first = await server.dial("mx", proxy);
  for (let count = 1; count < 1000; count++) await server.dial("mx", proxy);
  assert.equal(await first.ended(), false);
  await server.dial("mx", proxy);
  assert.equal(await first.ended(), true);
  assert.deepEqual(refusals(server), [`${proxy} too-many`]);
});

test("a stop closes connections that wait for their header", async () => {
  await using server = await open();
  const waiting = await server.dial("mx", proxy);
  await server.clock.advance(0);
  await server.inbound.shutdown({ deadlineMs: 1000 });
  assert.equal(await waiting.ended(), true);
});

test("relaying goes by the client's address: neither the proxy's own permission nor an unknown client gets any", async () => {
  await using server = await open({ relayNetworks: [`${proxy}/32`, "203.0.113.0/24"] });
  const relay = async (octets: string, expected: string) => {
    const client = await server.dial("mx", proxy);
    client.send(octets);
    assert.match(await client.reply(), /^220 /);
    await client.expect("EHLO client.test", "250");
    await client.expect("MAIL FROM:<s@x.example>", "250");
    await client.expect("RCPT TO:<b@elsewhere.example>", expected);
  };
  await relay(header, "250");
  await relay("PROXY TCP4 198.51.100.7 192.0.2.25 4000 25\r\n", "550 5.7.1");
  await relay("PROXY UNKNOWN\r\n", "550 5.7.1");
  // LOCAL is the proxy itself.
  await relay(proxyV2({ command: 0x20 }).toString("latin1"), "250");
});

test("limits count the client behind the proxy, not the proxy", async () => {
  await using server = await open({ limits: { client_connections: 1 } });
  const client = async (address: string) => {
    const connected = await server.dial("mx", proxy);
    connected.send(`PROXY TCP4 ${address} 192.0.2.25 4000 25\r\n`);
    return await connected.reply();
  };
  assert.match(await client("203.0.113.9"), /^220 /);
  assert.match(await client("203.0.113.10"), /^220 /);
  assert.match(await client("203.0.113.9"), /^421 4\.7\.0 /);
});

test("a hidden client: neither SPF nor reverse DNS says anything of it, and failing DMARC does not get it refused", async () => {
  const resolver = new StaticResolver()
    .add("sender.example", "TXT", "v=spf1 -all")
    .add("_dmarc.sender.example", "TXT", "v=DMARC1; p=reject");
  await using server = await open({
    services: ({ clock, log }) => ({
      authentication: new SenderAuthentication(
        { resolver, clock, log },
        senderSettings({ authentication: { spf_fail: "reject" }, dmarc: { reject: "always" } }),
      ),
    }),
  });
  const send = async (octets: string) => {
    const client = await server.dial("mx", proxy);
    client.send(octets);
    assert.match(await client.reply(), /^220 /);
    await client.expect("EHLO client.test", "250");
    await client.envelope("<s@sender.example>", "<ann@example.org>");
    return await client.content("From: s@sender.example\r\n\r\nhello");
  };
  assert.match(await send(header), /^550 5\.7\.23 /);
  assert.match(await send("PROXY UNKNOWN\r\n"), /^250 /);
  const { message } = await server.onlyMessage();
  const unfolded = message.headerBlock.replaceAll(/\r\n\s+/g, " ");
  assert.match(unfolded, /^Authentication-Results: mail\.example\.net; iprev=temperror; spf=none /);
  assert.match(unfolded, /dmarc=fail \(p=reject dis=quarantine\)/);
});

test("failed logins of a hidden client do not lock out others behind the same proxy", async () => {
  await using server = await open();
  const login = async (password: string) => {
    const client = await server.dial("submission", proxy);
    client.send("PROXY UNKNOWN\r\n");
    assert.match(await client.reply(), /^220 /);
    await client.expect("EHLO client.test", "250");
    await client.startTls();
    await client.expect("EHLO client.test", "250");
    client.send(
      `AUTH PLAIN ${plain(password === "secret" ? "ann@example.org" : `${password}@example.org`, password)}\r\n`,
    );
    return (await client.reply()).slice(0, 3);
  };
  for (let failure = 0; failure < 25; failure++) assert.equal(await login(`wrong${failure}`), "535");
  assert.equal(await login("secret"), "235");
});
