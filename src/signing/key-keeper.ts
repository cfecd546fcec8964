/**
 * Keeps the keys of a running server: looks them up in DNS again and again, moves each through its life as DNS says
 * (key-lifecycle.ts), writes that down, and knows which keys sign now. What a check changes is in force at once and
 * stored in one transaction; when that fails it is stored with the next check.
 */
import { recordName } from "../dkim/signing-key.ts";
import type { EventName } from "../events/catalogue.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Resolver } from "../ports/resolver.ts";
import { type HeldKey, holdKeys, holdStored, isSameLine } from "./held-keys.ts";
import {
  afterOthersActivation,
  afterSighting,
  afterTime,
  checkDelayMs,
  type KeyState,
  type LifecycleTerms,
  type Sighting,
  type StateName,
} from "./key-lifecycle.ts";
import { KeyRing } from "./key-ring.ts";
import { sightKey } from "./key-sighting.ts";
import { hasPrivateHalf, keyName, type KeyStore, type StoredKey } from "./key-store.ts";
import type { DkimSettings } from "./settings.ts";
import type { KeySnapshot } from "./signing-keys.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

/** Looked up at once; a server of thousands of domains stays a polite client of its resolver. */
const lookupsAtOnce = 8;
/** The timer is not set more finely: checks that fall together are made together. */
const roundMsMin = 1000;
/** Longest sleep; also when there is no key at all nothing else is needed. */
const roundMsMax = 3_600_000;

export interface KeeperSettings {
  readonly dkim: DkimSettings;
  /** See {@link LifecycleTerms.keepPublishedMs}. */
  readonly keepPublishedMs: number;
}

export interface KeeperParts {
  readonly store: KeyStore;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class KeyKeeper {
  readonly #parts: KeeperParts;
  readonly #ring = new KeyRing();
  readonly #checkAt = new Map<string, Instant>();
  /** Changed since it was stored. */
  readonly #unstored = new Set<string>();
  #unremoved: StoredKey[] = [];
  #settings: KeeperSettings;
  #reconfigured = 0;
  #snapshot: KeySnapshot | undefined;
  #timer: Timer | undefined;
  #round: Promise<void> = Promise.resolve();
  #started = false;
  #closed = false;

  private constructor(parts: KeeperParts, settings: KeeperSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Reads the keys; rejects where the store cannot be read. Nothing is looked up before {@link start}. */
  static async open(parts: KeeperParts, settings: KeeperSettings): Promise<KeyKeeper> {
    const keeper = new KeyKeeper(parts, settings);
    keeper.#load(await parts.store.list());
    return keeper;
  }

  /** At once: mail may be waiting to be signed with a key that was published meanwhile. */
  start(): void {
    this.#started = true;
    this.#arm(0);
  }

  /** Resolves when the round under way is over. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#round;
  }

  /** Declared keys may have come or gone, and other terms hold; all keys are looked up anew. */
  reconfigure(settings: KeeperSettings): void {
    this.#settings = settings;
    this.#reconfigured++;
    this.#load([...this.#ring.all()].map(({ stored }) => stored));
    if (this.#started) this.#arm(0);
  }

  /** A key that was just made and stored. */
  added(key: StoredKey): void {
    this.#hold(holdStored(key), this.#parts.clock.now());
    this.#log("dkim-key-generated", key);
    if (this.#started) this.#arm(roundMsMin);
  }

  /**
   * A person removed the key; `left` is what stays of it, without its private half: it signs nothing from here on.
   * Rejects where that cannot be stored now; it is stored with the next check then.
   */
  async remove(key: StoredKey, left: StoredKey | undefined): Promise<void> {
    const name = keyName(key);
    this.#ring.remove(name);
    this.#log("dkim-key-withdrawn", key);
    if (left === undefined) {
      this.#checkAt.delete(name);
      this.#unremoved.push(key);
    } else {
      this.#hold({ stored: left }, this.#parts.clock.now());
      this.#unstored.add(name);
      if (this.#started) this.#arm(roundMsMin);
    }
    await this.#persist();
  }

  list(): readonly StoredKey[] {
    return [...this.#ring.all()].map(({ stored }) => stored);
  }

  /** As it all stands; the same object until something changes. */
  snapshot(): KeySnapshot {
    const version = this.#ring.version + this.#reconfigured;
    if (this.#snapshot?.version !== version) {
      this.#snapshot = {
        version,
        sign: this.#settings.dkim.sign,
        terms: this.#terms,
        keys: [...this.#ring.all()],
      };
    }
    return this.#snapshot;
  }

  get #terms(): LifecycleTerms {
    const { dkim, keepPublishedMs } = this.#settings;
    return { requirePublished: dkim.require_published, keepPublishedMs };
  }

  #load(stored: readonly StoredKey[]): void {
    const now = this.#parts.clock.now();
    const { keys, gone, problems } = holdKeys(stored, this.#settings.dkim.key, now);
    for (const key of gone) this.#ring.remove(keyName(key));
    this.#unremoved.push(...gone);
    for (const held of keys) this.#hold(held, now);
    for (const problem of problems) this.#parts.log.event("dkim-key-problem", problem);
  }

  #hold(held: HeldKey, now: Instant): void {
    const name = keyName(held.stored);
    this.#ring.put(held);
    this.#checkAt.set(name, now);
    // Where DNS is not asked for leave, no look-up needs to be waited for.
    if (!this.#terms.requirePublished) this.#advance(name, { kind: "unknown", detail: "not asked yet" }, now);
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    this.#timer = this.#parts.clock.setTimer(delayMs, () => {
      // One round at a time; a second one asked for meanwhile follows it.
      this.#round = this.#round.then(() => this.#check());
    });
  }

  async #check(): Promise<void> {
    if (this.#closed) return;
    const { clock, log } = this.#parts;
    try {
      const now = clock.now();
      const due = [...this.#checkAt].filter(([, at]) => at <= now).map(([name]) => name);
      const lookups = Array.from({ length: Math.min(lookupsAtOnce, due.length) }, async () => {
        for (let name = due.pop(); name !== undefined && !this.#closed; name = due.pop()) await this.#look(name);
      });
      await Promise.all(lookups);
      this.#passTime();
      await this.#persist();
    } catch (error) {
      if (!this.#closed) logTrouble(log, "storing the state of DKIM keys", error);
    }
    let next = clock.now() + roundMsMax;
    for (const at of this.#checkAt.values()) next = Math.min(next, at);
    this.#arm(Math.max(next - clock.now(), roundMsMin));
  }

  async #look(name: string): Promise<void> {
    const { resolver, clock, random } = this.#parts;
    const held = this.#ring.get(name);
    if (held === undefined) {
      this.#checkAt.delete(name);
      return;
    }
    const sighting = await sightKey(held.stored, resolver);
    // Removed meanwhile, and perhaps another one of its name made.
    if (this.#ring.get(name)?.stored.record !== held.stored.record) return;
    const now = clock.now();
    const before = held.stored.dns?.sighting;
    if (sighting.kind === "different" && before?.kind !== "different") {
      this.#log("dkim-record-differs", held.stored, sighting);
    }
    this.#change(name, (key) => ({ ...key, dns: { at: now, sighting } }));
    this.#advance(name, sighting, now);
    const after = this.#ring.get(name)?.stored;
    if (after === undefined) return;
    if (after.state.kind === "retired" && sighting.kind === "absent" && after.declared !== true) {
      this.#forget(name, after);
      return;
    }
    // So that a thousand keys do not stay together forever, up to a tenth sooner.
    const delayMs = checkDelayMs(after.state, sighting, now);
    this.#checkAt.set(name, now + delayMs - (delayMs > 600_000 ? random.next() * delayMs * 0.1 : 0));
  }

  /** Moves a key by what DNS said of it, and those that it replaces. */
  #advance(name: string, sighting: Sighting, now: Instant): void {
    const held = this.#ring.get(name);
    if (held === undefined) return;
    const state = afterSighting(held.stored.state, sighting, now, this.#terms);
    const activated = state.kind === "active" && held.stored.state.kind !== "active";
    this.#enter(name, state, sighting);
    if (!activated) return;
    for (const other of this.#ring.ofDomain(held.stored.domain)) {
      const otherName = keyName(other.stored);
      if (otherName === name || !isSameLine(other.stored, held.stored) || !hasPrivateHalf(other.stored)) continue;
      this.#enter(otherName, afterOthersActivation(other.stored.state, now, this.#terms));
    }
  }

  #passTime(): void {
    const now = this.#parts.clock.now();
    for (const { stored } of [...this.#ring.all()]) {
      if (stored.state.kind !== "retiring") continue;
      const isSuccessor = ({ stored: other }: HeldKey) => isSameLine(other, stored) && other.state.kind === "active";
      const replaced = !hasPrivateHalf(stored) || this.#ring.ofDomain(stored.domain).some(isSuccessor);
      this.#enter(keyName(stored), afterTime(stored.state, now, { replaced }));
    }
  }

  #enter(name: string, state: KeyState, sighting?: Sighting): void {
    const before = this.#ring.get(name)?.stored;
    if (before === undefined || before.state === state) return;
    this.#change(name, (key) => {
      if (state.kind !== "retired") return { ...key, state };
      // Its work is done, and what is not kept cannot be stolen.
      const { privateKey: _, ...rest } = key;
      return { ...rest, state };
    });
    if (before.state.kind === state.kind) return;
    // Someone waits for each of these; the margin of a new key is not waited out longer than need be.
    this.#checkAt.set(name, this.#parts.clock.now() + checkDelayMs(state, sighting, this.#parts.clock.now()));
    this.#log(eventOf(before.state.kind, state.kind), before, sighting);
  }

  #change(name: string, change: (key: StoredKey) => StoredKey): void {
    const held = this.#ring.get(name);
    if (held === undefined) return;
    const stored = change(held.stored);
    this.#ring.put(
      hasPrivateHalf(stored) && held.signing !== undefined ? { stored, signing: held.signing } : { stored },
    );
    this.#unstored.add(name);
  }

  #forget(name: string, key: StoredKey): void {
    this.#ring.remove(name);
    this.#checkAt.delete(name);
    this.#unremoved.push(key);
    this.#log("dkim-key-removed", key);
  }

  async #persist(): Promise<void> {
    const names = [...this.#unstored];
    const put = names.flatMap((name) => this.#ring.get(name)?.stored ?? []);
    const remove = this.#unremoved.filter((key) => this.#ring.get(keyName(key)) === undefined);
    this.#unstored.clear();
    this.#unremoved = [];
    try {
      await this.#parts.store.change({ put, remove });
    } catch (error) {
      for (const name of names) this.#unstored.add(name);
      this.#unremoved.push(...remove);
      throw error;
    }
  }

  #log(event: KeyEventName, key: StoredKey, sighting?: Sighting): void {
    this.#parts.log.event(event, {
      domain: key.domain,
      selector: key.selector,
      algorithm: key.algorithm,
      record: recordName(key),
      dns: sighting !== undefined && sighting.kind !== "seen" ? sighting.detail : undefined,
    });
  }
}

/** Tell what became of a key, all with the same fields. */
type KeyEventName = Exclude<Extract<EventName, `dkim-key-${string}` | "dkim-record-differs">, "dkim-key-problem">;

function eventOf(from: StateName, to: StateName): KeyEventName {
  switch (to) {
    case "prepared":
      return "dkim-key-unpublished";
    case "published":
      return "dkim-key-published";
    case "active":
      return from === "vanished" ? "dkim-key-returned" : "dkim-key-active";
    case "vanished":
      return "dkim-key-vanished";
    case "retiring":
      return "dkim-key-retiring";
    case "retired":
      return "dkim-key-retired";
    default:
      return to satisfies never;
  }
}
