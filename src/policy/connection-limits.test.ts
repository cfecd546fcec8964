/** Connections as the limits see them: who gets a place, who loses it to whom, and that every step takes constant time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import type { ConnectionId, ConnectionProgress, Entry } from "./admission.ts";
import { ConnectionLimits, sessionsWithin } from "./connection-limits.ts";
import { DroppedConnections } from "./dropped-connections.ts";

const generous = { connections: 10_000, client_connections: 0, client_connection_rate: 0 };

class World {
  readonly clock = new ManualClock();
  readonly limits: ConnectionLimits;
  /** Who was closed, and whether with a word, in this order. */
  readonly closed: string[] = [];
  /** Who holds the connections lives in another thread. */
  answersLater = false;
  /** Of those that are not busy. */
  readonly #idleSinceMs = new Map<ConnectionId, number>();

  constructor(numbers: Partial<typeof generous> = {}, ceiling?: number) {
    const dropped = (address: string, reason: string) => this.closed.push(`${address} ${reason}`);
    this.limits = new ConnectionLimits({ ...generous, ...numbers }, this.clock, {
      dropped,
      ...(ceiling !== undefined && { ceiling }),
    });
    this.limits.serve({
      drop: () => undefined,
      idleSince: (connections) => {
        const since = connections.map((connection) => this.#idleSinceMs.get(connection));
        return this.answersLater ? Promise.resolve(since) : since;
      },
    });
  }

  enter(
    address: string,
    options: { readonly trusted?: boolean; readonly handshake?: boolean; readonly busy?: boolean } = {},
  ): Entry | undefined {
    const { trusted = false, handshake = false, busy = false } = options;
    const entry = this.limits.enter({ address, listener: "mx", trusted, handshake });
    if (entry instanceof Promise) assert.fail("it is answered at once");
    if (entry !== undefined && !busy) this.#idleSinceMs.set(entry.connection, this.clock.monotonicMs());
    return entry;
  }

  note(entry: Entry | undefined, progress: ConnectionProgress): void {
    if (entry !== undefined) this.limits.note(entry.connection, progress);
  }

  summary(entry: Entry | undefined): string {
    if (entry === undefined) return "dropped";
    const { refusal } = entry;
    return refusal === undefined ? "served" : `${refusal.reply.code} ${refusal.reply.status} ${refusal.reason}`;
  }

  /** The whole of a connection that ends at once. */
  outcome(...given: Parameters<World["enter"]>): string {
    return this.summary(this.enter(...given));
  }
}

test("SMTP-049: sessions are limited in total, per client and in rate; this machine and trusted networks only in total", () => {
  const world = new World({ connections: 6, client_connections: 2, client_connection_rate: 5 });
  const [first, second] = [world.enter("192.0.2.1"), world.enter("192.0.2.1")];
  assert.equal(world.summary(second), "served");
  assert.equal(world.outcome("192.0.2.1"), "421 4.7.0 too-many-client-connections");
  world.note(first, "left");
  world.note(first, "left");
  const third = world.enter("192.0.2.1");
  assert.equal(world.summary(third), "served");
  world.note(third, "left");
  assert.equal(world.outcome("192.0.2.1"), "served");
  assert.equal(world.outcome("192.0.2.1"), "421 4.7.0 client-connection-rate");
  assert.equal(world.limits.total, 2);
  for (let count = 0; count < 2; count++) assert.equal(world.outcome("127.0.0.1"), "served");
  assert.equal(world.outcome("198.51.100.1", { trusted: true }), "served");
  assert.equal(world.outcome("198.51.100.1", { trusted: true }), "served");
  assert.equal(world.outcome("127.0.0.1"), "421 4.3.2 too-many-connections");
});

test("sessions beyond what the system lets the process open hear 421, whatever the settings allow", () => {
  assert.deepEqual([20_000, 1024, 160, 20].map(sessionsWithin), [19_500, 668, 20, 1]);
  const world = new World({}, 1);
  assert.equal(world.outcome("192.0.2.1"), "served");
  world.limits.reconfigure(generous);
  assert.equal(world.outcome("192.0.2.2", { trusted: true }), "421 4.3.2 too-many-connections");
});

test("SMTP-049: an IPv6 /64 is one client", () => {
  const world = new World({ client_connections: 1 });
  assert.equal(world.outcome("2001:db8::1"), "served");
  assert.equal(world.outcome("2001:db8::ffff:1"), "421 4.7.0 too-many-client-connections");
  assert.equal(world.outcome("2001:db8:0:1::1"), "served");
});

test("a connection counts from before its TLS handshake: one network gets its share of them and no more", () => {
  const world = new World({ client_connections: 100 });
  for (let count = 0; count < 100; count++) world.enter("203.0.113.1", { handshake: true });
  for (let count = 0; count < 5000; count++) {
    assert.equal(world.outcome("203.0.113.1", { handshake: true }), "421 4.7.0 too-many-client-connections");
  }
  assert.equal(world.limits.total, 100);
  // Whoever does not leave after its refusal is closed for the next one.
  assert.equal(world.closed.length, 4950);
  assert.equal(world.outcome("192.0.2.1", { handshake: true }), "served");
});

test("a network that connects too often costs no handshake", () => {
  const world = new World({ client_connection_rate: 1 });
  assert.equal(world.outcome("203.0.113.1", { handshake: true }), "served");
  assert.equal(world.outcome("203.0.113.1", { handshake: true }), "dropped");
  assert.equal(world.outcome("203.0.113.1"), "421 4.7.0 client-connection-rate");
});

test("a thousand silent handshakes close no listener: the oldest of the largest network makes room", () => {
  const world = new World();
  for (let count = 0; count < 1000; count++)
    world.enter(count % 4 === 0 ? "192.0.2.4" : "203.0.113.1", { handshake: true });
  assert.equal(world.outcome("198.51.100.1", { handshake: true }), "served");
  assert.deepEqual(world.closed, ["203.0.113.1 silent"]);
  assert.equal(world.limits.total, 1000);
});

test("silent connections of one address leave room even for that address", () => {
  const world = new World({ connections: 1000 });
  for (let count = 0; count < 3000; count++) assert.equal(world.outcome("127.0.0.1"), "served");
  assert.equal(world.limits.total, 1000);
  assert.equal(world.closed.length, 2000);
});

test("a full server drops the silent first, then the idle, and never who is being served", async () => {
  const world = new World({ connections: 4 });
  const spoken = (address: string, busy: boolean) => {
    world.note(world.enter(address, { busy }), "spoke");
  };
  spoken("192.0.2.1", true);
  spoken("192.0.2.2", false);
  world.note(world.enter("192.0.2.3"), "established");
  await world.clock.advance(1);
  world.enter("192.0.2.4", { handshake: true });
  assert.equal(world.outcome("192.0.2.5"), "421 4.3.2 too-many-connections");
  await world.clock.advance(5000);
  spoken("192.0.2.6", true);
  assert.deepEqual(world.closed, ["192.0.2.3 silent"]);
  spoken("192.0.2.7", true);
  assert.deepEqual(world.closed, ["192.0.2.3 silent", "192.0.2.4 silent"]);
  assert.equal(world.outcome("192.0.2.8"), "421 4.3.2 too-many-connections");
  await world.clock.advance(5000);
  assert.equal(world.outcome("192.0.2.8"), "served");
  assert.deepEqual(world.closed, ["192.0.2.3 silent", "192.0.2.4 silent", "192.0.2.2 idle"]);
});

test("an idle session is found however many busy ones stand before it", async () => {
  const world = new World({ connections: 200 });
  for (let count = 0; count < 199; count++) world.note(world.enter(`192.0.2.${count}`, { busy: true }), "spoke");
  world.note(world.enter("198.51.100.1"), "spoke");
  await world.clock.advance(10_000);
  let refused = 0;
  while (world.outcome("203.0.113.1") !== "served") refused++;
  assert.equal(refused, 6);
  assert.deepEqual(world.closed, ["198.51.100.1 idle"]);
});

test("who is idle may be told later: the newcomer waits for it, and takes the place of who left meanwhile", async () => {
  const world = new World({ connections: 2 });
  const [first, second] = [world.enter("192.0.2.1"), world.enter("192.0.2.2")];
  for (const entry of [first, second]) world.note(entry, "spoke");
  await world.clock.advance(10_000);
  world.answersLater = true;
  const newcomers = ["192.0.2.3", "192.0.2.4"].map((address) =>
    world.limits.enter({ address, listener: "mx", trusted: false, handshake: false }),
  );
  world.note(first, "left");
  const entries = await Promise.all(newcomers);
  assert.deepEqual(
    entries.map((entry) => world.summary(entry)),
    ["served", "served"],
  );
  assert.deepEqual(world.closed, ["192.0.2.2 idle"]);
});

test("a flood of drops is one line in ten seconds for each reason, with their number", async () => {
  const log = new CollectingLog();
  const clock = new ManualClock();
  const dropped = new DroppedConnections(log, clock);
  for (let count = 0; count < 500; count++) dropped.note("2001:db8::1", "silent");
  dropped.note("192.0.2.1", "refused");
  await clock.advance(10_000);
  dropped.note("192.0.2.2", "silent");
  assert.deepEqual(log.of("connections-dropped"), [
    { reason: "silent", client: "2001:db8:0:0::/64", count: 1 },
    { reason: "refused", client: "192.0.2.1", count: 1 },
    { reason: "silent", client: "192.0.2.2", count: 500 },
  ]);
});
