import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { testKey } from "../testing/test-crypto.ts";
import { now, oracle, resolverWith, seal, signingKey, takeApart, validate } from "../testing/arc-fixture.ts";
import { ArcValidator } from "./arc-validator.ts";

const first = signingKey("list.example", testKey("rsa", 0));
const second = signingKey("forwarder.example", testKey("rsa", 1));
const resolver = resolverWith(first, second);
const plain = "From: a@author.example\r\nTo: b@list.example\r\nSubject: Hello\r\n\r\nHello\r\n";
const one = await seal(plain, resolver, { key: first });
const two = await seal(one, resolver, { key: second });

async function detailOf(message: string, dns = resolver): Promise<string> {
  const outcome = await validate(message, dns);
  assert.equal(outcome.result, "fail", message);
  return outcome.detail;
}

test("a message without a chain has none, and nothing is asked", async () => {
  const dns = resolverWith();
  const outcome = await validate(plain, dns);
  assert.deepEqual(outcome, {
    result: "none",
    detail: "The message has no ARC chain",
    instance: 0,
    newestSealSaysFail: false,
    sealers: [],
  });
  assert.deepEqual(dns.queries, []);
});

test("ARC-001: sets that are not complete, not continuous or double fail without a query", async () => {
  const dns = resolverWith(first, second);
  const without = (name: RegExp): string => one.replace(name, "X-Gone:");
  assert.match(await detailOf(without(/^ARC-Seal:/m), dns), /set 1 .* has no ARC-Seal/i);
  assert.match(await detailOf(without(/^ARC-Message-Signature:/m), dns), /no ARC-Message-Signature/);
  assert.match(await detailOf(without(/^ARC-Authentication-Results:/m), dns), /no ARC-Authentication-Results/);
  assert.match(await detailOf(`ARC-Authentication-Results: i=1; x; none\r\n${one}`, dns), /several fields/);
  assert.match(await detailOf(two.replaceAll("i=2;", "i=3;"), dns), /set 2 .* has no/i);
  assert.match(await detailOf(`ARC-Authentication-Results: i=51; x; none\r\n${one}`, dns), /more than 50/);
  assert.match(await detailOf(`ARC-Seal: i=0; a=b\r\n${one}`, dns), /cannot be read/);
  assert.match(await detailOf(`ARC-Seal: nonsense\r\n${one}`, dns), /cannot be read/);
  assert.deepEqual(dns.queries, []);
});

test("ARC-001: fields without end are refused before they cost anything", async () => {
  const dns = resolverWith(first);
  const many = Array.from({ length: 9000 }, (_, index) => `ARC-Seal: i=${(index % 50) + 1}; cv=pass; b=AAAA\r\n`).join(
    "",
  );
  assert.match(await detailOf(`${many}${one}`, dns), /several fields|larger/);
  const large = `ARC-Authentication-Results: i=1; x; ${"spf=pass; ".repeat(30_000)}\r\n`;
  assert.match(await detailOf(`${large}${plain}`, dns), /larger/);
  assert.deepEqual(dns.queries, []);
});

test("ARC-002: cv= must be none in the first seal and pass in all others", async () => {
  assert.match(await detailOf(one.replace("cv=none", "cv=pass")), /set 1 should say cv=none/);
  assert.match(await detailOf(two.replace("cv=pass", "cv=none")), /set 2 should say cv=pass/);
  assert.match(await detailOf(two.replace("cv=none", "cv=fail")), /set 1 should say cv=none/);
  assert.ok((await validate(two.replace("cv=pass", "cv=fail"), resolver)).newestSealSaysFail);
});

test("ARC-002: the newest message signature and every seal must be good", async () => {
  assert.match(await detailOf(two.replace("Hello\r\n\r\n", "Hallo\r\n\r\n")), /newest ARC message signature/);
  assert.match(await detailOf(two.replace("\r\n\r\nHello", "\r\n\r\nHallo")), /the body was changed/);
  assert.match(await detailOf(two.replace("i=1; mx.list.example", "i=1; mx.bank.example")), /seal of set 2/);
  const inSecond = two.replace("i=2; mx.forwarder.example", "i=2; mx.bank.example");
  assert.match(await detailOf(inSecond), /seal of set 2/);
});

test("ARC-002: every error of the DNS is final", async () => {
  const dns = resolverWith(first, second).fail("arc._domainkey.list.example");
  assert.match(await detailOf(two, dns), /DNS gives no answer for arc\._domainkey\.list\.example/);
  assert.match(await detailOf(two, resolverWith(second)), /no key record/);
});

test("ARC-003: a seal with h= fails", async () => {
  assert.match(await detailOf(one.replace("cv=none;", "cv=none; h=from;")), /a seal has no h=/);
});

test("ARC-002: SHA-1 proves nothing", async () => {
  assert.match(await detailOf(one.replace("a=rsa-sha256", "a=rsa-sha1")), /rsa-sha1/);
});

test("ARC-002: a part of the body that is not covered fails the chain", async () => {
  const limited = one.replace("c=relaxed/relaxed;", "c=relaxed/relaxed; l=3;");
  assert.match(await detailOf(limited), /l=/);
});

test("a second From above a sealed message fails the chain", async () => {
  assert.match(await detailOf(`From: ceo@bank.example\r\n${one}`), /several From/);
});

test("the key of many sets is looked up once", async () => {
  const dns = resolverWith(first);
  const chain = await seal(await seal(one, dns, { key: first }), dns, { key: first });
  dns.queries.length = 0;
  assert.equal((await validate(chain, dns)).result, "pass");
  assert.deepEqual(dns.queries, ["TXT arc._domainkey.list.example"]);
});

test("look-ups are ten at a time, and end at the first key that is missing", async () => {
  const dns = resolverWith();
  let chain = one;
  for (let hop = 2; hop <= 50; hop++) {
    const arc = { result: "pass", detail: "", instance: hop - 1, newestSealSaysFail: false, sealers: [] } as const;
    chain = await seal(chain, dns, { key: signingKey(`hop${hop}.example`), arc });
  }
  dns.queries.length = 0;
  assert.equal((await validate(chain, dns)).result, "fail");
  assert.equal(dns.queries.length, 10);
});

test("keys are asked for before the body arrives, and a client that goes away leaves no fault behind", async () => {
  const dns = resolverWith(first, second);
  const { header } = takeApart(two);
  const validator = new ArcValidator(header, new BodyHashes(), { resolver: dns, now });
  assert.ok(validator);
  assert.deepEqual(dns.queries, ["TXT arc._domainkey.forwarder.example", "TXT arc._domainkey.list.example"]);
  const broken = { query: () => Promise.reject(new Error("a fault")) };
  assert.ok(new ArcValidator(header, new BodyHashes(), { resolver: broken, now }));
  await new Promise((resolve) => setImmediate(resolve));
});

test("oldest-pass ends at the first message signature that is not good any more", async () => {
  const changed = two.replace("\r\n\r\nHello", "\r\n\r\nHallo");
  const arc = await validate(two, resolver);
  const three = await seal(changed, resolver, { key: first, arc });
  const four = await seal(three, resolver, { key: second });
  const outcome = await validate(four, resolver);
  assert.equal(outcome.result, "pass", outcome.detail);
  assert.equal(outcome.oldestPass, 3);
});

test("no mutation of a sealed message is taken for good by us and for bad by an independent validator", async () => {
  const header = two.slice(0, two.indexOf("From:"));
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: header.length - 1 }),
      fc.constantFrom("", "x", " ", ";", "=", "A", "0", "\t", "i=1;", "cv=none;"),
      fc.boolean(),
      async (at, text, insert) => {
        const mutated = two.slice(0, at) + text + two.slice(at + (insert ? 0 : 1));
        const { result } = await validate(mutated, resolver);
        if (result === "pass") assert.equal(await oracle(mutated, resolver), "pass", mutated);
      },
    ),
    { numRuns: 300 },
  );
});
