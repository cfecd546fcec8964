/** What the queue asks of `outbound/`: one attempt for one message at one next hop. */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { Content, RecordChange, StoredMessage, StoredRecipient } from "../spool/spool.ts";

export interface DeliveryJob {
  readonly message: StoredMessage;
  /** At least one; all go to `hop`. */
  readonly recipients: readonly StoredRecipient[];
  readonly hop: NextHop;
  /** May be called more than once (a second host, a reconnect). The caller disposes of what it gets. */
  readonly openContent: () => Promise<Content>;
  /** Servers are only asked whether they would take the recipients; a success then says that they would. */
  readonly contentWithheld?: true;
  /**
   * To be asked before each connection to another server, a new one or a kept one; false: so many deliveries are under way
   * to that address that this one must leave it alone. The last address that was allowed is the one that counts.
   */
  readonly mayConnect?: (address: string) => boolean;
  /** How many idle connections to that address may stay open when one more is opened there. Default: any number. */
  readonly idleMax?: (address: string) => number;
}

export interface RecipientOutcome {
  readonly index: number;
  readonly outcome: DeliveryOutcome;
  /**
   * What a failure says about the site, where the outcome does not tell: `answered` where a server of it was there and the
   * message may be what broke the connection; `not-asked` where we did not ask it.
   */
  readonly site?: "answered" | "not-asked";
}

export interface DeliveryResult {
  /** Exactly one per recipient of the job, in any order. */
  readonly outcomes: readonly RecipientOutcome[];
  /** Stored in the transaction of the outcome (a report that was received, for instance). */
  readonly records?: readonly RecordChange[];
  /** Indexes of recipients to list among the captured mail in the transaction of the outcome. */
  readonly captured?: readonly number[];
}

export interface DeliveryAgent {
  /**
   * Bounded in time by the agent itself. `signal` asks to stop soon: what has not been handed over is deferred. It
   * rejects only because of a bug; the queue then defers every recipient of the job.
   */
  deliver(job: DeliveryJob, options: { readonly signal: AbortSignal }): Promise<DeliveryResult>;
  /** Closes kept connections. */
  close(): Promise<void>;
}
