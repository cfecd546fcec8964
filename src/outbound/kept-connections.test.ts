/** Connections that serve several messages: when they are kept, taken up again, and ended, and whose mail never shares one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { TlsDemand } from "../ports/tls-demand.ts";
import { settle } from "../testing/manual-clock.ts";
import {
  OutboundWorld,
  type SmtpHop,
  brief,
  modernExtensions,
  classicExtensions,
  hosts,
} from "../testing/outbound-world.ts";
import { close } from "../testing/scripted-peer.ts";

test("SMTPC-018: with CHUNKING a kept connection carries a message in one flight", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  await world.deliver(world.job({}));
  const before = peer.flights;
  assert.equal(brief((await world.deliver(world.job({})))[0] as DeliveryOutcome), "relayed 2.0.0");
  assert.equal(peer.flights, before + 1);
  assert.equal(peer.sessions, 1);
});

test("a kept connection that the peer has closed meanwhile is replaced within the attempt", async () => {
  for (const how of ["closed", "421", "closes at MAIL", "421 at MAIL"] as const) {
    await using world = new OutboundWorld();
    const peer = await world.peer("192.0.2.1", {
      keywords: modernExtensions,
      answer: ({ verb, session }) => {
        if (verb !== "MAIL" || session > 0 || peer.messages.length === 0) return undefined;
        if (how === "closes at MAIL") return close;
        return how === "421 at MAIL" ? { reply: "421 4.7.0 enough", close: true } : undefined;
      },
    });
    await world.deliver(world.job({}));
    if (how === "closed") peer.dropAll();
    if (how === "421") peer.say("421 4.3.2 shutting down");
    await settle();
    const [outcome] = await world.deliver(world.job({}));
    assert.equal(outcome?.kind, "relayed", how);
    assert.equal(peer.sessions, 2, how);
  }
});

test("kept connections end after a few seconds, after the most messages, and at close", async () => {
  await using world = new OutboundWorld({ messagesPerConnection: 2 });
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  for (let message = 0; message < 3; message++) await world.deliver(world.job({}));
  assert.equal(peer.sessions, 2);
  assert.equal(peer.openSessions, 1);
  await world.clock.advance(2_900);
  assert.equal(peer.openSessions, 1);
  await world.clock.advance(200);
  assert.equal(peer.openSessions, 0);
  assert.equal(peer.verbs.filter((verb) => verb === "QUIT").length, 2);
  await world.deliver(world.job({}));
  await world.agent.close();
  assert.equal(peer.verbs.filter((verb) => verb === "QUIT").length, 3);
});

test("trap 23: connections with different needs are never mixed", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: [...modernExtensions, "STARTTLS", "AUTH PLAIN"] });
  const hops: Partial<SmtpHop>[] = [
    {},
    { hosts: hosts(1, "none") },
    { hosts: hosts(1, "required") },
    { hosts: hosts(1, "verified") },
    { site: "other.example" },
    { hosts: hosts(1, "verified"), credentials: { username: "u", password: "p" } },
    { hosts: hosts(1, "verified"), credentials: { username: "u", password: "q" } },
  ];
  for (const hop of [...hops, ...hops]) {
    assert.equal((await world.deliver(world.job({ hop })))[0]?.kind, "relayed");
  }
  assert.equal(peer.sessions, hops.length);
});

test("a connection made under one demand never serves another, on the same host of the same site", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: [...modernExtensions, "STARTTLS"] });
  const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  const demands: readonly TlsDemand[] = [
    { kind: "none" },
    { kind: "opportunistic" },
    { kind: "required" },
    { kind: "pki", names: ["mx1.example.org"] },
    { kind: "pki", names: ["mx1.example.org", "example.org"] },
    { kind: "dane", records: [record], names: ["mx1.example.org"] },
    { kind: "dane", records: [{ ...record, usage: 2 }], names: ["mx1.example.org"] },
  ];
  const [host] = hosts(1);
  assert.ok(host !== undefined);
  const deliverAll = async () => {
    for (const demand of demands) {
      const hop: Partial<SmtpHop> = { hosts: [{ ...host, tls: { demand, reason: { rule: "test" } } }] };
      assert.equal((await world.deliver(world.job({ hop })))[0]?.kind, "relayed");
    }
  };
  await deliverAll();
  assert.equal(peer.sessions, demands.length);
  await deliverAll();
  assert.equal(peer.sessions, demands.length, "each finds its own again");
});

test("hosts of one site have demands of their own, and mail in clear to one is none to the other", async () => {
  await using world = new OutboundWorld();
  const first = await world.peer("192.0.2.1", { keywords: ["PIPELINING"] });
  const second = await world.peer("192.0.2.2", { keywords: ["PIPELINING", "STARTTLS"] });
  const [strict, lax] = [...hosts(1, "required"), ...hosts(2).slice(1)];
  assert.ok(strict !== undefined && lax !== undefined);
  const [outcome] = await world.deliver(world.job({ hop: { hosts: [strict, lax] } }));
  assert.equal(outcome?.kind, "relayed");
  assert.deepEqual([first.messages.length, second.messages.length], [0, 1]);
  assert.equal(outcome.diagnostic.tlsDemand, undefined);
  const [refused] = await world.deliver(world.job({ hop: { hosts: [strict] } }));
  assert.ok(refused?.kind === "deferred" && refused.status === "4.7.4");
  assert.equal(refused.diagnostic?.tlsDemand, "required (route.tls)");
});

test("a failed transaction is reset before the next one on the same connection", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", {
    keywords: classicExtensions,
    answer: ({ verb, line }) => (verb === "RCPT" && line.includes("no@") ? "450 4.2.1 later" : undefined),
  });
  assert.equal((await world.deliver(world.job({ to: ["no@e.org"] })))[0]?.kind, "deferred");
  assert.equal((await world.deliver(world.job({})))[0]?.kind, "relayed");
  assert.equal(peer.sessions, 1);
  assert.deepEqual(peer.verbs.slice(-5), ["RSET", "MAIL", "RCPT", "DATA", "."]);
});

test("OPT-015: RCPTMAX and MAILMAX of the peer are obeyed", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: [...classicExtensions, "LIMITS RCPTMAX=2 MAILMAX=2 FOO=1"] });
  const outcomes = await world.deliver(world.job({ to: ["a", "b", "c", "d", "e"].map((name) => `${name}@e.org`) }));
  assert.ok(outcomes.every(({ kind }) => kind === "relayed"));
  assert.deepEqual(
    peer.messages.map(({ recipients, session }) => [recipients.length, session]),
    [
      [2, 0],
      [2, 0],
      [1, 1],
    ],
  );
});

test("two messages at once to one site use two connections, and both are kept", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  await Promise.all([world.deliver(world.job({})), world.agent.deliver(world.job({}), { signal: world.stop.signal })]);
  await Promise.all([1, 2].map(() => world.agent.deliver(world.job({}), { signal: world.stop.signal })));
  assert.equal(peer.sessions, 2);
  assert.equal(peer.messages.length, 4);
});

test("an idle connection to an address ends where another site's delivery needs its place there", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  const asked: string[] = [];
  const idleMax = (address: string) => {
    asked.push(address);
    return 0;
  };
  await world.deliver(world.job({}));
  assert.equal(peer.openSessions, 1);
  assert.equal((await world.deliver({ ...world.job({}), idleMax }))[0]?.kind, "relayed");
  assert.deepEqual([peer.sessions, asked], [1, []], "its own site uses it");
  await world.deliver({ ...world.job({ hop: { site: "other.example" } }), idleMax });
  assert.deepEqual([peer.sessions, peer.openSessions, asked], [2, 1, ["192.0.2.1"]]);
});

test("a kept connection is left alone while too many deliveries are under way to its address", async () => {
  await using world = new OutboundWorld();
  const peer = await world.peer("192.0.2.1", { keywords: modernExtensions });
  await world.deliver(world.job({}));
  const result = await world.agent.deliver(
    { ...world.job({}), mayConnect: () => false },
    { signal: world.stop.signal },
  );
  assert.equal(result.outcomes[0]?.site, "not-asked");
  assert.equal(peer.messages.length, 1);
});
