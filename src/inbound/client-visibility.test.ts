/** When all clients seem to be one private address: when it is noticed, what it changes, and what is never taken for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ipNetworkList } from "../lib/ip-network.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { ReceivingServer } from "../testing/receiving-server.ts";
import { ClientVisibility } from "./client-visibility.ts";
import type { Peer } from "./proxy-headers.ts";

const gateway = "172.17.0.1";
const nobody = ipNetworkList([]);
const peer = (address: string): Peer => ({ address, ourAddress: undefined });

function world() {
  const [clock, log] = [new ManualClock(), new CollectingLog()];
  const visibility = new ClientVisibility({ clock, log });
  const come = (address: string, { sessions = 30, names = 5, relay = nobody, ...more } = {}) => {
    for (let n = 0; n < sessions; n++) visibility.note({ ...peer(address), ...more }, `M${n % names}.test`, relay);
    return visibility.isHidden;
  };
  return { clock, log, visibility, come };
}

test("thirty sessions of one private address with five names: noticed once, and never before", () => {
  for (const address of [gateway, "10.0.2.2", "fd00::1", "100.64.0.1"]) {
    const { log, come, visibility } = world();
    assert.equal(come(address, { sessions: 29 }), false, address);
    assert.equal(visibility.judged(peer(address), nobody).hidden, undefined);
    assert.equal(come(address, { sessions: 1 }), true);
    come(address);
    assert.deepEqual(log.of("client-addresses-hidden"), [{ client: address, sessions: 30 }]);
    assert.equal(visibility.judged(peer(address), nobody).hidden, true);
    assert.equal(visibility.judged(peer("192.168.7.7"), nobody).hidden, undefined, "another address is its own");
  }
});

test("never hidden: few names, loopback, public addresses, relay.networks, and clients that a proxy names", () => {
  assert.equal(world().come(gateway, { sessions: 1000, names: 4 }), false);
  for (const address of ["127.0.0.1", "::1", "", "203.0.113.9", "2001:db8::9"]) {
    assert.equal(world().come(address, { sessions: 1000 }), false, address);
  }
  assert.equal(world().come(gateway, { relay: ipNetworkList(["172.16.0.0/12"]) }), false);
  assert.equal(world().come(gateway, { proxy: { address: "10.0.0.1" } } as object), false);
  const { come, visibility } = world();
  come(gateway);
  const trusted = visibility.judged(peer(gateway), ipNetworkList([gateway]));
  assert.equal(trusted.hidden, undefined, "a reload has named it");
});

test("whoever else came within a day keeps it from being noticed, and ends it", async () => {
  for (const other of ["203.0.113.9", "10.9.9.9"]) {
    const { clock, log, come, visibility } = world();
    come(gateway);
    assert.equal(come(other, { sessions: 1 }), false);
    assert.deepEqual(log.of("client-addresses-visible"), [{ client: gateway }]);
    assert.equal(visibility.judged(peer(gateway), nobody).hidden, undefined);
    assert.equal(come(gateway, { sessions: 1000 }), false);
    await clock.advance(86_400_000);
    assert.equal(come(gateway, { sessions: 29 }), false);
    assert.equal(come(gateway, { sessions: 1 }), true);
  }
});

test("sessions behind such a gateway are served without trust in its address, and others as before", async () => {
  await using server = await ReceivingServer.open({ limits: { client_message_rate: 1 } });
  for (let n = 0; n < 30; n++) {
    const client = await server.dial("mx", gateway);
    assert.match(await client.reply(), /^220 /);
    await client.expect(`EHLO mail${n}.test`, "250");
    await client.expect("QUIT", "221");
  }
  assert.equal(server.inbound.clientsAreHidden, true);
  for (let n = 0; n < 3; n++) {
    const client = await server.client("mx", gateway);
    await client.envelope("<s@x.example>", "<ann@example.org>");
    assert.match(await client.content("Subject: x\r\n\r\nhello"), /^250 /);
  }
  const visible = await server.client("mx", "203.0.113.9");
  assert.equal(server.inbound.clientsAreHidden, false);
  await visible.envelope("<s@x.example>", "<ann@example.org>");
  assert.match(await visible.content("Subject: x\r\n\r\nhello"), /^250 /);
  await visible.expect("MAIL FROM:<s@x.example>", "4");
});

test("a listed proxy that comes for itself is nobody whose address is hidden", async () => {
  await using server = await ReceivingServer.open({ xclientFrom: ["10.0.0.1"] });
  for (let n = 0; n < 30; n++) {
    const client = await server.client("mx", "10.0.0.1");
    await client.expect(`EHLO mail${n}.test`, "250");
    await client.expect("XCLIENT ADDR=203.0.113.9", "220 ");
    await client.expect(`EHLO mail${n}.test`, "250");
    await client.expect("QUIT", "221");
  }
  assert.equal(server.inbound.clientsAreHidden, false);
});
