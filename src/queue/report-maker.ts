/** What the queue asks of `reporting/`: the delivery status notifications that a set of outcomes calls for. */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import type { Instant } from "../lib/instant.ts";
import type {
  Content,
  GeneratedMessage,
  QueueId,
  RecordChange,
  StoredMessage,
  StoredRecipient,
} from "../spool/spool.ts";

/** What one attempt did to one recipient, and what the queue decided from it. */
export interface ReportableAttempt {
  readonly recipient: StoredRecipient;
  readonly outcome: DeliveryOutcome;
  /** The outcome is a deferral, and the recipient's time in the queue is over. */
  readonly expired?: boolean;
  /** Deferred: attempts go on until this time. */
  readonly willRetryUntil?: Instant;
  /** Deferred for longer than the sender should be left without word, and not yet warned. */
  readonly delayWarningDue?: boolean;
}

export interface ReportMaker {
  reportsFor(input: {
    readonly message: StoredMessage;
    readonly attempts: readonly ReportableAttempt[];
    readonly openContent: () => Promise<Content>;
    /** The attempt had all there is to deliver of the message: there is nothing to gather from others. */
    readonly whole: boolean;
  }): Promise<MadeReports>;
  /** Nothing of this claim of the message is under way any more. Called often, mostly in vain. */
  claimEnded(message: QueueId): void;
}

export interface MadeReports {
  readonly reports: readonly GeneratedMessage[];
  readonly events: readonly HistoryEvent[];
  /** Indexes of the recipients about whose delay a report was made, or will be. */
  readonly warned: readonly number[];
  /** What is owed and will be told later, to be recorded with the outcomes. */
  readonly records: readonly RecordChange[];
  /** To be called when all of this is recorded. */
  readonly onRecorded: () => void;
}
