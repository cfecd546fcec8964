/** Which answers of DNS lists count, which lists count at all, and what mail from a listed client hears. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { z } from "zod";
import { CollectingLog } from "../../testing/collecting-log.ts";
import { ManualClock, settle } from "../../testing/manual-clock.ts";
import { ReceivingServer } from "../../testing/receiving-server.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { blocklistStage } from "./blocklist-stage.ts";
import { Blocklists } from "./blocklists.ts";
import { isListRefusal, returnCodes } from "./return-codes.ts";
import { blocklistsSettings } from "./settings.ts";

const clientAddress = "198.51.100.7";
const zen = "zen.test";
const dbl = "dbl.test";

/** Lists that pass the self-test. */
function dns(): StaticResolver {
  return new StaticResolver().add(`2.0.0.127.${zen}`, "A", "127.0.0.2").add(`test.${dbl}`, "A", "127.0.1.2");
}

class World {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly resolver: StaticResolver;
  readonly lists: Blocklists;

  constructor(resolver: StaticResolver, settings: z.input<typeof blocklistsSettings> = {}) {
    const list = [{ zone: zen }, { zone: dbl, lists: "domains" as const, score: 2 }];
    const { clock, log } = this;
    this.resolver = resolver;
    this.lists = new Blocklists({ resolver, clock, log }, blocklistsSettings.parse({ list, ...settings }));
  }

  async start(): Promise<this> {
    this.lists.start();
    await settle();
    return this;
  }
}

test("return codes: one address, a range, bits, and by default all that stands for an entry", () => {
  const cases: readonly (readonly [codes: readonly string[], address: string, matches: boolean])[] = [
    [[], "127.0.0.2", true],
    [[], "127.0.0.1", false],
    [[], "127.0.0.0", false],
    [[], "127.0.1.2", true],
    [[], "127.1.0.2", false],
    [[], "192.0.2.1", false],
    [[], "127.0.1.255", false],
    [[], "127.255.255.254", false],
    [["127.0.0.2"], "127.0.0.2", true],
    [["127.0.0.2"], "127.0.0.3", false],
    [["127.0.0.2"], "127.0.1.2", false],
    [["127.0.0.2", "127.0.0.9"], "127.0.0.9", true],
    [["127.0.0.4-11"], "127.0.0.3", false],
    [["127.0.0.4-11"], "127.0.0.4", true],
    [["127.0.0.4-11"], "127.0.0.11", true],
    [["127.0.0.4-11"], "127.0.0.12", false],
    [["127.0.0.0&6"], "127.0.0.2", true],
    [["127.0.0.0&6"], "127.0.0.12", true],
    [["127.0.0.0&6"], "127.0.0.8", false],
    [["127.0.0.0&6"], "no address", false],
  ];
  for (const [codes, address, matches] of cases) {
    assert.equal(returnCodes(codes)?.matches(address), matches, `${codes.join()} ${address}`);
  }
  for (const text of ["128.0.0.2", "127.0.0", "127.0.0.9-4", "127.0.0.256", "127.0.0.2 ", "x", ""]) {
    assert.equal(returnCodes([text]), undefined, text);
  }
  assert.equal(isListRefusal("127.255.255.252"), true);
  assert.equal(isListRefusal("127.0.0.2"), false);
});

test("entries of clients and domains add up, by IPv4, IPv6 and A-labels", async () => {
  const resolver = dns()
    .add(`7.100.51.198.${zen}`, "A", "127.0.0.4")
    .add(`1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.${zen}`, "A", "127.0.0.2")
    .add(`xn--bcher-kva.test.${dbl}`, "A", "127.0.1.4");
  const { lists } = await new World(resolver).start();
  assert.deepEqual(await lists.find({ clientAddress, domain: "bücher.test" }), {
    score: 3,
    entries: [`${clientAddress} in ${zen}`, `bücher.test in ${dbl}`],
  });
  assert.deepEqual(await lists.find({ clientAddress: "2001:db8::1", domain: undefined }), {
    score: 1,
    entries: [`2001:db8::1 in ${zen}`],
  });
  assert.deepEqual(await lists.find({ clientAddress: "198.51.100.8", domain: "clean.test" }), {
    score: 0,
    entries: [],
  });
  const asked = resolver.queries.length;
  for (const address of ["127.0.0.1", "10.0.0.1", "", "fd00::1"])
    await lists.find({ clientAddress: address, domain: undefined });
  assert.equal(resolver.queries.length, asked, "lists know nothing of private addresses");
  lists.close();
});

test("a list counts only after its self-test: not one that answers everything, refuses us, is empty or unreachable", async () => {
  const troubles: readonly (readonly [zone: StaticResolver, reason: string])[] = [
    [dns().add(`1.0.0.127.${zen}`, "A", "127.0.0.2"), "answers-everything"],
    [
      new StaticResolver().add(`2.0.0.127.${zen}`, "A", "192.0.2.80").add(`1.0.0.127.${zen}`, "A", "192.0.2.80"),
      "answers-everything",
    ],
    [new StaticResolver().add(`2.0.0.127.${zen}`, "A", "127.255.255.254"), "refuses-queries"],
    [new StaticResolver(), "test-entry-missing"],
    [dns().fail(`2.0.0.127.${zen}`), "unreachable"],
    [dns().fail(`1.0.0.127.${zen}`), "unreachable"],
  ];
  for (const [resolver, reason] of troubles) {
    resolver.add(`7.100.51.198.${zen}`, "A", "127.0.0.2");
    const world = await new World(resolver, { list: [{ zone: zen }] }).start();
    assert.equal(world.lists.troubleOf(zen), reason);
    assert.deepEqual(world.log.of("blocklist-unusable"), [{ zone: zen, reason }]);
    assert.deepEqual(await world.lists.find({ clientAddress, domain: undefined }), { score: 0, entries: [] });
    world.lists.close();
    assert.equal(world.clock.pendingTimers, 0);
  }
});

test("a list that begins to refuse us or fails counts for nothing, and is tested again after an hour", async () => {
  const resolver = dns().add(`7.100.51.198.${zen}`, "A", "127.255.255.254");
  const world = new World(resolver, { list: [{ zone: zen }] });
  const { lists, clock, log } = world;
  assert.deepEqual(await lists.find({ clientAddress, domain: undefined }), { score: 0, entries: [] }, "not tested");
  await world.start();
  assert.deepEqual(log.of("blocklist-works"), [{ zone: zen }]);
  assert.deepEqual(await lists.find({ clientAddress, domain: undefined }), { score: 0, entries: [] });
  assert.equal(lists.troubleOf(zen), "refuses-queries");
  await clock.advance(3_600_000);
  await settle();
  assert.equal(lists.troubleOf(zen), undefined);
  resolver.fail(`8.100.51.198.${zen}`);
  assert.deepEqual(await lists.find({ clientAddress: "198.51.100.8", domain: undefined }), { score: 0, entries: [] });
  assert.equal(lists.troubleOf(zen), undefined, "one failure is the resolver's");
  lists.close();
});

test("a list that does not answer in five seconds counts for nothing, and leaves no timer", async () => {
  const resolver = dns();
  const world = await new World(resolver, { list: [{ zone: zen }] }).start();
  resolver.hold(`7.100.51.198.${zen}`, "A", new Promise(() => undefined));
  const found = world.lists.find({ clientAddress, domain: undefined });
  await world.clock.advance(5000);
  assert.deepEqual(await found, { score: 0, entries: [] });
  world.lists.close();
  assert.equal(world.clock.pendingTimers, 0);
});

test("a reload tests new lists and forgets old ones; a test entry of its own", async () => {
  const resolver = dns().add("entry.other.test", "A", "127.0.0.2");
  const world = await new World(resolver).start();
  const other = { zone: "other.test", lists: "domains", test_entry: "entry" } as const;
  world.lists.reconfigure(blocklistsSettings.parse({ list: [{ zone: zen }, other], refuse_at: 7 }));
  assert.equal(world.lists.troubleOf("other.test"), "not-tested");
  await settle();
  assert.equal(world.lists.troubleOf("other.test"), undefined);
  assert.equal(world.lists.troubleOf(dbl), "not-tested");
  assert.equal(world.lists.refuseAt, 7);
  world.lists.close();
});

test("recipients are refused from the limit on, with what is listed where; postmaster, users and relays are not", async () => {
  const resolver = dns().add(`7.100.51.198.${zen}`, "A", "127.0.0.4").add(`spam.test.${dbl}`, "A", "127.0.1.4");
  const { lists } = await new World(resolver, { refuse_at: 3 }).start();
  await using server = await ReceivingServer.open({
    stages: [blocklistStage(lists)],
    relayNetworks: ["198.51.100.9/32"],
  });
  const client = await server.client("mx");
  await client.expect("MAIL FROM:<s@clean.test>", "250");
  await client.expect("RCPT TO:<ann@example.org>", "250");
  await client.expect("RSET", "250");
  await client.expect("MAIL FROM:<s@spam.test>", "250");
  const reply = await client.expect("RCPT TO:<ann@example.org>", "554 5.7.1");
  assert.match(reply, /198\.51\.100\.7 in zen\.test, spam\.test in dbl\.test$/);
  await client.expect("RCPT TO:<postmaster@example.org>", "250");
  const [refused] = server.log.of("recipient-refused");
  assert.deepEqual(
    [refused?.["rule"], refused?.["reason"], refused?.["setting"]],
    ["blocklists", "blocklisted", "blocklists.refuse_at"],
  );
  const user = await server.submitter();
  await user.envelope("<ann@example.org>", "<bob@example.org>");
  lists.close();
});
