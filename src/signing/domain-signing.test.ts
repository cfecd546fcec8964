/** Signing by author: whole messages of our own, and what happens when a key does not work. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { readPrivateKey, type SigningKey } from "../dkim/signing-key.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { TestCrypto, testKey } from "../testing/test-crypto.ts";
import { DomainSigning } from "./domain-signing.ts";

const read = readPrivateKey(testKey("rsa"));
assert.ok(read.kind === "key");
const key: SigningKey = { domain: "example.org", selector: "s", algorithm: "rsa-sha256", key: read.key };

function signingWith(crypto = new TestCrypto()) {
  const log = new CollectingLog();
  const asked: string[] = [];
  const signingKeysFor = (domain: string) => {
    asked.push(domain);
    return domain.endsWith("example.org") ? [key] : [];
  };
  return { log, asked, signing: new DomainSigning({ clock: new ManualClock(), crypto, log, signingKeysFor }) };
}

/** What goes on top of a message that is here whole. */
async function sign(signing: DomainSigning, text: string): Promise<string> {
  const collector = new HeaderCollector();
  const progress = collector.push(Buffer.from(text));
  const result = progress.kind === "need-more" ? collector.end() : progress;
  assert.ok(result.kind === "complete");
  const bodies = new BodyHashes();
  const pending = signing.begin(parseHeaderFields(result.header), bodies);
  bodies.push(result.rest);
  bodies.end();
  return (await pending?.finish()) ?? "";
}

test("a whole message is signed for the domain of its author", async () => {
  const { signing, asked } = signingWith();
  const signature = await sign(signing, "From: <a@mail.Example.org>\r\nTo: b@c.test\r\n\r\ntext\r\n");
  assert.match(signature, /^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=example\.org; s=s;/);
  assert.deepEqual(asked, ["mail.example.org"]);
  assert.equal(await sign(signing, "From: a@elsewhere.test\r\n\r\n"), "");
});

test("no header fields, no author, a group, an address literal: nothing is signed, nothing fails", async () => {
  const { signing, log } = signingWith();
  for (const text of [
    "",
    "text",
    "Subject: x\r\n\r\n",
    "From: friends:;\r\n\r\n",
    "From: a@[192.0.2.1]\r\n\r\n",
    "From: a@example.org, b@example.net\r\n\r\n",
    "From: a@example.org\r\nFrom: a@example.org\r\n\r\n",
  ]) {
    assert.equal(await sign(signing, text), "", text);
  }
  assert.deepEqual(log.events, []);
});

test("a key that does not work leaves the message unsigned, and says so in the log", async () => {
  const broken = new TestCrypto();
  broken.signRsaSha256 = () => Promise.reject(new Error("no entropy"));
  const { signing, log } = signingWith(broken);
  assert.equal(await sign(signing, "From: a@example.org\r\n\r\ntext"), "");
  assert.deepEqual(log.of("signing-failed"), [{ domain: "example.org", error: "Error: no entropy" }]);
});
