/** Keys of a server over time: looked up, moved on, written down, and given to those who sign. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SigningWorld, signingSettingsOf } from "../testing/signing-world.ts";
import { testKey } from "../testing/test-crypto.ts";
import { KeyAdministration, KeyError } from "./key-administration.ts";
import { KeyStore } from "./key-store.ts";
import { readPrivateKey, recordName, recordText } from "../dkim/signing-key.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const both = ["rsa", "ed25519"] as const;

test("a key signs when DNS has shown it, and again after the TTL; not a moment before", async () => {
  await using world = await SigningWorld.open();
  const made = await world.signing.keys.generate({ domain: "Example.ORG", kinds: both });
  assert.deepEqual(
    made.map(({ selector, domain, record }) => `${domain} ${selector} ${record.slice(0, 16)}`),
    ["example.org p20260101-rsa v=DKIM1; k=rsa; ", "example.org p20260101-ed25519 v=DKIM1; k=ed255"],
  );
  await world.clock.advance(5 * minute);
  assert.deepEqual(world.signs(), []);
  world.publish(...made);
  await world.clock.advance(minute);
  assert.deepEqual(await world.states(), ["p20260101-ed25519 published", "p20260101-rsa published"]);
  assert.deepEqual(world.signs(), []);
  await world.clock.advance(5 * minute + 1000);
  assert.deepEqual(world.signs(), ["p20260101-rsa", "p20260101-ed25519"]);
  assert.deepEqual(world.log.names, [
    ...["dkim-key-generated", "dkim-key-generated"],
    ...["dkim-key-published", "dkim-key-published", "dkim-key-active", "dkim-key-active"],
  ]);
});

test("a key that vanishes does not sign, is logged with the record's name, and signs when it is back", async () => {
  await using world = await SigningWorld.open();
  const key = await world.active();
  world.unpublish(key);
  await world.clock.advance(hour);
  assert.deepEqual(world.signs(), []);
  const [logged] = world.log.of("dkim-key-vanished");
  assert.equal(logged?.["record"], "one._domainkey.example.org");
  world.publish(key);
  await world.clock.advance(10 * minute);
  assert.deepEqual(world.signs(), ["one"]);
  assert.equal(world.log.of("dkim-key-returned").length, 1);
});

test("another key under the name counts as gone, and is told", async () => {
  await using world = await SigningWorld.open();
  const key = await world.active();
  world.unpublish(key);
  const other = readPrivateKey(testKey("rsa", 2));
  assert.ok(other.kind === "key");
  world.resolver.add(recordName(key), "TXT", recordText(other.key));
  await world.clock.advance(hour);
  assert.deepEqual(world.signs(), []);
  assert.equal(world.log.of("dkim-record-differs").length, 1);
  const [listed] = await world.signing.keys.list("example.org");
  assert.deepEqual(listed?.dns?.sighting, { kind: "different", detail: "DNS has another key under this name" });
});

test("records that exclude what we do are no records: h= without sha256, s= without email, revoked, doubled", async () => {
  await using world = await SigningWorld.open();
  const key = await world.active();
  const p = key.record.slice(key.record.indexOf("p="));
  for (const records of [
    [`v=DKIM1; h=sha1; ${p}`],
    [`v=DKIM1; s=tlsrpt; ${p}`],
    ["v=DKIM1; p="],
    [key.record, `v=DKIM1; ${p}`],
  ]) {
    world.unpublish(key);
    world.resolver.add(recordName(key), "TXT", ...records);
    await world.clock.advance(hour);
    assert.deepEqual(world.signs(), [], records.join(" "));
    world.unpublish(key);
    world.publish(key);
    await world.clock.advance(10 * minute);
    assert.deepEqual(world.signs(), ["one"]);
  }
});

test("while DNS gives no answer nothing changes for six hours, then the key rests", async () => {
  await using world = await SigningWorld.open();
  const key = await world.active();
  world.resolver.fail(recordName(key));
  await world.clock.advance(4 * hour);
  assert.deepEqual(world.signs(), ["one"]);
  await world.clock.advance(3 * hour);
  assert.deepEqual(world.signs(), []);
  assert.deepEqual(await world.states(), ["one vanished"]);
  world.resolver.heal(recordName(key));
  await world.clock.advance(10 * minute);
  assert.deepEqual(world.signs(), ["one"]);
});

test("rotation: the former key signs until the new one does, and stays published for mail on its way", async () => {
  await using world = await SigningWorld.open();
  const former = await world.active();
  const [next] = await world.signing.keys.rotate("example.org");
  assert.ok(next);
  await world.clock.advance(day);
  assert.deepEqual(world.signs(), ["one"]);
  world.publish(next);
  await world.clock.advance(20 * minute);
  assert.deepEqual(world.signs(), ["p20260101-rsa"]);
  assert.deepEqual(await world.states(), ["one retiring", "p20260101-rsa active"]);
  await world.clock.advance(7 * day - hour);
  assert.deepEqual(await world.states(), ["one retiring", "p20260101-rsa active"]);
  await world.clock.advance(2 * hour);
  assert.deepEqual(await world.states(), ["one retired", "p20260101-rsa active"]);
  const stored = await new KeyStore(world.spool).list();
  assert.equal(stored.find(({ selector }) => selector === "one")?.privateKey, undefined);
  world.unpublish(former);
  await world.clock.advance(2 * hour);
  assert.deepEqual(await world.states(), ["p20260101-rsa active"]);
  assert.equal((await new KeyStore(world.spool).list()).length, 1);
});

test("when the active key vanishes, a retiring one that is still published stands in, and then stays longer", async () => {
  await using world = await SigningWorld.open();
  await world.active();
  const [next] = await world.signing.keys.rotate("example.org");
  assert.ok(next);
  world.publish(next);
  await world.clock.advance(20 * minute);
  world.unpublish(next);
  await world.clock.advance(hour);
  assert.deepEqual(world.signs(), ["one"]);
  await world.clock.advance(10 * day);
  assert.deepEqual(await world.states(), ["one retiring", "p20260101-rsa vanished"]);
  world.publish(next);
  await world.clock.advance(hour);
  assert.deepEqual(world.signs(), ["p20260101-rsa"]);
  await world.clock.advance(6 * day);
  assert.deepEqual(await world.states(), ["one retiring", "p20260101-rsa active"]);
});

test("a restart goes on where the server stood, without waiting for DNS", async () => {
  const world = await SigningWorld.open();
  const key = await world.active();
  await world.signing.close();
  world.resolver.fail(recordName(key));
  await world.open();
  assert.deepEqual(world.signs(), ["one"]);
  await world.signing.close();
  // Not after a day: nobody knows what DNS shows by now.
  await world.clock.advance(day);
  await world.open();
  assert.deepEqual(world.signs(), []);
  await world[Symbol.asyncDispose]();
});

test("a declared key signs as soon as it is seen, and is read from the configuration again and again", async () => {
  const declared = [{ domain: "example.org", selector: "Old", key: testKey("rsa", 2) }];
  const read = readPrivateKey(testKey("rsa", 2));
  assert.ok(read.kind === "key");
  const world = await SigningWorld.open({ key: declared });
  assert.deepEqual(world.signs(), []);
  world.resolver.add("old._domainkey.example.org", "TXT", recordText(read.key));
  await world.clock.advance(2 * minute);
  assert.deepEqual(world.signs(), ["old"]);
  const stored = JSON.stringify(await new KeyStore(world.spool).list());
  assert.doesNotMatch(stored, /PRIVATE/);
  await world.signing.close();
  await world.open({ key: declared });
  assert.deepEqual(world.signs(), ["old"]);
  // Replaced by one of ours, then taken out of the configuration.
  const [next] = await world.signing.keys.rotate("example.org");
  assert.ok(next);
  world.publish(next);
  await world.clock.advance(20 * minute);
  assert.deepEqual(await world.states(), ["old retiring", "p20260101-rsa active"]);
  world.signing.reconfigure(signingSettingsOf());
  await world.clock.advance(minute);
  assert.deepEqual(await world.states(), ["p20260101-rsa active"]);
  assert.equal((await new KeyStore(world.spool).list()).length, 1);
  await world[Symbol.asyncDispose]();
});

test("told so, a key signs at once; told otherwise, only while it is to be seen", async () => {
  await using world = await SigningWorld.open({ require_published: false });
  await world.signing.keys.generate({ domain: "example.org", kinds: ["ed25519"], selector: "now" });
  assert.deepEqual(world.signs(), ["now"]);
  world.signing.reconfigure(signingSettingsOf());
  await world.clock.advance(minute);
  assert.deepEqual(world.signs(), []);
  world.signing.reconfigure(signingSettingsOf({ sign: false, require_published: false }));
  assert.deepEqual(world.signs(), []);
});

test("a sub-domain is signed for by its own key, else by the nearest parent's; nobody else's domain is", async () => {
  await using world = await SigningWorld.open({ require_published: false });
  await world.signing.keys.generate({ domain: "example.org", kinds: ["rsa"], selector: "top" });
  await world.signing.keys.generate({ domain: "own.example.org", kinds: ["rsa"], selector: "sub" });
  assert.deepEqual(world.signs("a.b.example.org"), ["top"]);
  assert.deepEqual(world.signs("own.example.org"), ["sub"]);
  assert.deepEqual(world.signs("x.own.example.org"), ["sub"]);
  for (const other of ["org", "notexample.org", "example.org.evil.test", ""]) assert.deepEqual(world.signs(other), []);
});

test("what cannot be made is refused with what to do: doubles, names used before, no domain", async () => {
  await using world = await SigningWorld.open();
  const { keys } = world.signing;
  await keys.generate({ domain: "example.org", kinds: ["rsa"], selector: "one" });
  const refused = async (work: Promise<unknown>, code: KeyError["code"]) => {
    await assert.rejects(work, (error) => error instanceof KeyError && error.code === code);
  };
  await refused(keys.generate({ domain: "example.org", kinds: both }), "exists");
  await refused(keys.generate({ domain: "example.org", kinds: ["ed25519"], selector: "ONE" }), "exists");
  await refused(keys.generate({ domain: "example.org", kinds: ["ed25519"], selector: "a b" }), "invalid-selector");
  await refused(keys.generate({ domain: "[192.0.2.1]", kinds: both }), "invalid-domain");
  await refused(keys.rotate("example.org"), "waiting");
  await refused(keys.rotate("example.net"), "no-key");
  const [first, second] = await Promise.allSettled([
    keys.generate({ domain: "example.net", kinds: both }),
    keys.generate({ domain: "example.net", kinds: both }),
  ]);
  assert.deepEqual([first.status, second.status], ["fulfilled", "rejected"]);
});

test("on a data directory at rest keys are made, and a server that starts later looks for them", async () => {
  const world = new SigningWorld();
  const { spool, crypto, clock } = world;
  const terms = () => ({ keepPublishedMs: 7 * day });
  const offline = new KeyAdministration({ store: new KeyStore(spool), crypto, clock, declared: () => [], terms });
  const [key] = await offline.generate({ domain: "bücher.example", kinds: ["ed25519"] });
  assert.equal(key?.domain, "xn--bcher-kva.example");
  assert.equal((await offline.list("bücher.example")).length, 1);
  world.publish(key);
  await world.open();
  await world.clock.advance(10 * minute);
  assert.deepEqual(world.signs("xn--bcher-kva.example"), ["p20260101-ed25519"]);
  await world[Symbol.asyncDispose]();
});

test("a stored key of a newer version is an error, not a key that is lost in silence", async () => {
  const world = new SigningWorld();
  await world.spool.changeRecords([{ kind: "put", namespace: "dkim-keys", key: "a b", value: { version: 2 } }]);
  await assert.rejects(world.open(), /newer version, or damaged/);
});
