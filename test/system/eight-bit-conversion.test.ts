/** 8-bit mail to a server without 8BITMIME: it arrives in 7 bits, and our own signature holds over what leaves. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import PostalMime from "postal-mime";
import { BodyHashes } from "../../src/dkim/body-hashes.ts";
import { recordText } from "../../src/dkim/signing-key.ts";
import { DkimVerifier } from "../../src/dkim/verifier.ts";
import { parseHeaderFields } from "../../src/message/header-section.ts";
import { testKey } from "../../src/testing/test-crypto.ts";
import { addresses, relayClient, SimulatedWorld } from "./support.ts";

test("EXT-014: a submission is converted and signed anew for a server without 8BITMIME; the other gets it as accepted", async () => {
  await using world = await SimulatedWorld.start({
    dkim: { require_published: false, key: [{ domain: "example.org", selector: "s1", key: testKey("rsa") }] },
  });
  world.resolver.add("s1._domainkey.example.org", "TXT", recordText(createPrivateKey(testKey("rsa"))));
  await using old = await world.peer("old.test", { keywords: ["PIPELINING"] });
  await using modern = await world.peer("modern.test", { keywords: ["8BITMIME"] });
  const content = "From: ann@example.org\r\nSubject: x\r\n\r\nGrüße from a server of today, and more\r\n";
  const client = await world.submitter();
  await client.send("ann@example.org", ["x@old.test", "x@modern.test"], content);
  await world.quiet();
  assert.deepEqual([addresses(old), addresses(modern)], [["x@old.test"], ["x@modern.test"]]);
  for (const [peer, isConverted] of [
    [old, true],
    [modern, false],
  ] as const) {
    const { content: sent } = peer.messages[0] ?? assert.fail();
    assert.equal(
      sent.every((octet) => octet < 128),
      isConverted,
    );
    assert.equal(sent.toString("latin1").match(/^DKIM-Signature:/gm)?.length, 1);
    const bodies = new BodyHashes();
    const verifier = new DkimVerifier(parseHeaderFields(sent), bodies, {
      resolver: world.resolver,
      now: world.clock.now(),
    });
    bodies.push(sent.subarray(sent.indexOf("\r\n\r\n") + 2));
    bodies.end();
    assert.deepEqual(
      (await verifier.finish()).map(({ result }) => result),
      ["pass"],
    );
    const { text } = await PostalMime.parse(sent);
    assert.match(String(text), isConverted ? /^Grüße from a server of today/ : /from a server of today/);
  }
});

test("EXT-014: signed mail of somebody else is reported with 5.6.3, and the report says why", async () => {
  await using world = await SimulatedWorld.start();
  await using peer = await world.peer("old.test", { keywords: ["PIPELINING"] });
  const client = await world.client("mx", relayClient);
  await client.send(
    "<ann@example.org> BODY=8BITMIME",
    "x@old.test",
    "DKIM-Signature: v=1; d=x.test; s=s\r\nSubject: x\r\n\r\nä",
  );
  await world.advance(60_000);
  const [report] = await world.reports("ann@example.org");
  assert.equal(report?.recipients[0]?.get("status"), "5.6.3");
  assert.deepEqual(peer.messages, []);
});
