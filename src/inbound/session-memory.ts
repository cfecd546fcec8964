/**
 * What one session holds in memory: input that waits for its turn, and the message in the making (recipients, header
 * section, content that the spool has not written). All sessions share one budget, and those that hold the most are the
 * first to get no more.
 */
import type { SharedBudget } from "../lib/shared-budget.ts";
import type { Decision } from "../policy/decision.ts";
import { reply } from "../smtp/reply.ts";

/** What a client hears whose message finds no room. */
export const memoryShort: Decision & { readonly verdict: "defer" } = {
  verdict: "defer",
  reply: reply(452, "4.3.2", "The server is too busy to accept this message, try again later"),
  reason: "memory-short",
  setting: "limits.session_memory",
};

export class SessionMemory {
  readonly #budget: SharedBudget;
  #input = 0;
  #recipients = 0;
  #content = 0;
  #closed = false;

  constructor(budget: SharedBudget) {
    this.#budget = budget;
  }

  /** false: there is no room. */
  holdRecipient(octets: number): boolean {
    if (!this.#budget.take(this.#held, octets)) return false;
    this.#recipients += octets;
    return true;
  }

  /** false: there is no room. */
  holdContent(octets: number): boolean {
    // An answer of DNS that comes late is kept by nobody.
    if (this.#closed) return true;
    if (!this.#budget.take(this.#held, octets)) return false;
    this.#content += octets;
    return true;
  }

  /** What came of the content is void. */
  dropContent(): void {
    this.#budget.giveBack(this.#content);
    this.#content = 0;
  }

  /** The message is stored or void. */
  dropMessage(): void {
    this.dropContent();
    this.#budget.giveBack(this.#recipients);
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
    this.#closed = true;
  }

  get #held(): number {
    return this.#input + this.#recipients + this.#content;
  }
}
