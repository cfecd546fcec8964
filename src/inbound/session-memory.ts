/**
 * What one session holds in memory: input that waits for its turn, and the message in the making (recipients, header
 * section, content that the spool has not written). All sessions share one budget, and those that hold the most are the
 * first to get no more.
 */
import type { MessageMemory } from "../intake/origin.ts";
import type { SharedBudget } from "../lib/shared-budget.ts";

export class SessionMemory {
  readonly #budget: SharedBudget;
  #input = 0;
  #recipients = 0;
  #content = 0;

  constructor(budget: SharedBudget) {
    this.#budget = budget;
  }

  /** false: there is no room. */
  holdRecipient(octets: number): boolean {
    if (!this.#budget.take(this.#held, octets)) return false;
    this.#recipients += octets;
    return true;
  }

  /** What the content of the open message takes, until it is stored or void; then its recipients are dropped, too. */
  ofMessage(): MessageMemory {
    let isOver = false;
    return {
      hold: (octets) => {
        if (isOver) return true;
        if (!this.#budget.take(this.#held, octets)) return false;
        this.#content += octets;
        return true;
      },
      release: () => {
        isOver = true;
        this.dropMessage();
      },
    };
  }

  /** The message is stored or void. */
  dropMessage(): void {
    this.#budget.giveBack(this.#content + this.#recipients);
    this.#content = 0;
    this.#recipients = 0;
  }

  /** So much input waits by now; false: it is more than there is room for. */
  holdInput(octets: number): boolean {
    if (octets === this.#input) return true;
    this.#budget.giveBack(this.#input);
    this.#input = 0;
    if (!this.#budget.take(this.#held, octets)) return false;
    this.#input = octets;
    return true;
  }

  /** The session is over; a commit under way drops its message itself. */
  close(): void {
    this.holdInput(0);
  }

  get #held(): number {
    return this.#input + this.#recipients + this.#content;
  }
}
