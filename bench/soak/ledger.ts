/**
 * Who has what: every message of the soak has a number, which it carries in a field `X-Soak`. A message answered 250 is
 * owed until it arrives or is reported to its sender. A byte for each, so that a million messages cost a megabyte.
 */
export const flows = ["relay", "large", "inbound", "submission", "forward", "bounce", "faulty"] as const;
export type Flow = (typeof flows)[number];

const acknowledged = 1;
const arrived = 2;
const reported = 4;
const flowShift = 4;

/** Far enough into content for everything that servers write above the field. */
const searchedBytes = 64 * 1024;

export interface LedgerCounts {
  readonly acknowledged: number;
  readonly arrived: number;
  readonly reported: number;
  /** Answered 250, and neither arrived nor reported so far. */
  readonly owed: number;
  /** Copies after the first, of messages whose peers behave, and of the others: where a reply is lost they are due. */
  readonly extraCopies: number;
  readonly extraCopiesOfFaulty: number;
}

export class Ledger {
  #states = new Uint8Array(1 << 16);
  #next = 0;
  readonly #counts = { acknowledged: 0, arrived: 0, reported: 0, owed: 0, extraCopies: 0, extraCopiesOfFaulty: 0 };

  get counts(): LedgerCounts {
    return this.#counts;
  }

  begin(flow: Flow): number {
    const number = this.#next++;
    if (number >= this.#states.length) {
      const larger = new Uint8Array(this.#states.length * 2);
      larger.set(this.#states);
      this.#states = larger;
    }
    this.#states[number] = flows.indexOf(flow) << flowShift;
    return number;
  }

  acknowledged(number: number): void {
    const state = this.#states[number] ?? 0;
    this.#states[number] = state | acknowledged;
    this.#counts.acknowledged++;
    // It may be there before its reply is.
    if ((state & (arrived | reported)) === 0) this.#counts.owed++;
  }

  /** Content came out of the server: a copy, or (`report`) what tells its sender of a failure. */
  came(content: Buffer, report: boolean): void {
    const number = numberIn(content);
    if (number === undefined || number >= this.#next) throw new Error("something came that nobody sent");
    const state = this.#states[number] ?? 0;
    if ((state & (arrived | reported)) === 0) {
      if ((state & acknowledged) !== 0) this.#counts.owed--;
    } else if (flows[state >> flowShift] === "faulty") this.#counts.extraCopiesOfFaulty++;
    else this.#counts.extraCopies++;
    this.#states[number] = state | (report ? reported : arrived);
    if (report) this.#counts.reported++;
    else this.#counts.arrived++;
  }

  /** The first of those that are owed, with their flows. */
  owed(limit: number): readonly string[] {
    const owed: string[] = [];
    for (let number = 0; number < this.#next && owed.length < limit; number++) {
      const state = this.#states[number] ?? 0;
      if ((state & (acknowledged | arrived | reported)) === acknowledged) {
        owed.push(`${number} (${flows[state >> flowShift] ?? ""})`);
      }
    }
    return owed;
  }
}

function numberIn(content: Buffer): number | undefined {
  const found = content.subarray(0, searchedBytes).indexOf("X-Soak: ");
  if (found === -1) return undefined;
  return Number.parseInt(content.toString("latin1", found + 8, found + 20), 10);
}
