/**
 * A message of our own making, such as a report. Its maker writes the content and says where it goes; what is known of the
 * content, the fields on top and our signature are the intake's, as for every other message. Types only.
 */
import type { HistoryEvent } from "../events/history-event.ts";
import type { Instant } from "../lib/instant.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { NewRecipient, RecordChange } from "../spool/spool.ts";

export interface Letter {
  /** Given by the maker, who may have written it down before. */
  readonly id: QueueId;
  readonly at: Instant;
  readonly content: Buffer;
  /** Ready for the wire; "" is the null reverse-path. */
  readonly reversePath: string;
  readonly recipients: readonly Pick<NewRecipient, "address" | "domain" | "acceptedAs">[];
  /** It goes to an address beyond ASCII. */
  readonly smtpUtf8?: boolean;
  /** For a report on a message with REQUIRETLS (RFC 8689 §5). */
  readonly requireTls?: true;
  /** For a report: the message that it reports on. */
  readonly reportOn?: QueueId;
  readonly traceparent?: string;
}

/** What the transaction that stores a letter tells and changes besides. */
export interface WithLetter {
  /** What the history tells in place of the letter's own acceptance. */
  readonly event?: HistoryEvent;
  readonly records?: readonly RecordChange[];
}
