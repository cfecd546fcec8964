/**
 * What a sender is owed and has not been told yet, as a record of the spool: written in the transaction of the outcome,
 * deleted in that of the report. Each holds all that its report needs, so that the content may go with the last outcome.
 */
import type { ReportAction, ReportedMessage, ReportedRecipient } from "../dsn/report.ts";
import type { Instant } from "../lib/instant.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { RecordChange, StoredMessage, StoredRecord } from "../spool/spool.ts";

export const owedNamespace = "owed-reports";

/** `expanded` is told when the message is accepted, and never gathered. */
export type GatheredAction = Exclude<ReportAction, "expanded">;

/** What a report says of the message besides its content. */
export type ReportedOn = Pick<StoredMessage, "id" | "reversePath" | "traceparent" | "requireTls">;

export interface OwedReport {
  readonly about: ReportedOn;
  readonly action: GatheredAction;
  /** The report is made then at the latest. */
  readonly tellBy: Instant;
  readonly original: ReportedMessage;
  readonly recipients: readonly OwedRecipient[];
}

export interface OwedRecipient {
  /** Within the message. */
  readonly index: number;
  readonly told: ReportedRecipient;
}

type StoredOwed = Omit<OwedReport, "original"> & { readonly original: StoredOriginal };

interface StoredOriginal extends Omit<ReportedMessage, "header" | "body"> {
  readonly header: string;
  readonly body?: string;
}

/** A recipient is told of an action once, so its first recipient names a record. */
export function owedRecord(owed: OwedReport): RecordChange {
  const { about, action, recipients, original } = owed;
  const { header, body, ...rest } = original;
  const value: StoredOwed = {
    ...owed,
    original: {
      ...rest,
      header: header.toString("base64"),
      ...(body !== undefined && { body: body.toString("base64") }),
    },
  };
  return { kind: "put", namespace: owedNamespace, key: `${about.id}/${action}/${recipients[0]?.index ?? 0}`, value };
}

/** What the keys of one message and action begin with. */
export function keysOf(message: QueueId, action: GatheredAction): string {
  return `${message}/${action}/`;
}

/** Only this program writes there, and only with {@link owedRecord}. */
export function readOwed({ value }: StoredRecord): OwedReport {
  const { original, ...owed } = value as StoredOwed;
  const { header, body, ...rest } = original;
  return {
    ...owed,
    original: {
      ...rest,
      header: Buffer.from(header, "base64"),
      ...(body !== undefined && { body: Buffer.from(body, "base64") }),
    },
  };
}
