/**
 * Tells the log of connections that were closed without a reply: the first of a reason at once, then one line in ten
 * seconds with how many there were, so that a flood of connections is no flood of lines.
 */
import { clientNetwork } from "../accounts/client-network.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { DropReason } from "./connection-limits.ts";

const lineEveryMs = 10_000;

export class DroppedConnections {
  readonly #log: Log;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #told = new Map<DropReason, { readonly atMs: number; untold: number }>();

  constructor(log: Log, clock: Pick<Clock, "monotonicMs">) {
    this.#log = log;
    this.#clock = clock;
  }

  note(address: string, reason: DropReason): void {
    const nowMs = this.#clock.monotonicMs();
    const last = this.#told.get(reason);
    if (last !== undefined && nowMs - last.atMs < lineEveryMs) {
      last.untold++;
      return;
    }
    this.#told.set(reason, { atMs: nowMs, untold: 0 });
    this.#log.event("connections-dropped", { reason, client: clientNetwork(address), count: 1 + (last?.untold ?? 0) });
  }
}
