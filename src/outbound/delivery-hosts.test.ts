/** Which hosts and addresses one attempt asks, in which order, and when it goes on to the next. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hopHost } from "../testing/hop-hosts.ts";
import { OutboundWorld, hosts, siteOf, brief, modernExtensions, classicExtensions } from "../testing/outbound-world.ts";
import { close, stall, type PeerScript } from "../testing/scripted-peer.ts";

test("SMTPC-006: addresses are tried in order, both families, in one attempt", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.9");
  const hop = { hosts: [hopHost("mx.example.org", ["2001:db8::9", "192.0.2.9"])] };
  const [outcome] = await world.deliver(world.job({ hop }));
  assert.equal(outcome?.kind, "relayed");
  assert.equal(peer.messages.length, 1);
  assert.equal(world.eventsNamed("connection-failed").length, 1);
});

test("nobody reachable: deferred 4.4.1, and the number of addresses is bounded", async () => {
  await using world = new OutboundWorld({ addressesPerAttempt: 3 });
  const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(8) } }));
  assert.ok(outcome?.kind === "deferred");
  assert.equal(outcome.status, "4.4.1");
  assert.equal(outcome.owner, "remote-trouble");
  assert.match(outcome.reason, /could not connect to mx3\.example\.org \[192\.0\.2\.3\]: .*ECONNREFUSED/);
  assert.equal(world.eventsNamed("connection-failed").length, 3);
  const [none] = await world.deliver(world.job({ hop: { hosts: [] } }));
  assert.ok(none?.kind === "deferred" && none.status === "4.4.1");
});

test("a first MX that never answers does not use up the time of the second", async () => {
  await using world = new OutboundWorld();
  await world.peer("192.0.2.2");
  world.network.fail({ kind: "ip", address: "192.0.2.1", port: 25 }, "stall");
  const start = world.clock.now();
  const [outcome] = await world.deliverWithTime(world.job({ hop: { hosts: hosts(2) } }));
  assert.equal(outcome?.kind, "relayed");
  assert.ok(world.clock.now() - start <= 60_000);
});

test("SMTPC-008: 521 and 554 greetings lead to the next MX and are told QUIT; 521 bounces when all say so", async () => {
  await using world = new OutboundWorld();
  const first = await world.peer("192.0.2.1", { greeting: "521 mx1 takes no mail" });
  const second = await world.peer("192.0.2.2");
  assert.equal((await world.deliver(world.job({ hop: { hosts: hosts(2) } })))[0]?.kind, "relayed");
  assert.deepEqual(first.lines, ["QUIT"]);
  await world.clock.advance(5_000);
  second.script = { greeting: "521 mx2 takes no mail" };
  const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(2) } }));
  assert.ok(outcome?.kind === "bounced");
  const [only] = await world.deliver(world.job({ hop: { hosts: hosts(1) } }));
  assert.ok(only?.kind === "bounced" && only.status === "5.3.2");
  // One that may recover keeps the mail waiting.
  const [mixed] = await world.deliver(world.job({ hop: { hosts: hosts(3) } }));
  assert.ok(mixed?.kind === "deferred" && mixed.status === "4.4.1");
});

test("554 of every MX at greeting or EHLO puts mail off until a warning would be due, then bounces it", async () => {
  const listed = "554 5.7.1 192.0.2.9 is listed, see https://bl.test/192.0.2.9";
  const scripts: readonly PeerScript[] = [
    { greeting: listed },
    { answer: ({ verb }) => (verb === "EHLO" || verb === "HELO" ? listed : undefined) },
  ];
  for (const script of scripts) {
    await using world = new OutboundWorld({ refusalPatienceMs: 3_600_000 });
    await world.peer("192.0.2.1", script);
    await world.peer("192.0.2.2", script);
    const job = world.job({ hop: { hosts: hosts(2) } });
    const [young] = await world.deliver(job);
    assert.ok(young?.kind === "deferred" && young.status === "4.7.1" && young.owner === "our-reputation");
    assert.match(young.reason, /is listed, see https:\/\/bl\.test.*so delivery will be retried$/);
    assert.equal(young.diagnostic?.text, listed);
    world.clock.jump(7_200_000);
    const [misled] = await world.deliver(job);
    assert.equal(misled?.kind, "deferred", "a clock that was just set forward is not believed");
    world.clock.jump(-7_200_000);
    await world.clock.advance(3_600_000);
    const [old] = await world.deliver(job);
    assert.ok(old?.kind === "bounced" && old.status === "5.7.1" && old.diagnostic?.text === listed);
  }
});

test("a server that hangs up on EHLO gets the mail by HELO, from the second attempt on", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "EHLO" ? close : undefined) });
  assert.deepEqual((await world.deliver(world.job({}))).map(brief), ["deferred 4.4.2"]);
  const again = { to: [{ address: "ann@example.org", attempts: 2 }] };
  assert.deepEqual((await world.deliver(world.job(again))).map(brief), ["relayed 2.0.0"]);
  assert.deepEqual(peer.verbs.slice(0, 4), ["EHLO", "EHLO", "HELO", "MAIL"]);
  // What it lacks by HELO it may have by EHLO: never a reason to give up.
  const job = world.job({
    to: [{ address: "ann@example.org", attempts: 3 }],
    message: { reversePath: "бob@our.test" },
  });
  await world.clock.advance(5_000);
  assert.deepEqual((await world.deliver(job)).map(brief), ["deferred 4.6.7"]);
});

test("a connection lost before the content goes on at the next host; with none left it is deferred 4.4.2", async () => {
  await using world = new OutboundWorld();
  await world.peer("192.0.2.1", { answer: ({ verb }) => (verb === "MAIL" ? close : undefined) });
  const second = await world.peer("192.0.2.2");
  assert.equal((await world.deliver(world.job({ hop: { hosts: hosts(2) } })))[0]?.kind, "relayed");
  assert.equal(second.messages.length, 1);
  await world.clock.advance(5_000);
  const [outcome] = await world.deliver(world.job({ hop: { hosts: hosts(1) } }));
  assert.ok(outcome?.kind === "deferred" && outcome.status === "4.4.2");
});

test("SMTPC-013: a peer that stalls at any stage is left by the time-out of that stage", async () => {
  const stages: readonly [string, PeerScript, number][] = [
    ["greeting", { greeting: stall }, 5],
    ["MAIL", { answer: ({ verb }) => (verb === "MAIL" ? stall : undefined) }, 5],
    ["RCPT", { answer: ({ verb }) => (verb === "RCPT" ? stall : undefined) }, 5],
    ["DATA", { answer: ({ verb }) => (verb === "DATA" ? stall : undefined) }, 2],
    ["end of data", { answer: ({ verb }) => (verb === "." ? stall : undefined) }, 10],
  ];
  for (const [stage, script, minutes] of stages) {
    await using world = new OutboundWorld();
    await world.peer("192.0.2.1", script);
    const start = world.clock.now();
    const [outcome] = await world.deliverWithTime(world.job({}));
    assert.ok(outcome?.kind === "deferred", stage);
    assert.equal(outcome.status, "4.4.2", stage);
    assert.match(outcome.reason, new RegExp(`no answer to ${stage} in time`));
    assert.equal(world.clock.now() - start, minutes * 60_000, stage);
  }
});

test("a host that closes after EHLO, message after message, is not asked for ever", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", {
    answer: ({ verb }) => (verb === "EHLO" ? { reply: "250 peer.test", close: true } : undefined),
  });
  const [outcome] = await world.deliver(world.job({}));
  assert.ok(outcome?.kind === "deferred" && outcome.status === "4.4.2");
  assert.equal(peer.sessions, 1);
});

const eightBitFacts = {
  receivedCount: 0,
  ownReceived: false,
  autoSubmitted: false,
  deliveredTo: [],
  utf8Header: false,
  eightBit: true,
  binary: false,
};

test("what a backup host lacks is no verdict while the primary is down: the mail waits for the primary", async () => {
  for (const [what, keywords, message] of [
    ["8BITMIME", ["SIZE 1000000"], { facts: eightBitFacts }],
    ["SIZE", ["SIZE 20"], {}],
    ["SMTPUTF8 for the sender", classicExtensions, { reversePath: "bö@our.test" }],
  ] as const) {
    await using world = new OutboundWorld();
    const backup = await world.peer("192.0.2.2", { keywords });
    const hop = { ...siteOf(2), convert: false };
    const { outcomes } = await world.agent.deliver(world.job({ hop, message }), {
      signal: world.stop.signal,
    });
    const [only] = outcomes;
    assert.equal(only?.outcome.kind, "deferred", what);
    assert.equal(only.site, "answered", "the backup is there for other mail");
    assert.ok(!backup.verbs.includes("MAIL"));
  }
});

test("nothing that a host lacks is final while the DNS hides a host of the site", async () => {
  for (const [what, peer, message] of [
    ["8BITMIME", { keywords: ["SIZE 1000000"] }, { facts: eightBitFacts }],
    ["SIZE", { keywords: ["SIZE 20"] }, {}],
  ] as const) {
    await using world = new OutboundWorld();
    await world.peer("192.0.2.1", peer);
    const hop = { ...siteOf(1), convert: false };
    const [known] = await world.deliver(world.job({ hop, message }));
    assert.equal(known?.kind, "bounced", what);
    const [hidden] = await world.deliver(world.job({ hop: { ...hop, unasked: ["primary.test"] }, message }));
    assert.equal(hidden?.kind, "deferred", what);
  }
});

test("what every host of the site lacks is final, also where one address of a host is down", async () => {
  await using world = new OutboundWorld();
  for (const address of ["192.0.2.1", "192.0.2.2"]) await world.peer(address, { keywords: ["SIZE 20"] });
  const [primary, backup] = hosts(2);
  assert.ok(primary !== undefined && backup !== undefined);
  const both = [{ ...primary, addresses: ["192.0.2.99", ...primary.addresses] }, backup];
  const [outcome] = await world.deliver(world.job({ hop: { ...siteOf(2), hosts: both } }));
  assert.equal(outcome && brief(outcome), "bounced 5.3.4");
});

test("a recipient that needs SMTPUTF8 is sent through the host that has it, the others through the first", async () => {
  await using world = new OutboundWorld();
  const plain = await world.peer("192.0.2.1", { keywords: classicExtensions });
  const modern = await world.peer("192.0.2.2", { keywords: modernExtensions });
  const outcomes = await world.deliver(world.job({ hop: siteOf(2), to: ["ann@example.org", "bö@example.org"] }));
  assert.deepEqual(outcomes.map(brief), ["relayed 2.0.0", "relayed 2.0.0"]);
  assert.deepEqual(
    [plain, modern].map(({ messages }) => messages.map(({ recipients }) => recipients.length)),
    [[1], [1]],
  );
});

test("a recipient that needs SMTPUTF8 waits while the host that may have it is down", async () => {
  await using world = new OutboundWorld();
  await world.peer("192.0.2.1", { keywords: classicExtensions });
  const job = world.job({ hop: siteOf(2), to: ["ann@example.org", "bö@example.org"] });
  assert.deepEqual((await world.deliver(job)).map(brief), ["relayed 2.0.0", "deferred 4.4.1"]);
});

test("a connection lost after MAIL was accepted says that the site answered; before, it does not", async () => {
  for (const [verb, expected] of [
    ["RCPT", "answered"],
    ["DATA", "answered"],
    [".", "answered"],
    ["MAIL", undefined],
    ["EHLO", undefined],
  ] as const) {
    await using world = new OutboundWorld();
    await world.peer("192.0.2.1", { keywords: [], answer: (command) => (command.verb === verb ? close : undefined) });
    const { outcomes } = await world.agent.deliver(world.job({}), { signal: world.stop.signal });
    assert.equal(outcomes[0]?.outcome.kind, "deferred");
    assert.equal(outcomes[0].site, expected, verb);
  }
});

test("each host of a site gets one of the ten addresses before any gets a second", async () => {
  await using world = new OutboundWorld();
  const many = Array.from({ length: 12 }, (_, index) => `192.0.2.${100 + index}`);
  const backup = await world.peer("192.0.2.2", { keywords: modernExtensions });
  const [, second] = hosts(2);
  assert.ok(second !== undefined);
  const hop = { ...siteOf(2), hosts: [hopHost("mx1.example.org", many), second] };
  const [outcome] = await world.deliver(world.job({ hop }));
  assert.equal(outcome?.kind, "relayed");
  assert.equal(backup.messages.length, 1);
  assert.equal(world.eventsNamed("connection-failed").length, 9);
});

test("an address to which too many deliveries are under way is left alone, and the next one is asked", async () => {
  await using world = new OutboundWorld();
  const crowded = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const free = await world.peer("192.0.2.2", { keywords: modernExtensions });
  const mayConnect = (address: string) => address !== "192.0.2.1";
  assert.equal((await world.deliver({ ...world.job({ hop: siteOf(2) }), mayConnect }))[0]?.kind, "relayed");
  assert.deepEqual([crowded.messages.length, free.messages.length], [0, 1]);
  const result = await world.agent.deliver({ ...world.job({}), mayConnect }, { signal: world.stop.signal });
  assert.equal(result.outcomes[0]?.site, "not-asked");
  assert.equal(result.outcomes[0].outcome.status, "4.4.5");
});

test("an attempt has a bound in all: of ten hosts that never greet, three are waited for", async () => {
  await using world = new OutboundWorld();
  for (let number = 1; number <= 10; number++) await world.peer(`192.0.2.${number}`, { greeting: stall });
  const began = world.clock.monotonicMs();
  const [outcome] = await world.deliverWithTime(world.job({ hop: siteOf(10) }));
  assert.equal(outcome?.kind, "deferred");
  assert.ok(world.clock.monotonicMs() - began <= 15 * 60_000 + 1_000);
});

test("a bind address of the right family is used, except towards loopback", async () => {
  await using world = new OutboundWorld({ bindAddresses: ["198.51.100.7", "2001:db8::7"], keepIdleMs: 0 });
  for (const address of ["192.0.2.1", "2001:db8::1", "127.0.0.1"]) {
    await world.peer(address);
    await world.deliver(world.job({ hop: { hosts: [hopHost("mx.e.org", [address])] } }));
  }
  assert.deepEqual(
    world.network.connections.map(({ local }) => local.kind === "ip" && local.address),
    ["198.51.100.7", "2001:db8::7", "127.0.0.1"],
  );
});
