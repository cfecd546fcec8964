/**
 * How much of the ready stage is taken, and by whom. Half is for fresh mail and half for what is read from the
 * schedule, so that neither a backlog nor a flood shuts out the other. Counted in recipients.
 */
import type { Claim } from "./leases.ts";

export class ReadyBudget {
  readonly #max: () => number;
  #fresh = 0;
  #read = 0;

  /** `max`: the `ready` setting in force. */
  constructor(max: () => number) {
    this.#max = max;
  }

  take({ fresh, open }: Claim): void {
    if (fresh) this.#fresh += open;
    else this.#read += open;
  }

  giveBack({ fresh }: Claim, recipients: number): void {
    if (fresh) this.#fresh -= recipients;
    else this.#read -= recipients;
  }

  get taken(): number {
    return this.#fresh + this.#read;
  }

  get max(): number {
    return this.#max();
  }

  /** Each kind's part of the whole. */
  get half(): number {
    return Math.floor(this.#max() / 2);
  }

  /** May be negative: a message with many recipients is taken whole. */
  get freshRoom(): number {
    return this.half - this.#fresh;
  }

  get readRoom(): number {
    return this.half - this.#read;
  }

  /**
   * What may wait for one site: as much as half of what is left. One flood then takes a third, two take a half, and
   * however many there are, something is left for everybody else.
   */
  siteShare(fresh: boolean): number {
    const left = fresh ? this.freshRoom : this.readRoom;
    return Math.max(1, Math.floor(this.half / 16), Math.floor(left / 2));
  }
}
