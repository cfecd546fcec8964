/**
 * Hostile input of full size, across everything that judges a sender: the right verdict, and a bound on the work (queries,
 * octets, rows), for each line of the table in docs/sender-authentication.md. How long a case took is told and never
 * asserted: `npm test -- test/fuzz/hostile-input.test.ts --test-reporter=spec`. Each part's own tests have more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { readAuthorDomain } from "../../src/dmarc/author-domain.ts";
import { dkimOutcome, spfOutcome } from "../../src/testing/dmarc-evidence.ts";
import { evaluateDmarc } from "../../src/dmarc/evaluate-dmarc.ts";
import { parseAggregateReport } from "../../src/dmarc/report/parse-report.ts";
import { unpack } from "../../src/lib/unpack.ts";
import { parseAddressList } from "../../src/message/address-list.ts";
import { parseAuthenticationResults } from "../../src/message/authentication-results.ts";
import { ContentScanner } from "../../src/message/content-scanner.ts";
import { decodeEncodedWords } from "../../src/message/encoded-word.ts";
import { HeaderCollector, parseHeaderFields } from "../../src/message/header-section.ts";
import { isReceivedBy } from "../../src/message/received-field.ts";
import type { Resolver } from "../../src/ports/resolver.ts";
import { checkHost } from "../../src/spf/spf.ts";
import { now, resolverWith, seal, signingKey, validate } from "../../src/testing/arc-fixture.ts";
import { keyResolver, plainFields, signatureOf, signMessage, verifyMessage } from "../../src/testing/signed-message.ts";
import { parseTlsReport } from "../../src/tls-rpt/parse-report.ts";
import { ZoneText } from "./zone-text.ts";

/** Runs one case and tells its time. */
function hostile(name: string, run: () => Promise<void> | void): void {
  test(`hostile input: ${name}`, async (t) => {
    const before = process.threadCpuUsage();
    await run();
    const { user, system } = process.threadCpuUsage(before);
    t.diagnostic(`hostile input: ${name}: ${((user + system) / 1000).toFixed(0)} ms`);
  });
}

function counting(inner: Resolver): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    query: (name, type, options) => {
      asked.push(`${type} ${name}`);
      return inner.query(name, type, options);
    },
  };
}

const megabyte = 1024 * 1024;

hostile("3,500 DKIM signatures: ten are judged, ten keys asked for", async () => {
  const signed = signMessage();
  const fields = Buffer.concat(Array.from({ length: 3500 }, () => signatureOf(signed)));
  const resolver = counting(keyResolver());
  const outcomes = await verifyMessage(Buffer.concat([fields, signed]), { resolver });
  assert.deepEqual(
    outcomes.slice(0, 10).map(({ result }) => result),
    Array.from({ length: 10 }, () => "pass"),
  );
  assert.ok(outcomes.slice(10).every(({ reason }) => reason === "too-many-signatures"));
  assert.equal(resolver.asked.length, 10);
});

hostile("four signatures over most of a header section of a megabyte pass", async () => {
  const fields = [...plainFields, ...Array.from({ length: 8000 }, (_, index) => `X-${index}: ${"y ".repeat(50)}`)];
  const names = `from:${Array.from({ length: 6000 }, (_, index) => `x-${index}`).join(":")}`;
  const signed = signMessage({ fields: fields.slice(0, 6500), names });
  const copies = Array.from({ length: 3 }, () => signatureOf(signed));
  const outcomes = await verifyMessage(Buffer.concat([...copies, signed]));
  assert.equal(outcomes.filter(({ result }) => result === "pass").length, 4);
});

hostile("a key record of a megabyte is a permerror", async () => {
  for (const filler of ["A", " ", "a=b;", "=", "p=;", "\t"]) {
    const resolver = keyResolver(`v=DKIM1; k=ed25519; p=${filler.repeat(megabyte / filler.length)}`);
    const [outcome] = await verifyMessage(signMessage(), { resolver });
    assert.equal(outcome?.result, "permerror", filler);
  }
});

hostile("a hundred key records at one name are a permerror", async () => {
  const resolver = counting(keyResolver(...Array.from({ length: 100 }, (_, index) => `v=DKIM1; p=; n=${index}`)));
  const [outcome] = await verifyMessage(signMessage(), { resolver });
  assert.deepEqual([outcome?.result, resolver.asked.length], ["permerror", 1]);
});

hostile("fifty good ARC sets pass with one key asked for; fifty-one fail with none", async () => {
  const key = signingKey("sealer.example");
  const zone = resolverWith(key);
  let message = "From: a@author.example\r\nSubject: x\r\n\r\nx\r\n";
  const passing = { result: "pass", detail: "", newestSealSaysFail: false, sealers: [] } as const;
  for (let instance = 0; instance < 50; instance++) {
    const arc =
      instance === 0 ? ({ ...passing, result: "none", instance: 0 } as const) : ({ ...passing, instance } as const);
    message = await seal(message, zone, { key, arc });
  }
  zone.queries.length = 0;
  assert.equal((await validate(message, zone, now)).result, "pass");
  assert.equal(zone.queries.length, 1);
  zone.queries.length = 0;
  const set = message.slice(0, message.indexOf("i=49;")).slice(0, message.lastIndexOf("ARC-"));
  const more = `${set.slice(0, set.lastIndexOf("\r\nARC-") + 2).replaceAll("i=50;", "i=51;")}${message}`;
  assert.equal((await validate(more, zone, now)).result, "fail");
  assert.equal(zone.queries.length, 0);
});

hostile("ten thousand ARC fields fail without a query", async () => {
  const zone = resolverWith();
  const field = "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.test; s=s; b=AAAA\r\n";
  const outcome = await validate(`${field.repeat(10_000)}From: a@b.test\r\n\r\nx\r\n`, zone, now);
  assert.deepEqual([outcome.result, zone.queries.length], ["fail", 0]);
});

for (const [what, zone] of [
  ["includes itself", "a.test TXT v=spf1 include:a.test -all\n"],
  ["includes two that include each other", "a.test TXT v=spf1 include:b.test\nb.test TXT v=spf1 include:a.test\n"],
  ["redirects in a circle", "a.test TXT v=spf1 redirect=b.test\nb.test TXT v=spf1 redirect=a.test\n"],
  ["leads to ever new names", "* TXT v=spf1 include:x.%{d} include:y.%{d} -all\n"],
] as const) {
  hostile(`an SPF record that ${what} is a permerror after ten terms`, async () => {
    const resolver = new ZoneText(zone, { queriesMax: 11 });
    const sender = { localPart: "x", domain: "a.test" };
    const query = { clientAddress: "192.0.2.1", domain: "a.test", sender, hello: "a.test" };
    assert.equal((await checkHost({ ...query, identity: "mailfrom" }, { resolver, now: 0 })).result, "permerror");
  });
}

hostile("an SPF record of a megabyte is a permerror after one query", async () => {
  for (const filler of ["ip4:192.0.2.2 ", "a ", "%{l}", " ", "-", "a:%%"]) {
    const resolver = new ZoneText(`a.test TXT v=spf1 ${filler.repeat(megabyte / filler.length)}`, { queriesMax: 1 });
    const sender = { localPart: "x", domain: "a.test" };
    const query = { clientAddress: "192.0.2.1", domain: "a.test", sender, hello: "a.test" };
    assert.equal((await checkHost({ ...query, identity: "mailfrom" }, { resolver, now: 0 })).result, "permerror");
  }
});

hostile("DMARC: a thousand identifiers and a hundred labels cost at most 137 queries", async () => {
  const domain = `${"a.".repeat(100)}author.test`;
  const resolver = new ZoneText("_dmarc.author.test TXT v=DMARC1; p=reject\n", { queriesMax: 9 + 16 * 8 });
  const dkim = Array.from({ length: 1000 }, (_, index) => dkimOutcome("pass", `${"b.".repeat(100)}d${index}.test`));
  const outcome = await evaluateDmarc(
    { author: { kind: "domain", domain }, spf: spfOutcome("pass", "other.test"), nullReversePath: false, dkim },
    { resolver },
  );
  assert.equal(outcome.result, "fail");
});

hostile("a DMARC record of a megabyte keeps its policy and ten addresses", async () => {
  const rua = "mailto:a@b.test,".repeat(megabyte / 16);
  const resolver = new ZoneText(`_dmarc.author.test TXT v=DMARC1; p=reject; rua=${rua}mailto:z@b.test`, {
    queriesMax: 1,
  });
  const outcome = await evaluateDmarc(
    { author: { kind: "domain", domain: "author.test" }, spf: undefined, nullReversePath: false, dkim: [] },
    { resolver },
  );
  assert.deepEqual([outcome.result, outcome.policy, outcome.record?.rua.length], ["fail", "reject", 10]);
});

for (const [what, value] of [
  ["comments without end", "(".repeat(megabyte)],
  ["nested comments", `${"(".repeat(megabyte / 2)}${")".repeat(megabyte / 2)} a@b.test`],
  ["a quoted string without end", `"${'\\"'.repeat(megabyte / 2)}`],
  ["half a megabyte of commas", ",".repeat(megabyte / 2)],
  ["encoded words", "=?utf-8?q?a?= ".repeat(megabyte / 14)],
  ["white space", `a${" \t".repeat(megabyte / 2)}b`],
  ["dots", "a.".repeat(megabyte / 2)],
] as const) {
  hostile(`a From field of a megabyte: ${what}`, () => {
    const header = parseHeaderFields(Buffer.from(`From: ${value}\r\n`));
    assert.notEqual(readAuthorDomain(header).kind, "domain");
    parseAddressList(value);
    decodeEncodedWords(value);
    isReceivedBy(value, "mail.test");
    assert.equal(parseAuthenticationResults(`mail.test; ${value}`), undefined);
  });
}

hostile("a header section of more than a megabyte is refused before it is whole", () => {
  const collector = new HeaderCollector();
  let pushed = 0;
  const line = Buffer.from(`X: ${"y".repeat(8000)}\r\n`);
  while (collector.push(line).kind === "need-more") pushed += line.length;
  assert.ok(pushed <= 2 * megabyte, String(pushed));
});

for (const [what, header, body] of [
  [
    "multiparts in multiparts, 50,000 deep",
    "Content-Type: multipart/mixed; boundary=b0",
    Array.from(
      { length: 50_000 },
      (_, level) => `--b${level}\r\nContent-Type: multipart/mixed; boundary=b${level + 1}\r\n\r\n`,
    ).join(""),
  ],
  ["a million delimiters", "Content-Type: multipart/mixed; boundary=b", "--b\r\n\r\n".repeat(megabyte)],
  ["what only seems to be delimiters", "Content-Type: multipart/mixed; boundary=b", "\r\n--".repeat(2 * megabyte)],
  [
    "messages in messages, 20,000 deep",
    "Content-Type: message/rfc822",
    "Content-Type: message/rfc822\r\n\r\n".repeat(20_000),
  ],
] as const) {
  hostile(`a MIME bomb of ${what}: one pass, and the facts`, () => {
    const scanner = new ContentScanner(parseHeaderFields(Buffer.from(`${header}\r\n`)), { checkLineEnds: true });
    const bytes = Buffer.from(`\r\n${body}`);
    for (let at = 0; at < bytes.length; at += 65_536) scanner.push(bytes.subarray(at, at + 65_536));
    const facts = scanner.end();
    assert.deepEqual([facts.eightBit, facts.utf8Header], [false, false]);
  });
}

hostile("a gzip bomb of a gigabyte is refused after the octets that are read", () => {
  const layer = gzipSync(Buffer.alloc(16 * megabyte));
  const bomb = Buffer.concat(Array.from({ length: 64 }, () => layer));
  const result = unpack(bomb, { bytesMax: 20 * megabyte });
  assert.equal(result.kind, "refused");
});

hostile("XML: entities are not expanded, depth and rows are bounded", () => {
  const entities = Array.from({ length: 20 }, (_, index) => `<!ENTITY e${index + 1} "&e${index};&e${index};">`);
  const laughs = `<?xml version="1.0"?><!DOCTYPE f [<!ENTITY e0 "ha">${entities.join("")}]><feedback>&e20;</feedback>`;
  assert.equal(parseAggregateReport(Buffer.from(laughs)).kind, "unreadable");
  assert.equal(parseAggregateReport(Buffer.from("<a>".repeat(megabyte / 3))).kind, "unreadable");
  const attributes = Buffer.from(
    `<feedback ${Array.from({ length: 50_000 }, (_, index) => `a${index}="x"`).join(" ")}>`,
  );
  assert.equal(parseAggregateReport(attributes).kind, "unreadable");
});

hostile("JSON: a TLS report of a megabyte of brackets or policies", () => {
  assert.notEqual(parseTlsReport(Buffer.from("[".repeat(megabyte))).kind, "report");
  const policies = Array.from({ length: 20_000 }, () => '{"policy":{"policy-type":"sts"},"summary":{}}').join(",");
  const parsed = parseTlsReport(Buffer.from(`{"policies":[${policies}]}`));
  assert.ok(parsed.kind !== "report" || parsed.report.policies.length <= 100);
});
