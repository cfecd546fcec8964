/** One network takes every connection it can get: all listeners stay open to others, and the log says what happens. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { settle } from "../../src/testing/manual-clock.ts";
import { RealServer } from "./real-server.ts";
import { minute, SimulatedWorld } from "./support.ts";

const crowd = "203.0.113.66";

/** Connects and says nothing, not even a TLS handshake. */
async function connectSilently(world: SimulatedWorld, port: number, from: string): Promise<void> {
  const connection = await world.network.connect({ kind: "ip", address: "192.0.2.25", port }, { localAddress: from });
  connection.start({ data: () => {}, end: () => {}, drained: () => {}, closed: () => {} });
}

test("465, 587 and 25 stay open to an honest client while one network holds everything it can", async () => {
  await using world = await SimulatedWorld.start({ limits: { connections: 150, client_connections: 100 } });
  for (let count = 0; count < 200; count++) {
    for (const port of [465, 25, 587]) await connectSilently(world, port, crowd);
  }
  await settle();
  for (const kind of ["mx", "submissions", "submission"] as const) {
    await (await world.client(kind)).expect("NOOP", "250");
  }
  const lines = world.log.of("connections-dropped");
  assert.ok(lines.some(({ reason }) => reason === "refused"));
  assert.deepEqual([...new Set(lines.map(({ client }) => client))], [crowd]);
});

test("many networks that say nothing lose their places to whoever speaks, on 25 and on 465", async () => {
  await using world = await SimulatedWorld.start({ limits: { connections: 150, client_connections: 2 } });
  for (let count = 0; count < 200; count++) {
    await connectSilently(world, count % 2 === 0 ? 465 : 25, `2001:db8:${count}::1`);
    await connectSilently(world, count % 2 === 0 ? 465 : 25, `2001:db8:${count}::2`);
  }
  await settle();
  const clients = [await world.client("mx"), await world.submitter()];
  for (let count = 200; count < 600; count++) await connectSilently(world, 465, `2001:db8:${count}::1`);
  for (const client of clients) await client.expect("NOOP", "250");
  assert.equal(world.log.of("connections-dropped")[0]?.["reason"], "silent");
});

test("idle sessions of many networks hear 421 when the server is full; those that transfer content stay", async () => {
  await using world = await SimulatedWorld.start({ limits: { connections: 20 } });
  const sending = await world.client("mx", "198.51.100.1");
  await sending.expect("MAIL FROM:<a@b.test>", "250");
  await sending.expect("RCPT TO:<ann@example.org>", "250");
  await sending.expect("DATA", "354");
  const idle = [];
  for (let count = 0; count < 19; count++) idle.push(await world.client("mx", `192.0.2.${count + 100}`));
  await world.clock.advance(minute / 4);
  const honest = await world.client("mx", "198.51.100.2");
  assert.match((await idle[0]?.reply()) ?? "", /^421 4\.3\.2 Too many sessions/);
  await honest.expect("NOOP", "250");
  sending.write("Subject: x\r\n\r\ntext\r\n.\r\n");
  assert.match(await sending.reply(), /^250 /);
});

test("1,500 silent TCP connections from one address leave 465 open", { timeout: 120_000 }, async () => {
  await using server = await RealServer.start();
  const silent: Socket[] = [];
  try {
    for (let count = 0; count < 1500; count++) {
      const socket = connect(server.port("submissions"), "127.0.0.1");
      socket.on("error", () => undefined);
      silent.push(socket);
      await once(socket, "connect");
    }
    await (await server.client("submissions")).expect("NOOP", "250");
    assert.deepEqual(server.log.of("connections-dropped")[0], { reason: "silent", client: "127.0.0.1", count: 1 });
  } finally {
    for (const socket of silent) socket.destroy();
  }
});
