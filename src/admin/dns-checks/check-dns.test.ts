/** Each check in each of its colours, and the mistakes that zone editors and people make. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { recordText } from "../../dkim/signing-key.ts";
import { policyDocument, policyRecord } from "../../mta-sts/own-policy.ts";
import type { StsPolicy } from "../../mta-sts/sts-policy.ts";
import type { TlsFacts } from "../../ports/network.ts";
import type { PolicyFetcher } from "../../ports/policy-fetcher.ts";
import { readVectors } from "../../testing/conformance-data.ts";
import { StaticResolver } from "../../testing/static-resolver.ts";
import { checkDns, type DnsReport } from "./check-dns.ts";
import type { CheckName, DnsCheck, DnsSubject, HandshakeProbe } from "./dns-check.ts";

const rsaRecord = recordText(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
const shortRecord = recordText(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey);
const otherRecord = recordText(generateKeyPairSync("ed25519").privateKey);

/** A domain at which nothing is left to wish for. */
function goodZone(): StaticResolver {
  return new StaticResolver({ secure: true })
    .addMx("example.org", "10 mx.example.org")
    .add("mx.example.org", "A", "192.0.2.1")
    .add("1.2.0.192.in-addr.arpa", "PTR", "mx.example.org")
    .add("_25._tcp.mx.example.org", "TLSA", { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) })
    .add("example.org", "TXT", "some-verification=1", "v=spf1 mx -all")
    .add("mail._domainkey.example.org", "TXT", rsaRecord)
    .add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject; rua=mailto:reports@example.org")
    .add("_mta-sts.example.org", "TXT", "v=STSv1; id=20260101")
    .add("mta-sts.example.org", "A", "192.0.2.2")
    .add("_smtp._tls.example.org", "TXT", "v=TLSRPTv1; rua=mailto:reports@example.org");
}

function run(resolver: StaticResolver, changes: Partial<DnsSubject> = {}): Promise<DnsReport> {
  const subject = { domain: "example.org", resolver, selectors: ["mail"], addresses: [], ownKeys: [], ...changes };
  return checkDns(subject, 0);
}

async function check(name: CheckName, resolver: StaticResolver, changes: Partial<DnsSubject> = {}): Promise<DnsCheck> {
  const found = (await run(resolver, changes)).checks.find((result) => result.check === name);
  assert.ok(found);
  return found;
}

/** The good zone with other TXT records at one name. */
function withTexts(name: string, ...texts: readonly string[]): StaticResolver {
  const zone = goodZone().remove(name);
  if (name === "example.org") zone.addMx(name, "10 mx.example.org");
  return texts.length === 0 ? zone : zone.add(name, "TXT", ...texts);
}

function sentences({ sentence, details }: DnsCheck): string {
  return [sentence, ...details.map((detail) => detail.sentence)].join("\n");
}

test("a domain with everything is green, and nothing is to be published", async () => {
  const report = await run(goodZone(), { addresses: ["192.0.2.1"] });
  assert.deepEqual(
    report.checks.map(({ check: name, status, publish }) => [name, status, publish.length]),
    ["mx", "addresses", "spf", "dkim", "dmarc", "mta-sts", "tls-rpt", "dane"].map((name) => [name, "green", 0]),
  );
  assert.equal(report.status, "green");
});

test("a domain with nothing: what is to be published, whole", async () => {
  const report = await run(new StaticResolver().add("example.org", "TXT", "x"), {
    selectors: [],
    addresses: ["192.0.2.1"],
  });
  assert.equal(report.status, "red");
  assert.deepEqual(
    report.checks.flatMap(({ publish }) => publish.map(({ name, type, value }) => `${name} ${type} ${value}`)),
    [
      "example.org MX 10 mail.example.org",
      "1.2.0.192.in-addr.arpa PTR mail.example.org",
      "example.org TXT v=spf1 mx ip4:192.0.2.1 ~all",
      "_dmarc.example.org TXT v=DMARC1; p=none; rua=mailto:postmaster@example.org",
      "_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:postmaster@example.org",
    ],
  );
});

test("DNS that does not answer is red everywhere it is asked", async () => {
  const zone = goodZone();
  for (const name of [
    "example.org",
    "mail._domainkey.example.org",
    "_dmarc.example.org",
    "_mta-sts.example.org",
    "_smtp._tls.example.org",
  ])
    zone.fail(name);
  const report = await run(zone);
  assert.deepEqual(
    report.checks.filter(({ status }) => status === "red").map(({ check: name }) => name),
    ["mx", "spf", "dkim", "dmarc", "mta-sts", "tls-rpt"],
  );
});

test("mx: yellow and red", async () => {
  const zone = (...records: string[]) =>
    new StaticResolver()
      .addMx("example.org", ...records)
      .add("mx.example.org", "A", "192.0.2.1")
      .add("alias.example.org", "CNAME", "mx.example.org");
  const cases = [
    [["10 mx.example.org", "20 mx.example.org"], "yellow", /several MX records/],
    [["10 alias.example.org"], "yellow", /is an alias/],
    [["10 gone.example.org"], "red", /gone\.example\.org has no address/],
    [["10 192.0.2.1"], "red", /names the address 192\.0\.2\.1/],
    [["10 mx.example.org.example.org"], "red", /added example\.org once more/],
    [["10 mx"], "red", /"mx", which is no whole name/],
    [["0 .", "10 mx.example.org"], "red", /null MX beside others/],
    [["0 ."], "green", /takes no mail/],
  ] as const;
  for (const [records, status, sentence] of cases) {
    const result = await check("mx", zone(...records));
    assert.deepEqual(
      [result.status, sentence.test(result.sentence)],
      [status, true],
      `${records.join()}: ${result.sentence}`,
    );
  }
  const repaired = await check("mx", zone("10 mx.example.org.example.org"));
  assert.deepEqual(repaired.publish, [{ name: "example.org", type: "MX", value: "10 mx.example.org" }]);
  assert.equal((await check("mx", new StaticResolver().add("example.org", "A", "192.0.2.1"))).status, "yellow");
  assert.match((await check("mx", new StaticResolver())).sentence, /does not exist/);
});

test("addresses: a host without a name is yellow, a sender without one is red, a private address is red", async () => {
  const zone = goodZone().remove("1.2.0.192.in-addr.arpa");
  const host = await check("addresses", zone);
  assert.deepEqual([host.status, host.publish[0]?.value], ["yellow", "mx.example.org"]);
  assert.equal((await check("addresses", zone, { addresses: ["192.0.2.1"] })).status, "red");
  const unconfirmed = goodZone()
    .remove("mx.example.org")
    .add("mx.example.org", "A", "192.0.2.9")
    .add("9.2.0.192.in-addr.arpa", "PTR", "other.example");
  assert.match((await check("addresses", unconfirmed)).sentence, /does not lead back/);
  const inside = goodZone().remove("mx.example.org").add("mx.example.org", "A", "10.0.0.1");
  assert.match((await check("addresses", inside)).sentence, /10\.0\.0\.1 of mx\.example\.org cannot be reached/);
  assert.equal((await check("addresses", new StaticResolver())).status, "yellow");
  const six = goodZone().add("mx.example.org", "AAAA", "2001:db8::1");
  assert.match((await check("addresses", six)).publish[0]?.name ?? "", /^1\.0\..*\.ip6\.arpa$/);
});

test("spf: look-ups, voids, the end, and addresses that may not send", async () => {
  const spf = (record: string, changes: Partial<DnsSubject> = {}) =>
    check("spf", withTexts("example.org", record), changes);
  const includes = (count: number) => `v=spf1 ${"mx ".repeat(count)}-all`;
  assert.equal((await spf(includes(8))).status, "green");
  assert.match((await spf(includes(9))).sentence, /^The SPF record takes 9 of 10/);
  assert.equal((await spf(includes(10))).status, "yellow");
  const over = await spf(includes(11));
  assert.deepEqual([over.status, over.tree?.lookups], ["red", 11]);
  assert.equal((await spf("v=spf1 mx a:gone.example -all")).status, "yellow");
  assert.equal((await spf("v=spf1 a:x.example a:y.example a:z.example -all")).status, "red");
  assert.deepEqual((await spf("v=spf1 mx ?all")).publish[0]?.value, "v=spf1 mx ~all");
  assert.deepEqual((await spf("v=spf1 mx")).publish[0]?.value, "v=spf1 mx ~all");
  const open = await spf("v=spf1 mx +all");
  assert.deepEqual([open.status, open.publish[0]?.value], ["red", "v=spf1 mx ~all"]);
  assert.equal((await spf("v=spf1 ptr mx -all")).status, "yellow");
  const both = await spf("v=spf1 mx redirect=other.example -all");
  assert.deepEqual(
    [
      both.status,
      /"redirect=other\.example" is never evaluated, because the record also has "all"/.test(sentences(both)),
    ],
    ["yellow", true],
  );
  const dead = await spf("v=spf1 mx include:gone.example exp=why.example.org -all");
  assert.match(sentences(dead), /leads to gone\.example, where receivers meet an error/);
  assert.deepEqual([dead.status, dead.publish[0]?.value], ["red", "v=spf1 mx -all exp=why.example.org"]);
  const refused = await spf("v=spf1 mx -all", { addresses: ["198.51.100.1"] });
  assert.match(refused.sentence, /^Mail from 198\.51\.100\.1 gets fail: /);
  assert.deepEqual(refused.publish, [{ name: "example.org", type: "TXT", value: "v=spf1 mx ip4:198.51.100.1 -all" }]);
  assert.equal((await spf("v=spf1 mx -all", { addresses: ["192.0.2.1"] })).status, "green");
});

test("spf: none, several, invalid, quoted, cut off, doubled", async () => {
  const texts = (...records: string[]) => check("spf", withTexts("example.org", ...records));
  assert.match((await texts("x")).sentence, /has no SPF record/);
  const several = await texts("v=spf1 mx a -all", "v=spf1 mx include:x.example ~all");
  assert.deepEqual([several.status, several.publish[0]?.value], ["red", "v=spf1 mx a include:x.example -all"]);
  assert.match((await texts("v=spf1 ip:192.0.2.1 -all")).sentence, /did you mean ip4/);
  assert.match((await texts('"v=spf1 mx -all"')).sentence, /begins with a quotation mark/);
  assert.match((await texts(" v=spf1 mx -all")).sentence, /begins with a space/);
  assert.match((await texts("v=spf1; mx -all")).sentence, /v=spf1 must be followed by a space/);
  assert.match((await texts('v=spf1 include:a.example" "ip4:192.0.2.1 -all')).sentence, /quotation marks within/);
  assert.match((await texts('v=spf1 mx include:a.example"')).sentence, /unpaired quotation mark/);
  assert.match(
    (await texts(`v=spf1 ${"ip4:192.0.2.1 ".repeat(17)}include:a`.padEnd(255, "b"))).sentence,
    /probably cut off/,
  );
  const doubled = await check(
    "spf",
    withTexts("example.org", "x").add("example.org.example.org", "TXT", "v=spf1 mx -all"),
  );
  assert.match(
    doubled.sentence,
    /stands at example\.org\.example\.org: the zone editor adds example\.org itself, so enter @/,
  );
  assert.deepEqual(doubled.publish, [{ name: "example.org", type: "TXT", value: "v=spf1 mx -all" }]);
  const silent = await check("spf", new StaticResolver().addMx("example.org", "0 ."));
  assert.equal(silent.publish[0]?.value, "v=spf1 -all");
});

test("dkim: sound, weak, testing, revoked, wrong, broken", async () => {
  const dkim = (...records: string[]) => check("dkim", withTexts("mail._domainkey.example.org", ...records));
  const cases = [
    [[otherRecord], "green", /sound \(Ed25519\)/],
    [[shortRecord], "yellow", /has 1024 bits; use 2048/],
    [[`${rsaRecord}; t=y`], "yellow", /only being tested/],
    [["v=DKIM1; p="], "red", /revoked/],
    [[`${rsaRecord}; s=tlsrpt`], "red", /not for mail/],
    [[`${rsaRecord}; h=sha1`], "red", /does not allow sha256/],
    [[rsaRecord, otherRecord], "red", /there are 2 key records/i],
    [["v=DKIM1; p=%%%"], "red", /cannot be used: p= is not base64: it has "%" inside/],
    [[rsaRecord.replace("p=MIIB", 'p=MI" "IB')], "red", /quotation marks within/],
    [[rsaRecord.replace("p=MIIB", "p=MI\u00a0IB")], "red", /it has the character U\+00A0 inside/],
    [[rsaRecord.replace("p=MIIB", "p=MI IB")], "yellow", /has spaces inside p=/],
    [[rsaRecord.replace("p=", "P=")], "red", /P= must be in small letters: p=/],
    [[`${rsaRecord}; k=rsa; k=rsa`], "red", /the tag k= appears twice/],
    [[rsaRecord.slice(0, 255)], "red", /it was cut off, 17\d of 294 octets/],
    [[`"${rsaRecord}"`], "red", /quotation marks within|begins with a quotation mark/],
    [[rsaRecord.replaceAll(";", "\\;")], "red", /backslashes before its semicolons/],
    [[], "red", /there is no key at mail\._domainkey\.example\.org/i],
  ] as const;
  for (const [records, status, sentence] of cases) {
    const result = await dkim(...records);
    assert.deepEqual(
      [result.status, sentence.test(result.sentence)],
      [status, true],
      `${records.join()}: ${result.sentence}`,
    );
  }
  const doubled = await check(
    "dkim",
    withTexts("mail._domainkey.example.org").add("mail._domainkey.example.org.example.org", "TXT", rsaRecord),
  );
  assert.match(doubled.sentence, /so enter mail\._domainkey as the name/);
});

test("dkim: keys of the server must be there as they are; without any, the usual selectors are tried", async () => {
  const own = (record: string) => check("dkim", goodZone(), { selectors: [], ownKeys: [{ selector: "mail", record }] });
  assert.equal((await own(rsaRecord)).status, "green");
  const other = await own(otherRecord);
  assert.match(other.sentence, /not the one that the server signs with/);
  assert.deepEqual(other.publish, [{ name: "mail._domainkey.example.org", type: "TXT", value: otherRecord }]);
  const missing = await check("dkim", goodZone(), {
    selectors: [],
    ownKeys: [{ selector: "new", record: otherRecord }],
  });
  assert.deepEqual([missing.status, missing.publish[0]?.name], ["red", "new._domainkey.example.org"]);
  assert.equal((await check("dkim", goodZone(), { selectors: [] })).status, "green");
  const unknown = await check("dkim", withTexts("mail._domainkey.example.org"), { selectors: [] });
  assert.match(unknown.sentence, /specify the one in use with --selector/);
});

test("dmarc: policies, their place, and report addresses", async () => {
  const dmarc = (...records: string[]) => check("dmarc", withTexts("_dmarc.example.org", ...records));
  const rua = "rua=mailto:a@example.org";
  const cases = [
    [`v=DMARC1; p=quarantine; ${rua}`, "green", /treated as spam/],
    [`v=DMARC1; p=none; ${rua}`, "yellow", /only watches/],
    [`v=DMARC1; p=reject; t=y; ${rua}`, "yellow", /t=y/],
    [`v=DMARC1; p=reject; sp=none; ${rua}`, "yellow", /sp=none/],
    ["v=DMARC1; p=reject", "yellow", /no address gets reports/i],
    ["v=DMARC1; p=reject; rua=a@example.org", "yellow", /rua/],
    ["v=DMARC1; p=rejekt", "red", /no usable policy: p= says "rejekt"; did you mean reject\?/],
    [`v=DMARC1; p=quarentine; ${rua}`, "red", /p= says "quarentine"; did you mean quarantine\?/],
    [`v=DMARC1; p=reject; sp=nnoe; ${rua}`, "red", /sp= says "nnoe"; did you mean none\?/],
    [`v=DMARC1; p=yes; ${rua}`, "red", /p= says "yes"; it must be one of none, quarantine, reject/],
    [`v=DMARC1; p=reject; adkim=strict; ${rua}`, "yellow", /adkim= says "strict"/],
    [`v=DMARC1\\; p=reject\\; ${rua}`, "red", /backslashes before its semicolons/],
    [`v=DMARC1; p=reject\\; ${rua}`, "red", /backslashes before its semicolons/],
    [`V=DMARC1; P=Reject; RUA=mailto:a@example.org`, "green", /p=reject/],
    ["v=DMARC1; p=reject; p=none", "red", /twice/],
    [`"v=DMARC1; p=reject; ${rua}"`, "red", /begins with a quotation mark/],
    ["v=dmarc1; p=reject", "red", /must begin with v=DMARC1/],
    [`v=DMARC1; p=reject; ${rua}"`, "yellow", /rua|unpaired quotation mark/],
  ] as const;
  for (const [record, status, sentence] of cases) {
    const result = await dmarc(record);
    assert.deepEqual(
      [result.status, sentence.test(sentences(result))],
      [status, true],
      `${record}: ${sentences(result)}`,
    );
  }
  for (const [record, better] of [
    ["v=DMARC1; p=rejekt", "v=DMARC1; p=reject"],
    [`v=DMARC1; p=quarentine; ${rua}`, `v=DMARC1; p=quarantine; ${rua}`],
    [`v=DMARC1\\; p=reject\\; ${rua}`, `v=DMARC1; p=reject; ${rua}`],
    [`v=DMARC1; p=reject\\; ${rua}`, `v=DMARC1; p=reject; ${rua}`],
    ["v=DMARC1; p=xyz", "v=DMARC1; p=none; rua=mailto:postmaster@example.org"],
  ] as const) {
    assert.equal((await dmarc(record)).publish[0]?.value, better, record);
  }
  const several = await dmarc("v=DMARC1; p=none", "v=DMARC1; p=reject");
  assert.deepEqual([several.status, several.publish[0]?.value], ["red", "v=DMARC1; p=reject"]);
  assert.match(
    (await dmarc("v=DMARC1; p=reject; pct=50; rua=mailto:a@example.org")).details
      .map(({ sentence }) => sentence)
      .join(),
    /no meaning/,
  );
  assert.equal((await dmarc()).status, "red");
});

test("dmarc: a policy inherited, a doubled name, a wildcard that is none, a destination that has not agreed", async () => {
  const zone = goodZone().add("sub.example.org", "A", "192.0.2.7");
  const inherited = await check("dmarc", zone, { domain: "sub.example.org" });
  assert.deepEqual([inherited.status, /\(from example\.org\)/.test(inherited.sentence)], ["green", true]);
  const record = "v=DMARC1; p=reject; rua=mailto:a@example.org";
  const doubled = withTexts("_dmarc.example.org").add("_dmarc.example.org.example.org", "TXT", record);
  assert.deepEqual((await check("dmarc", doubled)).publish, [
    { name: "_dmarc.example.org", type: "TXT", value: record },
  ]);
  assert.match((await check("dmarc", doubled.add("*.example.org", "TXT", record))).sentence, /has no DMARC record/);
  const external = withTexts("_dmarc.example.org", "v=DMARC1; p=reject; rua=mailto:x@reports.example");
  const refused = await check("dmarc", external);
  assert.deepEqual(
    [refused.status, refused.publish[0]?.name],
    ["yellow", "example.org._report._dmarc.reports.example"],
  );
  external.add("example.org._report._dmarc.reports.example", "TXT", "v=DMARC1");
  assert.equal((await check("dmarc", external)).status, "green");
});

test("mta-sts: none, several, broken, no host", async () => {
  const name = "_mta-sts.example.org";
  const sts = async (...records: string[]) => (await check("mta-sts", withTexts(name, ...records))).status;
  assert.equal(await sts(), "yellow");
  assert.equal(await sts("v=STSv1; id=1;", "v=STSv1; id=2;"), "red");
  for (const [record, why] of [
    ["v=STSv1;", /needs an id/],
    ["v=STSv1; id=a-b", /needs an id/],
    ["v=STSv1; id=a;;", /nothing between two of its semicolons/],
    ["v=STSv1;; id=a", /nothing between two/],
    ["v=STSv1; id=a; id=b;", /several ids/],
    ["v=STSv1; ID=a;", /ID= must be in small letters: id=/],
    ["v=STSv1; id=a; x y=z", /"x y=z" breaks the grammar/],
    ["v=STSv1\\; id=1\\;", /backslashes/],
    ['"v=STSv1; id=1"', /quotation mark/],
    ["v=stsv1; id=1", /must begin with v=STSv1/],
  ] as const) {
    const broken = await check("mta-sts", withTexts(name, record));
    assert.deepEqual([broken.status, why.test(broken.sentence)], ["red", true], `${record}: ${broken.sentence}`);
  }
  assert.equal(await sts("v=STSv1;x=y; id=1;"), "green");
  assert.match(sentences(await check("mta-sts", goodZone())), /mta-sts\.txt was not checked/);
  assert.match((await check("mta-sts", goodZone().remove("mta-sts.example.org"))).sentence, /has no address/);
  const doubled = withTexts(name).add(`${name}.example.org`, "TXT", "v=STSv1; id=1");
  assert.match((await check("mta-sts", doubled)).sentence, /so enter _mta-sts as the name/);
});

test("mta-sts: the policy of the configuration is told apart from what is published", async () => {
  const own: StsPolicy = { mode: "enforce", mx: ["mx.example.org"], maxAgeSeconds: 1_209_600 };
  const name = "_mta-sts.example.org";
  const missing = await check("mta-sts", withTexts(name), { ownStsPolicy: own });
  assert.match(missing.sentence, /has a policy \(mta_sts\), but senders do not look for it without a record/);
  assert.deepEqual(missing.publish, [{ name, type: "TXT", value: policyRecord(own) }]);
  const stale = await check("mta-sts", goodZone(), { ownStsPolicy: own });
  assert.match(stale.sentence, /does not have the id of the policy in the configuration/);
  assert.deepEqual(stale.publish, [{ name, type: "TXT", value: policyRecord(own) }]);
  const serving = (policy: StsPolicy): PolicyFetcher => ({
    fetch: () => {
      const body = Buffer.from(policyDocument(policy));
      return Promise.resolve({ kind: "response", status: 200, contentType: "text/plain", body });
    },
  });
  const published = withTexts(name, policyRecord(own));
  const same = await check("mta-sts", published, { ownStsPolicy: own, policyFetcher: serving(own) });
  assert.doesNotMatch(sentences(same), /not the one of the configuration/);
  const former = serving({ ...own, mode: "testing" });
  const other = await check("mta-sts", published, { ownStsPolicy: own, policyFetcher: former });
  assert.match(sentences(other), /is not the one of the configuration \(mta_sts\)/);
});

test("SEC-013, SEC-015: mta-sts: the policy itself, and whether it lists the mail hosts", async () => {
  const fetched = (body: string, status = 200): Partial<DnsSubject> => ({
    policyFetcher: {
      fetch: (host, path) => {
        assert.equal(`${host}${path}`, "mta-sts.example.org/.well-known/mta-sts.txt");
        return Promise.resolve({ kind: "response", status, contentType: "text/plain", body: Buffer.from(body) });
      },
    },
  });
  const policy = (mode: string, mx: string, maxAge = 604_800) =>
    fetched(`version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: ${maxAge}\n`);
  for (const [changes, status, why] of [
    [policy("enforce", "*.example.org"), "green", /is enforced, and it lists every mail host/],
    [policy("enforce", "mx2.example.org"), "red", /does not list mx\.example\.org, so senders send no mail there/],
    [policy("testing", "mx2.example.org"), "yellow", /with the mode enforce, senders would send no mail there/],
    [policy("testing", "mx.example.org"), "yellow", /senders only report what fails/],
    [policy("none", "mx2.example.org"), "yellow", /asks nothing of senders/],
    [policy("enforce", "mx.example.org", 3600), "yellow", /valid for 3600 seconds only/],
    [fetched("version: STSv2"), "red", /cannot be used: it needs version: STSv1/],
    [fetched("", 404), "red", /mta-sts\.txt cannot be used: it answers 404 in place of 200/],
  ] as const) {
    const found = await check("mta-sts", goodZone(), changes);
    assert.deepEqual([found.status, why.test(sentences(found))], [status, true], sentences(found));
  }
});

test("MTA-STS records of the published set follow the grammar of RFC 8461 to the letter", async (t) => {
  interface Vector {
    readonly txt: string;
    readonly ok: boolean;
  }
  const vectors = readVectors<readonly Vector[]>(t, "mta-sts", "records.json");
  if (vectors === undefined) return;
  for (const { txt, ok } of vectors) {
    const { status, sentence } = await check("mta-sts", withTexts("_mta-sts.example.org", txt));
    assert.equal(status === "green", ok, `${txt}: ${sentence}`);
  }
});

test("a text that nearly begins as the record should is named, with what is wrong", async () => {
  const at = { spf: "example.org", dkim: "mail._domainkey.example.org", dmarc: "_dmarc.example.org" } as const;
  const names = { ...at, "mta-sts": "_mta-sts.example.org", "tls-rpt": "_smtp._tls.example.org" } as const;
  const cases = [
    ["spf", "spf1 mx -all", /begins with "spf1"; it must begin with v=spf1$/],
    ["spf", "v=spf mx -all", /begins with "v=spf"; it must begin with v=spf1$/],
    ["spf", "v:spf1 mx -all", /begins with "v:spf1"/],
    ["spf", "mx v=spf1 -all", /v=spf1 must come first$/],
    ["dmarc", "v=DMARC1 p=reject", /v=DMARC1 must be followed by a semicolon$/],
    ["dmarc", "p=reject; v=DMARC1", /v=DMARC1 must come first$/],
    ["dmarc", "v=DMRAC1; p=reject", /begins with "v=DMRAC1"/],
    ["dkim", "DKIM1; k=rsa", /begins with "DKIM1"; it must begin with v=DKIM1$/],
    ["mta-sts", "STSv1; id=1", /begins with "STSv1"/],
    ["tls-rpt", "v=TLSRPT1; rua=mailto:a@example.org", /begins with "v=TLSRPT1"; it must begin with v=TLSRPTv1$/],
  ] as const;
  for (const [name, record, why] of cases) {
    const { status, sentence } = await check(name, withTexts(names[name], record));
    assert.deepEqual([status, why.test(sentence)], ["red", true], `${record}: ${sentence}`);
  }
  const others = ["v=verifydomain MS=1", "spf2.0/pra mx -all", "google-site-verification=spf1", "dmarc"];
  for (const other of others) {
    assert.match((await check("spf", withTexts("example.org", other))).sentence, /has no SPF record/, other);
  }
});

test("tls-rpt: none, several, broken", async () => {
  const name = "_smtp._tls.example.org";
  const rpt = async (...records: string[]) => (await check("tls-rpt", withTexts(name, ...records))).status;
  assert.equal(await rpt(), "yellow");
  assert.equal(await rpt("v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"), "red");
  assert.equal(await rpt("v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example"), "green");
  const wrong = async (record: string) => (await check("tls-rpt", withTexts(name, record))).sentence;
  assert.match(await wrong("v=TLSRPTv1; RUA=mailto:a@b.example"), /RUA= must be in small letters: rua=/);
  assert.match(await wrong("v=TLSRPTv1\\; rua=mailto:a@b.example"), /backslashes before its semicolons/);
  for (const record of ["v=TLSRPTv1;", "v=TLSRPTv1; rua=a@b.example", '"v=TLSRPTv1; rua=mailto:a@b.example"']) {
    assert.equal(await rpt(record), "red", record);
  }
  const doubled = withTexts(name).add(`${name}.example.org`, "TXT", "v=TLSRPTv1; rua=mailto:a@b.example");
  assert.match((await check("tls-rpt", doubled)).sentence, /so enter _smtp\._tls as the name/);
});

test("dane: unsigned, unusable, incomplete, unanswered, none", async () => {
  const tlsa = "_25._tcp.mx.example.org";
  const record = { usage: 3, selector: 1, matching: 1, data: new Uint8Array(32) };
  const withRecord = (changes: Partial<typeof record>) =>
    goodZone()
      .remove(tlsa)
      .add(tlsa, "TLSA", { ...record, ...changes });
  assert.equal((await check("dane", goodZone().remove(tlsa))).status, "yellow");
  for (const wrong of [
    { usage: 1 },
    { selector: 2 },
    { matching: 3 },
    { data: new Uint8Array(20) },
    { matching: 0, data: new Uint8Array(0) },
  ]) {
    assert.equal((await check("dane", withRecord(wrong))).status, "red", JSON.stringify(wrong));
  }
  assert.equal((await check("dane", goodZone().add(tlsa, "TLSA", { ...record, usage: 0 }))).status, "yellow");
  assert.match((await check("dane", goodZone().fail(tlsa))).sentence, /senders that use DANE defer mail/);
  const two = goodZone().addMx("example.org", "20 b.example.org").add("b.example.org", "A", "192.0.2.8");
  assert.match(sentences(await check("dane", two)), /1 of 2 mail hosts have no TLSA record/);
  const unsigned = new StaticResolver()
    .addMx("example.org", "10 mx.example.org")
    .add("mx.example.org", "A", "192.0.2.1")
    .add(tlsa, "TLSA", record);
  assert.match(sentences(await check("dane", unsigned)), /are not signed/);
  assert.equal((await check("dane", unsigned)).status, "yellow");
  assert.equal((await check("dane", new StaticResolver())).status, "green");
});

test("TLSA records are compared with the certificate of each address of each mail host", async () => {
  const zone = goodZone().add("mx.example.org", "A", "192.0.2.3");
  const asked: string[] = [];
  const fits: HandshakeProbe = (host, address, demand) => {
    asked.push(`${host} ${address} ${demand.kind}`);
    return Promise.resolve({ kind: "established", facts: shown });
  };
  const fitting = await check("dane", zone, { handshake: fits });
  assert.equal(fitting.status, "green");
  assert.match(sentences(fitting), /The certificate that mx\.example\.org \(192\.0\.2\.3\) shows fits a TLSA record/);
  assert.deepEqual(asked, ["mx.example.org 192.0.2.1 dane", "mx.example.org 192.0.2.3 dane"]);
});

test("a certificate that fits no TLSA record is red, and its own record is printed", async () => {
  const reason = "its key is not the one in its TLSA records";
  const wrong: HandshakeProbe = (_host, _address, demand) =>
    Promise.resolve(demand.kind === "dane" ? { kind: "unmet", reason } : { kind: "established", facts: shown });
  const result = await check("dane", goodZone(), { handshake: wrong });
  assert.equal(result.status, "red");
  assert.match(result.sentence, /fits no TLSA record.*its key is not the one/);
  assert.deepEqual(result.publish, [
    { name: "_25._tcp.mx.example.org", type: "TLSA", value: `3 1 1 ${"ab".repeat(32)}` },
  ]);
});

test("TLS that fails whatever the certificate is red; a host that nobody answers for is yellow", async () => {
  const broken: HandshakeProbe = () => Promise.resolve({ kind: "unmet", reason: "no common protocol version" });
  const failing = await check("dane", goodZone(), { handshake: broken });
  assert.match(failing.sentence, /TLS with mx\.example\.org \(192\.0\.2\.1\) fails.*no common protocol version/);
  assert.deepEqual([failing.status, failing.publish], ["red", []]);
  const away: HandshakeProbe = () => Promise.resolve({ kind: "no-handshake", reason: "connection timed out" });
  const silent = await check("dane", goodZone(), { handshake: away });
  assert.deepEqual([silent.status, /could not be compared.*timed out/.test(silent.sentence)], ["yellow", true]);
});

test("nobody is connected to where records cannot be used, or addresses are private", async () => {
  const never: HandshakeProbe = () => assert.fail("a connection was made");
  const unusable = goodZone()
    .remove("_25._tcp.mx.example.org")
    .add("_25._tcp.mx.example.org", "TLSA", { usage: 1, selector: 1, matching: 1, data: new Uint8Array(32) });
  assert.equal((await check("dane", unusable, { handshake: never })).status, "red");
  const inside = goodZone().remove("mx.example.org").add("mx.example.org", "A", "10.0.0.1", "127.0.0.1");
  await check("dane", inside, { handshake: never });
});

const shown: TlsFacts = {
  ...{ protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", resumed: false, verified: true },
  peerCertificate: {
    ...{ subject: "CN=mx", issuer: "CN=mx", validTo: "2027-01-01T00:00:00.000Z", fingerprint256: "AB" },
    publicKeySha256: "ab".repeat(32),
  },
};
