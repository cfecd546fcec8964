/** What every checker is given: the world as it is, and all that the spool knows. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import type { StoredMessage, StoredRecipient } from "../../src/spool/spool.ts";
import type { FaultInjector } from "./faults.ts";
import type { Machine } from "./machine.ts";
import type { Receiver } from "./receivers.ts";
import type { Stage } from "./stage.ts";
import type { Workload } from "./workload.ts";
import type { WorldNumbers } from "./world.ts";

export interface WorldView {
  readonly machine: Machine;
  readonly receivers: readonly Receiver[];
  readonly workload: Workload;
  readonly faults: FaultInjector;
  readonly numbers: WorldNumbers;
  readonly stage: Stage;
}

/** A message with all that the spool knows of it. */
export interface Row {
  readonly message: StoredMessage;
  readonly recipients: readonly StoredRecipient[];
  readonly events: readonly HistoryEvent[];
}

export type Rows = readonly Row[];
