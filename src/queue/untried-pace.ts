/**
 * How fast the schedule is read while most of what it gives is not tried: the site rests, or no route can be found. Each
 * such recipient is written back at once, so a backlog of a dead site would go round as fast as the spool can write, and
 * live mail would wait behind those writes. While more than half of what was read came back untried, pages are small and
 * come at intervals. Nothing is lost by it: what is still due when the site is back goes at once.
 *
 * Small pages rather than long pauses: what live mail waits for is one page at most.
 */

/** With pages of {@link slowPageMax}: a thousand recipients a second at most, 250 of one domain. */
const intervalMs = 100;
/** A few milliseconds of the spool, to claim them and to write them back. */
const slowPageMax = 100;
/** As in a full page, most of it is for others. */
const slowPerDomainMax = 25;

export interface PageSize {
  readonly limit: number;
  readonly perDomainMax: number;
}

export class UntriedPace {
  #read = 0;
  #untried = 0;
  #isSlow = false;
  #lastPageMs = -Infinity;

  /** Recipients that a page brought. */
  noteRead(recipients: number): void {
    this.#read += recipients;
  }

  /** Of them, those that go back without an attempt. May come after the next page was asked for. */
  noteUntried(recipients: number): void {
    this.#untried += recipients;
  }

  /** Asked before each page, on the monotonic clock: for how much longer to leave the schedule alone. */
  waitMs(nowMs: number): number {
    if (this.#read > 0) {
      this.#isSlow = this.#untried * 2 > this.#read;
      this.#read = 0;
      this.#untried = 0;
    }
    return this.#isSlow ? Math.max(0, this.#lastPageMs + intervalMs - nowMs) : 0;
  }

  /** What the page that is now asked for may bring, of what there is room for. */
  page(room: PageSize, nowMs: number): PageSize {
    this.#lastPageMs = nowMs;
    const { limit, perDomainMax } = room;
    if (!this.#isSlow) return { limit, perDomainMax };
    return { limit: Math.min(limit, slowPageMax), perDomainMax: Math.min(perDomainMax, slowPerDomainMax) };
  }
}
