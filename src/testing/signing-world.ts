/** The signing of a server with its keys, over simulated time and DNS, for tests that watch keys through their life. */
import assert from "node:assert/strict";
import { recordName } from "../dkim/signing-key.ts";
import type { StoredKey } from "../signing/key-store.ts";
import { openSigning, type Signing } from "../signing/open-signing.ts";
import { dkimSettings } from "../signing/settings.ts";
import { MemorySpool, MemoryStore } from "./spool/memory-spool.ts";
import { CollectingLog } from "./collecting-log.ts";
import { ManualClock } from "./manual-clock.ts";
import { SeededRandom } from "./seeded-random.ts";
import { StaticResolver } from "./static-resolver.ts";
import { TestCrypto } from "./test-crypto.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

export class SigningWorld implements AsyncDisposable {
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

  static async open(settings: Parameters<SigningWorld["open"]>[0] = {}): Promise<SigningWorld> {
    const world = new SigningWorld();
    await world.open(settings);
    return world;
  }

  async open(settings: Parameters<typeof dkimSettings.parse>[0] = {}): Promise<void> {
    const { spool, resolver, clock, crypto, log } = this;
    const parts = { spool, resolver, clock, crypto, log, random: new SeededRandom(3) };
    this.#signing = await openSigning(parts, signingSettingsOf(settings));
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

export function signingSettingsOf(settings: Parameters<typeof dkimSettings.parse>[0] = {}) {
  return { dkim: dkimSettings.parse(settings), expireMs: 5 * day };
}
