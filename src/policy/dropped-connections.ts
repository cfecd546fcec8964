/**
 * Tells the log of connections that were closed without a reply: the first of a reason at once, then one line in ten
 * seconds with how many there were, so that a flood of connections is no flood of lines.
 */
import { clientNetwork } from "../accounts/client-network.ts";
import { SparseLines } from "../lib/sparse-lines.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { DropReason } from "./connection-limits.ts";

const lineEveryMs = 10_000;

export class DroppedConnections {
  readonly #log: Log;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #lines = new SparseLines<DropReason>(lineEveryMs);

  constructor(log: Log, clock: Pick<Clock, "monotonicMs">) {
    this.#log = log;
    this.#clock = clock;
  }

  note(address: string, reason: DropReason): void {
    const count = this.#lines.note(reason, this.#clock.monotonicMs());
    if (count !== undefined) this.#log.event("connections-dropped", { reason, client: clientNetwork(address), count });
  }
}
