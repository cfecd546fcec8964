/**
 * Whether the disk has room for a message. Asked at every MAIL, so the answer comes from memory: the system is asked at
 * most once a second, beside the session, and a disk does not fill by more than the reserve in that time.
 */
import type { Clock } from "../ports/clock.ts";
import type { Files } from "../ports/files.ts";
import { reply } from "../smtp/reply.ts";
import type { Decision } from "./decision.ts";

const freshMs = 1000;

const enough: Decision = { verdict: "accept", reason: "enough-space" };
const noSpace: Decision = {
  verdict: "defer",
  reply: reply(452, "4.3.1", "Insufficient disk space, try again later"),
  reason: "no-space",
  setting: "limits.free_space",
};

export class FreeSpace {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #path: string;
  #reserve: number;
  #free = Number.POSITIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  private constructor(options: { files: Files; clock: Clock; path: string; reserve: number }) {
    this.#files = options.files;
    this.#clock = options.clock;
    this.#path = options.path;
    this.#reserve = options.reserve;
  }

  /** `path`: where mail is stored; `reserve`: octets that stay free. */
  static async open(options: { files: Files; clock: Clock; path: string; reserve: number }): Promise<FreeSpace> {
    const space = new FreeSpace(options);
    await space.refresh();
    return space;
  }

  reconfigure(reserve: number): void {
    this.#reserve = reserve;
  }

  /** `size`: octets announced, 0 when unknown. */
  check(size: number): Decision {
    if (this.#clock.monotonicMs() - this.#askedAt >= freshMs) this.#asking ??= this.refresh();
    // Content may be copied once before it is in its place.
    return this.#free - 2 * size >= this.#reserve ? enough : noSpace;
  }

  /** Resolves when no question to the system is under way. */
  async idle(): Promise<void> {
    await this.#asking;
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
  }
}
