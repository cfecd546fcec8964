/** Which TLS a host has to give: the table of the settings, what others publish, and how the router carries both to each host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decideDane } from "../dane/host-decision.ts";
import { hopHost } from "../testing/hop-hosts.ts";
import { routingWorld, smtp } from "../testing/routing-world.ts";
import type { TlsDecision } from "./next-hop.ts";
import { parseRouteHost, type StaticRoute } from "./static-route.ts";
import {
  askedBySettings,
  decisionText,
  settled,
  TlsPolicy,
  type HostFacts,
  type PublishedPolicy,
} from "./tls-policy.ts";

const auth = { username: "u", password: "p" };
const dane: TlsDecision = {
  demand: { kind: "dane", records: [{ usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) }], names: ["mx"] },
  reason: { rule: "dane" },
};
const sts: TlsDecision = { demand: { kind: "pki", names: ["mx"] }, reason: { rule: "mta-sts" } };

/** `demand by rule`, as the route's host gets it. */
function asked(route: Partial<StaticRoute> | undefined, where?: string): string {
  const whole: StaticRoute | undefined = route && { domain: "*", via: where === undefined ? "mx" : "relay", ...route };
  const host = where === undefined ? undefined : parseRouteHost(where, 25);
  const { demand, reason } = settled("relay.test", askedBySettings(whole, host));
  return `${demand.kind} by ${reason.rule}${reason.setting === undefined ? "" : ` ${reason.setting}`}`;
}

test("the settings: the first rule that fits decides, and is named", () => {
  assert.equal(asked(undefined), "opportunistic by default");
  assert.equal(asked({}), "opportunistic by default");
  assert.equal(asked({}, "relay.test"), "opportunistic by default");
  for (const [level, kind] of [
    ["none", "none"],
    ["opportunistic", "opportunistic"],
    ["required", "required"],
    ["verified", "pki"],
  ] as const) {
    assert.equal(asked({ tls: level }), `${kind} by route-setting route.tls`);
    assert.equal(asked({ tls: level, ca: "PEM", auth }, "relay.test"), `${kind} by route-setting route.tls`);
    assert.equal(asked({ tls: level }, "unix:/run/lmtp"), `${kind} by route-setting route.tls`);
  }
  assert.equal(asked({}, "unix:/run/lmtp"), "none by unix-socket route.host");
  assert.equal(asked({ ca: "PEM", auth }, "unix:/run/lmtp"), "none by unix-socket route.host");
  assert.equal(asked({ ca: "PEM", auth }, "relay.test"), "pki by route-authority route.ca");
  assert.equal(asked({ ca: "PEM" }, "127.0.0.1"), "pki by route-authority route.ca");
  assert.equal(asked({ auth }, "relay.test"), "pki by route-login route.auth");
  for (const here of ["127.0.0.1", "[::1]:25", "localhost"])
    assert.equal(asked({ auth }, here), "opportunistic by default");
});

test("verified means a certificate for the host's own name", () => {
  const { demand } = settled("relay.test", askedBySettings({ domain: "*", via: "mx", tls: "verified" }));
  assert.deepEqual(demand, { kind: "pki", names: ["relay.test"] });
});

test("for people: what is demanded and by which setting or rule; nothing where nobody asked", () => {
  const text = (route?: Partial<StaticRoute>) =>
    decisionText(settled("x", askedBySettings(route && { domain: "*", via: "mx", ...route })));
  assert.equal(text(), undefined);
  assert.equal(text({ tls: "verified" }), "verified (route.tls)");
  assert.equal(text({ tls: "none" }), "none (route.tls)");
  assert.equal(decisionText(dane), "dane");
});

const facts: HostFacts = { name: "mx", port: 25, addresses: { canonicalName: "mx", secure: true } };

test("published policies are asked one after the other until one decides, and only where no setting does", async () => {
  const order: string[] = [];
  const saying =
    (name: string, decision?: TlsDecision): PublishedPolicy =>
    async () => {
      await Promise.resolve();
      order.push(name);
      return decision;
    };
  const decide = (policies: readonly PublishedPolicy[], route?: StaticRoute) =>
    new TlsPolicy(policies).decide(facts, askedBySettings(route));
  assert.equal(await decide([saying("dane", dane), saying("sts", sts)]), dane);
  assert.equal(await decide([saying("dane"), saying("sts", sts)]), sts);
  const unsaid = await decide([saying("dane"), saying("sts")]);
  assert.deepEqual("demand" in unsaid && unsaid.demand, { kind: "opportunistic" });
  assert.deepEqual(order, ["dane", "dane", "sts", "dane", "sts"]);
  order.length = 0;
  const route: StaticRoute = { domain: "*", via: "mx", tls: "none" };
  const set = await decide([saying("dane", dane)], route);
  assert.deepEqual("demand" in set && set.reason, { rule: "route-setting", setting: "route.tls" });
  assert.deepEqual(order, []);
});

/** Without settings of its own; `smtpRoute` expects a hop over SMTP. */
function world(published: readonly PublishedPolicy[] = [], options: { secure?: boolean; routes?: StaticRoute[] } = {}) {
  const { routes = [], secure = false } = options;
  const made = routingWorld({ routes }, { secure, published });
  return { ...made, smtpRoute: async (domain: string) => smtp(await made.route(domain)) };
}

test("the AD bit reaches the host and its policy, from MX, addresses and CNAME, and only where all had it", async () => {
  for (const secure of [true, false]) {
    const seen: HostFacts[] = [];
    const { dns, smtpRoute } = world([async (host) => void seen.push(host)], { secure });
    dns.addMx("example.org", "10 mx.example.org").add("mx.example.org", "CNAME", "real.example.net");
    dns.add("real.example.net", "A", "192.0.2.1").add("bare.example.org", "A", "192.0.2.2");
    const [host] = (await smtpRoute("example.org")).hosts;
    assert.deepEqual(host, { ...hopHost("mx.example.org", ["192.0.2.1"]), secure });
    const [implicit] = (await smtpRoute("bare.example.org")).hosts;
    assert.equal(implicit?.secure, secure);
    assert.deepEqual(seen, [
      {
        name: "mx.example.org",
        port: 25,
        addresses: { canonicalName: "real.example.net", secure },
        mx: { secure, nextHop: "example.org", canonicalNextHop: "example.org" },
      },
      {
        name: "bare.example.org",
        port: 25,
        addresses: { canonicalName: "bare.example.org", secure },
        mx: { secure, nextHop: "bare.example.org", canonicalNextHop: "bare.example.org" },
      },
    ]);
    const [literal] = (await smtpRoute("[192.0.2.9]")).hosts;
    assert.equal(literal?.secure, false);
  }
});

test("one answer that was not validated makes the host insecure: MX, A or AAAA", async () => {
  const secureBut = async (insecure: string): Promise<boolean | undefined> => {
    const { dns, router } = world([], { secure: true });
    dns.addMx("example.org", "10 mx.example.org").add("mx.example.org", "A", "192.0.2.1");
    const { query } = dns;
    dns.query = async (name, type, ...rest) => {
      const answer = await query.call(dns, name, type, ...rest);
      return (answer.kind !== "failure" && type === insecure ? { ...answer, secure: false } : answer) as never;
    };
    const result = await router.route({ address: "a@example.org", domain: "example.org" });
    return result.kind === "hop" && result.hop.kind === "smtp" ? result.hop.hosts[0]?.secure : undefined;
  };
  assert.equal(await secureBut("none"), true);
  for (const type of ["MX", "A", "AAAA"]) assert.equal(await secureBut(type), false, type);
});

test("a relay host is judged by its addresses alone; one given as an address is vouched for by nobody", async () => {
  const relay = { via: "relay" } as const;
  const routes = [
    { domain: "a.test", ...relay, host: "relay.test" },
    { domain: "b.test", ...relay, host: "192.0.2.7" },
  ];
  const { dns, smtpRoute } = world([], { secure: true, routes });
  dns.add("relay.test", "A", "192.0.2.1");
  assert.equal((await smtpRoute("a.test")).hosts[0]?.secure, true);
  assert.equal((await smtpRoute("b.test")).hosts[0]?.secure, false);
});

test("hosts of one domain may have demands of their own, and domains with other demands are another site", async () => {
  const { dns, smtpRoute } = world([
    async ({ name, mx }) => (name === "mx2.test" && mx?.nextHop === "b.test" ? dane : undefined),
  ]);
  for (const domain of ["a.test", "b.test"]) dns.addMx(domain, "10 mx1.test", "20 mx2.test");
  for (const [index, host] of ["mx1.test", "mx2.test"].entries()) dns.add(host, "A", `192.0.2.${index + 1}`);
  const [a, b] = [await smtpRoute("a.test"), await smtpRoute("b.test")];
  assert.deepEqual(
    b.hosts.map(({ tls }) => tls.demand.kind),
    ["opportunistic", "dane"],
  );
  assert.equal(a.site, "mx mx1.test>mx2.test:25");
  assert.match(b.site, /^mx mx1\.test>mx2\.test:25 tls [0-9a-f]{32}$/);
});

test("the order in which DNS gives hosts of one preference makes no other site", async () => {
  const demands = ["mx1.test", "mx2.test"];
  const { dns, smtpRoute } = world([async ({ name }) => (demands.includes(name) ? dane : undefined)]);
  dns.addMx("a.test", "10 mx1.test", "10 mx2.test").addMx("b.test", "10 mx2.test", "10 mx1.test");
  for (const host of demands) dns.add(host, "A", "192.0.2.1");
  const [a, b] = [await smtpRoute("a.test"), await smtpRoute("b.test")];
  assert.equal(a.site, b.site);
});

test("what is known of a host is what DANE needs to know: its decision becomes the demand", async () => {
  const { dns, smtpRoute } = world(
    [
      async (host) => {
        const decision = await decideDane(dns, host);
        if (decision.kind !== "dane") return undefined;
        const { records, names } = decision;
        return { demand: { kind: "dane", records, names }, reason: { rule: "dane" } };
      },
    ],
    { secure: true },
  );
  const record = { usage: 2, selector: 1, matching: 1, data: new Uint8Array(32) };
  dns.addMx("example.org", "10 mx1.example.org", "20 mx2.example.org").add("mx1.example.org", "A", "192.0.2.1");
  dns.add("mx2.example.org", "A", "192.0.2.2").add("_25._tcp.mx2.example.org", "TLSA", record);
  assert.deepEqual(
    (await smtpRoute("example.org")).hosts.map(({ tls }) => tls.demand),
    [{ kind: "opportunistic" }, { kind: "dane", records: [record], names: ["mx2.example.org", "example.org"] }],
  );
});

test("a policy that fails leaves the mail waiting: it is no reason to go on without it", async () => {
  const { dns, router, log } = world([() => Promise.reject(new Error("no answer"))]);
  dns.add("a.test", "A", "192.0.2.1");
  const result = await router.route({ address: "a@a.test", domain: "a.test" });
  assert.equal(result.kind, "deferred");
  assert.equal(log.of("routing-failed").length, 1);
});
