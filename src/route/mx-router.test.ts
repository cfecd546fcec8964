/** Routing by MX: which hosts, in which order, and what becomes of mail where there are none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectingLog } from "../testing/collecting-log.ts";
import { hopHost } from "../testing/hop-hosts.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { ours, routingWorld, smtp, names, verdict } from "../testing/routing-world.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { MxRouter } from "./mx-router.ts";
import type { RouteResult } from "./router.ts";

test("SMTPC-001: MX hosts with both families, at port 25, opportunistic TLS", async () => {
  const { dns, route } = routingWorld();
  dns.addMx("example.test", "10 mx.example.test").add("mx.example.test", "A", "192.0.2.1");
  dns.add("mx.example.test", "AAAA", "2001:db8::1");
  assert.deepEqual(smtp(await route("example.test")), {
    kind: "smtp",
    site: "mx mx.example.test:25",
    hosts: [hopHost("mx.example.test", ["2001:db8::1", "192.0.2.1"])],
    port: 25,
    implicitTls: false,
    description: "mx example.test",
  });
});

test("SMTPC-001: a CNAME is followed, for the domain and for the MX host", async () => {
  const { dns, route } = routingWorld();
  dns.add("alias.test", "CNAME", "real.test").addMx("real.test", "10 mx.real.test");
  dns.add("mx.real.test", "CNAME", "host.test").add("host.test", "A", "192.0.2.1");
  assert.deepEqual(names(await route("alias.test")), ["mx.real.test"]);
  dns.add("web.test", "CNAME", "host.test");
  assert.deepEqual(smtp(await route("web.test")).hosts, [hopHost("web.test", ["192.0.2.1"])]);
});

test("SMTPC-001: without MX the domain's own addresses are the implicit one; with neither it is 5.1.2", async () => {
  const { dns, route } = routingWorld();
  dns.add("plain.test", "A", "192.0.2.1");
  assert.deepEqual(smtp(await route("plain.test")).hosts, [hopHost("plain.test", ["192.0.2.1"])]);
  dns.add("six.test", "AAAA", "2001:db8::6");
  assert.deepEqual(smtp(await route("six.test")).hosts, [hopHost("six.test", ["2001:db8::6"])]);
  dns.add("empty.test", "TXT", "v=spf1 -all");
  assert.equal(verdict(await route("empty.test")), "bounced 5.1.2 recipient");
});

test("SMTPC-001: a domain that does not exist is 5.1.2", async () => {
  const { route } = routingWorld();
  const result = await route("gone.test");
  assert.equal(verdict(result), "bounced 5.1.2 recipient");
  assert.match(result.kind === "bounced" ? result.reason : "", /gone\.test does not exist/);
});

test("SMTPC-002: where MX records exist the domain's own address is never used, whatever becomes of the MX hosts", async () => {
  const { dns, route } = routingWorld();
  dns.add("example.test", "A", "192.0.2.80");
  dns.addMx("example.test", "10 gone.test", "20 dead.test").add("dead.test", "TXT", "no address");
  assert.equal(verdict(await route("example.test")), "bounced 5.4.4 remote-trouble");
  dns.fail("dead.test");
  assert.equal(verdict(await route("example.test")), "deferred 4.4.3 remote-trouble");
  assert.ok(!dns.queries.includes("A example.test"));
});

test("SMTPC-003: a DNS failure keeps the mail waiting and does not fall back to the address", async () => {
  const { dns, route } = routingWorld();
  dns.add("example.test", "A", "192.0.2.80").fail("example.test", "MX", "SERVFAIL");
  const result = await route("example.test");
  assert.equal(verdict(result), "deferred 4.4.3 remote-trouble");
  assert.match(result.kind === "deferred" ? (result.diagnostic?.text ?? "") : "", /MX example\.test: SERVFAIL/);
  assert.deepEqual(dns.queries, ["MX example.test"]);
  dns.heal("example.test", "MX");
  assert.deepEqual(names(await route("example.test")), ["example.test"]);
});

test("an MX host whose address cannot be found now is left out while another can; one family is enough", async () => {
  const { dns, route } = routingWorld();
  dns.addMx("example.test", "10 mx1.test", "20 mx2.test").fail("mx1.test");
  dns.add("mx2.test", "A", "192.0.2.2").fail("mx2.test", "AAAA");
  const found = smtp(await route("example.test"));
  assert.deepEqual(found.hosts, [hopHost("mx2.test", ["192.0.2.2"])]);
  assert.deepEqual(found.unasked, ["mx1.test"], "what mx2 lacks or refuses is not the last word");
});

test("a list of hosts that the DNS left incomplete is looked up again after a minute, whatever its TTL", async () => {
  const { dns, route, clock } = routingWorld();
  dns.addMx("example.test", "10 mx1.test", "20 mx2.test").add("mx2.test", "A", "192.0.2.2").fail("mx1.test");
  assert.deepEqual(names(await route("example.test")), ["mx2.test"]);
  dns.heal("mx1.test").add("mx1.test", "A", "192.0.2.1");
  await clock.advance(61_000);
  assert.deepEqual(names(await route("example.test")), ["mx1.test", "mx2.test"]);
});

test("SMTPC-004: lower preference first, equals in random order each time", async () => {
  const { dns, route } = routingWorld();
  dns.addMx("example.test", "20 c.test", "10 a.test", "10 b.test");
  for (const [index, host] of ["a", "b", "c"].entries()) dns.add(`${host}.test`, "A", `192.0.2.${index + 1}`);
  const firsts = new Map<string, number>();
  for (let run = 0; run < 100; run++) {
    const [first = "", second = "", third] = names(await route("example.test"));
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
    assert.deepEqual([first, second].toSorted(), ["a.test", "b.test"]);
    assert.equal(third, "c.test");
  }
  assert.ok((firsts.get("a.test") ?? 0) > 25 && (firsts.get("b.test") ?? 0) > 25);
});

test("SMTPC-005: ourselves in the MX list, by name, by address and port: what is worse goes too; nothing left is 5.4.6", async () => {
  for (const [what, address] of [
    ["name", "192.0.2.99"],
    ["address", ours],
    ["IPv6 address", "2001:db8:1::1"],
    ["loopback", "127.0.0.9"],
    ["canonical name", "192.0.2.99"],
  ] as const) {
    const own = what === "name" ? "Mail.OWN.test" : "backup.test";
    const { dns, route } = routingWorld();
    for (const [index, host] of ["mx10.test", "mx30.test", "equal.test"].entries())
      dns.add(host, "A", `192.0.2.${index}`);
    if (what === "canonical name") dns.add(own, "CNAME", "mail.own.test").add("mail.own.test", "A", address);
    else dns.add(own, address.includes(":") ? "AAAA" : "A", address);
    dns.addMx("second.test", "10 mx10.test", `20 ${own}`, "20 equal.test", "30 mx30.test");
    assert.deepEqual(names(await route("second.test")), ["mx10.test"], what);
    dns.addMx("best.test", `10 ${own}`, "20 mx30.test");
    const result = await route("best.test");
    assert.equal(verdict(result), "bounced 5.4.6 local-trouble", what);
    dns.addMx("only.test", `10 ${own}`);
    assert.equal(verdict(await route("only.test")), "bounced 5.4.6 local-trouble", what);
  }
});

test("SMTPC-005: the same address at a port where we do not listen is somebody else", async () => {
  const { dns, route, router, defaults } = routingWorld();
  dns.addMx("example.test", "10 mx.test").add("mx.test", "A", ours);
  assert.equal(verdict(await route("example.test")), "bounced 5.4.6 local-trouble");
  router.reconfigure({ ...defaults, port: 2525 });
  assert.equal(verdict(await route("example.test")), "hop mx example.test");
  // Haraka 3.0.0, #3002: the domain whose only target is ourselves.
  const listener = { address: "192.0.2.7", port: 2525 };
  router.reconfigure({ ...defaults, port: 2525, own: { ...defaults.own, listeners: [listener] } });
  assert.equal(verdict(await route("example.test")), "hop mx example.test");
  dns.add("loop.test", "A", "192.0.2.7");
  assert.equal(verdict(await route("loop.test")), "bounced 5.4.6 local-trouble");
});

test("SMTPC-005: an MX of ourselves that cannot be resolved still counts by its name", async () => {
  const { dns, route } = routingWorld();
  dns.addMx("example.test", "10 mx.test", "20 mail.own.test", "30 worse.test").add("worse.test", "A", "192.0.2.3");
  dns.fail("mx.test").fail("mail.own.test");
  // The one host that is left may come back; the worse one is no substitute.
  assert.equal(verdict(await route("example.test")), "deferred 4.4.3 remote-trouble");
});

test("SMTPC-006: at least two addresses are offered, the families alternating, at most eight for each host", async () => {
  const { dns, route, router, defaults } = routingWorld();
  dns.addMx("example.test", "10 mx.test");
  for (let index = 1; index <= 9; index++) dns.add("mx.test", "A", `192.0.2.${index}`);
  dns.add("mx.test", "AAAA", "2001:db8::1").add("mx.test", "AAAA", "2001:db8::2");
  const addresses = smtp(await route("example.test")).hosts[0]?.addresses ?? [];
  assert.deepEqual(
    addresses.map((address) => (address.includes(":") ? 6 : 4)),
    [6, 4, 6, 4, 4, 4, 4, 4],
  );
  assert.equal(new Set(addresses).size, 8);
  // A machine without IPv6 does not begin with it.
  router.reconfigure({
    ...defaults,
    own: { ...defaults.own, interfaceAddresses: () => [ours, "::1", "fe80::1%eth0"] },
  });
  const first = smtp(await route("example.test")).hosts[0]?.addresses[0];
  assert.ok(first?.includes("."));
});

test("SMTPC-007: the null MX is a failure at once, 5.1.10, without asking for addresses", async () => {
  const { dns, route } = routingWorld();
  dns.addMx("none.test", "0 .").add("none.test", "A", "192.0.2.1");
  const result = await route("none.test");
  assert.equal(verdict(result), "bounced 5.1.10 recipient");
  assert.deepEqual(dns.queries, ["MX none.test"]);
  // Beside real hosts it means nothing (RFC 7505 §3 forbids it).
  dns.addMx("mixed.test", "0 .", "10 mx.test").add("mx.test", "A", "192.0.2.1");
  assert.deepEqual(names(await route("mixed.test")), ["mx.test"]);
});

test("private and loopback addresses are not for MX hosts; public ones of the same host are used", async () => {
  const { dns, route, router, defaults } = routingWorld({ port: 2525 });
  dns.addMx("inner.test", "10 mx.inner.test").add("mx.inner.test", "A", "127.0.0.1");
  dns.add("mx.inner.test", "AAAA", "fd00::1").add("mx.inner.test", "A", "10.0.0.5");
  assert.equal(verdict(await route("inner.test")), "bounced 5.4.4 remote-trouble");
  dns.add("mx.inner.test", "A", "192.0.2.1");
  assert.deepEqual(smtp(await route("inner.test")).hosts[0]?.addresses, ["192.0.2.1"]);
  router.reconfigure({ ...defaults, port: 2525, allowPrivate: true });
  assert.equal(smtp(await route("inner.test")).hosts[0]?.addresses.length, 4);
});

test("address literals go where they say, unless that is ourselves or private", async () => {
  const { dns, route } = routingWorld();
  assert.deepEqual(smtp(await route("[192.0.2.1]")).hosts, [hopHost("[192.0.2.1]", ["192.0.2.1"])]);
  const six = smtp(await route("[IPv6:2001:db8::1]"));
  assert.deepEqual(six.hosts, [hopHost("[IPv6:2001:db8::1]", ["2001:db8::1"])]);
  assert.equal(verdict(await route(`[${ours}]`)), "bounced 5.4.6 local-trouble");
  assert.equal(verdict(await route("[10.0.0.1]")), "bounced 5.4.4 remote-trouble");
  assert.equal(verdict(await route("[x]")), "bounced 5.1.2 recipient");
  assert.deepEqual(dns.queries, []);
});

test("at most twenty hosts, the best ones; a host named twice counts once", async () => {
  const { dns, route } = routingWorld();
  for (let index = 30; index >= 1; index--) {
    dns.addMx("many.test", `${index} mx${index}.test`).add(`mx${index}.test`, "A", `192.0.2.${index}`);
  }
  dns.addMx("many.test", "99 mx1.test");
  const hosts = names(await route("many.test"));
  assert.equal(hosts.length, 20);
  assert.deepEqual([hosts[0], hosts[19]], ["mx1.test", "mx20.test"]);
});

test("domains with the same hosts in the same order share a site; another order is another site", async () => {
  const { dns, route } = routingWorld();
  dns.add("mx1.test", "A", "192.0.2.1").add("mx2.test", "A", "192.0.2.2");
  dns.addMx("a.test", "1 mx1.test", "5 mx2.test").addMx("b.test", "20 MX2.test", "10 mx1.test");
  dns.addMx("c.test", "10 mx2.test", "20 mx1.test").addMx("d.test", "10 mx1.test", "10 mx2.test");
  dns.addMx("e.test", "5 mx2.test", "5 mx1.test");
  const site = async (domain: string) => smtp(await route(domain)).site;
  assert.equal(await site("a.test"), await site("b.test"));
  assert.notEqual(await site("a.test"), await site("c.test"));
  assert.equal(await site("d.test"), await site("e.test"));
  assert.notEqual(await site("a.test"), await site("d.test"));
});

test("what fails on this machine defers the mail, and log and outcome have route and cause", async () => {
  const { defaults } = routingWorld();
  const log = new CollectingLog();
  const router = new MxRouter({
    resolver: { query: () => Promise.reject(new Error("broken")) },
    clock: new ManualClock(),
    random: new SeededRandom(1),
    log,
    settings: defaults,
  });
  const result = await router.route({ address: "a@x.test", domain: "x.test" });
  assert.equal(verdict(result), "deferred 4.3.0 local-trouble");
  assert.match(result.kind === "deferred" ? result.reason : "", /route \(mx opportunistic x\.test\): broken$/);
  const { status, reason, diagnostic } = result as RouteResult & { kind: "deferred" };
  assert.equal(diagnostic?.text, "broken");
  assert.deepEqual(log.of("routing-failed"), [{ route: "mx opportunistic x.test", status, reason, error: "broken" }]);
});
