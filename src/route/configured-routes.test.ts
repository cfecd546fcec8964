/** Routes of the configuration: which one is for whom, and where it leads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hopHost } from "../testing/hop-hosts.ts";
import { withRoutes, smtp, names, demanded, verdict } from "../testing/routing-world.ts";
import type { TlsDecision } from "./next-hop.ts";

test("EAI-007: look-ups use A-labels, and a route written in U-labels is for them too", async () => {
  const { dns, route } = withRoutes({ domain: "Bücher.example", via: "relay", host: "192.0.2.25" });
  assert.equal(verdict(await route("xn--bcher-kva.example")), "hop relay 192.0.2.25:25");
  dns.addMx("xn--mller-kva.example", "10 xn--mx-fka.example").add("xn--mx-fka.example", "A", "192.0.2.1");
  // Stalwart 0.16.18: an MX named by an A-label failed for good.
  assert.deepEqual(names(await route("xn--mller-kva.example")), ["xn--mx-fka.example"]);
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
