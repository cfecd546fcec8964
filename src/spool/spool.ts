/**
 * The spool: durable storage of accepted mail, its recipients' states, their history, and the small records of other
 * parts. An interface only: `node/spool/sqlite-spool.ts` implements it, and `testing/spool/` has a spool in memory and a
 * journal for tests. All pass one contract suite.
 *
 * Every call is asynchronous, carries plain data, and works the same in this thread, in a worker, or over a network.
 * `docs/spool.md` tabulates the states, who moves between them, and what each crash point leaves.
 */
import type { Instant } from "../lib/instant.ts";
import type { HistoryEvent, SignInFacts } from "../events/history-event.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import type { BodyType, NotifyCondition } from "../smtp/envelope.ts";
import type { TlsFacts } from "../ports/network.ts";
import type { CapturedMail } from "./captured-mail.ts";
import type { QueueId } from "./queue-id.ts";

/** Where a message came from. */
export interface MessageOrigin {
  /** `mx`, `submission`, `submissions`, `lmtp`, or `local` for what we made ourselves. */
  readonly listener: "mx" | "submission" | "submissions" | "lmtp" | "local";
  readonly clientAddress?: string;
  readonly hello?: string;
  /** RFC 3848 keyword: `ESMTPSA`, `UTF8SMTP`, … */
  readonly protocol: string;
  readonly login?: string;
  /** How the login came about; absent in mail that older versions took. */
  readonly signedIn?: SignInFacts;
  /** SHA-256 of the client's key, by which it was allowed to relay. */
  readonly relayKey?: string;
  readonly tls?: Pick<TlsFacts, "protocol" | "cipher">;
}

export interface StoredMessage {
  readonly id: QueueId;
  readonly receivedAt: Instant;
  /** `local@domain` ready for the wire (quoted where needed); "" is the null reverse-path. */
  readonly reversePath: string;
  readonly origin: MessageOrigin;
  readonly body: BodyType;
  /** MAIL had SMTPUTF8. */
  readonly smtpUtf8: boolean;
  readonly ret?: "FULL" | "HDRS";
  readonly envelopeId?: string;
  /** MAIL had REQUIRETLS, or it reports on such a message (RFC 8689 §4.2.1, §5). */
  readonly requireTls?: true;
  readonly facts: MessageFacts;
  /** Octets of the content as stored, without `headerBlock`. */
  readonly size: number;
  /** Put in front of the content whenever it leaves: our Received field and others made before acceptance; CRLF-ended. */
  readonly headerBlock: string;
  readonly tags?: readonly string[];
  /** W3C trace context given at submission. */
  readonly traceparent?: string;
  /** For a report: the message it reports on. */
  readonly reportOn?: QueueId;
  /** The domain it says it is from asks for suspicion (RFC 9989 §5.4): mailboxes put it into Junk. */
  readonly junk?: true;
  /** It came from a stranger, and so much is known of whether its reverse-path is the stranger's own. Absent: no stranger. */
  readonly stranger?: StrangersPath;
  /** How it leaves to recipients that are `forwarded`. */
  readonly forwarded?: ForwardedForm;
  /** Addresses of the From field; known for captured mail only. */
  readonly authors?: readonly string[];
}

/**
 * Whether the message may go nowhere without what RFC 8689 §4.2.1 asks for. A report may: it is to arrive also where the
 * way back lacks REQUIRETLS, and says it where it can (§5).
 */
export function needsRequireTls({ requireTls, reversePath }: StoredMessage): boolean {
  return requireTls === true && reversePath !== "";
}

/** `verified`: SPF passed (for the null reverse-path, DMARC). `forged`: SPF failed. `unknown`: neither. */
export type StrangersPath = "verified" | "forged" | "unknown";

/** What differs for copies that a local address forwards. */
export interface ForwardedForm {
  /** Ready for the wire, rewritten so that bounces come to us; "" is the null reverse-path. */
  readonly reversePath: string;
  /** Goes on top of the message's own `headerBlock` (an ARC set, a signature); CRLF-ended, or "". */
  readonly headerBlock: string;
}

export type RecipientState =
  "scheduled" | "claimed" | "held" | "delivered" | "relayed" | "failed" | "expired" | "removed";

export interface NewRecipient {
  /** Where it goes: `local@domain` ready for the wire. */
  readonly address: string;
  /** The mailbox's `domainKey`: what routing looks at. */
  readonly domain: string;
  /** The address given in RCPT, where an alias or catch-all led elsewhere. */
  readonly acceptedAs?: string;
  readonly notify?: readonly NotifyCondition[];
  readonly originalRecipient?: string;
  /** One of our addresses led here, to another domain: it gets the message's `forwarded` form. */
  readonly forwarded?: true;
  /** Instead of being scheduled at once. */
  readonly held?: { readonly by: string; readonly reason: string };
  /** Not before this time; absent: now. */
  readonly due?: Instant;
  /** It is routed to `capture`: the commit lists the message among the captured mail, for all recipients that say so. */
  readonly captured?: true;
}

export interface StoredRecipient extends NewRecipient {
  readonly message: QueueId;
  readonly index: number;
  readonly state: RecipientState;
  readonly due: Instant;
  /** Attempts begun. */
  readonly attempts: number;
  readonly lastReply?: string;
  /** When it became final. */
  readonly finalAt?: Instant;
  /** A "delayed" report was made. */
  readonly warned: boolean;
}

/** A message with those of its recipients that this claim took. `token` fences: a lost lease cannot settle. */
export interface ClaimedMessage {
  readonly message: StoredMessage;
  readonly token: number;
  readonly leaseEnd: Instant;
  /** `attempts` already counts the one about to begin; `due` is already the time of the next. */
  readonly recipients: readonly StoredRecipient[];
}

/**
 * How a claim records the next due time before anyone connects: `retryDelaysMs[attempts - 1]`, the last one repeats.
 */
export interface ClaimTerms {
  readonly leaseMs: number;
  readonly retryDelaysMs: readonly number[];
}

export interface ClaimRequest extends ClaimTerms {
  readonly limit: number;
  /** At most so many recipients of one domain in the page, so that one flood cannot fill it; its senders share them. */
  readonly perDomainMax: number;
  /** Domains that cannot use more work just now. */
  readonly excludeDomains: readonly string[];
  /** Only recipients of messages that were received by this time, oldest message first, of whatever domain. */
  readonly receivedBy?: Instant;
}

export type NewMessage = Omit<StoredMessage, "size"> & {
  readonly recipients: readonly NewRecipient[];
};

/** A message that we made ourselves (a report), stored in the transaction of the outcome that caused it. */
export interface GeneratedMessage {
  readonly message: NewMessage;
  readonly content: Uint8Array;
}

export type RecipientChange =
  | { readonly index: number; readonly to: "delivered" | "relayed" | "failed" | "expired"; readonly reply: string }
  | {
      readonly index: number;
      readonly to: "scheduled";
      readonly due: Instant;
      readonly reply: string;
      readonly warned?: true;
      /** The attempt did not really happen (shutdown, site busy); do not count it. */
      readonly uncounted?: true;
    }
  | { readonly index: number; readonly to: "held"; readonly by: string; readonly reason: string };

export interface Settlement {
  readonly message: QueueId;
  readonly token: number;
  readonly changes: readonly RecipientChange[];
  readonly reports: readonly GeneratedMessage[];
  readonly events: readonly HistoryEvent[];
  readonly records?: readonly RecordChange[];
  /** Indexes of recipients to list among the captured mail: those that no commit listed. */
  readonly captured?: readonly number[];
}

/** What a sender is told of recipients that still wait. */
export interface DelayWarning {
  readonly message: QueueId;
  readonly recipients: readonly number[];
  readonly reports: readonly GeneratedMessage[];
  readonly events: readonly HistoryEvent[];
}

/** Small state of other parts (greylist, bans, …): JSON values under a part's own namespace. */
export type RecordChange =
  | {
      readonly kind: "put";
      readonly namespace: string;
      readonly key: string;
      readonly value: unknown;
      readonly expiresAt?: Instant;
    }
  | { readonly kind: "delete"; readonly namespace: string; readonly key: string }
  | { readonly kind: "clear"; readonly namespace: string };

export interface StoredRecord {
  readonly key: string;
  readonly value: unknown;
}

/** The octets of a message, without its header block. */
export interface Content extends AsyncDisposable {
  readonly size: number;
  /** Whole, when the spool keeps it in memory or in its row (at most 256 KiB); otherwise read in chunks. */
  readonly whole?: Uint8Array;
  chunks(): AsyncIterable<Uint8Array>;
}

/** What `find` and the bulk verbs select; an empty selection selects everything that is not final. */
export interface RecipientFilter {
  readonly message?: QueueId;
  readonly from?: string;
  readonly to?: string;
  readonly domain?: string;
  readonly states?: readonly RecipientState[];
}

/** What a person or a program may ask for recipients that wait. */
export type OperatorVerb = "hold" | "release" | "retry" | "remove";

export interface FoundRecipient {
  readonly message: StoredMessage;
  readonly recipient: StoredRecipient;
}

export interface SpoolStats {
  /** Counted in recipients. */
  readonly scheduled: number;
  readonly claimed: number;
  readonly held: number;
  /** Age of the oldest message with a recipient that is not final; 0 when there is none. */
  readonly oldestSeconds: number;
}

export interface CommitOptions {
  readonly claim?: ClaimTerms;
  readonly events: readonly HistoryEvent[];
  readonly records?: readonly RecordChange[];
}

/** Receives one message. Dispose without commit aborts and leaves nothing. */
export interface MessageWriter extends AsyncDisposable {
  /**
   * Takes over `bytes` (the caller must not change them any more). A promise is returned only when the caller should
   * wait: content above 256 KiB goes to a file while it arrives.
   */
  append(bytes: Uint8Array): Promise<void> | undefined;
  readonly size: number;
  /**
   * Resolves after the fsync that made message, recipients and first event durable (RFC 5321 §6.1). With `claim`, the
   * recipients that are due come back claimed, so fresh mail needs no second transaction. `records` change in the same
   * transaction.
   * Rejects with {@link SpoolError}; nothing is then kept.
   */
  commit(
    message: NewMessage,
    options: CommitOptions,
  ): Promise<{ readonly message: StoredMessage; readonly claimed: ClaimedMessage | undefined }>;
  abort(): Promise<void>;
}

/**
 * `no-space` is answered `452 4.3.1`, `failed` `451 4.3.0`. `damaged`: what is asked for lies where the disk has lost
 * something; the rest of the spool works. After `closed` nothing more is accepted.
 */
export class SpoolError extends Error {
  override readonly name = "SpoolError";
  readonly code: "no-space" | "failed" | "damaged" | "closed" | "newer-format";
  constructor(code: SpoolError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Spool extends AsyncDisposable {
  begin(): MessageWriter;

  /**
   * Due recipients, oldest due first, grouped by message; marks them claimed and records attempt and next due time. Where
   * more are due than the request takes, senders take turns (`turns.ts`), each with the oldest first.
   */
  claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]>;
  /** Extends leases; the tokens that are no longer valid are returned. */
  renew(tokens: readonly number[], leaseMs: number): Promise<readonly number[]>;
  /** One transaction: outcomes, reports, events, records. false: the token is stale and nothing was changed. */
  settle(settlement: Settlement): Promise<boolean>;
  /** Earliest due time of a scheduled recipient (not of `excludeDomains`), or the end of the earliest lease. */
  nextDue(excludeDomains: readonly string[]): Promise<Instant | undefined>;
  /**
   * undefined: the content is gone, or is not whole any more. Reading may find that, too; it then rejects with `damaged`.
   */
  openContent(message: QueueId): Promise<Content | undefined>;

  hold(filter: RecipientFilter, by: string, reason: string): Promise<number>;
  release(filter: RecipientFilter, by: string): Promise<number>;
  /** Makes scheduled recipients due now. */
  retry(filter: RecipientFilter, by: string): Promise<number>;
  remove(filter: RecipientFilter, by: string): Promise<number>;
  /** Newest first; `after` is the last row of the page before. */
  find(
    filter: RecipientFilter,
    page: { readonly limit: number; readonly after?: { readonly message: QueueId; readonly index: number } },
  ): Promise<readonly FoundRecipient[]>;
  /**
   * Scheduled and claimed recipients that count as not warned about, of messages received by this time; in the order of
   * acceptance. `after` is the last row of the page before.
   */
  unwarned(
    receivedBy: Instant,
    page: { readonly limit: number; readonly after?: { readonly message: QueueId; readonly index: number } },
  ): Promise<readonly FoundRecipient[]>;
  /**
   * One transaction: these recipients count as warned about, whoever has claimed them, with the reports and events. false:
   * one of them is final, held, or warned about by now, and nothing was changed.
   */
  warn(warning: DelayWarning): Promise<boolean>;
  /** The message with all its recipients, whatever their state. */
  message(
    id: QueueId,
  ): Promise<{ readonly message: StoredMessage; readonly recipients: readonly StoredRecipient[] } | undefined>;
  events(message: QueueId): Promise<readonly HistoryEvent[]>;
  stats(): Promise<SpoolStats>;
  /** Removes final messages, events and expired records older than `before`, a bounded number at a time; returns how many rows went. */
  prune(before: Instant, limit: number): Promise<number>;

  getRecord(namespace: string, key: string): Promise<unknown>;
  /** In order of keys. */
  listRecords(
    namespace: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly StoredRecord[]>;
  /** One transaction. `events`: what the history of a message tells of it. */
  changeRecords(changes: readonly RecordChange[], events?: readonly HistoryEvent[]): Promise<void>;

  readonly captured: CapturedMail;

  /** Finishes what is under way; later calls reject with `closed`. */
  close(): Promise<void>;
}
