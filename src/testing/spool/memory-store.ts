/**
 * What a memory spool keeps, and how it changes: the part that outlives a {@link MemorySpool}, as files outlive a
 * process. The interface, its checks and its time are left to `memory-spool.ts`.
 */
import type { Instant } from "../../lib/instant.ts";
import type { HistoryEvent } from "../../events/history-event.ts";
import { entryOf, mergedEntry } from "../../spool/captured-entry.ts";
import type { Arrival, CapturedEntry, ListedEntry } from "../../spool/captured-mail.ts";
import { dueAfterLostClaim, isOpen, retryDelayMs } from "../../spool/recipient-state.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimTerms,
  type NewMessage,
  type NewRecipient,
  type RecipientChange,
  type RecordChange,
  type StoredMessage,
  type StoredRecipient,
} from "../../spool/spool.ts";

export interface Entry {
  readonly message: StoredMessage;
  readonly recipients: StoredRecipient[];
  /** Which claim holds the recipient of the same index. */
  readonly tokens: (number | undefined)[];
  content: Uint8Array | undefined;
  closedAt: Instant | undefined;
}

interface Claim {
  readonly entry: Entry;
  leaseEnd: Instant;
}

interface MemoryRecord {
  /** JSON, so that nobody shares the value. */
  readonly json: string;
  readonly expiresAt: Instant | undefined;
}

export class MemoryStore {
  /** In the order of arrival. */
  readonly entries = new Map<QueueId, Entry>();
  /** Those with a recipient that is not final. */
  readonly open = new Map<QueueId, Entry>();
  readonly claims = new Map<number, Claim>();
  readonly events = new Map<QueueId, HistoryEvent[]>();
  readonly records = new Map<string, Map<string, MemoryRecord>>();
  /** In the order of arrival. */
  readonly captured = new Map<Arrival, CapturedEntry>();
  readonly capturedWatchers = new Set<() => void>();
  /** Octets of all content. */
  contentBytes = 0;
  #lastToken = 0;
  #lastArrival = 0;

  /** Throws where the message cannot be kept; it is then as if it had never been. */
  checkNew(message: NewMessage): void {
    if (this.entries.has(message.id)) throw new SpoolError("failed", `Queue id ${message.id} is taken`);
    if (message.recipients.length === 0) throw new SpoolError("failed", "A message needs a recipient");
  }

  insert(given: NewMessage, content: Uint8Array, now: Instant): Entry {
    this.checkNew(given);
    const { recipients, ...rest } = given;
    const message: StoredMessage = { ...rest, size: content.length };
    const entry: Entry = {
      message,
      recipients: recipients.map((recipient, index) => newlyStored(message.id, recipient, index, now)),
      tokens: recipients.map(() => undefined),
      content,
      closedAt: undefined,
    };
    this.entries.set(message.id, entry);
    this.open.set(message.id, entry);
    this.contentBytes += content.length;
    const captured = recipients.filter((recipient) => recipient.captured);
    if (captured.length > 0) this.#list(entryOf(message, captured, now));
    return entry;
  }

  /** Lists a message for recipients that its commit did not list. */
  capture({ message, recipients }: Entry, indexes: readonly number[], now: Instant): void {
    const late = recipients.filter(({ index }) => indexes.includes(index));
    if (late.length > 0) this.#list(entryOf(message, late, now));
  }

  /** `forget`: the history may go, too, where the message went nowhere else. */
  removeCaptured({ arrival, entry: { id, to } }: ListedEntry, now: Instant, forget: boolean): void {
    this.captured.delete(arrival);
    const entry = this.entries.get(id);
    if (entry === undefined || this.open.has(id)) return;
    this.#dropContent(entry);
    entry.closedAt = forget && to.length >= entry.recipients.length ? 0 : now;
  }

  findCaptured(id: QueueId): ListedEntry | undefined {
    for (const [arrival, entry] of this.captured) if (entry.id === id) return { arrival, entry };
    return undefined;
  }

  /** Claims recipients of one message under a new token. */
  take(entry: Entry, indexes: readonly number[], terms: ClaimTerms, now: Instant): ClaimedMessage {
    const recipients = indexes
      .toSorted((a, b) => a - b)
      .map((index): StoredRecipient => {
        const before = recipientAt(entry, index);
        const attempts = before.attempts + 1;
        return { ...before, state: "claimed", attempts, due: now + retryDelayMs(terms, attempts) };
      });
    const token = ++this.#lastToken;
    const leaseEnd = now + terms.leaseMs;
    this.claims.set(token, { entry, leaseEnd });
    for (const recipient of recipients) {
      entry.recipients[recipient.index] = recipient;
      entry.tokens[recipient.index] = token;
    }
    return { message: entry.message, token, leaseEnd, recipients };
  }

  /** A claim whose owner or lease is gone: what it still holds returns to the schedule. */
  loseClaim(token: number, now: Instant): void {
    const entry = this.claims.get(token)?.entry;
    this.claims.delete(token);
    for (const recipient of entry?.recipients ?? []) {
      if (entry === undefined || entry.tokens[recipient.index] !== token) continue;
      const due = dueAfterLostClaim(recipient.attempts, recipient.due, now);
      entry.recipients[recipient.index] = { ...recipient, state: "scheduled", due };
      entry.tokens[recipient.index] = undefined;
    }
  }

  /** The outcome of one claimed recipient. */
  applyChange(entry: Entry, change: RecipientChange, now: Instant): void {
    entry.recipients[change.index] = changed(recipientAt(entry, change.index), change, now);
    entry.tokens[change.index] = undefined;
  }

  markWarned(entry: Entry, index: number): void {
    entry.recipients[index] = { ...recipientAt(entry, index), warned: true };
  }

  closeIfFinal(entry: Entry, now: Instant): void {
    if (entry.recipients.some(({ state }) => isOpen(state))) return;
    this.open.delete(entry.message.id);
    // Content and history of a captured message stay until it is deleted.
    if (this.findCaptured(entry.message.id) !== undefined) return;
    this.#dropContent(entry);
    entry.closedAt = now;
  }

  addEvents(events: readonly HistoryEvent[]): void {
    for (const event of events) {
      const list = this.events.get(event.message);
      if (list === undefined) this.events.set(event.message, [event]);
      else list.push(event);
    }
  }

  changeRecord(change: RecordChange): void {
    const { records } = this;
    switch (change.kind) {
      case "put": {
        const namespace = records.get(change.namespace) ?? new Map<string, MemoryRecord>();
        records.set(change.namespace, namespace);
        namespace.set(change.key, { json: JSON.stringify(change.value ?? null), expiresAt: change.expiresAt });
        return;
      }
      case "delete":
        records.get(change.namespace)?.delete(change.key);
        return;
      case "clear":
        records.delete(change.namespace);
        return;
      default:
        change satisfies never;
    }
  }

  #list(entry: CapturedEntry): void {
    const earlier = this.findCaptured(entry.id);
    if (earlier !== undefined) this.captured.delete(earlier.arrival);
    this.captured.set(++this.#lastArrival, earlier === undefined ? entry : mergedEntry(earlier.entry, entry));
    for (const notify of this.capturedWatchers) notify();
  }

  #dropContent(entry: Entry): void {
    this.contentBytes -= entry.content?.length ?? 0;
    entry.content = undefined;
  }
}

function recipientAt(entry: Entry, index: number): StoredRecipient {
  const recipient = entry.recipients[index];
  if (recipient === undefined) throw new SpoolError("failed", `${entry.message.id} has no recipient ${index}`);
  return recipient;
}

function newlyStored(message: QueueId, given: NewRecipient, index: number, now: Instant): StoredRecipient {
  return {
    ...given,
    message,
    index,
    state: given.held === undefined ? "scheduled" : "held",
    due: given.due ?? now,
    attempts: 0,
    warned: false,
  };
}

function changed(before: StoredRecipient, change: RecipientChange, now: Instant): StoredRecipient {
  switch (change.to) {
    case "scheduled":
      return {
        ...before,
        state: "scheduled",
        due: change.due,
        lastReply: change.reply,
        warned: before.warned || change.warned === true,
        attempts: before.attempts - (change.uncounted === true ? 1 : 0),
      };
    case "held":
      return { ...before, state: "held", held: { by: change.by, reason: change.reason } };
    case "delivered":
    case "relayed":
    case "failed":
    case "expired":
      return { ...before, state: change.to, lastReply: change.reply, finalAt: now };
    default:
      return change satisfies never;
  }
}
