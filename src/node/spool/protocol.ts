/**
 * What the SQLite spool's main-thread side asks of its worker threads, and their answers: plain data, made for structured
 * cloning. Batches of them travel as `thread-messages.ts` says. Messages and events travel as the JSON text in which they are stored, so that each is serialised once; small
 * rows travel as tuples.
 */
import type { Instant } from "../../lib/instant.ts";
import type { Arrival, CapturedChoice, CapturedPageRequest } from "../../spool/captured-mail.ts";
import type { ClaimRequest, ClaimTerms, OperatorVerb, RecipientFilter, RecipientState } from "../../spool/spool.ts";
import { finalStates, openStates } from "../../spool/recipient-state.ts";

/** A state's number in the stored format is its place here: never reorder. */
export const storedStates: readonly RecipientState[] = [...openStates, ...finalStates];
export const scheduledState = 0;
export const claimedState = 1;
export const heldState = 2;

export function stateNumber(state: RecipientState): number {
  return storedStates.indexOf(state);
}

/** address, domain, acceptedAs, parameters as JSON, held by, held reason, due (null: now). */
export type NewRecipientRow = readonly [
  address: string,
  domain: string,
  acceptedAs: string | null,
  parameters: string | null,
  heldBy: string | null,
  heldReason: string | null,
  due: number | null,
];

/** The columns of {@link recipientColumns}. */
export type RecipientRow = readonly [
  index: number,
  state: number,
  due: number,
  attempts: number,
  warned: number,
  finalAt: number | null,
  address: string,
  domain: string,
  acceptedAs: string | null,
  parameters: string | null,
  lastReply: string | null,
  heldBy: string | null,
  heldReason: string | null,
];

export interface MessageRow {
  readonly id: string;
  readonly receivedAt: Instant;
  readonly reversePath: string;
  /** Whose turn its recipients take. */
  readonly sender: string;
  /** The StoredMessage as JSON. */
  readonly json: string;
  readonly size: number;
  /** The content is in a file already; otherwise its octets follow in the batch's buffer. */
  readonly inFile: boolean;
  readonly recipients: readonly NewRecipientRow[];
  /** The entry among the captured mail as JSON; null: it is not captured. */
  readonly captured: string | null;
}

/** Queue id and JSON of each event, alternating. */
export type EventRows = readonly string[];

/** namespace, key (null: the whole namespace), JSON (null: delete), expiry. */
export type RecordRow = readonly [namespace: string, key: string | null, json: string | null, expiresAt: number | null];

/** index, new state, due, reply or reason, by, warned, uncounted. */
export type ChangeRow = readonly [
  index: number,
  state: number,
  due: number,
  text: string,
  by: string | null,
  warned: 0 | 1,
  uncounted: 0 | 1,
];

export interface CommitOperation {
  readonly kind: "commit";
  readonly now: Instant;
  readonly message: MessageRow;
  readonly events: EventRows;
  readonly records: readonly RecordRow[];
  readonly claim: ClaimTerms | undefined;
}

export interface SettleOperation {
  readonly kind: "settle";
  readonly now: Instant;
  readonly message: string;
  readonly token: number;
  readonly changes: readonly ChangeRow[];
  readonly reports: readonly MessageRow[];
  readonly events: EventRows;
  readonly records: readonly RecordRow[];
  /** Indexes of recipients to list among the captured mail. */
  readonly captured: readonly number[];
}

export interface WarnOperation {
  readonly kind: "warn";
  readonly now: Instant;
  readonly message: string;
  readonly recipients: readonly number[];
  readonly reports: readonly MessageRow[];
  readonly events: EventRows;
}

export interface CapturedDeletion {
  readonly kind: "delete-captured";
  readonly now: Instant;
  readonly choice: CapturedChoice;
  readonly cursor: CapturedStep["cursor"];
}

export interface CapturedTrim {
  readonly kind: "trim-captured";
  readonly now: Instant;
  readonly keep: number;
  readonly before: Instant;
}

/** One bounded step of a deletion. */
export interface CapturedStep {
  readonly removed: number;
  readonly closed: readonly ClosedMessage[];
  /** Entries of format 1, whose content is a file in `captured/`. */
  readonly inFolder: readonly string[];
  /** undefined: done. */
  readonly cursor: { readonly after: Arrival; readonly upTo: Arrival } | undefined;
}

/** One bounded step of a bulk verb. */
export interface VerbOperation {
  readonly kind: "verb";
  readonly verb: OperatorVerb;
  readonly now: Instant;
  readonly filter: RecipientFilter;
  readonly by: string;
  readonly reason: string;
  /** Where the step before stopped. */
  readonly cursor: number;
}

export interface VerbStep {
  readonly changed: number;
  /** undefined: done. */
  readonly cursor: number | undefined;
  readonly closed: readonly ClosedMessage[];
}

export interface ClosedMessage {
  readonly id: string;
  readonly inFile: boolean;
}

export interface ClaimOperation extends ClaimRequest {
  readonly kind: "claim";
  readonly now: Instant;
}

export interface ClaimedRows {
  /** The StoredMessage as JSON. */
  readonly json: string;
  readonly token: number;
  readonly recipients: readonly RecipientRow[];
}

/** What changes the spool; answered after the commit. */
export type WriteOperation =
  | CommitOperation
  | SettleOperation
  | WarnOperation
  | VerbOperation
  | ClaimOperation
  | { readonly kind: "renew"; readonly now: Instant; readonly tokens: readonly number[]; readonly leaseMs: number }
  | { readonly kind: "next-due"; readonly excludeDomains: readonly string[] }
  | { readonly kind: "prune"; readonly before: Instant; readonly limit: number }
  | { readonly kind: "shrink" }
  | { readonly kind: "records"; readonly changes: readonly RecordRow[]; readonly events: EventRows }
  | CapturedDeletion
  | CapturedTrim;

export type SettleResult = "stale" | "settled" | "closed" | "closed-file";

/** What each operation is answered with. */
export interface WriteResults {
  /** The claim's token; 0: nothing was due, or no claim was asked for. */
  readonly commit: number;
  readonly settle: SettleResult;
  readonly warn: boolean;
  readonly verb: VerbStep;
  readonly claim: readonly ClaimedRows[];
  readonly renew: readonly number[];
  readonly "next-due": Instant | undefined;
  readonly prune: number;
  /** Whether the file became smaller. */
  readonly shrink: boolean;
  readonly records: undefined;
  readonly "delete-captured": CapturedStep;
  readonly "trim-captured": CapturedStep;
}

export interface FoundRows {
  readonly json: string;
  readonly recipients: readonly RecipientRow[];
}

export type ReadOperation =
  | {
      readonly kind: "find";
      readonly filter: RecipientFilter;
      readonly limit: number;
      readonly after: { readonly message: string; readonly index: number } | undefined;
    }
  | {
      readonly kind: "unwarned";
      readonly receivedBy: Instant;
      readonly limit: number;
      readonly after: { readonly message: string; readonly index: number } | undefined;
    }
  | { readonly kind: "message"; readonly id: string }
  | { readonly kind: "events"; readonly message: string }
  | { readonly kind: "content"; readonly id: string }
  | { readonly kind: "record"; readonly namespace: string; readonly key: string; readonly now: Instant }
  | {
      readonly kind: "list-records";
      readonly namespace: string;
      readonly after: string | undefined;
      readonly limit: number;
      readonly now: Instant;
    }
  | ({ readonly kind: "list-captured" } & CapturedPageRequest)
  | { readonly kind: "captured-entry"; readonly id: string }
  | { readonly kind: "captured-before"; readonly time: Instant }
  | { readonly kind: "count-captured" }
  /** Which of these queue ids have their content in a file. */
  | { readonly kind: "known-files"; readonly ids: readonly string[] }
  /** Messages with their content in a file, from a place in the order of arrival on. */
  | { readonly kind: "list-files"; readonly after: number; readonly limit: number };

export interface ReadResults {
  readonly find: readonly FoundRows[];
  readonly unwarned: readonly FoundRows[];
  readonly message: FoundRows | undefined;
  readonly events: readonly string[];
  readonly content: ContentRow | undefined;
  readonly record: string | undefined;
  readonly "list-records": readonly (readonly [key: string, json: string])[];
  /** Of one window: `next` is where the next one goes on. */
  readonly "list-captured": {
    readonly rows: readonly (readonly [arrival: Arrival, json: string])[];
    readonly next: Arrival | undefined;
  };
  readonly "captured-entry": readonly [arrival: Arrival, json: string] | undefined;
  readonly "captured-before": Arrival;
  readonly "count-captured": number;
  readonly "known-files": readonly string[];
  readonly "list-files": readonly FileRow[];
}

export type ContentRow =
  { readonly kind: "bytes"; readonly bytes: Uint8Array } | { readonly kind: "file"; readonly size: number };

export type FileRow = readonly [place: number, id: string, size: number];

export interface CheckpointOperation {
  readonly kind: "checkpoint";
  /** The log's file is to become empty, too. */
  readonly truncate: boolean;
}

export type Operation = WriteOperation | ReadOperation | CheckpointOperation;
/** A checkpoint tells how many pages are still in the log. */
export type Results = WriteResults & ReadResults & { readonly checkpoint: number };
export type ResultOf<O extends Operation> = Results[O["kind"]];
