/** What routing keeps: for how long, how much of it, and that it is asked for once at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { routingWorld, smtp, names, verdict } from "../testing/routing-world.ts";

test("routes that are kept are bounded in octets, however many hosts and addresses strangers publish", async () => {
  const { dns, router, route } = routingWorld();
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

test("what DNS said is kept for a minute at most, less where the records say so, and asked once at a time", async () => {
  const { dns, clock, route } = routingWorld();
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
  const { dns, route } = routingWorld();
  dns.addMx("example.test", "10 mx.test").add("mx.test", "A", "192.0.2.1");
  const before = smtp(await route("example.test"));
  dns.hold("example.test", "MX", new Promise(() => undefined));
  const again = smtp(await route("example.test"));
  assert.equal(again.hosts, before.hosts);
});
