/** The simulated DNS as the real resolver sees it: each trouble by itself, over a table of records that changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DnsResolver } from "../node/dns/dns-resolver.ts";
import type { DnsAnswer, RecordType } from "../ports/resolver.ts";
import { CollectingLog } from "./collecting-log.ts";
import { Incarnation } from "./incarnation.ts";
import { ManualClock, settle } from "./manual-clock.ts";
import { MemoryFiles } from "./memory-files.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimulatedDns, type SimulatedDnsOptions } from "./simulated-dns.ts";

const first = "127.0.0.1";
const second = "192.0.2.53";

class World {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly dns: SimulatedDns;
  readonly resolver: DnsResolver;

  constructor(options: Partial<SimulatedDnsOptions> & { readonly seed?: number } = {}) {
    const { seed = 1, ...more } = options;
    const servers = [{ address: first }, { address: second }];
    this.dns = new SimulatedDns({ random: new SeededRandom(seed), servers, ...more });
    this.dns.records.addMx("x.test", "10 mx.x.test").add("mx.x.test", "A", "192.0.2.1");
    this.resolver = this.newResolver();
  }

  newResolver(): DnsResolver {
    const { clock, log, dns } = this;
    const transport = dns.transport(clock);
    return new DnsResolver({ servers: dns.servers, transport, clock, log, random: new SeededRandom(2) });
  }

  server(at: 0 | 1) {
    const server = this.dns.servers[at];
    assert.ok(server);
    return server;
  }

  /** What it is, and how many seconds it took. */
  async ask<T extends RecordType>(name: string, type: T, resolver = this.resolver) {
    const start = this.clock.monotonicMs();
    let answer: DnsAnswer<T> | undefined;
    const asked = resolver.query(name, type).then((given) => (answer = given));
    // Far longer than any answer takes.
    while (answer === undefined && this.clock.monotonicMs() - start < 60_000) {
      this.clock.step(100);
      await settle();
    }
    return { answer: await asked, seconds: Math.floor((this.clock.monotonicMs() - start) / 1000) };
  }

  async records<T extends RecordType>(name: string, type: T, resolver = this.resolver) {
    const { answer } = await this.ask(name, type, resolver);
    return answer.kind === "records" ? answer.records : answer.kind;
  }
}

test("records of every type, and that there are none, come as they stand in the table", async () => {
  const world = new World();
  const tlsa = { usage: 3, selector: 1, matching: 1, data: Uint8Array.of(1, 2, 3) };
  world.dns.records
    .addMx("null.test", "0 .")
    .add("all.test", "AAAA", "2001:db8::1")
    .add("all.test", "TXT", "v=spf1 -all", "x".repeat(700))
    .add("all.test", "PTR", "host.test")
    .add("all.test", "TLSA", tlsa);
  assert.deepEqual(await world.records("x.test", "MX"), [{ preference: 10, exchange: "mx.x.test" }]);
  assert.deepEqual(await world.records("null.test", "MX"), [{ preference: 0, exchange: "" }]);
  assert.deepEqual(await world.records("all.test", "AAAA"), ["2001:db8::1"]);
  const texts = await world.records("all.test", "TXT");
  assert.ok(Array.isArray(texts));
  assert.deepEqual(new Set(texts), new Set(["v=spf1 -all", "x".repeat(700)]));
  assert.deepEqual(await world.records("all.test", "PTR"), ["host.test"]);
  assert.deepEqual(await world.records("all.test", "TLSA"), [tlsa]);
  assert.equal(await world.records("all.test", "A"), "no-data");
  assert.equal(await world.records("gone.test", "A"), "no-name");
  const { answer } = await world.ask("x.test", "MX");
  assert.equal(answer.kind === "records" && answer.secure, true);
});

for (const followsAliases of [true, false]) {
  test(`aliases lead to the records, to nothing, or in circles; the server ${followsAliases ? "follows" : "leaves"} them`, async () => {
    const world = new World({ servers: [{ address: first, followsAliases }] });
    world.dns.records
      .add("a.test", "CNAME", "B.test")
      .add("b.test", "CNAME", "mx.x.test")
      .add("dangling.test", "CNAME", "gone.test")
      .add("round.test", "CNAME", "and.round.test")
      .add("and.round.test", "CNAME", "round.test");
    assert.deepEqual(await world.records("a.test", "A"), ["192.0.2.1"]);
    assert.equal(await world.records("a.test", "TXT"), "no-data");
    assert.equal(await world.records("dangling.test", "A"), "no-name");
    assert.equal(await world.records("round.test", "A"), "failure");
  });
}

test("what was changed is seen when the TTL is over, by the resolver and by those who ask the same server, and not before", async () => {
  const world = new World({ servers: [{ address: first }] });
  const { dns, clock } = world;
  dns.setTtl("mx.x.test", 600);
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
  dns.records.remove("mx.x.test").add("mx.x.test", "A", "192.0.2.2");
  await clock.advance(400_000);
  const another = world.newResolver();
  const { answer } = await world.ask("mx.x.test", "A", another);
  assert.ok(answer.kind === "records");
  assert.deepEqual(answer.records, ["192.0.2.1"]);
  assert.ok(answer.ttlSeconds > 190 && answer.ttlSeconds <= 200, `${answer.ttlSeconds} seconds are left`);
  await clock.advance(201_000);
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.2"]);
  assert.deepEqual(await world.records("mx.x.test", "A", another), ["192.0.2.2"]);
});

test("a TTL of zero: each question is asked, and sees the change at once", async () => {
  const world = new World();
  world.dns.setTtl("mx.x.test", 0);
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
  world.dns.records.remove("mx.x.test").add("mx.x.test", "A", "192.0.2.2");
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.2"]);
  assert.equal(world.server(0).heard.udp, 2);
});

test("a name that appears is seen a minute later, and a server that was started anew knows it at once", async () => {
  const world = new World();
  assert.equal(await world.records("new.test", "A"), "no-name");
  world.dns.records.add("new.test", "A", "192.0.2.9");
  assert.equal(await world.records("new.test", "A", world.newResolver()), "no-name");
  world.server(0).recursion.forget();
  assert.deepEqual(await world.records("new.test", "A", world.newResolver()), ["192.0.2.9"]);
  await world.clock.advance(61_000);
  assert.deepEqual(await world.records("new.test", "A"), ["192.0.2.9"]);
});

for (const [what, trouble, seconds] of [
  ["dead", { port: "silent" }, 2],
  ["not running", { port: "closed" }, 0],
  ["failing", { says: "SERVFAIL" }, 0],
  ["refusing", { says: "REFUSED" }, 0],
  ["lame", { says: "a referral" }, 0],
  ["out of reach", { loss: 1 }, 2],
  ["cutting its answers short without TCP", { truncated: 1, tcp: "refuses" }, 0],
  ["cutting its answers short and silent by TCP", { truncated: 1, tcp: "stalls" }, 2],
  ["cutting its answers short and closing at once", { truncated: 1, tcp: "closes" }, 0],
  ["cutting its answers short and breaking off", { truncated: 1, tcp: "breaks off" }, 0],
] as const) {
  test(`a server that is ${what}: the other one answers; when both are, it is a failure in bounded time`, async () => {
    const world = new World();
    Object.assign(world.server(0).trouble, trouble);
    const { answer, seconds: took } = await world.ask("x.test", "MX");
    assert.equal(answer.kind, "records");
    assert.ok(took >= seconds && took <= seconds + 2, `it took ${took} seconds`);
    Object.assign(world.server(1).trouble, trouble);
    const failed = await world.ask("mx.x.test", "A");
    assert.equal(failed.answer.kind, "failure");
    assert.ok(failed.seconds <= 15, `it took ${failed.seconds} seconds`);
    world.dns.heal();
    await world.clock.advance(5_000);
    assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
    assert.equal(world.clock.pendingTimers, 0);
  });
}

test("answers that do not fit, or are cut short, come whole by TCP", async () => {
  const world = new World({ servers: [{ address: first }] });
  const hosts = Array.from({ length: 100 }, (_, index) => `${index} mx${index}.big.test`);
  world.dns.records.addMx("big.test", ...hosts);
  const records = await world.records("big.test", "MX");
  assert.equal(records.length, 100);
  world.server(0).trouble.truncated = 1;
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
  assert.deepEqual(world.server(0).heard, { udp: 2, tcp: 2 });
});

test("a server that does not know EDNS is asked without it", async () => {
  const world = new World({ servers: [{ address: first, stumblesOverEdns: true }] });
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
  assert.equal(world.server(0).heard.udp, 2);
});

test("what is not the answer comes before it, and is not believed", async () => {
  const world = new World();
  world.server(0).trouble.forged = 1;
  for (let round = 0; round < 40; round++) {
    const name = `${round}.x.test`;
    world.dns.records.add(name, "A", "192.0.2.1");
    assert.deepEqual(await world.records(name, "A"), ["192.0.2.1"]);
  }
  // Some of it was a storm.
  assert.ok(world.server(0).heard.tcp > 0);
});

test("late answers are still answers: the server knows by then, or the second round waits longer", async () => {
  const world = new World();
  for (const { trouble } of world.dns.servers) trouble.late = 1;
  const kinds = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const { answer, seconds } = await world.ask(`${round}.gone.test`, "A");
    kinds.add(answer.kind);
    assert.ok(seconds >= 4 && seconds <= 15, `it took ${seconds} seconds`);
  }
  assert.deepEqual(kinds, new Set(["no-name", "failure"]));
});

test("a packet that is lost now and then costs two seconds, and the question gets through", async () => {
  const world = new World({ sparseLoss: 1 });
  assert.equal((await world.ask("x.test", "MX")).answer.kind, "records");
  assert.equal(world.server(0).heard.udp, 2);
});

test("a zone whose servers fail: SERVFAIL for all below it, and what is known stays known", async () => {
  const world = new World();
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
  world.dns.failZone("x.test");
  assert.equal(await world.records("x.test", "MX"), "failure");
  assert.deepEqual(await world.records("mx.x.test", "A"), ["192.0.2.1"]);
  assert.equal(await world.records("y.test", "A"), "no-name");
  world.dns.healZone("x.test");
  await world.clock.advance(5_000);
  assert.equal((await world.ask("x.test", "MX")).answer.kind, "records");
});

test("one seed gives one run, to the millisecond, and another seed another", async () => {
  const run = async (seed: number) => {
    const world = new World({ seed, sparseLoss: 0.2 });
    for (const { trouble } of world.dns.servers)
      Object.assign(trouble, { late: 0.3, forged: 0.3, truncated: 0.3, loss: 0.1 });
    const told: unknown[] = [];
    for (let round = 0; round < 20; round++) {
      told.push((await world.ask(`${round % 7}.gone.test`, "A")).answer, world.clock.monotonicMs());
    }
    return told;
  };
  assert.deepEqual(await run(1), await run(1));
  assert.notDeepEqual(await run(1), await run(2));
});

test("a killed process hears nothing of what it asked, and its successor knows nothing of what it knew", async () => {
  const world = new World();
  const { clock, log, dns } = world;
  const born = () =>
    new Incarnation({
      clock,
      log,
      network: new MemoryNetwork(),
      files: new MemoryFiles(),
      makeResolver: (ports) => {
        const transport = dns.transport(ports.clock);
        return new DnsResolver({ servers: dns.servers, transport, random: new SeededRandom(3), ...ports });
      },
    });
  const life = born();
  let heard = false;
  void life.resolver.query("x.test", "MX").then(() => (heard = true));
  await settle();
  // What a stop leaves behind does not count it: the question is the resolver's.
  assert.ok(Object.values(life.leftovers).every((count) => count === 0));
  assert.ok(clock.pendingTimers > 0);
  life.kill();
  assert.equal(clock.pendingTimers, 0);
  await clock.advance(20_000);
  assert.equal(heard, false);
  const next = born();
  assert.equal(next.resolver.known?.("x.test", "MX"), undefined);
  const answered = next.resolver.query("x.test", "MX");
  await settle();
  await clock.advance(20_000);
  assert.equal((await answered).kind, "records");
});

test("what comes from an unsigned zone has no AD bit, even where a signed alias leads there", async () => {
  for (const isSigned of [true, false]) {
    const world = new World();
    world.dns.records.add("alias.signed.test", "CNAME", "mx.x.test");
    if (!isSigned) world.dns.leaveUnsigned("x.test");
    for (const name of ["mx.x.test", "alias.signed.test"]) {
      const { answer } = await world.ask(name, "A");
      assert.equal(answer.kind === "records" && answer.secure, isSigned, name);
    }
  }
});

test("where a server that validates finds TLSA records broken, one that does not is not asked for them", async () => {
  const world = new World();
  const tlsa = "_25._tcp.mx.x.test";
  world.dns.records.add(tlsa, "TLSA", { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32) });
  world.server(0).trouble.says = "SERVFAIL";
  assert.equal((await world.ask(tlsa, "TLSA")).answer.kind, "failure");
  assert.equal((await world.ask("mx.x.test", "A")).answer.kind, "records");
  world.server(0).trouble.says = "the answer";
  const { answer } = await world.ask(tlsa, "TLSA", world.newResolver());
  assert.equal(answer.kind === "records" && answer.secure, true);
});
