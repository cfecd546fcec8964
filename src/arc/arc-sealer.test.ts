import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTagList } from "../dkim/tag-list.ts";
import { formatResults } from "../message/authentication-results.ts";
import { type HeaderField, parseHeaderFields } from "../message/header-section.ts";
import { testKey } from "../testing/test-crypto.ts";
import { oracle, resolverWith, seal, signingKey, validate } from "../testing/arc-fixture.ts";

const first = signingKey("list.example", testKey("rsa", 0));
const second = signingKey("forwarder.example", testKey("rsa", 1));
const resolver = resolverWith(first, second);

const message = [
  "DKIM-Signature: v=1; a=rsa-sha256; d=author.example; s=x; h=from; bh=AAAA; b=AAAA",
  "From: Author <a@author.example>",
  "To: list@list.example",
  "Subject: Hello",
  "Date: Thu, 1 Jan 2026 00:00:00 +0000",
  "Message-ID: <1@author.example>",
  "MIME-Version: 1.0",
  "Content-Type: text/plain",
  "Authentication-Results: mx.list.example; spf=pass",
  "",
  "Hello,",
  "  world.",
  "",
].join("\r\n");

function fieldsOf(text: string): readonly HeaderField[] {
  return parseHeaderFields(Buffer.from(text)).fields;
}

function tagsOf(text: string, name: string): ReadonlyMap<string, string> {
  const tags = parseTagList(fieldsOf(text).find((field) => field.name === name)?.value ?? "");
  assert.ok(tags);
  return tags;
}

test("ARC-005: a first set begins a chain that we and an independent validator find good", async () => {
  const sealed = await seal(message, resolver, { key: first });
  assert.deepEqual(
    fieldsOf(sealed)
      .slice(0, 3)
      .map(({ name }) => name),
    ["arc-seal", "arc-message-signature", "arc-authentication-results"],
  );
  assert.equal(tagsOf(sealed, "arc-seal").get("cv"), "none");
  const outcome = await validate(sealed, resolver);
  assert.equal(outcome.result, "pass", outcome.detail);
  assert.equal(outcome.instance, 1);
  assert.deepEqual(outcome.sealers, ["list.example"]);
  assert.deepEqual(outcome.sealersFound, ["mx.list.example; arc=none; spf=pass"]);
  assert.equal(await oracle(sealed, resolver), "pass");
});

test("ARC-005: a list adds a footer, then seals: the chain is good, the older message signature is not", async () => {
  const atList = await seal(message, resolver, { key: first });
  const withFooter = `${atList}-- \r\nfooter\r\n`;
  assert.equal((await validate(withFooter, resolver)).result, "fail");
  // The list validated before it changed the message.
  const sealed = await seal(withFooter, resolver, { key: second, arc: await validate(atList, resolver) });
  const outcome = await validate(sealed, resolver);
  assert.equal(outcome.result, "pass", outcome.detail);
  assert.equal(outcome.instance, 2);
  assert.equal(outcome.oldestPass, 2);
  assert.deepEqual(outcome.sealers, ["forwarder.example", "list.example"]);
  assert.equal(tagsOf(sealed, "arc-seal").get("cv"), "pass");
  assert.equal(await oracle(sealed, resolver), "pass");
});

test("ARC-004: the message signature covers what people see and DKIM, no ARC field and no results", async () => {
  const twice = await seal(await seal(message, resolver, { key: first }), resolver, { key: second });
  for (const field of fieldsOf(twice).filter(({ name }) => name === "arc-message-signature")) {
    const names = (parseTagList(field.value)?.get("h") ?? "").split(/\s*:\s*/);
    for (const name of ["from", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type"]) {
      assert.ok(names.includes(name), name);
    }
    assert.ok(names.includes("dkim-signature"));
    assert.ok(names.every((name) => !name.startsWith("arc-") && name !== "authentication-results"));
  }
});

test("ARC-003: a seal has its seven tags and no other", async () => {
  const sealed = await seal(message, resolver, { key: first });
  assert.deepEqual([...tagsOf(sealed, "arc-seal").keys()], ["i", "a", "d", "s", "t", "cv", "b"]);
  assert.ok(!tagsOf(sealed, "arc-message-signature").has("v"));
});

test("ARC-005: a failed chain gets a seal that says so and covers its own set only; then nothing more is added", async () => {
  const broken = (await seal(message, resolver, { key: first })).replace("spf=pass", "spf=fail");
  assert.equal((await validate(broken, resolver)).result, "fail");
  const sealed = await seal(broken, resolver, { key: second });
  assert.equal(tagsOf(sealed, "arc-seal").get("cv"), "fail");
  assert.equal(tagsOf(sealed, "arc-seal").get("i"), "2");
  // Alone and called the first of a chain, the set would verify, since that is all the seal covers.
  const outcome = await validate(sealed, resolver);
  assert.equal(outcome.result, "fail");
  assert.ok(outcome.newestSealSaysFail);
  assert.equal(await seal(sealed, resolver, { key: first }), sealed);
});

test("ARC-001: the fiftieth set is the last", async () => {
  let sealed = message;
  for (let hop = 1; hop <= 50; hop++) sealed = await seal(sealed, resolver, { key: hop % 2 === 0 ? first : second });
  const outcome = await validate(sealed, resolver);
  assert.equal(outcome.result, "pass", outcome.detail);
  assert.equal(outcome.instance, 50);
  assert.equal(outcome.oldestPass, 0);
  assert.equal(await seal(sealed, resolver, { key: first }), sealed);
});

test("ARC-005: no line of a set is longer than 78 characters, whatever the key", async () => {
  const sealed = await seal(message, resolver, {
    key: first,
    results: formatResults([
      { method: "spf", result: "pass", properties: [{ type: "smtp", property: "mailfrom", value: "author.example" }] },
    ]),
  });
  const set = sealed.slice(0, sealed.indexOf("DKIM-Signature"));
  for (const line of set.split("\r\n")) assert.ok(line.length <= 78, line);
});

test("ARC-005: a message that can be read in two ways is not sealed", async () => {
  const twoAuthors = `From: b@bank.example\r\n${message}`;
  assert.equal(await seal(twoAuthors, resolver, { key: first }), twoAuthors);
  const smuggled = message.replace("\r\n\r\n", "\r\nno field\r\n\r\n");
  assert.equal(await seal(smuggled, resolver, { key: first }), smuggled);
});

test("an Ed25519 seal is good by our validator", async () => {
  const key = signingKey("ed.example", testKey("ed25519"));
  const dns = resolverWith(key);
  assert.equal((await validate(await seal(message, dns, { key }), dns)).result, "pass");
});
