import assert from "node:assert/strict";
import { test } from "node:test";
import { StaticResolver } from "../testing/static-resolver.ts";
import { checkSpf as check, spfClient as client, spfZone as zone } from "../testing/spf-zone.ts";
import { checkHost, checkSender } from "./spf.ts";

async function resultOf(record: string, more: (resolver: StaticResolver) => unknown = () => {}): Promise<string> {
  const resolver = zone({ "example.org": record });
  more(resolver);
  return (await check(resolver, "example.org")).result;
}

test("SPF-001: MAIL FROM and HELO are both checked", async () => {
  const resolver = zone({ "example.org": "v=spf1 +all", "mail.example.net": "v=spf1 -all" });
  const reversePath = { localPart: "alice", domain: "example.org" };
  const query = { clientAddress: client, hello: "mail.example.net", reversePath };
  const { mailfrom, helo } = await checkSender(query, { resolver, now: 0 });
  assert.deepEqual([mailfrom.result, mailfrom.identity, mailfrom.domain], ["pass", "mailfrom", "example.org"]);
  assert.deepEqual([helo?.result, helo?.identity, helo?.domain], ["fail", "helo", "mail.example.net"]);
  const without = await checkSender({ ...query, withHelo: false }, { resolver, now: 0 });
  assert.equal(without.helo, undefined);
});

test("SPF-001: the null reverse-path is postmaster of the HELO domain, in one evaluation", async () => {
  const resolver = zone({ "mail.example.net": "v=spf1 -all exp=why.example.net", "why.example.net": "%{s} may not" });
  const query = { clientAddress: client, hello: "mail.example.net", reversePath: null };
  const { mailfrom, helo } = await checkSender(query, { resolver, now: 0 });
  assert.equal(mailfrom.result, "fail");
  assert.equal(mailfrom.explanation, "postmaster@mail.example.net may not");
  assert.deepEqual({ ...helo, identity: "mailfrom" }, mailfrom);
  assert.deepEqual(resolver.queries, ["TXT mail.example.net", "TXT why.example.net"]);
});

test("SPF-002: a malformed, single-label or unknown domain gives none; only the unknown one is asked for", async () => {
  const long = `${"a".repeat(64)}.example.org`;
  for (const domain of ["", ".", long, "a..example.org", "localhost", "[192.0.2.1]", "192.0.2.1", "a\nb.example.org"]) {
    const resolver = new StaticResolver();
    const outcome = await check(resolver, domain);
    assert.equal(outcome.result, "none", domain);
    assert.deepEqual(resolver.queries, [], domain);
  }
  const outcome = await check(new StaticResolver(), "unknown.example.org");
  assert.deepEqual([outcome.result, outcome.reason], ["none", "unknown.example.org does not exist in the DNS"]);
});

test("SPF-002: an empty local-part is postmaster; a final dot is nothing", async () => {
  const resolver = zone({ "example.org": "v=spf1 exists:%{l}.example.org -all" }).add(
    "postmaster.example.org",
    "A",
    "127.0.0.2",
  );
  const sender = { localPart: "", domain: "example.org." };
  assert.equal((await check(resolver, "example.org.", { sender })).result, "pass");
});

test("SPF-002: U-labels are looked up as A-labels, beside labels that only the DNS allows", async () => {
  const resolver = zone({ "_spf.xn--bcher-kva.example": "v=spf1 redirect=%{o}.example.org" });
  resolver.add("_spf.xn--bcher-kva.example.example.org", "TXT", "v=spf1 +all");
  const outcome = await check(resolver, "_spf.bücher.example");
  assert.deepEqual([outcome.result, outcome.domain], ["pass", "_spf.xn--bcher-kva.example"]);
});

test("SPF-003: the version is exact, in any case; none, one or several records", async () => {
  const texts = ["v=spf10 +all", "v=spf1+all", " v=spf1 +all", "spf1", "v=spf2.0/pra +all"];
  assert.equal((await check(zone({ "example.org": texts }), "example.org")).result, "none");
  assert.equal((await check(zone({ "example.org": [...texts, "V=SPF1 +ALL"] }), "example.org")).result, "pass");
  assert.equal((await check(zone({ "example.org": ["v=spf1", "v=spf1 +all"] }), "example.org")).result, "permerror");
  assert.equal((await check(zone({ "example.org": "v=spf1" }), "example.org")).result, "neutral");
});

test("SPF-004: a syntax error anywhere is a permerror before anything is asked", async () => {
  const bad = [
    "junk:", "ip:192.0.2.1", "all:x", "a:", "a/33", "a//129", "a/024", "ptr/8", "ptr:", "include", "include:", "exists",
    "ip4:192.0.2", "ip4:192.0.2.1/", "ip4:192.0.2.01", "ip4:2001:db8::1", "ip6:192.0.2.1", "ip6:::1/129", "ip4", "+",
    "redirect=", "exp=", "redirect=a.example redirect=b.example", "exp=a.example exp=b.example", "1x=y", "=", "x=%a",
    "a:%{d", "a:%{}", "a:%{x}", "a:%{d0}", "a:%{dr5}", "a:%{d!}", "a:%{c}.example", "a:example", "a:example.1", "a:%{d}x",
    "a:b\tptr", "\u200ball", "a:é.example", "-+all", "all.", "redirect:example.org", "a:x.-y", "a:x.y-", "a:%{d}.",
  ]; // prettier-ignore
  for (const term of bad) {
    const resolver = zone({ "example.org": `v=spf1 a ${term} -all` }).add("example.org", "A", client);
    const outcome = await check(resolver, "example.org");
    assert.equal(outcome.result, "permerror", term);
    assert.match(outcome.reason, /^the SPF record of example\.org is not valid: /);
    assert.deepEqual(resolver.queries, ["TXT example.org"], term);
  }
  const good = [
    "x=", "x=%{c}", "X.y-z_1=a:b/c", "a:%{d}", "a:%%", "a:b%_", "a:b%-", "a:a.b.", "a:a.xn--p1ai", "a:.example",
    "a:%{L1r.-+,/_=}/8//8", "A/8", "MX//8", "Ip4:192.0.2.1", "?include:a.1b", "mx:%{D127}", "a:a.1-2",
  ]; // prettier-ignore
  for (const term of good) assert.equal(await resultOf(`v=spf1 +all ${term}`), "pass", term);
});

test("SPF-004: the reason says what is wrong and what was meant", async () => {
  const reason = async (term: string) => (await check(zone({ "example.org": `v=spf1 ${term}` }), "example.org")).reason;
  assert.match(await reason("ip:192.0.2.1"), /there is no mechanism "ip"; did you mean ip4 or ip6\?/);
  assert.match(await reason("inlcude:x.example"), /did you mean include\?/);
  assert.match(await reason("a:192.0.2.1"), /is an address; ip4: and ip6: are for those/);
  assert.match(await reason("ip4:192.0.2.1\u200b"), /outside of ASCII \(U\+200B\) stands at position 21/);
});

test("SPF-005: ten DNS terms are allowed, the eleventh is a permerror and is not asked", async () => {
  const terms = (count: number) => Array.from({ length: count }, (_, index) => `a:h${index}.example.org`).join(" ");
  for (const [count, result] of [
    [10, "neutral"],
    [11, "permerror"],
  ] as const) {
    const resolver = zone({ "example.org": `v=spf1 ${terms(count)}` });
    for (let index = 0; index < count; index++) resolver.add(`h${index}.example.org`, "A", "203.0.113.1");
    const outcome = await check(resolver, "example.org");
    assert.deepEqual([outcome.result, outcome.lookups], [result, 10]);
    assert.equal(resolver.queries.length, 11);
  }
});

test("SPF-005: the count runs through includes and redirects, and reaches the last term", async () => {
  const inner = "v=spf1 a a a a a a a a";
  const resolver = zone({
    "ok.example": "v=spf1 include:inner.example redirect=last.example",
    "over.example": "v=spf1 a include:inner.example redirect=last.example",
    "inner.example": inner,
    "last.example": "v=spf1 ?all",
  });
  for (const name of ["over.example", "inner.example"]) resolver.add(name, "A", "203.0.113.1");
  assert.equal((await check(resolver, "ok.example")).result, "neutral");
  const over = await check(resolver, "over.example");
  assert.equal(over.result, "permerror");
  assert.match(over.reason, /redirect=last\.example in the record of over\.example would be number 11/);
});

test("SPF-005: %{p} counts once, for its PTR query", async () => {
  const terms = Array.from({ length: 9 }, () => "exists:%{p}.example.org").join(" ");
  assert.equal(
    await resultOf(`v=spf1 ${terms}`, (resolver) =>
      resolver.add("unknown.example.org", "AAAA", "::1").add("unknown.example.org", "TXT", "x"),
    ),
    "permerror",
  );
  const withA = (terms: string) => resultOf(`v=spf1 ${terms}`, (zone) => zone.add("example.org", "A", "203.0.113.1"));
  assert.equal(await withA("a a a a a a a a exists:%{p}.%{d}.example"), "neutral");
  assert.equal(await withA("a a a a a a a a a exists:%{p}.%{d}.example"), "permerror");
});

test("SPF-006: an mx with more than ten hosts is a permerror, unless one of the first ten matches", async () => {
  const withHosts = (count: number, match: number) =>
    resultOf("v=spf1 mx", (resolver) => {
      for (let index = 0; index < count; index++) {
        resolver.addMx("example.org", `${index} h${index}.example.org`);
        resolver.add(`h${index}.example.org`, "A", index === match ? client : "203.0.113.1");
      }
    });
  assert.equal(await withHosts(10, 9), "pass");
  assert.equal(await withHosts(10, -1), "neutral");
  assert.equal(await withHosts(11, 10), "permerror");
  assert.equal(await withHosts(11, 9), "pass");
});

test("SPF-006: PTR names after the tenth are ignored, without an error", async () => {
  const withNames = async (count: number, match: number) => {
    const resolver = zone({ "example.org": "v=spf1 ptr ptr -all" });
    for (let index = 0; index < count; index++) {
      resolver.add("1.2.0.192.in-addr.arpa", "PTR", `h${index}.example.org.`);
      resolver.add(`h${index}.example.org`, "A", index === match ? client : "203.0.113.1");
    }
    const { result } = await check(resolver, "example.org");
    return { result, queries: resolver.queries.length };
  };
  assert.deepEqual(await withNames(400, 9), { result: "pass", queries: 12 });
  assert.deepEqual(await withNames(400, 10), { result: "fail", queries: 12 });
});

test("SPF-007: two void look-ups are allowed, the third is a permerror, also as the last term and within include", async () => {
  assert.equal(await resultOf("v=spf1 a:x.example exists:y.example -all"), "fail");
  assert.equal(await resultOf("v=spf1 a:x.example exists:y.example mx:z.example"), "permerror");
  const resolver = zone({
    "example.org": "v=spf1 a:x.example include:inner.example +all",
    "inner.example": "v=spf1 mx exists:y.example",
  });
  const outcome = await check(resolver, "example.org");
  assert.deepEqual([outcome.result, outcome.voidLookups], ["permerror", 2]);
  assert.match(outcome.reason, /exists:y\.example in the record of inner\.example is the third/);
});

test("SPF-007: a term is void once; hosts that lack one family are not void, hosts that do not exist are", async () => {
  const mx = (...names: string[]) =>
    resultOf("v=spf1 mx mx mx -all", (resolver) => {
      for (const name of names) resolver.addMx("example.org", `10 ${name}`);
      resolver.add("v6.example.org", "AAAA", "2001:db8::1");
    });
  assert.equal(await mx("v6.example.org", "gone.example.org"), "fail");
  assert.equal(await mx("gone.example.org", "lost.example.org"), "permerror");
  assert.equal(await resultOf("v=spf1 ptr ptr ptr a:x.example -all"), "fail");
});

test("SPF-008: include turns each result into what the table says", async () => {
  const inner = { pass: "+all", fail: "-all", softfail: "~all", neutral: "?all", permerror: "junk" };
  const include = async (record: string | undefined) => {
    const resolver = zone({ "example.org": "v=spf1 ~include:inner.example ?all" });
    if (record === undefined) resolver.fail("inner.example");
    else if (record !== "") resolver.add("inner.example", "TXT", record);
    return (await check(resolver, "example.org")).result;
  };
  assert.equal(await include(`v=spf1 ${inner.pass}`), "softfail");
  for (const term of [inner.fail, inner.softfail, inner.neutral])
    assert.equal(await include(`v=spf1 ${term}`), "neutral");
  assert.equal(await include(`v=spf1 ${inner.permerror}`), "permerror");
  assert.equal(await include("no SPF"), "permerror");
  assert.equal(await include(""), "permerror");
  assert.equal(await include(undefined), "temperror");
});

test("SPF-009: no implicit MX, and a null MX is harmless", async () => {
  assert.equal(await resultOf("v=spf1 mx -all", (resolver) => resolver.add("example.org", "A", client)), "fail");
  assert.equal(
    await resultOf("v=spf1 mx -all", (resolver) => resolver.addMx("example.org", "0 .").add("", "A", client)),
    "fail",
  );
});

test("SPF-010: an IPv4-mapped client is IPv4; A for IPv4, AAAA for IPv6; exists always A", async () => {
  const resolver = zone({
    "example.org": "v=spf1 a mx exists:%{i}.example -all",
    "six.example": "v=spf1 ip6:::/0 -all",
  });
  resolver.add("example.org", "A", "203.0.113.1").addMx("example.org", "10 mx.example").add("mx.example", "TXT", "x");
  await check(resolver, "example.org", { clientAddress: "::ffff:192.0.2.1" });
  assert.deepEqual(resolver.queries, [
    "TXT example.org",
    "A example.org",
    "MX example.org",
    "A mx.example",
    "A 192.0.2.1.example",
  ]);
  resolver.queries.length = 0;
  await check(resolver, "example.org", { clientAddress: "2001:db8::1" });
  const nibbles = "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1";
  assert.deepEqual(resolver.queries.slice(1), [
    "AAAA example.org",
    "MX example.org",
    "AAAA mx.example",
    `A ${nibbles}.example`,
  ]);
  assert.equal((await check(resolver, "six.example", { clientAddress: "::ffff:192.0.2.1" })).result, "fail");
  assert.equal((await check(resolver, "six.example", { clientAddress: "2001:db8::1" })).result, "pass");
});

test("SPF-010: prefix lengths, to the bit", async () => {
  const on = (record: string, clientAddress: string) =>
    check(zone({ "example.org": `v=spf1 ${record} -all` }), "example.org", { clientAddress });
  for (const [term, inside, outside] of [
    ["ip4:192.0.2.129/25", "192.0.2.255", "192.0.2.127"],
    ["ip4:128.0.0.0/1", "255.255.255.255", "127.255.255.255"],
    ["ip4:192.0.2.3/31", "192.0.2.2", "192.0.2.4"],
    ["ip6:2001:db8::8000:0/97", "2001:db8::ffff:ffff", "2001:db8::7fff:ffff"],
    ["ip6:2001:db8::1", "2001:db8::1", "2001:db8::2"],
  ] as const) {
    assert.equal((await on(term, inside)).result, "pass", term);
    assert.equal((await on(term, outside)).result, "fail", term);
  }
});

test("SPF-011: redirect: not beside all, permerror without a record, not twice; unknown modifiers are ignored", async () => {
  const resolver = zone({ "other.example": "v=spf1 -all" });
  const on = async (record: string) => {
    resolver.remove("example.org").add("example.org", "TXT", record);
    return check(resolver, "example.org");
  };
  assert.equal((await on("v=spf1 redirect=other.example ?all")).result, "neutral");
  assert.equal((await on("v=spf1 redirect=other.example x=1 x=2")).result, "fail");
  const missing = await on("v=spf1 redirect=missing.example");
  assert.equal(missing.result, "permerror");
  assert.match(missing.reason, /leads nowhere: missing\.example does not exist in the DNS/);
  assert.equal((await on("v=spf1 redirect=other.example redirect=other.example")).result, "permerror");
  assert.equal((await on("v=spf1 redirect=%{d}..example")).result, "permerror");
});

test("confessed elsewhere: exists without records is no temperror, and its failure is", async () => {
  assert.equal(await resultOf("v=spf1 exists:x.example -all"), "fail");
  assert.equal(await resultOf("v=spf1 exists:x.example -all", (resolver) => resolver.fail("x.example")), "temperror");
  assert.equal(await resultOf("v=spf1 ptr -all", (resolver) => resolver.fail("1.2.0.192.in-addr.arpa")), "fail");
});

test("a caller's patience that ends is a temperror", async () => {
  const resolver = zone({ "example.org": "v=spf1 -all" });
  const query = { clientAddress: client, domain: "example.org", sender: { localPart: "a", domain: "example.org" } };
  const options = { resolver, now: 0, signal: AbortSignal.abort() };
  const outcome = await checkHost({ ...query, hello: "h.example", identity: "mailfrom" }, options);
  assert.equal(outcome.result, "temperror");
});

test("a client without an IP address gives none", async () => {
  assert.equal((await check(new StaticResolver(), "example.org", { clientAddress: "" })).result, "none");
});

test("reasons are sentences that name the record and the term", async () => {
  const resolver = zone({
    "example.org": "v=spf1 ip4:203.0.113.0/24 include:inner.example ~all",
    "inner.example": "v=spf1 include:deep.example",
    "deep.example": "v=spf1 ip4:192.0.2.0/24",
    "open.example": "v=spf1 +all",
    "short.example": "v=spf1 redirect=none.example",
    "none.example": "v=spf1 ip4:203.0.113.9",
  });
  const reason = async (domain: string, clientAddress = client) =>
    (await check(resolver, domain, { clientAddress })).reason;
  assert.equal(
    await reason("example.org", "203.0.113.5"),
    "203.0.113.5 matches ip4:203.0.113.0/24 in the record of example.org",
  );
  assert.equal(
    await reason("example.org"),
    "192.0.2.1 matches ip4:192.0.2.0/24 in the record of deep.example, by include:inner.example in the record of example.org",
  );
  assert.equal(
    await reason("example.org", "198.51.100.1"),
    "198.51.100.1 is not among the hosts that the record of example.org lists, which ends in ~all",
  );
  assert.equal(await reason("open.example"), "the record of open.example lets every host in the world send (+all)");
  assert.equal(
    await reason("short.example"),
    `192.0.2.1 matches nothing in the record of none.example (to which short.example redirects), and there is no "all" in it`,
  );
});
