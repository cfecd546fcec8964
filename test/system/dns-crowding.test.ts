/**
 * One client's messages name servers that never answer: honest mail is checked all the same, and deliveries go on. The
 * resolver is the real one, over simulated DNS servers, in simulated time.
 */
import assert from "node:assert/strict";
import packet from "dns-packet";
import { test } from "node:test";
import { DnsResolver } from "../../src/node/dns/dns-resolver.ts";
import type { DnsTransport } from "../../src/node/dns/dns-exchange.ts";
import { ScriptedPeer } from "../../src/testing/scripted-peer.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { SimulatedDns } from "../../src/testing/simulated-dns.ts";
import { relayClient, second, SimulatedWorld, stranger } from "./support.ts";

/** Nobody answers for names below slow.test. */
function silentAboutSlow(transport: DnsTransport): DnsTransport {
  return {
    ...transport,
    udp: (server, bytes, heard) => {
      const name = packet.decode(bytes).questions?.[0]?.name ?? "";
      return name.endsWith(".slow.test") ? { close: () => {} } : transport.udp(server, bytes, heard);
    },
  };
}

async function crowdedWorld(): Promise<{ readonly world: SimulatedWorld; readonly dns: SimulatedDns }> {
  const random = new SeededRandom(5);
  const dns = new SimulatedDns({ random, servers: [{ address: "192.0.2.53" }] });
  const world = new SimulatedWorld();
  const { clock, log } = world;
  world.wrapResolver = () =>
    new DnsResolver({ servers: dns.servers, transport: silentAboutSlow(dns.transport(clock)), clock, random, log });
  await world.start();
  return { world, dns };
}

/** A message whose checks ask some thirty questions that nobody answers. */
async function sendSlowMessage(world: SimulatedWorld, number: number, from: string): Promise<void> {
  const client = await world.client("mx", from);
  await client.expect(`MAIL FROM:<a@m${number}.slow.test>`, "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("DATA", "354");
  const signature = (at: number) =>
    `DKIM-Signature: v=1; a=rsa-sha256; d=k${number}-${at}.slow.test; s=s; h=from; bh=${"A".repeat(43)}=; b=AAAA\r\n`;
  const signatures = Array.from({ length: 10 }, (_, at) => signature(at)).join("");
  client.write(`${signatures}From: a@f${number}.slow.test\r\n\r\nx\r\n.\r\n`);
}

/** Lets time pass until it is done; how much passed. */
async function timeOf<T>(world: SimulatedWorld, work: Promise<T>): Promise<number> {
  const startedMs = world.clock.monotonicMs();
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  while (!done) await world.advance(100);
  await ended;
  return world.clock.monotonicMs() - startedMs;
}

for (const [title, flooder] of [
  ["another network", "203.0.113.66"],
  ["the honest client's own network", stranger],
] as const) {
  test(`honest mail is checked and deliveries go on while a client of ${title} takes all DNS look-ups it can`, async () => {
    const { world, dns } = await crowdedWorld();
    await using _world = world;
    const policy = "v=spf1 a -all";
    dns.records
      .add("good.test", "TXT", policy)
      .add("good.test", "A", stranger)
      .add("_dmarc.good.test", "TXT", "v=DMARC1; p=reject");
    dns.records.addMx("far.test", "10 mx.far.test").add("mx.far.test", "A", "198.51.100.200");
    await using peer = await ScriptedPeer.listen(world.network, { kind: "ip", address: "198.51.100.200", port: 25 });
    for (let number = 0; number < 80; number++) await sendSlowMessage(world, number, flooder);
    await world.advance(second);

    const honest = await world.client();
    const sending = honest.send("ann@good.test", "ann@example.org", "From: ann@good.test\r\n\r\nhello");
    assert.ok((await timeOf(world, sending)) < 10 * second);
    const [checked] = world.log.of("sender-checked");
    assert.deepEqual([checked?.["spf"], checked?.["dmarc"]], ["pass", "pass"]);

    const leaving = world
      .client("mx", relayClient)
      .then((client) => client.send("ann@example.org", "bob@far.test", "Subject: x\r\n\r\nx"));
    await timeOf(world, leaving);
    await world.advance(2 * second);
    assert.equal(peer.sessions, 1);
    assert.ok(world.log.of("dns-busy").every(({ purpose }) => purpose === "inbound"));
  });
}
