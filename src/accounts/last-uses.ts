/** Writes down when a credential was used, and not at every sign-in: a program may sign in for each message. */
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { StoredUses } from "./stored-records.ts";

/** The last use of a credential is written down at most so often. */
const notedEveryMs = 600_000;

export class LastUses {
  readonly #clock: Clock;
  readonly #uses: StoredUses;
  /** When the use of each was written down last, in monotonic milliseconds. */
  readonly #noted = new Map<string, Instant>();

  constructor(clock: Clock, uses: StoredUses) {
    this.#clock = clock;
    this.#uses = uses;
  }

  /** For people who look for credentials that nobody needs; a sign-in does not fail for it. */
  async note(key: string): Promise<void> {
    const now = this.#clock.monotonicMs();
    const noted = this.#noted.get(key);
    if (noted !== undefined && now < noted + notedEveryMs) return;
    this.#noted.set(key, now);
    await this.#uses.note(key, this.#clock.now()).catch(() => this.#noted.delete(key));
  }

  /** Told whenever credentials change: forgets those that are gone. */
  expect(known: { has(key: string): boolean }): void {
    for (const key of this.#noted.keys()) if (!known.has(key)) this.#noted.delete(key);
  }
}
