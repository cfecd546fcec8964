/**
 * A fixed number of octets that many take from. Nobody may hold more than what is then still free: one alone gets half of
 * all, ten get a tenth each, and however many hold as much as they can, something is left for the next small one. So those
 * that hold the most are the first to be refused more.
 */
export class SharedBudget {
  #used = 0;
  #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** What is held stays held. */
  resize(max: number): void {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes `more` for one that holds `held` already; false: nothing was taken. */
  take(held: number, more: number): boolean {
    if (held + more > this.#max - this.#used - more) return false;
    this.#used += more;
    return true;
  }

  giveBack(octets: number): void {
    this.#used -= octets;
  }
}
