/**
 * How fast the schedule is read. Domains of a full site are left out of claims, but a site may have more domains than a
 * claim can leave out: a relay host has them all. Their recipients are then read only to be put off, and with a long
 * backlog that could go on without end and leave no time for anything else. So when more of a page was put off than
 * used, reading rests until a site has room again, or for a moment, since others may wait behind the crowd.
 */
/** One page a second finds the others soon, and costs some per cent of a processor. */
const restMs = 1_000;

export class ReadPace {
  #used = 0;
  #putOff = 0;
  /** On the monotonic clock. */
  #restUntilMs = -Infinity;

  /** Recipients that were read went to their site's queue. */
  noteUsed(recipients: number): void {
    this.#used += recipients;
  }

  /** There was no room for them at their site. */
  notePutOff(recipients: number): void {
    this.#putOff += recipients;
  }

  /** A site has room again: what is read next may be of use. */
  siteEased(): void {
    this.#restUntilMs = -Infinity;
  }

  /** Asked before each page: for how much longer to leave the schedule alone; 0: not at all. */
  restMs(nowMs: number): number {
    const futile = this.#putOff > this.#used;
    this.#used = 0;
    this.#putOff = 0;
    if (futile) this.#restUntilMs = nowMs + restMs;
    return Math.max(0, this.#restUntilMs - nowMs);
  }
}
