/**
 * Whether the spool takes mail, as the last commits went: a spool that opens and delivers may refuse them all, since the
 * page that new rows go to is damaged, or the disk no longer writes. A probe (`/readyz`) reads it from here.
 */
import type { Clock } from "../ports/clock.ts";
import { SpoolError } from "../spool/spool.ts";

/**
 * After so long without another try nobody knows. A balancer that sent no more mail here sends some again then, and if that
 * is refused, too, it hears so for as long again.
 */
const knownForMs = 60_000;

/** A slow commit is no ground to refuse the clients of a quarter of a minute later: they show whether the disk is faster. */
const delayKnownForMs = 15_000;

export class CommitHealth {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #refusedAt: number | undefined;
  #lastMs = 0;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  get takesMail(): boolean {
    return this.#refusedAt === undefined || this.#clock.monotonicMs() - this.#refusedAt >= knownForMs;
  }

  /** How long the last commit took, in milliseconds; 0: there was none lately. */
  get delayMs(): number {
    return this.#clock.monotonicMs() - this.#lastAt < delayKnownForMs ? this.#lastMs : 0;
  }

  /** The same promise; told by it when the spool takes mail. */
  async timed<T>(commit: Promise<T>): Promise<T> {
    const begunAt = this.#clock.monotonicMs();
    const result = await commit;
    this.#lastAt = this.#clock.monotonicMs();
    this.#lastMs = this.#lastAt - begunAt;
    this.#refusedAt = undefined;
    return result;
  }

  failed(error: unknown): void {
    // A spool that closes refuses because the server stops, which is known already.
    if (!(error instanceof SpoolError) || error.code !== "closed") this.#refusedAt = this.#clock.monotonicMs();
  }
}
