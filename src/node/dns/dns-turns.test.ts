/** Whose question is next: nobody's questions wait for all of somebody else's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DnsAsker } from "../../ports/resolver.ts";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock, settle } from "../../testing/manual-clock.ts";
import { DnsTurns, type Turn } from "./dns-turns.ts";

class World {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly turns = new DnsTurns(this.clock, this.log);
  /** Names of those whose turn came, in order. */
  readonly granted: string[] = [];
  /** Names of those that waited in vain. */
  readonly refused: string[] = [];
  readonly #turns: Turn[] = [];

  ask(name: string, asker?: DnsAsker): void {
    void this.turns.take(asker).then((turn) => {
      if (turn === undefined) return this.refused.push(name);
      this.#turns.push(turn);
      return this.granted.push(name);
    });
  }

  /** Questions of one message each, so many of them. */
  flood(messages: number, each: number, client?: string): void {
    for (let count = 0; count < messages; count++) {
      const message = {};
      for (let asked = 0; asked < each; asked++) {
        this.ask(client ?? "flood", { purpose: "inbound", message, ...(client !== undefined && { client }) });
      }
    }
  }

  async endOldest(): Promise<void> {
    this.#turns.shift()?.end();
    await settle();
  }

  count(name: string): number {
    return this.granted.filter((granted) => granted === name).length;
  }
}

test("one client's messages never take more than their share of the questions, one message no more than its own", async () => {
  const world = new World();
  world.flood(1, 100, "192.0.2.1");
  await settle();
  assert.equal(world.count("192.0.2.1"), 8);
  world.flood(100, 30, "192.0.2.1");
  await settle();
  assert.equal(world.count("192.0.2.1"), 64);
  world.flood(1, 5, "198.51.100.1");
  await settle();
  assert.equal(world.count("198.51.100.1"), 5);
});

test("strangers' mail from everywhere leaves room for deliveries and for the server's own questions", async () => {
  const world = new World();
  for (let client = 0; client < 50; client++) world.flood(10, 20, `192.0.2.${client}`);
  await settle();
  assert.equal(world.granted.length, 160);
  for (let count = 0; count < 64; count++) world.ask("delivery", { purpose: "outbound", client: "far.test" });
  world.ask("own");
  await settle();
  assert.equal(world.count("delivery"), 64);
  assert.equal(world.count("own"), 1);
});

test("deliveries leave room for strangers' mail, and one silent domain for the others", async () => {
  const world = new World();
  for (let count = 0; count < 500; count++) world.ask("slow", { purpose: "outbound", client: "slow.test" });
  for (let count = 0; count < 500; count++) world.ask("other", { purpose: "outbound", client: `d${count}.test` });
  await settle();
  assert.equal(world.count("slow"), 64);
  assert.equal(world.count("other"), 96);
  world.flood(8, 8, "192.0.2.1");
  await settle();
  assert.equal(world.count("192.0.2.1"), 64);
});

test("when all is taken, a message without questions at work is next, also among messages of one address", async () => {
  const world = new World();
  world.flood(20, 30);
  await settle();
  assert.equal(world.granted.length, 160);
  world.ask("honest", { purpose: "inbound", message: {} });
  await settle();
  assert.equal(world.count("honest"), 0);
  await world.endOldest();
  assert.equal(world.count("honest"), 1);
});

test("turns that end are given to those that wait until nobody does, whoever asks", async () => {
  const world = new World();
  world.flood(40, 30, "192.0.2.1");
  world.flood(40, 30, "192.0.2.2");
  world.flood(40, 30);
  for (let round = 0; round < 3600; round++) await world.endOldest();
  assert.equal(world.granted.length, 3600);
  assert.deepEqual(world.refused, []);
  assert.equal(world.clock.pendingTimers, 0);
});

test("waiting ends after ten seconds, and one line tells of all that waited in vain", async () => {
  const world = new World();
  world.flood(10, 32, "192.0.2.1");
  await world.clock.advance(9999);
  assert.deepEqual(world.refused, []);
  await world.clock.advance(1);
  assert.equal(world.refused.length, 320 - 64);
  assert.equal(world.clock.pendingTimers, 0);
  assert.deepEqual(world.log.of("dns-busy"), [{ purpose: "inbound", client: "192.0.2.1", count: 1 }]);
});

test("no more than 8,192 questions wait; beyond them those that wait the most give up first", async () => {
  const world = new World();
  world.flood(400, 30, "192.0.2.1");
  world.flood(3, 30, "198.51.100.1");
  world.flood(6, 30, "192.0.2.9");
  await settle();
  assert.equal(world.refused.length, 400 * 30 + 9 * 30 - 8192 - world.granted.length);
  assert.deepEqual([...new Set(world.refused)], ["192.0.2.1"]);
});
