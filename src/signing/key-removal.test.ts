/** Keys that a person removes: what is left of them, for how long, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "../testing/manual-clock.ts";
import { SigningWorld } from "../testing/signing-world.ts";
import { testKey } from "../testing/test-crypto.ts";
import { recordName } from "../dkim/signing-key.ts";
import { KeyAdministration, KeyError } from "./key-administration.ts";
import { KeyStore } from "./key-store.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const both = ["rsa", "ed25519"] as const;

test("a key made by mistake that signed nothing is forgotten at once, and its name and kind are free again", async () => {
  await using world = await SigningWorld.open();
  const { keys } = world.signing;
  const wrong = { domain: "example.org", kinds: ["rsa"], selector: "wrogn" } as const;
  const [prepared] = await keys.generate(wrong);
  assert.deepEqual(await keys.remove(wrong, { last: false }), { key: prepared });
  assert.deepEqual(await keys.list(), []);
  const [again] = await keys.generate(wrong);
  assert.ok(again);
  world.publish(again);
  await world.clock.advance(2 * minute);
  assert.deepEqual(await world.states(), ["wrogn published"]);
  const removed = await keys.remove({ domain: "EXAMPLE.org", selector: "Wrogn" }, { last: false });
  assert.equal(removed.recordNeededUntil, undefined);
  await world.clock.advance(day);
  assert.deepEqual([await world.states(), world.signs(), await new KeyStore(world.spool).list()], [[], [], []]);
  assert.equal(world.log.of("dkim-key-withdrawn").length, 2);
});

test("a key that signed is removed with its private half; its record is needed as long as a replaced one's", async () => {
  await using world = await SigningWorld.open();
  const key = await world.active();
  const { keys } = world.signing;
  const which = { domain: "example.org", selector: "one" };
  await assert.rejects(keys.remove(which, { last: false }), (error: KeyError) => error.code === "last-key");
  assert.deepEqual(world.signs(), ["one"]);
  const removedAt = world.clock.now();
  const { recordNeededUntil } = await keys.remove(which, { last: true });
  assert.equal(recordNeededUntil, removedAt + 7 * day);
  assert.deepEqual(world.signs(), []);
  assert.doesNotMatch(JSON.stringify(await new KeyStore(world.spool).list()), /PRIVATE/);
  // A successor neither waits for it nor makes its record stay longer; removing it twice changes nothing.
  const [next] = await keys.generate({ domain: "example.org", kinds: ["rsa"], selector: "two" });
  assert.ok(next);
  world.publish(next);
  await world.clock.advance(day);
  assert.deepEqual(world.signs(), ["two"]);
  assert.equal((await keys.remove(which, { last: false })).recordNeededUntil, recordNeededUntil);
  await world.clock.advance(6 * day - hour);
  assert.deepEqual(await world.states(), ["one retiring", "two active"]);
  await world.clock.advance(3 * hour);
  assert.deepEqual(await world.states(), ["one retired", "two active"]);
  world.unpublish(key);
  await world.clock.advance(2 * hour);
  assert.deepEqual(await world.states(), ["two active"]);
});

test("the only key of a domain, removed, is forgotten in its time though none replaces it", async () => {
  await using world = await SigningWorld.open();
  const key = await world.active();
  await world.signing.keys.remove({ domain: "example.org", selector: "one" }, { last: true });
  world.unpublish(key);
  await world.clock.advance(7 * day + 2 * hour);
  assert.deepEqual(await world.states(), []);
});

test("one of two active keys is removed without further ado, a stand-in no sooner than the mail it signed", async () => {
  await using world = await SigningWorld.open();
  const { keys } = world.signing;
  world.publish(...(await keys.generate({ domain: "example.org", kinds: both, selector: "s" })));
  await world.clock.advance(10 * minute);
  const neededUntil = async (selector: string) =>
    (await keys.remove({ domain: "example.org", selector }, { last: false })).recordNeededUntil;
  assert.equal(await neededUntil("s-ed25519"), world.clock.now() + 7 * day);
  assert.deepEqual(world.signs(), ["s-rsa"]);
  const [successor] = await keys.rotate("example.org");
  assert.ok(successor);
  world.publish(successor);
  await world.clock.advance(hour);
  world.unpublish(successor);
  await world.clock.advance(day);
  assert.deepEqual(world.signs(), ["s-rsa"], "stands in");
  assert.equal(await neededUntil("s-rsa"), world.clock.now() + 7 * day);
  assert.deepEqual(world.signs(), []);
});

test("what cannot be removed is refused with what to do; on a data directory at rest the same holds", async () => {
  const key = { domain: "example.net", selector: "old", key: testKey("rsa", 1) };
  await using world = await SigningWorld.open({ key: [key] });
  const { keys } = world.signing;
  const refused = async (work: Promise<unknown>, code: KeyError["code"], words: RegExp) => {
    await assert.rejects(
      work,
      (error) => error instanceof KeyError && error.code === code && words.test(error.message),
    );
  };
  const none = { domain: "example.org", selector: "none" };
  await refused(keys.remove(none, { last: true }), "no-key", /example\.org has no key named none/);
  await refused(keys.remove(key, { last: true }), "declared", /remove its \[\[dkim\.key\]\] there/);
  await refused(keys.remove({ domain: "[x]", selector: "s" }, { last: true }), "invalid-domain", /not a domain/);
  await world.active();
  const { spool, crypto, clock } = world;
  const terms = () => ({ keepPublishedMs: day });
  const offline = new KeyAdministration({ store: new KeyStore(spool), crypto, clock, declared: () => [], terms });
  const one = { domain: "example.org", selector: "one" };
  await refused(offline.remove(one, { last: false }), "last-key", /only active key of example\.org/);
  assert.equal((await offline.remove(one, { last: true })).recordNeededUntil, clock.now() + day);
  const [left] = await offline.list("example.org");
  assert.deepEqual([left?.state.kind, left?.privateKey], ["retiring", undefined]);
});

test("what DNS says late of a removed key is not taken for word of another one under its name", async () => {
  await using world = await SigningWorld.open();
  const { keys } = world.signing;
  const name = { domain: "example.org", kinds: ["rsa"], selector: "one" } as const;
  const [first] = await keys.generate(name);
  assert.ok(first);
  world.publish(first);
  const gate = Promise.withResolvers<void>();
  world.resolver.hold(recordName(first), "TXT", gate.promise);
  await world.clock.advance(minute);
  assert.ok(world.resolver.queries.length > 0, "it is being looked for");
  await keys.remove(name, { last: false });
  await keys.generate({ ...name, kinds: ["ed25519"] });
  gate.resolve();
  await settle();
  assert.deepEqual(await world.states(), ["one prepared"]);
  const [second] = await keys.list();
  assert.equal(second?.dns?.sighting.kind, undefined);
});

test("a removal that the disk refuses is told; the key signs no more, and is stored away with the next check", async () => {
  const world = await SigningWorld.open();
  await world.active();
  const { spool } = world;
  const change = spool.changeRecords.bind(spool);
  spool.changeRecords = () => Promise.reject(new Error("the disk is full"));
  const which = { domain: "example.org", selector: "one" };
  await assert.rejects(world.signing.keys.remove(which, { last: true }), /the disk is full/);
  assert.deepEqual(world.signs(), []);
  spool.changeRecords = change;
  await world.clock.advance(minute);
  assert.doesNotMatch(JSON.stringify(await new KeyStore(spool).list()), /PRIVATE/);
  await world[Symbol.asyncDispose]();
});
