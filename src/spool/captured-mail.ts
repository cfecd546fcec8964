/**
 * Captured mail: messages whose recipients are routed to `capture`. A message is listed in the transaction that accepts
 * it, so a 250 means listed; its content stays in the spool until the entry is deleted. Entries are numbered in the
 * order of their commits, and every list, wait and cursor goes by these numbers.
 */
import type { Instant } from "../lib/instant.ts";
import type { QueueId } from "./queue-id.ts";

/** One message, whatever the number of its recipients. */
export interface CapturedEntry {
  readonly id: QueueId;
  /** The reverse-path; "" is the null one. */
  readonly from: string;
  /** The captured recipients, as given in RCPT. */
  readonly to: readonly string[];
  /** Decoded, for people. */
  readonly subject: string;
  /** ISO 8601, UTC: when the message was listed. */
  readonly received_at: string;
  /** Octets, with the fields that we put on top. */
  readonly size: number;
  /** A mailbox would put it into Junk. */
  readonly junk?: true;
  /** Addresses of the From field: the `from` filter finds them besides the reverse-path. */
  readonly authors?: readonly string[];
  /** It would have left in the form made for forwarded mail. */
  readonly forwarded?: true;
  /** Format 1 of the spool captured it: the message is the file `captured/ID.eml` of the data directory. */
  readonly in_folder?: true;
}

/** The place of an entry in the order of arrival; rises, and is never used twice. */
export type Arrival = number;

export interface ListedEntry {
  readonly arrival: Arrival;
  readonly entry: CapturedEntry;
}

/** Every part given must match. Letter case makes no difference. */
export interface CapturedFilter {
  /** A recipient. */
  readonly to?: string;
  /** The reverse-path ("" is the null one), or an address of the From field. */
  readonly from?: string;
  /** The whole subject. */
  readonly subject?: string;
  readonly to_contains?: string;
  readonly from_contains?: string;
  readonly subject_contains?: string;
  /** `*` stands for any text; the rest must match from beginning to end. */
  readonly to_pattern?: string;
  readonly from_pattern?: string;
  readonly subject_pattern?: string;
}

export const capturedFilterNames = [
  "to",
  "from",
  "subject",
  "to_contains",
  "from_contains",
  "subject_contains",
  "to_pattern",
  "from_pattern",
  "subject_pattern",
] as const satisfies readonly (keyof CapturedFilter)[];

export interface CapturedPageRequest {
  readonly filter?: CapturedFilter;
  readonly limit: number;
  readonly order: "newest first" | "oldest first";
  /** Only entries that arrived after this one. */
  readonly after?: Arrival;
  /** Only entries that arrived before this one. */
  readonly before?: Arrival;
}

/** Which entries to delete: each part given narrows the choice. */
export interface CapturedChoice {
  readonly id?: QueueId;
  readonly filter?: CapturedFilter;
}

export interface CapturedMail {
  /** Matching entries in the given order, at most `limit`. */
  list(request: CapturedPageRequest): Promise<readonly ListedEntry[]>;
  get(id: QueueId): Promise<ListedEntry | undefined>;
  /** The last entry that was listed before `time`; 0: there is none. */
  arrivalBefore(time: Instant): Promise<Arrival>;
  /** Entries in all. */
  count(): Promise<number>;
  /**
   * Deletes what is listed now, also mail that the queue still holds: it never comes back. The history of a message that
   * was captured only goes with the next prune. Returns how many entries were deleted.
   */
  delete(choice: CapturedChoice): Promise<number>;
  /** Deletes what exceeds `keep` entries, oldest first, and what arrived before `before`; its history stays. */
  trim(limits: { readonly keep: number; readonly before: Instant }): Promise<number>;
  /** `listener` is called after a commit that listed something; the function returned ends that. */
  watch(listener: () => void): () => void;
}
