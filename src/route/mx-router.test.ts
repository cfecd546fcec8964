/** Routing by MX and by configured routes, against a DNS from a table. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { CollectingLog } from "../testing/collecting-log.ts";
import { hopHost } from "../testing/hop-hosts.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { MxRouter, type RouterSettings } from "./mx-router.ts";
import type { NextHop, TlsDecision } from "./next-hop.ts";
import type { RouteResult } from "./router.ts";
import type { StaticRoute } from "./static-route.ts";

const ours = "198.51.100.1";

function world(settings: Partial<RouterSettings> = {}) {
  const dns = new StaticResolver();
  const clock = new ManualClock();
  const log = new CollectingLog();
  const defaults: RouterSettings = {
    routes: [],
    isLocalDomain: (domain) => domain === "local.test",
    maildirPath: "/data/mail/{domain}/{user}/Maildir",
    port: 25,
    allowPrivate: false,
    own: {
      names: ["mail.own.test"],
      listeners: [{ address: "::", port: 25 }],
      interfaceAddresses: () => [ours, "2001:db8:1::1", "127.0.0.1", "::1", "fe80::1%eth0"],
    },
  };
  const router = new MxRouter({
    resolver: dns,
    clock,
    random: new SeededRandom(3),
    log,
    settings: { ...defaults, ...settings },
  });
  const route = (domain: string, address = `ann@${domain}`) => router.route({ address, domain });
  return { dns, clock, log, router, route, defaults };
}

function withRoutes(...routes: StaticRoute[]) {
  return world({ routes });
}

function smtp(result: RouteResult): NextHop & { kind: "smtp" } {
  assert.equal(result.kind, "hop", JSON.stringify(result));
  assert.ok(result.kind === "hop" && result.hop.kind === "smtp");
  return result.hop;
}

function names(result: RouteResult): string[] {
  return smtp(result).hosts.map(({ name }) => name);
}

/** What is demanded of the only host. */
function demanded({ hosts: [host, second] }: NextHop & { kind: "smtp" }): string | undefined {
  assert.equal(second, undefined);
  return host?.tls.demand.kind;
}

/** `bounced 5.1.2 recipient`. */
function verdict(result: RouteResult): string {
  return result.kind === "hop" ? `hop ${result.hop.description}` : `${result.kind} ${result.status} ${result.owner}`;
}

test("routes that are kept are bounded in octets, however many hosts and addresses strangers publish", async () => {
  const { dns, router, route } = world();
  const hosts = Array.from({ length: 20 }, (_, number) => `mx${number}.${"h".repeat(50)}.crowd.test`);
  for (const host of hosts) {
    for (let number = 0; number < 100; number++) dns.add(host, "A", `203.0.113.${number}`);
  }
  for (let number = 0; number < 1000; number++) {
    dns.addMx(`d${number}.test`, ...hosts.map((host, at) => `${at} ${host}`));
    await route(`d${number}.test`);
  }
  assert.ok(router.keptOctets <= 16 * 1024 * 1024, `${router.keptOctets} octets`);
  assert.ok(router.keptOctets > 15 * 1024 * 1024, `${router.keptOctets} octets`);
  assert.equal(names(await route("d0.test")).length, 20);
});

test("SMTPC-001: MX hosts with both families, at port 25, opportunistic TLS", async () => {
  const { dns, route } = world();
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
  const { dns, route } = world();
  dns.add("alias.test", "CNAME", "real.test").addMx("real.test", "10 mx.real.test");
  dns.add("mx.real.test", "CNAME", "host.test").add("host.test", "A", "192.0.2.1");
  assert.deepEqual(names(await route("alias.test")), ["mx.real.test"]);
  dns.add("web.test", "CNAME", "host.test");
  assert.deepEqual(smtp(await route("web.test")).hosts, [hopHost("web.test", ["192.0.2.1"])]);
});

test("SMTPC-001: without MX the domain's own addresses are the implicit one; with neither it is 5.1.2", async () => {
  const { dns, route } = world();
  dns.add("plain.test", "A", "192.0.2.1");
  assert.deepEqual(smtp(await route("plain.test")).hosts, [hopHost("plain.test", ["192.0.2.1"])]);
  dns.add("six.test", "AAAA", "2001:db8::6");
  assert.deepEqual(smtp(await route("six.test")).hosts, [hopHost("six.test", ["2001:db8::6"])]);
  dns.add("empty.test", "TXT", "v=spf1 -all");
  assert.equal(verdict(await route("empty.test")), "bounced 5.1.2 recipient");
});

test("SMTPC-001: a domain that does not exist is 5.1.2", async () => {
  const { route } = world();
  const result = await route("gone.test");
  assert.equal(verdict(result), "bounced 5.1.2 recipient");
  assert.match(result.kind === "bounced" ? result.reason : "", /gone\.test does not exist/);
});

test("SMTPC-002: where MX records exist the domain's own address is never used, whatever becomes of the MX hosts", async () => {
  const { dns, route } = world();
  dns.add("example.test", "A", "192.0.2.80");
  dns.addMx("example.test", "10 gone.test", "20 dead.test").add("dead.test", "TXT", "no address");
  assert.equal(verdict(await route("example.test")), "bounced 5.4.4 remote-trouble");
  dns.fail("dead.test");
  assert.equal(verdict(await route("example.test")), "deferred 4.4.3 remote-trouble");
  assert.ok(!dns.queries.includes("A example.test"));
});

test("SMTPC-003: a DNS failure keeps the mail waiting and does not fall back to the address", async () => {
  const { dns, route } = world();
  dns.add("example.test", "A", "192.0.2.80").fail("example.test", "MX", "SERVFAIL");
  const result = await route("example.test");
  assert.equal(verdict(result), "deferred 4.4.3 remote-trouble");
  assert.match(result.kind === "deferred" ? (result.diagnostic?.text ?? "") : "", /MX example\.test: SERVFAIL/);
  assert.deepEqual(dns.queries, ["MX example.test"]);
  dns.heal("example.test", "MX");
  assert.deepEqual(names(await route("example.test")), ["example.test"]);
});

test("an MX host whose address cannot be found now is left out while another can; one family is enough", async () => {
  const { dns, route } = world();
  dns.addMx("example.test", "10 mx1.test", "20 mx2.test").fail("mx1.test");
  dns.add("mx2.test", "A", "192.0.2.2").fail("mx2.test", "AAAA");
  assert.deepEqual(smtp(await route("example.test")).hosts, [hopHost("mx2.test", ["192.0.2.2"])]);
});

test("SMTPC-004: lower preference first, equals in random order each time", async () => {
  const { dns, route } = world();
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
    const { dns, route } = world();
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
  const { dns, route, router, defaults } = world();
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
  const { dns, route } = world();
  dns.addMx("example.test", "10 mx.test", "20 mail.own.test", "30 worse.test").add("worse.test", "A", "192.0.2.3");
  dns.fail("mx.test").fail("mail.own.test");
  // The one host that is left may come back; the worse one is no substitute.
  assert.equal(verdict(await route("example.test")), "deferred 4.4.3 remote-trouble");
});

test("SMTPC-006: at least two addresses are offered, the families alternating, at most eight for each host", async () => {
  const { dns, route, router, defaults } = world();
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
  const { dns, route } = world();
  dns.addMx("none.test", "0 .").add("none.test", "A", "192.0.2.1");
  const result = await route("none.test");
  assert.equal(verdict(result), "bounced 5.1.10 recipient");
  assert.deepEqual(dns.queries, ["MX none.test"]);
  // Beside real hosts it means nothing (RFC 7505 §3 forbids it).
  dns.addMx("mixed.test", "0 .", "10 mx.test").add("mx.test", "A", "192.0.2.1");
  assert.deepEqual(names(await route("mixed.test")), ["mx.test"]);
});

test("EAI-007: look-ups use A-labels, and a route written in U-labels is for them too", async () => {
  const { dns, route } = withRoutes({ domain: "Bücher.example", via: "relay", host: "192.0.2.25" });
  assert.equal(verdict(await route("xn--bcher-kva.example")), "hop relay 192.0.2.25:25");
  dns.addMx("xn--mller-kva.example", "10 xn--mx-fka.example").add("xn--mx-fka.example", "A", "192.0.2.1");
  // Stalwart 0.16.18: an MX named by an A-label failed for good.
  assert.deepEqual(names(await route("xn--mller-kva.example")), ["xn--mx-fka.example"]);
});

test("private and loopback addresses are not for MX hosts; public ones of the same host are used", async () => {
  const { dns, route, router, defaults } = world({ port: 2525 });
  dns.addMx("inner.test", "10 mx.inner.test").add("mx.inner.test", "A", "127.0.0.1");
  dns.add("mx.inner.test", "AAAA", "fd00::1").add("mx.inner.test", "A", "10.0.0.5");
  assert.equal(verdict(await route("inner.test")), "bounced 5.4.4 remote-trouble");
  dns.add("mx.inner.test", "A", "192.0.2.1");
  assert.deepEqual(smtp(await route("inner.test")).hosts[0]?.addresses, ["192.0.2.1"]);
  router.reconfigure({ ...defaults, port: 2525, allowPrivate: true });
  assert.equal(smtp(await route("inner.test")).hosts[0]?.addresses.length, 4);
});

test("address literals go where they say, unless that is ourselves or private", async () => {
  const { dns, route } = world();
  assert.deepEqual(smtp(await route("[192.0.2.1]")).hosts, [hopHost("[192.0.2.1]", ["192.0.2.1"])]);
  const six = smtp(await route("[IPv6:2001:db8::1]"));
  assert.deepEqual(six.hosts, [hopHost("[IPv6:2001:db8::1]", ["2001:db8::1"])]);
  assert.equal(verdict(await route(`[${ours}]`)), "bounced 5.4.6 local-trouble");
  assert.equal(verdict(await route("[10.0.0.1]")), "bounced 5.4.4 remote-trouble");
  assert.equal(verdict(await route("[x]")), "bounced 5.1.2 recipient");
  assert.deepEqual(dns.queries, []);
});

test("at most twenty hosts, the best ones; a host named twice counts once", async () => {
  const { dns, route } = world();
  for (let index = 30; index >= 1; index--) {
    dns.addMx("many.test", `${index} mx${index}.test`).add(`mx${index}.test`, "A", `192.0.2.${index}`);
  }
  dns.addMx("many.test", "99 mx1.test");
  const hosts = names(await route("many.test"));
  assert.equal(hosts.length, 20);
  assert.deepEqual([hosts[0], hosts[19]], ["mx1.test", "mx20.test"]);
});

test("domains with the same hosts in the same order share a site; another order is another site", async () => {
  const { dns, route } = world();
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

test("what DNS said is kept for a minute at most, less where the records say so, and asked once at a time", async () => {
  const { dns, clock, route } = world();
  dns.addMx("example.test", "10 mx.test").add("mx.test", "A", "192.0.2.1");
  const results = await Promise.all([route("example.test"), route("example.test"), route("example.test")]);
  assert.equal(new Set(results.map(verdict)).size, 1);
  await clock.advance(59_000);
  await route("example.test");
  assert.deepEqual(dns.queries, ["MX example.test", "A mx.test", "AAAA mx.test"]);
  await clock.advance(1000);
  await route("example.test");
  assert.equal(dns.queries.length, 6);
});

test("a cached domain is routed without asking DNS, and gives its hosts in the very next turn", async () => {
  const { dns, route } = world();
  dns.addMx("example.test", "10 mx.test").add("mx.test", "A", "192.0.2.1");
  const before = smtp(await route("example.test"));
  dns.hold("example.test", "MX", new Promise(() => undefined));
  const again = smtp(await route("example.test"));
  assert.equal(again.hosts, before.hosts);
});

test("local domains go to their mailbox unless a route says otherwise", async () => {
  const { route, dns } = withRoutes({ domain: "bob@local.test", via: "lmtp", host: "unix:/run/lmtp" });
  assert.deepEqual(await route("local.test"), {
    kind: "hop",
    hop: {
      kind: "maildir",
      site: "maildir /data/mail/{domain}/{user}/Maildir",
      path: "/data/mail/{domain}/{user}/Maildir",
      description: "maildir",
    },
  });
  const socketTls = { demand: { kind: "none" }, reason: { rule: "unix-socket", setting: "route.host" } };
  assert.deepEqual(await route("local.test", "Bob@Local.test"), {
    kind: "hop",
    hop: {
      kind: "lmtp",
      site: "lmtp unix:/run/lmtp tls none",
      endpoint: { kind: "unix", path: "/run/lmtp", tls: socketTls },
      description: "lmtp unix:/run/lmtp",
    },
  });
  assert.deepEqual(dns.queries, []);
});

test("routes: the first match wins, in the order of the file, over exact names, patterns and addresses", async () => {
  const capture = { via: "capture" } as const;
  const discard = { via: "discard" } as const;
  const { route, dns } = withRoutes(
    { domain: "vip@deep.example.test", via: "maildir", path: "/vip" },
    { domain: "deep.example.test", ...discard },
    { domain: "*.example.test", ...capture },
    { domain: "*.deep.example.test", ...discard },
    { domain: "vip@late.example.test", ...discard },
    { domain: "direct.test", via: "mx", tls: "required" },
    { domain: "*.test", ...discard },
  );
  const kind = async (domain: string, address?: string) => {
    const result = await route(domain, address);
    return result.kind === "hop" ? result.hop.kind : result.kind;
  };
  assert.equal(await kind("deep.example.test", "VIP@deep.example.test"), "maildir");
  assert.equal(await kind("deep.example.test"), "discard");
  assert.equal(await kind("other.example.test"), "capture");
  assert.equal(await kind("x.deep.example.test"), "capture");
  assert.equal(await kind("late.example.test", "vip@late.example.test"), "capture");
  assert.equal(await kind("example.test"), "discard");
  assert.equal(await kind("notexample.test"), "discard");
  assert.equal(await kind("test"), "bounced");
  dns.add("direct.test", "A", "192.0.2.1");
  const direct = smtp(await route("direct.test"));
  assert.deepEqual([demanded(direct), direct.site], ["required", "mx direct.test:25 tls required"]);
});

test("capture for everybody asks nothing of DNS: dev lets nothing out", async () => {
  const { route, dns } = withRoutes({ domain: "*", via: "capture" });
  for (const domain of ["local.test", "gone.test", "[192.0.2.1]", ""])
    assert.equal(verdict(await route(domain)), "hop capture");
  assert.deepEqual(dns.queries, []);
});

test("relay: by address without DNS, by name with A and AAAA but no MX; private hosts are fine; 465 begins with TLS", async () => {
  const { route, dns } = withRoutes(
    { domain: "a.test", via: "relay", host: "10.0.0.9:2525" },
    { domain: "b.test", via: "relay", host: "Relay.test:465", auth: { username: "u", password: "p" } },
    { domain: "c.test", via: "relay", host: "[::1]:2525", auth: { username: "u", password: "p" } },
    { domain: "d.test", via: "lmtp", host: "store.test" },
  );
  const a = smtp(await route("a.test"));
  assert.deepEqual([a.hosts, a.port], [[hopHost("10.0.0.9", ["10.0.0.9"])], 2525]);
  assert.equal(dns.queries.length, 0);
  dns.add("relay.test", "A", "192.168.1.1").addMx("relay.test", "10 elsewhere.test");
  const b = smtp(await route("b.test"));
  const reason = { rule: "route-login", setting: "route.auth" };
  const loginTls: TlsDecision = { demand: { kind: "pki", names: ["relay.test"] }, reason };
  assert.deepEqual(b, {
    kind: "smtp",
    site: "relay relay.test:465 as u tls verified",
    hosts: [{ ...hopHost("relay.test", ["192.168.1.1"]), tls: loginTls }],
    port: 465,
    implicitTls: true,
    isRelay: true,
    credentials: { username: "u", password: "p" },
    description: "relay relay.test:465",
  });
  assert.ok(!dns.queries.includes("MX relay.test"));
  // Nobody listens in on loopback, so a login there does not ask for TLS by itself.
  assert.equal(demanded(smtp(await route("c.test"))), "opportunistic");
  dns.add("store.test", "A", "10.0.0.24");
  const d = await route("d.test");
  assert.ok(d.kind === "hop" && d.hop.kind === "lmtp" && d.hop.endpoint.kind === "hosts");
  assert.equal(d.hop.endpoint.port, 24);
});

test("a route that leads nowhere, or back to us, is our mistake: the mail waits", async () => {
  const { route, dns, log } = withRoutes(
    { domain: "gone.test", via: "relay", host: "gone.test" },
    { domain: "later.test", via: "relay", host: "later.test" },
    { domain: "self.test", via: "relay", host: "127.0.0.1:25" },
    { domain: "filter.test", via: "relay", host: "127.0.0.1:10024" },
    { domain: "bad.test", via: "relay", host: "no good:25" },
  );
  dns.fail("later.test");
  assert.equal(verdict(await route("gone.test")), "deferred 4.4.4 local-trouble");
  assert.equal(verdict(await route("later.test")), "deferred 4.4.3 local-trouble");
  assert.equal(verdict(await route("self.test")), "deferred 4.4.6 local-trouble");
  assert.equal(verdict(await route("filter.test")), "hop relay 127.0.0.1:10024");
  assert.equal(verdict(await route("bad.test")), "deferred 4.4.4 local-trouble");
  assert.deepEqual(
    log.of("routing-failed").map(({ route: looked, status }) => [String(looked).split(" ")[1], status]),
    [
      ["gone.test:25", "4.4.4"],
      ["later.test:25", "4.4.3"],
      ["127.0.0.1:25", "4.4.6"],
      ["no", "4.4.4"],
    ],
  );
});

test("a route's own authorities are for its host alone, which is then verified, on connections of its own", async () => {
  const relay = { via: "relay", host: "192.0.2.1" } as const;
  const { route } = withRoutes(
    { domain: "a.test", ...relay },
    { domain: "b.test", ...relay, ca: "PEM of one" },
    { domain: "c.test", ...relay, ca: "PEM of two" },
    { domain: "d.test", via: "lmtp", host: "192.0.2.1", ca: "PEM of two" },
  );
  const hops = await Promise.all(["a.test", "b.test", "c.test"].map(async (domain) => smtp(await route(domain))));
  assert.deepEqual(
    hops.map((hop) => [demanded(hop), hop.certificateAuthorities]),
    [
      ["opportunistic", undefined],
      ["pki", ["PEM of one"]],
      ["pki", ["PEM of two"]],
    ],
  );
  assert.equal(new Set(hops.map(({ site }) => site)).size, 3);
  const d = await route("d.test");
  assert.deepEqual(d.kind === "hop" && d.hop.kind === "lmtp" && d.hop.certificateAuthorities, ["PEM of two"]);
});

test("two logins at one relay host are two sites, and a change of settings is in force at once", async () => {
  const relay = (username: string) => ({ via: "relay", host: "192.0.2.1", auth: { username, password: "p" } }) as const;
  const { route, router, defaults } = withRoutes(
    { domain: "a.test", ...relay("u") },
    { domain: "b.test", ...relay("v") },
  );
  assert.notEqual(smtp(await route("a.test")).site, smtp(await route("b.test")).site);
  router.reconfigure({ ...defaults, routes: [{ domain: "*", via: "discard" }] });
  assert.equal(verdict(await route("a.test")), "hop discard");
});

test("what fails on this machine defers the mail, and log and outcome have route and cause", async () => {
  const { defaults } = world();
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
