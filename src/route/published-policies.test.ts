/** DANE and MTA-STS from the DNS to the hosts of a next hop. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptPolicy, PolicyStore } from "../mta-sts/policy-discovery.ts";
import type { FetchOptions } from "../ports/policy-fetcher.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { MxRouter } from "./mx-router.ts";
import { PublishedPolicies, type PublishedPolicySettings } from "./published-policies.ts";
import type { RouteResult } from "./router.ts";
import type { StaticRoute } from "./static-route.ts";
import { TlsPolicy } from "./tls-policy.ts";

const tlsa = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
const digestTa = { ...tlsa, usage: 2 };
const on: PublishedPolicySettings = { dane: true, mtaSts: true, allowPrivate: false };

function policyText(mode: string, ...mx: readonly string[]): string {
  return ["version: STSv1", `mode: ${mode}`, ...mx.map((host) => `mx: ${host}`), "max_age: 604800"].join("\n");
}

/** example.test with two mail hosts. */
function world(options: { secure?: boolean; settings?: PublishedPolicySettings; routes?: StaticRoute[] } = {}) {
  const dns = new StaticResolver({ secure: options.secure ?? true });
  dns.addMx("example.test", "10 mx1.example.test", "20 mx2.example.test");
  dns.add("mx1.example.test", "A", "192.0.2.1").add("mx2.example.test", "A", "192.0.2.2");
  const log = new CollectingLog();
  const clock = new ManualClock();
  const kept = new Map<string, KeptPolicy>();
  const store: PolicyStore = {
    get: (domain) => Promise.resolve(kept.get(domain)),
    put: async (domain, value) => void kept.set(domain, value),
  };
  const https = { body: policyText("enforce", "*.example.test"), status: 200, asked: [] as string[] };
  const fetcher = {
    fetch: (host: string, path: string, { allowPrivate }: FetchOptions) => {
      https.asked.push(`${host}${path} ${allowPrivate}`);
      const { status, body } = https;
      return Promise.resolve({ kind: "response", status, contentType: "text/plain", body: Buffer.from(body) } as const);
    },
  };
  const published = new PublishedPolicies({ resolver: dns, fetcher, store, clock, log }, options.settings ?? on);
  const router = new MxRouter({
    ...{ resolver: dns, clock, log },
    random: new SeededRandom(1),
    tlsPolicy: new TlsPolicy(published.list),
    settings: {
      routes: options.routes ?? [],
      isLocalDomain: () => false,
      maildirPath: "/mail",
      port: 25,
      allowPrivate: false,
      own: { names: ["mail.own.test"], listeners: [], interfaceAddresses: () => ["198.51.100.1"] },
    },
  });
  const publishSts = (id = "1") => dns.add("_mta-sts.example.test", "TXT", `v=STSv1; id=${id}`);
  const route = (domain = "example.test") => router.route({ address: `ann@${domain}`, domain });
  return { dns, log, clock, https, router, publishSts, route };
}

/** `mx1.example.test dane dane`: host, demand, rule. */
function hostsOf(result: RouteResult): readonly string[] {
  assert.ok(result.kind === "hop" && result.hop.kind === "smtp", JSON.stringify(result));
  return result.hop.hosts.map(({ name, tls }) => `${name} ${tls.demand.kind} ${tls.reason.rule}`);
}

function deferral(result: RouteResult): string {
  assert.ok(result.kind === "deferred", JSON.stringify(result));
  return `${result.status} ${result.reason}`;
}

test("SEC-003: each host by itself: TLSA records that can be used, that cannot, and none", async () => {
  const { dns, route } = world();
  assert.deepEqual(hostsOf(await route()), [
    "mx1.example.test opportunistic default",
    "mx2.example.test opportunistic default",
  ]);
  const other = world();
  other.dns.add("_25._tcp.mx1.example.test", "TLSA", tlsa);
  other.dns.add("_25._tcp.mx2.example.test", "TLSA", { ...tlsa, data: new Uint8Array(3) });
  assert.deepEqual(hostsOf(await other.route()), ["mx1.example.test dane dane", "mx2.example.test required dane"]);
  assert.ok(dns.queries.includes("TLSA _25._tcp.mx1.example.test"));
});

test("SEC-008: a trust anchor may vouch for the domain, too; DANE-EE needs no name of the domain", async () => {
  const { dns, route } = world();
  dns.add("_25._tcp.mx1.example.test", "TLSA", digestTa).add("_25._tcp.mx2.example.test", "TLSA", tlsa);
  const result = await route();
  assert.ok(result.kind === "hop" && result.hop.kind === "smtp");
  assert.deepEqual(
    result.hop.hosts.map(({ tls: { demand } }) => demand.kind === "dane" && demand.names),
    [["mx1.example.test", "example.test"], ["mx2.example.test"]],
  );
});

test("SEC-001: a TLSA lookup that fails excludes the host; without another the mail waits with 4.7.5", async () => {
  const { dns, log, route, publishSts } = world();
  publishSts();
  dns.fail("_25._tcp.mx1.example.test", "TLSA", "SERVFAIL");
  assert.deepEqual(hostsOf(await route()), ["mx2.example.test pki mta-sts"]);
  const reason = "the DNS lookup for TLSA of _25._tcp.mx1.example.test, which DANE needs, failed: SERVFAIL";
  assert.deepEqual(log.of("mail-host-excluded"), [
    { domain: "example.test", host: "mx1.example.test", rule: "dane", reason },
  ]);
  const alone = world();
  alone.dns.fail("_25._tcp.mx1.example.test").fail("_25._tcp.mx2.example.test");
  assert.equal(
    deferral(await alone.route()),
    "4.7.5 The DNS lookup for TLSA of _25._tcp.mx1.example.test, which DANE needs, failed: SERVFAIL.",
  );
});

test("SEC-002: a resolver that does not validate makes DANE inactive, and that is logged once a day", async () => {
  const { dns, log, clock, route } = world({ secure: false });
  dns.add("_25._tcp.mx1.example.test", "TLSA", tlsa);
  assert.deepEqual(hostsOf(await route()), [
    "mx1.example.test opportunistic default",
    "mx2.example.test opportunistic default",
  ]);
  assert.ok(!dns.queries.some((query) => query.startsWith("TLSA")));
  await clock.advance(120_000);
  await route();
  assert.equal(log.of("dane-inactive").length, 1);
  await clock.advance(86_400_000);
  await route();
  assert.equal(log.of("dane-inactive").length, 2);
});

test("SEC-017: enforce takes listed hosts with a certificate only; testing and none take what comes", async () => {
  const { https, dns, route, clock, publishSts } = world();
  publishSts("1");
  https.body = policyText("enforce", "mx2.example.test");
  assert.deepEqual(hostsOf(await route()), ["mx2.example.test pki mta-sts"]);
  assert.deepEqual(https.asked, ["mta-sts.example.test/.well-known/mta-sts.txt false"]);
  for (const [id, mode] of [
    ["2", "testing"],
    ["3", "none"],
  ] as const) {
    dns.remove("_mta-sts.example.test");
    publishSts(id);
    https.body = policyText(mode, "mx2.example.test");
    await clock.advance(60_000);
    const hosts = ["mx1.example.test opportunistic default", "mx2.example.test opportunistic default"];
    assert.deepEqual(hostsOf(await route()), hosts, mode);
  }
});

test("SEC-017: a policy that lists no host of the domain defers its mail, and the sentence names the policy", async () => {
  const { https, route, publishSts } = world();
  publishSts();
  https.body = policyText("enforce", "other.test");
  assert.equal(deferral(await route()), "4.7.5 The MTA-STS policy of example.test does not list mx1.example.test.");
});

test("a host that the policy does not list is none of the domain's: what the listed ones lack is final", async () => {
  const { https, router, publishSts } = world();
  publishSts();
  https.body = policyText("enforce", "mx1.example.test");
  const result = await router.route({ address: "ann@example.test", domain: "example.test" });
  assert.deepEqual(hostsOf(result), ["mx1.example.test pki mta-sts"]);
  assert.ok(result.kind === "hop" && result.hop.kind === "smtp" && result.hop.unasked === undefined);
});

test("SEC-018: a new id is looked for at each attempt, so that a mended policy lets the mail go", async () => {
  const { https, dns, clock, route, publishSts } = world();
  publishSts("1");
  https.body = policyText("enforce", "old.example.test");
  await route();
  https.body = policyText("enforce", "*.example.test");
  assert.match(deferral(await route()), /does not list/);
  dns.remove("_mta-sts.example.test");
  publishSts("2");
  await clock.advance(1000);
  assert.deepEqual(hostsOf(await route()), ["mx1.example.test pki mta-sts", "mx2.example.test pki mta-sts"]);
});

test("SEC-019: a policy that cannot be fetched is logged, and an earlier one stays in force", async () => {
  const { https, dns, log, clock, route, publishSts } = world();
  publishSts("1");
  await route();
  dns.remove("_mta-sts.example.test");
  publishSts("2");
  https.status = 503;
  await clock.advance(60_000);
  assert.deepEqual(hostsOf(await route()), ["mx1.example.test pki mta-sts", "mx2.example.test pki mta-sts"]);
  assert.deepEqual(log.of("mta-sts-policy-failed"), [
    {
      domain: "example.test",
      fault: "sts-policy-fetch-error",
      reason: "the policy at mta-sts.example.test cannot be used: it answers 503 in place of 200",
      kept: true,
    },
  ]);
});

test("SEC-020: where DANE decides, MTA-STS is not asked", async () => {
  const { dns, https, route, publishSts } = world();
  publishSts();
  dns.add("_25._tcp.mx1.example.test", "TLSA", tlsa).add("_25._tcp.mx2.example.test", "TLSA", tlsa);
  assert.deepEqual(hostsOf(await route()), ["mx1.example.test dane dane", "mx2.example.test dane dane"]);
  assert.deepEqual(https.asked, []);
});

test("SEC-020: a forged MX answer that names a host with TLSA records does not get past MTA-STS", async () => {
  const { dns, publishSts, route, log } = world();
  publishSts();
  dns.addMx("example.test", "5 mx.forger.test").add("mx.forger.test", "A", "192.0.2.66");
  dns.add("_25._tcp.mx.forger.test", "TLSA", tlsa).add("_25._tcp.mx1.example.test", "TLSA", tlsa);
  dns.add("_25._tcp.mx2.example.test", "TLSA", { ...tlsa, data: new Uint8Array(3) });
  const { query } = dns;
  dns.query = async (name, type, ...rest) => {
    const answer = await query.call(dns, name, type, ...rest);
    return (answer.kind !== "failure" && type === "MX" ? { ...answer, secure: false } : answer) as never;
  };
  // A host that the policy lists is authenticated by its TLSA records as well as by an authority, unless none can be used.
  assert.deepEqual(hostsOf(await route()), ["mx1.example.test dane dane", "mx2.example.test pki mta-sts"]);
  assert.deepEqual(
    log.of("mail-host-excluded").map(({ host, rule }) => [host, rule]),
    [["mx.forger.test", "mta-sts"]],
  );
});

test("SEC-009: where no TLSA record can be used, MTA-STS may ask for more than TLS", async () => {
  const { dns, publishSts, route } = world();
  publishSts();
  const unusable = { ...tlsa, data: new Uint8Array(3) };
  dns.add("_25._tcp.mx1.example.test", "TLSA", unusable).add("_25._tcp.mx2.example.test", "TLSA", tlsa);
  assert.deepEqual(hostsOf(await route()), ["mx1.example.test pki mta-sts", "mx2.example.test dane dane"]);
});

test("OPT-012: TLS-Required: No asks no policy of the other side, but settings still count; others are not affected", async () => {
  const { dns, router, publishSts, route } = world();
  publishSts();
  dns.fail("_25._tcp.mx1.example.test").fail("_25._tcp.mx2.example.test");
  const mail = { address: "ann@example.test", domain: "example.test" };
  const rule = "opportunistic tls-required-no";
  const optional = await router.route({ ...mail, tlsOptional: true });
  assert.deepEqual(hostsOf(optional), [`mx1.example.test ${rule}`, `mx2.example.test ${rule}`]);
  assert.match(deferral(await route()), /^4\.7\.5 /);
  const set = world({ routes: [{ domain: "*", via: "mx", tls: "verified" }] });
  const verified = await set.router.route({ ...mail, tlsOptional: true });
  assert.deepEqual(hostsOf(verified), ["mx1.example.test pki route-setting", "mx2.example.test pki route-setting"]);
  const relay = world({ routes: [{ domain: "*", via: "relay", host: "mx1.example.test" }] });
  relay.dns.add("_25._tcp.mx1.example.test", "TLSA", tlsa);
  const normal = await relay.route();
  const clear = await relay.router.route({ ...mail, tlsOptional: true });
  assert.deepEqual([hostsOf(normal), hostsOf(clear)], [["mx1.example.test dane dane"], [`mx1.example.test ${rule}`]]);
  assert.ok(normal.kind === "hop" && clear.kind === "hop" && normal.hop.site !== clear.hop.site);
});

test("OPT-010: REQUIRETLS takes hosts whose name is sure, and demands a certificate that proves it", async () => {
  const mail = { address: "ann@example.test", domain: "example.test", tlsRequired: true } as const;
  const signed = world();
  signed.dns.add("_25._tcp.mx1.example.test", "TLSA", tlsa);
  const required = await signed.router.route(mail);
  assert.deepEqual(hostsOf(required), ["mx1.example.test dane dane", "mx2.example.test pki requiretls"]);
  const usual = await signed.route();
  assert.ok(required.kind === "hop" && usual.kind === "hop" && required.hop.site !== usual.hop.site);

  const unsigned = world({ secure: false });
  const refused = await unsigned.router.route(mail);
  assert.ok(refused.kind === "bounced");
  assert.equal(
    `${refused.status} ${refused.reason}`,
    "5.7.10 The sender requires TLS (REQUIRETLS), but the MX records of example.test are not signed, and no enforced MTA-STS policy names mx1.example.test.",
  );
  assert.equal((await unsigned.route()).kind, "hop", "other mail goes on");
  const listed = world({ secure: false });
  listed.publishSts();
  const byPolicy = await listed.router.route(mail);
  assert.deepEqual(hostsOf(byPolicy), ["mx1.example.test pki mta-sts", "mx2.example.test pki mta-sts"]);
});

test("OPT-010: settings never ask for less than REQUIRETLS, and a failure that may pass makes the mail wait", async () => {
  const mail = { address: "ann@example.test", domain: "example.test", tlsRequired: true } as const;
  const relay = world({
    routes: [{ domain: "*", via: "relay", host: "mx1.example.test", tls: "none" }],
    secure: false,
  });
  assert.deepEqual(hostsOf(await relay.router.route(mail)), ["mx1.example.test pki requiretls"]);
  assert.deepEqual(hostsOf(await relay.route()), ["mx1.example.test none route-setting"]);
  const guessed = world({ routes: [{ domain: "*", via: "mx", tls: "verified" }], secure: false });
  assert.equal((await guessed.router.route(mail)).kind, "bounced", "anybody may have named the host");
  const listed = world({ routes: [{ domain: "*", via: "mx", tls: "required" }], secure: false });
  listed.publishSts();
  const byPolicy = ["mx1.example.test pki mta-sts", "mx2.example.test pki mta-sts"];
  assert.deepEqual(hostsOf(await listed.router.route(mail)), byPolicy, "its names are sure, whatever the route asks");
  const lmtp = world({ routes: [{ domain: "*", via: "lmtp", host: "127.0.0.1:24", tls: "none" }] });
  const local = await lmtp.router.route(mail);
  assert.ok(local.kind === "hop" && local.hop.kind === "lmtp" && local.hop.endpoint.kind === "hosts");
  assert.equal(local.hop.endpoint.hosts[0]?.tls.demand.kind, "none", "it has arrived");
  for (const hide of [
    ({ dns }: ReturnType<typeof world>) => dns.fail("_mta-sts.example.test"),
    ({ publishSts, https }: ReturnType<typeof world>) => {
      publishSts();
      https.body = "no policy";
    },
  ]) {
    const unknown = world({ secure: false });
    hide(unknown);
    // Once when it fails, and once when it failed a moment ago.
    for (const _ of [1, 2]) {
      assert.match(deferral(await unknown.router.route(mail)), /^4\.7\.5 Whether example\.test has an MTA-STS policy/);
      await unknown.clock.advance(60_000);
    }
    assert.equal((await unknown.route()).kind, "hop", "other mail goes on");
  }
  const failing = world();
  failing.dns.fail("_25._tcp.mx1.example.test").fail("_25._tcp.mx2.example.test");
  assert.match(deferral(await failing.router.route(mail)), /^4\.7\.5 /);
});

test("each policy can be turned off, and a route's tls goes before both", async () => {
  const publish = ({ dns, publishSts }: ReturnType<typeof world>) => {
    publishSts();
    dns.add("_25._tcp.mx1.example.test", "TLSA", tlsa);
  };
  const sts = world({ settings: { ...on, dane: false } });
  publish(sts);
  assert.deepEqual(hostsOf(await sts.route()), ["mx1.example.test pki mta-sts", "mx2.example.test pki mta-sts"]);
  assert.ok(!sts.dns.queries.some((query) => query.startsWith("TLSA")));
  const dane = world({ settings: { ...on, mtaSts: false } });
  publish(dane);
  assert.deepEqual(hostsOf(await dane.route()), [
    "mx1.example.test dane dane",
    "mx2.example.test opportunistic default",
  ]);
  assert.ok(!dane.dns.queries.some((query) => query.startsWith("TXT")));
  const set = world({ routes: [{ domain: "*", via: "mx", tls: "opportunistic" }] });
  publish(set);
  assert.deepEqual(hostsOf(await set.route()), [
    "mx1.example.test opportunistic route-setting",
    "mx2.example.test opportunistic route-setting",
  ]);
});

test("address literals and hosts of a closed network are asked nothing; a relay host has a policy of its own", async () => {
  const relay = (host: string): StaticRoute => ({ domain: "*", via: "relay", host });
  const { dns, route } = world();
  assert.deepEqual(hostsOf(await route("[192.0.2.7]")), ["[192.0.2.7] opportunistic default"]);
  assert.deepEqual(
    dns.queries.filter((query) => query !== "TXT arpa"),
    [],
  );
  const closed = world({ routes: [relay("10.0.0.1")] });
  assert.deepEqual(hostsOf(await closed.route()), ["10.0.0.1 opportunistic default"]);
  assert.deepEqual(closed.dns.queries, []);
  const named = world({ routes: [relay("mx1.example.test:587")] });
  named.dns.add("_587._tcp.mx1.example.test", "TLSA", tlsa);
  assert.deepEqual(hostsOf(await named.route()), ["mx1.example.test dane dane"]);
  const excluded = world({ routes: [relay("mx1.example.test")] });
  excluded.dns.fail("_25._tcp.mx1.example.test");
  assert.match(deferral(await excluded.route()), /^4\.7\.5 The DNS lookup/);
});
