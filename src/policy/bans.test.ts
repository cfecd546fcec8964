/** Who is banned, from what, for how long, and who never is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { z } from "zod";
import { ManualClock } from "../testing/manual-clock.ts";
import { type Ban, Bans, type Conduct } from "./bans.ts";
import type { Client } from "./client.ts";
import { bansSettings } from "./settings.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

class World {
  readonly clock = new ManualClock();
  readonly begun: Ban[] = [];
  readonly signedIn: string[] = [];
  readonly bans: Bans;

  constructor(settings: z.input<typeof bansSettings> = {}) {
    this.bans = new Bans({
      settings: bansSettings.parse({ failed_logins: 3, unknown_recipients: 4, errors: 5, tarpit: "3s", ...settings }),
      clock: this.clock,
      isRelay: (address) => address === "203.0.113.25",
      isProxy: (address) => address === "203.0.113.26",
      banned: (ban) => this.begun.push(ban),
      signedIn: (network) => this.signedIn.push(network),
    });
  }

  client(address = "198.51.100.7", listener: Client["listener"] = "submission"): Client {
    return { listener, address, relayNetwork: false };
  }

  /** The delays that the client was given. */
  commit(times: number, conduct: Conduct, client = this.client()): readonly number[] {
    return Array.from({ length: times }, () => this.bans.note(client, conduct));
  }

  isBanned(address = "198.51.100.7", listener: Client["listener"] = "submission"): boolean {
    return this.bans.refusalOf(address, listener) !== undefined;
  }
}

test("a network that uses up its allowance is banned from that service, with a reply that lets honest mail wait", () => {
  const world = new World();
  world.commit(3, "failed-login");
  assert.equal(world.isBanned(), false);
  world.commit(1, "failed-login");
  const refusal = world.bans.refusalOf("198.51.100.7", "submissions");
  assert.equal(refusal?.reply.code, 421);
  assert.equal(refusal.reply.status, "4.7.0");
  assert.match(refusal.reply.lines.join(), /^Too many failed logins from your network/);
  assert.equal(world.isBanned("198.51.100.7", "mx"), false, "its mail server is welcome");
  assert.equal(world.isBanned("198.51.100.8"), false);
  const [ban] = world.begun;
  const since = world.clock.now();
  assert.deepEqual(ban, {
    ...{ network: "198.51.100.7", service: "submission", offence: "failed-login", client: "198.51.100.7", times: 1 },
    ...{ since, until: since + 10 * minute },
  });
  // Sessions that were open go on; it is one ban.
  world.commit(5, "failed-login");
  assert.equal(world.begun.length, 1);
});

test("an IPv6 /64 is one network", () => {
  const world = new World();
  for (let host = 1; host <= 6; host++) world.commit(1, "failed-login", world.client(`2001:db8:0:1::${host}`));
  assert.equal(world.isBanned("2001:db8:0:1::ffff"), true);
  assert.equal(world.isBanned("2001:db8:0:2::1"), false);
  assert.deepEqual(
    world.bans.list().map(({ network }) => network),
    ["2001:db8:0:1::/64"],
  );
});

test("each ban in a row lasts twice as long, up to the longest; quiet makes it the first again", async () => {
  const world = new World({ longest: "30m" });
  const lengths: number[] = [];
  for (let round = 0; round < 4; round++) {
    world.commit(4, "failed-login");
    const ban = world.begun.at(-1);
    assert.ok(ban);
    lengths.push((ban.until - ban.since) / minute);
    await world.clock.advance(ban.until - ban.since - 1);
    assert.equal(world.isBanned(), true);
    await world.clock.advance(1);
    assert.equal(world.isBanned(), false, "it ends by itself");
    await world.clock.advance(hour);
  }
  assert.deepEqual(lengths, [10, 20, 30, 30]);
  await world.clock.advance(day);
  world.commit(4, "failed-login");
  assert.equal(world.begun.at(-1)?.times, 1);
});

test("recipients that are accepted give the allowance back, so a large provider is not banned for dead addresses", () => {
  const world = new World();
  const mx = world.client("198.51.100.7", "mx");
  for (let round = 0; round < 100; round++) {
    world.commit(1, "unknown-recipient", mx);
    world.commit(1, "error", mx);
    world.commit(1, "accepted-recipient", mx);
  }
  assert.equal(world.isBanned("198.51.100.7", "mx"), false);
  world.commit(5, "unknown-recipient", mx);
  assert.equal(world.begun[0]?.offence, "unknown-recipient");
  assert.equal(world.isBanned("198.51.100.7", "mx"), true);
});

test("the allowance comes back within an hour; 0 means any number", async () => {
  const world = new World({ failed_logins: 6, errors: 0 });
  world.commit(6, "failed-login");
  await world.clock.advance(hour / 2);
  world.commit(3, "failed-login");
  assert.equal(world.isBanned(), false);
  world.commit(1, "failed-login");
  assert.equal(world.isBanned(), true);
  const other = world.client("198.51.100.9", "mx");
  assert.deepEqual(world.commit(1000, "error", other), Array<number>(1000).fill(0));
  assert.equal(world.isBanned("198.51.100.9", "mx"), false);
});

test("replies are kept back from half of the allowance on, and never for who is exempt", () => {
  const world = new World();
  assert.deepEqual(world.commit(5, "unknown-recipient"), [0, 0, 3000, 3000, 3000]);
  assert.deepEqual(world.commit(9, "unknown-recipient", world.client("127.0.0.1")), Array<number>(9).fill(0));
  assert.deepEqual(new World({ tarpit: "0s" }).commit(4, "failed-login"), [0, 0, 0, 0]);
});

test("loopback, private addresses, relays, listed networks, users and networks of users are never banned", async () => {
  const world = new World({ never: ["192.0.2.0/24"] });
  const exempt = [
    "",
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "172.17.0.1",
    "fd00::1",
    "203.0.113.25",
    "203.0.113.26",
    "192.0.2.77",
  ];
  for (const address of exempt) {
    world.commit(50, "failed-login", world.client(address));
    assert.equal(world.isBanned(address), false, address);
  }
  const exemptions = exempt.map((address) => world.bans.explain(address).exemption);
  assert.deepEqual(exemptions, [
    ...["this-machine", "this-machine", "this-machine", "private-address", "private-address", "private-address"],
    ...["relay-network", "listed-proxy", "never-banned-by-settings"],
  ]);
  world.commit(50, "error", { ...world.client("198.51.100.1"), login: "ann@example.org" });
  world.commit(50, "error", { ...world.client("198.51.100.2"), relayKey: "00" });
  assert.deepEqual(world.begun, []);

  world.commit(1, "login", { ...world.client(), login: "ann@example.org" });
  world.commit(50, "failed-login");
  assert.deepEqual(world.begun, []);
  assert.equal(world.bans.explain("198.51.100.7").exemption, "signed-in-lately");
  await world.clock.advance(7 * day);
  world.commit(50, "failed-login");
  assert.equal(world.begun.length, 1, "it was long ago");
  // Somebody signs in from a session that was open: the ban is not in force any more.
  world.commit(1, "login", { ...world.client(), login: "ann@example.org" });
  assert.equal(world.isBanned(), false);
});

test("a network of users is told once a day", async () => {
  const world = new World();
  world.commit(3, "login");
  await world.clock.advance(day - 1);
  world.commit(1, "login");
  assert.equal(world.signedIn.length, 1);
  await world.clock.advance(2);
  world.commit(1, "login");
  assert.equal(world.signedIn.length, 2);
});

test("explain tells what is left, lift forgets all of it", () => {
  const world = new World();
  world.commit(2, "failed-login");
  const left = (service: string, offence: string) =>
    world.bans.explain("198.51.100.7").left.find((one) => one.service === service && one.offence === offence)?.left;
  assert.equal(left("submission", "failed-login"), 1);
  assert.equal(left("submission", "error"), 5);
  assert.equal(left("mail", "failed-login"), undefined);
  world.commit(2, "failed-login");
  assert.deepEqual(world.bans.explain("198.51.100.7").bans, world.begun);
  assert.deepEqual(world.bans.lift("198.51.100.7"), world.begun);
  assert.equal(world.isBanned(), false);
  assert.equal(left("submission", "failed-login"), 3);
  assert.deepEqual(world.bans.lift("198.51.100.7"), []);
  world.commit(4, "failed-login");
  assert.equal(world.begun.at(-1)?.times, 1);
});

test("a restart keeps bans and networks of users, and a set clock makes no ban longer than the longest", async () => {
  const before = new World();
  before.commit(4, "failed-login");
  const after = new World({ longest: "1h" });
  const [ban] = before.begun;
  assert.ok(ban);
  await after.clock.advance(5 * minute);
  after.bans.restore(
    [ban, { ...ban, network: "198.51.100.8", until: ban.until + 365 * day }],
    [["192.0.2.1", after.clock.now() - day]],
  );
  assert.equal(after.isBanned(), true);
  assert.equal(after.bans.explain("192.0.2.1").exemption, "signed-in-lately");
  await after.clock.advance(5 * minute);
  assert.equal(after.isBanned(), false);
  assert.equal(after.isBanned("198.51.100.8"), true);
  await after.clock.advance(55 * minute);
  assert.equal(after.isBanned("198.51.100.8"), false);
  after.commit(40, "failed-login");
  assert.equal(after.begun[0]?.times, 2, "the ban before the restart is remembered");
});

test("however many networks are banned, memory is bounded, and the oldest ban ends first", () => {
  const world = new World({ failed_logins: 1 });
  const address = (n: number) => `198.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  for (let n = 0; n < 10_001; n++) world.commit(2, "failed-login", world.client(address(0x10000 + n)));
  assert.equal(world.bans.list().length, 10_000);
  assert.equal(world.isBanned(address(0x10000)), false);
  assert.equal(world.isBanned(address(0x10001)), true);
});
