/** Keys of a server over time: looked up, moved on, written down, and given to those who sign. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySpool, MemoryStore } from "../spool/memory-spool.ts";
import { CollectingLog } from "../testing/collecting-log.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { SeededRandom } from "../testing/seeded-random.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { TestCrypto, testKey } from "../testing/test-crypto.ts";
import { KeyAdministration, KeyError } from "./key-administration.ts";
import { KeyStore, type StoredKey } from "./key-store.ts";
import { openSigning, type Signing } from "./open-signing.ts";
import { dkimSettings } from "./settings.ts";
import { readPrivateKey, recordName, recordText } from "../dkim/signing-key.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const both = ["rsa", "ed25519"] as const;

class World implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly resolver = new StaticResolver();
  readonly log = new CollectingLog();
  readonly crypto = new TestCrypto();
  readonly store = new MemoryStore();
  readonly spool = new MemorySpool({ clock: this.clock, store: this.store });
  #signing: Signing | undefined;

  get signing(): Signing {
    return this.#signing ?? assert.fail("not open");
  }

  static async open(settings: Parameters<World["open"]>[0] = {}): Promise<World> {
    const world = new World();
    await world.open(settings);
    return world;
  }

  async open(settings: Parameters<typeof dkimSettings.parse>[0] = {}): Promise<void> {
    const { spool, resolver, clock, crypto, log } = this;
    const parts = { spool, resolver, clock, crypto, log, random: new SeededRandom(3) };
    this.#signing = await openSigning(parts, settingsOf(settings));
    this.signing.start();
    await clock.advance(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signing.close();
    assert.equal(this.clock.pendingTimers, 0);
    assert.deepEqual(this.log.of("spool-failed"), []);
  }

  publish(...keys: readonly StoredKey[]): void {
    for (const key of keys) this.resolver.add(recordName(key), "TXT", key.record);
  }

  unpublish(key: StoredKey): void {
    this.resolver.remove(recordName(key));
  }

  /** Selectors that sign for the domain. */
  signs(domain = "example.org"): readonly string[] {
    return this.signing.signingKeysFor(domain).map(({ selector }) => selector);
  }

  async states(): Promise<readonly string[]> {
    return (await this.signing.keys.list()).map(({ selector, state }) => `${selector} ${state.kind}`);
  }

  /** A key of the domain that signs. */
  async active(): Promise<StoredKey> {
    const [key] = await this.signing.keys.generate({ domain: "example.org", kinds: ["rsa"], selector: "one" });
    assert.ok(key);
    this.publish(key);
    await this.clock.advance(10 * minute);
    assert.deepEqual(this.signs(), ["one"]);
    return key;
  }
}

function settingsOf(settings: Parameters<typeof dkimSettings.parse>[0] = {}) {
  return { dkim: dkimSettings.parse(settings), expireMs: 5 * day };
}

test("a key signs when DNS has shown it, and again after the TTL; not a moment before", async () => {
  await using world = await World.open();
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
  await using world = await World.open();
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
  await using world = await World.open();
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
  await using world = await World.open();
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
  await using world = await World.open();
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
  await using world = await World.open();
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
  await using world = await World.open();
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
  const world = await World.open();
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
  const world = await World.open({ key: declared });
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
  world.signing.reconfigure(settingsOf());
  await world.clock.advance(minute);
  assert.deepEqual(await world.states(), ["p20260101-rsa active"]);
  assert.equal((await new KeyStore(world.spool).list()).length, 1);
  await world[Symbol.asyncDispose]();
});

test("told so, a key signs at once; told otherwise, only while it is to be seen", async () => {
  await using world = await World.open({ require_published: false });
  await world.signing.keys.generate({ domain: "example.org", kinds: ["ed25519"], selector: "now" });
  assert.deepEqual(world.signs(), ["now"]);
  world.signing.reconfigure(settingsOf());
  await world.clock.advance(minute);
  assert.deepEqual(world.signs(), []);
  world.signing.reconfigure(settingsOf({ sign: false, require_published: false }));
  assert.deepEqual(world.signs(), []);
});

test("a sub-domain is signed for by its own key, else by the nearest parent's; nobody else's domain is", async () => {
  await using world = await World.open({ require_published: false });
  await world.signing.keys.generate({ domain: "example.org", kinds: ["rsa"], selector: "top" });
  await world.signing.keys.generate({ domain: "own.example.org", kinds: ["rsa"], selector: "sub" });
  assert.deepEqual(world.signs("a.b.example.org"), ["top"]);
  assert.deepEqual(world.signs("own.example.org"), ["sub"]);
  assert.deepEqual(world.signs("x.own.example.org"), ["sub"]);
  for (const other of ["org", "notexample.org", "example.org.evil.test", ""]) assert.deepEqual(world.signs(other), []);
});

test("what cannot be made is refused with what to do: doubles, names used before, no domain", async () => {
  await using world = await World.open();
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
  const world = new World();
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

test("a key made by mistake that signed nothing is forgotten at once, and its name and kind are free again", async () => {
  await using world = await World.open();
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
  await using world = await World.open();
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
  await using world = await World.open();
  const key = await world.active();
  await world.signing.keys.remove({ domain: "example.org", selector: "one" }, { last: true });
  world.unpublish(key);
  await world.clock.advance(7 * day + 2 * hour);
  assert.deepEqual(await world.states(), []);
});

test("one of two active keys is removed without further ado, a stand-in no sooner than the mail it signed", async () => {
  await using world = await World.open();
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
  await using world = await World.open({ key: [key] });
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

test("a stored key of a newer version is an error, not a key that is lost in silence", async () => {
  const world = new World();
  await world.spool.changeRecords([{ kind: "put", namespace: "dkim-keys", key: "a b", value: { version: 2 } }]);
  await assert.rejects(world.open(), /newer version, or damaged/);
});
