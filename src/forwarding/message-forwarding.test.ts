/** The whole of forwarding for one message: reverse-path, seal, and what happens where no seal can be made. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import type { ArcOutcome } from "../arc/arc-outcome.ts";
import { ArcValidator } from "../arc/arc-validator.ts";
import { BodyHashes } from "../dkim/body-hashes.ts";
import { recordName, recordText, type SigningKey } from "../dkim/signing-key.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { MemorySpool, MemoryStore } from "../testing/spool/memory-spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { TestCrypto, testKey } from "../testing/test-crypto.ts";
import { MessageForwarding } from "./message-forwarding.ts";
import { forwardingSettings } from "./settings.ts";

const day = 86_400_000;
const noChain: ArcOutcome = { result: "none", detail: "", instance: 0, newestSealSaysFail: false, sealers: [] };
const content = "From: joe@origin.test\r\nSubject: hi\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nbody\r\n";
const results = ";\r\n\tspf=pass smtp.mailfrom=joe@origin.test;\r\n\tdkim=none";

class Fixture {
  readonly clock = new ManualClock();
  readonly log = new CollectingLog();
  readonly resolver = new StaticResolver();
  readonly keys = new Map<string, SigningKey[]>();

  addKey(domain: string, type: "rsa" | "ed25519" = "rsa"): void {
    const key = createPrivateKey(testKey(type));
    const algorithm = `${type}-sha256` as const;
    const signing: SigningKey = { domain, selector: type, algorithm, key };
    this.keys.set(domain, [...(this.keys.get(domain) ?? []), signing]);
    this.resolver.add(recordName(signing), "TXT", recordText(key));
  }

  async open(settings: Parameters<typeof forwardingSettings.parse>[0] = {}, crypto = new TestCrypto()) {
    const spool = new MemorySpool({ clock: this.clock, store: new MemoryStore() });
    const keysFor = (domain: string) => this.keys.get(domain) ?? [];
    const parts = { spool, clock: this.clock, random: new SeededRandom(3), crypto, log: this.log, keysFor };
    return await MessageForwarding.open(parts, {
      ...forwardingSettings.parse(settings),
      hostname: "mail.example.org",
      authservId: "mail.example.org",
      isOwnDomain: (key) => key === "example.org",
    });
  }
}

/** As `inbound/` does it: begun at the end of the header section, finished after the body. */
async function forward(
  forwarding: MessageForwarding,
  { domain = "example.org", arc = noChain, text = content, checked = true } = {},
) {
  const { header, rest } = split(text);
  const bodies = new BodyHashes();
  const pending = forwarding.begin(header, bodies);
  bodies.push(rest);
  bodies.end();
  const outcome = checked ? { arc } : undefined;
  const { form, unsealed } = await pending.finish({ reversePath: "joe@origin.test", domain, results, ...outcome });
  return { ...form, unsealed };
}

async function validate(fixture: Fixture, text: string): Promise<ArcOutcome> {
  const { header, rest } = split(text);
  const bodies = new BodyHashes();
  const validator = new ArcValidator(header, bodies, { resolver: fixture.resolver, now: fixture.clock.now() });
  bodies.push(rest);
  bodies.end();
  return await validator.finish();
}

function split(text: string) {
  const collector = new HeaderCollector();
  const progress = collector.push(Buffer.from(text));
  const result = progress.kind === "need-more" ? collector.end() : progress;
  assert.equal(result.kind, "complete");
  return { header: parseHeaderFields(result.header), rest: result.rest };
}

function sealer(headerBlock: string): string | undefined {
  return /^ARC-Seal:[^]*?\bd=([^;]*);/.exec(headerBlock)?.[1];
}

test("a forwarded message has a reverse-path of ours and an ARC set that validates and tells what was found", async () => {
  const fixture = new Fixture();
  fixture.addKey("example.org");
  await using forwarding = await fixture.open();
  const form = await forward(forwarding);
  assert.match(form.reversePath, /^SRS0=.*@mail\.example\.org$/);
  const names = split(`${form.headerBlock}${content}`).header.fields.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 3), ["arc-seal", "arc-message-signature", "arc-authentication-results"]);
  assert.equal(names.includes("dkim-signature"), false, "sealed, and not signed");
  // Fields of ours lie between the set and the content.
  const outcome = await validate(fixture, `${form.headerBlock}Received: by mail.example.org; now\r\n${content}`);
  assert.equal(outcome.result, "pass", outcome.detail);
  assert.equal(outcome.instance, 1);
  assert.match(outcome.sealersFound?.[0] ?? "", /^\s*mail\.example\.org;\s+spf=pass smtp\.mailfrom=joe@origin\.test/);
});

test("ARC-005: a chain of two forwarders validates; one that failed is sealed once as failed, and then no more", async () => {
  const fixture = new Fixture();
  fixture.addKey("example.org");
  await using forwarding = await fixture.open();
  const first = `${(await forward(forwarding)).headerBlock}${content}`;
  const passed = await validate(fixture, first);
  const second = `${(await forward(forwarding, { text: first, arc: passed })).headerBlock}${first}`;
  const both = await validate(fixture, second);
  assert.equal(both.result, "pass", both.detail);
  assert.equal(both.instance, 2);

  const broken = first.replace("body", "other body");
  const failed = await validate(fixture, broken);
  assert.equal(failed.result, "fail");
  const { headerBlock } = await forward(forwarding, { text: broken, arc: failed });
  assert.match(headerBlock, /^ARC-Seal: i=2;[^]*?cv=fail;/);
  const after = await validate(fixture, `${headerBlock}${broken}`);
  assert.equal(after.newestSealSaysFail, true);
  const unsealed = await forward(forwarding, { text: `${headerBlock}${broken}`, arc: after });
  assert.deepEqual([unsealed.headerBlock, unsealed.unsealed], ["", "chain-failed"]);
});

test("the key is that of the address's domain, else of the forwarding domain, of hostname, of the domain above it", async () => {
  const fixture = new Fixture();
  await using forwarding = await fixture.open({ domain: "fwd.example.net" });
  for (const domain of ["example.org", "mail.example.org", "fwd.example.net", "sales.example.org"]) {
    fixture.addKey(domain);
    const { headerBlock } = await forward(forwarding, { domain: "sales.example.org" });
    assert.equal(sealer(headerBlock), domain);
  }
});

test("without a key mail is forwarded unsealed, and the log says so once a day for each domain", async () => {
  const fixture = new Fixture();
  fixture.addKey("example.org", "ed25519");
  await using forwarding = await fixture.open();
  for (let count = 0; count < 3; count++) {
    const form = await forward(forwarding);
    assert.equal(form.headerBlock, "", "a seal that few can check is worse than none");
    assert.equal(form.unsealed, "no-key");
    assert.match(form.reversePath, /^SRS0=/);
  }
  await forward(forwarding, { domain: "other.example" });
  assert.deepEqual(
    fixture.log.of("forwarding-unsealed").map(({ domain }) => domain),
    ["example.org", "other.example"],
  );
  await fixture.clock.advance(day);
  await forward(forwarding);
  assert.equal(fixture.log.of("forwarding-unsealed").length, 3);
});

test("seals can be turned off, and a reload turns both on and off", async () => {
  const fixture = new Fixture();
  fixture.addKey("example.org");
  await using forwarding = await fixture.open({ seal: false });
  const { reversePath, headerBlock, unsealed } = await forward(forwarding);
  assert.deepEqual([headerBlock, unsealed], ["", "turned-off"]);
  assert.deepEqual(fixture.log.of("forwarding-unsealed"), []);
  forwarding.reconfigure({
    ...forwardingSettings.parse({ rewrite_sender: false, secret: "a secret of the operator" }),
    hostname: "mail.example.org",
    authservId: "mail.example.org",
    isOwnDomain: () => false,
  });
  const form = await forward(forwarding);
  assert.equal(sealer(form.headerBlock), "example.org");
  assert.equal(form.reversePath, "joe@origin.test");
  const at = reversePath.lastIndexOf("@");
  const recipient = { localPart: reversePath.slice(0, at), domain: "mail.example.org", domainKey: "mail.example.org" };
  assert.equal((await forwarding.reverse(recipient))?.kind, "address", "made with the server's own key");
});

test("ARC-005: each reason for which nothing may be added to a chain is told", async () => {
  const fixture = new Fixture();
  fixture.addKey("example.org");
  await using forwarding = await fixture.open();
  const chained = `${(await forward(forwarding)).headerBlock}${content}`;
  const good = await validate(fixture, chained);
  const reasons = [
    [await forward(forwarding, { text: chained, checked: false }), "chain-unchecked"],
    [await forward(forwarding, { text: chained, arc: { ...good, instance: 50 } }), "chain-full"],
    [await forward(forwarding, { arc: good }), "chain-changed"],
    [await forward(forwarding, { text: `From: boss@bank.test\r\n${content}` }), "unsignable-header"],
    [await forward(forwarding, { text: content.replace("\r\n\r\n", "\r\nno field\r\n\r\n") }), "malformed-start"],
  ] as const;
  for (const [{ headerBlock, unsealed }, reason] of reasons) assert.deepEqual([headerBlock, unsealed], ["", reason]);
  // Without a chain there is nothing that our seal would vouch for unseen.
  const unchecked = await forward(forwarding, { checked: false });
  assert.deepEqual([sealer(unchecked.headerBlock), unchecked.unsealed], ["example.org", undefined]);
});

test("a fault while sealing costs the seal, not the mail", async () => {
  const fixture = new Fixture();
  fixture.addKey("example.org");
  const crypto = new TestCrypto();
  crypto.signRsaSha256 = () => Promise.reject(new Error("the pool is broken"));
  await using forwarding = await fixture.open({}, crypto);
  const form = await forward(forwarding);
  assert.deepEqual([form.headerBlock, form.unsealed], ["", "fault"]);
  assert.match(form.reversePath, /^SRS0=/);
  assert.match(String(fixture.log.of("internal-error")[0]?.["error"]), /the pool is broken/);
});
