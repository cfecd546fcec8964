/**
 * Whether the disk has room for a message. Asked at every MAIL, so the answer comes from memory: the system is asked at
 * most once a second, beside the session, and a disk does not fill by more than the reserve in that time.
 */
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import { type Refusal, refuse } from "./decision.ts";

const freshMs = 1000;

export interface FreeSpaceOptions {
  readonly files: Files;
  readonly clock: Clock;
  readonly log: Log;
  /** Where mail is stored. */
  readonly path: string;
  /** Octets that stay free. */
  readonly reserve: number;
}

export class FreeSpace {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #path: string;
  #isShort = false;
  #reserve: number;
  #free = Number.POSITIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  private constructor(options: FreeSpaceOptions) {
    this.#log = options.log;
    this.#files = options.files;
    this.#clock = options.clock;
    this.#path = options.path;
    this.#reserve = options.reserve;
  }

  static async open(options: FreeSpaceOptions): Promise<FreeSpace> {
    const space = new FreeSpace(options);
    await space.refresh();
    return space;
  }

  reconfigure(reserve: number): void {
    this.#reserve = reserve;
  }

  /** Octets that stay free. */
  get reserve(): number {
    return this.#reserve;
  }

  /** As last known; asks the system again where that is old. Infinity: it cannot be asked. */
  get free(): number {
    this.check(0);
    return this.#free;
  }

  /** `size`: octets announced, 0 when unknown. `undefined`: there is room. */
  check(size: number): Refusal | undefined {
    if (this.#clock.monotonicMs() - this.#askedAt >= freshMs) this.#asking ??= this.refresh();
    // Content may be copied once before it is in its place.
    if (this.#free - 2 * size >= this.#reserve) return undefined;
    return refuse("no-space", { size, free: this.#free, reserve: this.#reserve });
  }

  /** Resolves when no question to the system is under way. */
  async idle(): Promise<void> {
    await this.#asking;
  }

  /** Once when mail begins to be refused, and once when it is taken again. */
  #tell(): void {
    const isShort = this.#free < this.#reserve;
    if (isShort === this.#isShort) return;
    this.#isShort = isShort;
    const path = this.#path;
    if (isShort) this.#log.event("space-short", { path, free: this.#free, reserve: this.#reserve });
    else this.#log.event("space-enough", { path, reserve: this.#reserve });
  }

  /** Asks the system now. Never rejects: a disk that cannot be asked is left to fail where it is written. */
  async refresh(): Promise<void> {
    this.#askedAt = this.#clock.monotonicMs();
    try {
      this.#free = await this.#files.freeBytes(this.#path);
    } catch {
      this.#free = Number.POSITIVE_INFINITY;
    } finally {
      this.#asking = undefined;
    }
    this.#tell();
  }
}
