/** Who waits, how long, who is known afterwards, and that DNS trouble makes nobody look bad. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../testing/manual-clock.ts";
import { ReceivingServer } from "../../testing/receiving-server.ts";
import { MemorySpool } from "../../testing/spool/memory-spool.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { GreylistStore } from "./greylist-store.ts";
import { Greylist } from "./greylist.ts";
import { greylistingStage } from "./greylisting-stage.ts";
import { greylistingSettings } from "./settings.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

class World {
  readonly clock = new ManualClock();
  readonly noted: string[] = [];
  readonly greylist: Greylist;

  constructor() {
    const { clock, noted } = this;
    this.greylist = new Greylist({ waitMs: 5 * minute, clock, known: (key) => noted.push(key) });
  }
}

test("a sender waits once, is known after a retry, and stays known while it sends", async () => {
  const { clock, greylist, noted } = new World();
  assert.equal(greylist.waitOf("a"), 5 * minute);
  await clock.advance(minute);
  assert.equal(greylist.waitOf("a"), 4 * minute, "an early retry does not begin the wait anew");
  await clock.advance(4 * minute - 1);
  assert.equal(greylist.waitOf("a"), 1);
  await clock.advance(1);
  assert.equal(greylist.waitOf("a"), 0);
  assert.deepEqual(noted, ["a"]);
  assert.equal(greylist.waitOf("b"), 5 * minute, "each for itself");
  for (let month = 0; month < 3; month++) {
    await clock.advance(30 * day);
    assert.equal(greylist.waitOf("a"), 0);
  }
  assert.equal(noted.length, 4);
  await clock.advance(hour);
  greylist.waitOf("a");
  assert.equal(noted.length, 4, "written down once a day");
  await clock.advance(35 * day);
  assert.equal(greylist.waitOf("a"), 5 * minute, "it was quiet for too long");
});

test("who comes back only after a day waits anew; a reload changes the wait", async () => {
  const { clock, greylist } = new World();
  greylist.waitOf("a");
  await clock.advance(day);
  assert.equal(greylist.waitOf("a"), 5 * minute);
  greylist.reconfigure(minute);
  await clock.advance(minute);
  assert.equal(greylist.waitOf("a"), 0);
});

test("however many senders come, memory is bounded: the oldest waits once more", async () => {
  const { clock, greylist } = new World();
  for (let sender = 0; sender < 20_001; sender++) greylist.waitOf(`s${sender}`);
  await clock.advance(5 * minute);
  assert.equal(greylist.waitOf("s1"), 0);
  assert.equal(greylist.waitOf("s0"), 5 * minute);
});

test("known senders outlive a restart, what cannot be read is left out", async () => {
  const clock = new ManualClock();
  const spool = new MemorySpool({ clock });
  const store = new GreylistStore(spool);
  await store.put("spf example.org", clock.now());
  await spool.changeRecords([{ kind: "put", namespace: "greylist", key: "x", value: { version: 2, at: 1 } }]);
  const { greylist } = new World();
  greylist.restore(await store.read());
  assert.equal(greylist.isKnown("spf example.org"), true);
  assert.equal(greylist.isKnown("x"), false);
  await clock.advance(36 * day);
  while ((await spool.prune(clock.now(), 100)) > 0);
  assert.deepEqual(
    (await store.read()).map(([key]) => key),
    [],
  );
});

const good = "198.51.100.7";
const bad = "203.0.113.9";

/** A well-run sender at `good`, which also has a list entry when `listed`. */
function dns(): StaticResolver {
  return new StaticResolver()
    .add("7.100.51.198.in-addr.arpa", "PTR", "mail.sender.test")
    .add("mail.sender.test", "A", good)
    .add("sender.test", "TXT", "v=spf1 ip4:198.51.100.0/24 ip4:203.0.113.0/24 -all");
}

async function open(
  resolver: StaticResolver,
  settings: Parameters<typeof greylistingSettings.parse>[0] = { enabled: true },
  score = 0,
) {
  const { clock, greylist } = new World();
  const inForce = greylistingSettings.parse(settings);
  const blocklists = { find: () => ({ score, entries: [] }) };
  const stage = greylistingStage({ settings: () => inForce, greylist, blocklists, resolver, clock });
  const server = await ReceivingServer.open({ stages: [stage], relayNetworks: ["203.0.113.77/32"] });
  /** The reply to RCPT. */
  const ask = async (from: string, client: string, to = "<ann@example.org>") => {
    const session = await server.client("mx", client);
    await session.expect(`MAIL FROM:${from}`, "250");
    return await session.expect(`RCPT TO:${to}`, "");
  };
  return { server, clock, ask };
}

test("a client that looks well is never deferred; one without name, SPF pass or with list entries is, once", async () => {
  const resolver = dns();
  const { server, clock, ask } = await open(resolver);
  await using _ = server;
  assert.match(await ask("<s@sender.test>", good), /^250/);
  assert.match(await ask("<s@sender.test>", bad), /^451 4\.7\.1 .*in 300 seconds/);
  assert.match(await ask("<s@none.test>", good), /^451 4\.7\.1/);
  const refused = server.log.of("recipient-refused");
  assert.deepEqual(
    refused.map(({ rule, reason, inputs }) => [rule, reason, (inputs as { because: string }).because]),
    [
      ["greylisting", "greylisted", "no confirmed reverse name"],
      ["greylisting", "greylisted", "SPF none"],
    ],
  );
  await clock.advance(5 * minute);
  // By SPF the sender is its domain, whichever of its servers tries again; else a server of the same network.
  assert.match(await ask("<s@sender.test>", "203.0.113.10"), /^250/);
  assert.match(await ask("<s@none.test>", "198.51.100.200"), /^250/);
  assert.match(await ask("<s@none.test>", bad), /^451/);

  const listed = await open(dns(), { enabled: true, list_score: 2 }, 2);
  await using __ = listed.server;
  assert.match(await listed.ask("<s@sender.test>", good), /^451/);
});

test("off by default; loopback, users, relays and postmaster never wait", async () => {
  const off = await open(new StaticResolver(), {});
  await using _ = off.server;
  assert.match(await off.ask("<s@x.test>", bad), /^250/);
  const on = await open(new StaticResolver());
  await using __ = on.server;
  assert.match(await on.ask("<s@x.test>", bad), /^451/);
  assert.match(await on.ask("<s@x.test>", bad, "<postmaster@example.org>"), /^250/);
  assert.match(await on.ask("<s@x.test>", "127.0.0.1"), /^250/);
  assert.match(await on.ask("<s@x.test>", "203.0.113.77"), /^250/);
  await (await on.server.submitter()).envelope("<ann@example.org>", "<bob@example.org>");
});

test("DNS trouble makes nobody look bad", async () => {
  const resolver = new StaticResolver().fail("9.113.0.203.in-addr.arpa").fail("x.test");
  const { server, ask } = await open(resolver);
  await using _ = server;
  assert.match(await ask("<s@x.test>", bad), /^250/);
});

test("the recipients of one message are judged once, and a null reverse-path by the name in EHLO", async () => {
  const resolver = dns();
  const { server } = await open(resolver);
  await using _ = server;
  const session = await server.client("mx", bad);
  await session.expect("MAIL FROM:<>", "250");
  await session.expect("RCPT TO:<ann@example.org>", "451 4.7.1");
  const asked = resolver.queries.length;
  await session.expect("RCPT TO:<bob@example.org>", "451 4.7.1");
  assert.equal(resolver.queries.length, asked);
  assert.deepEqual(
    server.log.of("recipient-refused").map(({ inputs }) => (inputs as { sender: string }).sender),
    ["203.0.113.0/24 client.test", "203.0.113.0/24 client.test"],
  );
});
