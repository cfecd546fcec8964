/**
 * The keys that sign rewritten reverse-paths. The server makes its own: records in the spool, a new one every 30 days, each
 * kept until no address made with it is valid any more. Keys of the configuration go before them; then those of the
 * spool only verify, so that a change of configuration loses no bounce.
 *
 * Promises that no key signs before it is durable, and that a spool that cannot store a new one leaves the former at work.
 */
import { srsValidDays } from "../address/srs.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { RecordChange, Spool } from "../spool/spool.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

const namespace = "srs-keys";
const dayMs = 86_400_000;
const rotateMs = 30 * dayMs;
/** After its successor signs: an address is valid through the whole of its last day, and a day is for clocks. */
const retainMs = (srsValidDays + 2) * dayMs;
const retryMs = 3_600_000;
/** As long as the hash; longer ones add nothing (RFC 2104 §3). */
const keyBytes = 32;
/** Two or three are kept; a clock that jumped may have left some more. */
const keysMax = 100;

interface MadeKey {
  /** Of its record: the time it was made, so that records are in order of time. */
  readonly name: string;
  readonly madeAt: Instant;
  readonly key: Buffer;
}

export interface RewritingKeysParts {
  readonly spool: Pick<Spool, "listRecords" | "changeRecords">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class RewritingKeys {
  readonly #parts: RewritingKeysParts;
  /** Oldest first. */
  #made: readonly MadeKey[];
  #given: readonly Buffer[] = [];
  #all: readonly Buffer[] = [];
  #timer: Timer | undefined;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(parts: RewritingKeysParts, made: readonly MadeKey[]) {
    this.#parts = parts;
    this.#made = made;
  }

  /** Rejects where the spool does: without a key nothing could be forwarded. */
  static async open(parts: RewritingKeysParts, given: readonly string[]): Promise<RewritingKeys> {
    const records = await parts.spool.listRecords(namespace, { limit: keysMax });
    const keys = new RewritingKeys(
      parts,
      records.flatMap(({ key, value }) => readKey(key, value)),
    );
    await keys.#renew();
    keys.reconfigure(given);
    keys.#arm();
    return keys;
  }

  /** `given`: the keys of the configuration, if there are any. */
  reconfigure(given: readonly string[]): void {
    this.#given = given.map((text) => Buffer.from(text));
    this.#all = [...this.#given, ...this.#made.map(({ key }) => key).toReversed()];
  }

  get signing(): Uint8Array {
    const [first] = this.#all;
    if (first === undefined) throw new Error("there is no key to sign reverse-paths with");
    return first;
  }

  /** All that may have made an address that is still valid; the signing one first. */
  get all(): readonly Uint8Array[] {
    return this.#all;
  }

  /** Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#working;
  }

  /** Drops keys that have expired, and makes one where the newest has signed for long enough. */
  async #renew(): Promise<void> {
    const { spool, clock, random, log } = this.#parts;
    const now = clock.now();
    const kept = this.#made.filter((_, index) => (this.#endOf(index) ?? Infinity) > now);
    const newest = kept.at(-1);
    const changes: RecordChange[] = this.#made
      .filter((key) => !kept.includes(key))
      .map(({ name }) => ({ kind: "delete", namespace, key: name }));
    const fresh = newest === undefined || now >= newest.madeAt + rotateMs ? makeKey(now, random) : undefined;
    if (fresh !== undefined) {
      const value = { key: fresh.key.toString("base64url"), madeAt: fresh.madeAt };
      changes.push({ kind: "put", namespace, key: fresh.name, value });
    }
    if (changes.length === 0) return;
    await spool.changeRecords(changes);
    this.#made = fresh === undefined ? kept : [...kept, fresh];
    this.#all = [...this.#given, ...this.#made.map(({ key }) => key).toReversed()];
    log.event("forwarding-keys-changed", { made: fresh === undefined ? 0 : 1, kept: kept.length });
  }

  /** When the key is of no more use; `undefined` while it is the newest. */
  #endOf(index: number): Instant | undefined {
    const next = this.#made[index + 1];
    return next === undefined ? undefined : next.madeAt + retainMs;
  }

  #arm(delayMs?: number): void {
    if (this.#closed) return;
    const now = this.#parts.clock.now();
    const newest = this.#made.at(-1)?.madeAt ?? now;
    const ends = this.#made.flatMap((_, index) => this.#endOf(index) ?? []);
    const due = Math.min(newest + rotateMs, ...ends);
    this.#timer = this.#parts.clock.setTimer(delayMs ?? Math.max(0, due - now), () => {
      this.#working = this.#renew().then(
        () => this.#arm(),
        (error: unknown) => {
          if (this.#closed) return;
          logTrouble(this.#parts.log, "storing a key for forwarding", error);
          this.#arm(retryMs);
        },
      );
    });
  }
}

function makeKey(now: Instant, random: Random): MadeKey {
  return { name: new Date(now).toISOString(), madeAt: now, key: Buffer.from(random.bytes(keyBytes)) };
}

/** What is no key of ours is left alone, and not used. */
function readKey(name: string, value: unknown): MadeKey[] {
  if (typeof value !== "object" || value === null || !("key" in value) || !("madeAt" in value)) return [];
  const { key, madeAt } = value;
  if (typeof key !== "string" || typeof madeAt !== "number") return [];
  const bytes = Buffer.from(key, "base64url");
  return bytes.length === keyBytes ? [{ name, madeAt, key: bytes }] : [];
}
