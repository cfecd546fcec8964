/**
 * A spool in memory, for simulations and tests: the same semantics as the SQLite spool, nothing durable. What a crash
 * would leave on a disk is a {@link MemoryStore}; a second spool over the same store is the restarted server.
 */
import type { Instant } from "../../lib/instant.ts";
import type { HistoryEvent } from "../../events/history-event.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CapturedMail } from "../../spool/captured-mail.ts";
import { MemoryCaptured } from "./memory-captured.ts";
import { MemoryStore } from "./memory-store.ts";
import { isMeant, isOpen, retryDelayMs, selectedStates } from "../../spool/recipient-state.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimRequest,
  type DelayWarning,
  type Content,
  type FoundRecipient,
  type MessageWriter,
  type RecipientFilter,
  type RecipientState,
  type RecordChange,
  type Settlement,
  type Spool,
  type SpoolStats,
  type StoredMessage,
  type StoredRecipient,
  type StoredRecord,
} from "../../spool/spool.ts";
import { type DueInLane, LastTurns, senderOf, takeTurns } from "../../spool/turns.ts";

export { MemoryStore };

export interface MemorySpoolOptions {
  readonly clock: Clock;
  /** State of an earlier spool; its claims return to the schedule. */
  readonly store?: MemoryStore;
  /** Octets of content above which a commit fails with `no-space`. */
  readonly capacityBytes?: number;
}

export class MemorySpool implements Spool {
  readonly captured: CapturedMail;
  readonly #clock: Clock;
  readonly #store: MemoryStore;
  readonly #capacityBytes: number;
  readonly #turns = new LastTurns();
  #closed = false;

  constructor(options: MemorySpoolOptions) {
    this.#clock = options.clock;
    this.#store = options.store ?? new MemoryStore();
    this.#capacityBytes = options.capacityBytes ?? Infinity;
    this.captured = new MemoryCaptured({ store: this.#store, clock: this.#clock, check: () => this.#check() });
    const now = this.#clock.now();
    for (const token of this.#store.claims.keys()) this.#store.loseClaim(token, now);
  }

  begin(): MessageWriter {
    const chunks: Uint8Array[] = [];
    let size = 0;
    let finished = false;
    return {
      get size() {
        return size;
      },
      append: (bytes) => {
        chunks.push(bytes);
        size += bytes.length;
        return undefined;
      },
      commit: async (message, { claim, events, records = [] }) => {
        this.#check();
        if (finished) throw new SpoolError("failed", "The message is committed or aborted already");
        finished = true;
        this.#checkSpace(size);
        if (claim !== undefined) retryDelayMs(claim, 1);
        const now = this.#clock.now();
        const entry = this.#store.insert(message, Buffer.concat(chunks), now);
        this.#store.addEvents(events);
        for (const change of records) this.#store.changeRecord(change);
        const due = entry.recipients.filter((recipient) => recipient.state === "scheduled" && recipient.due <= now);
        const indexes = due.map(({ index }) => index);
        const claimed = claim && due.length > 0 ? this.#store.take(entry, indexes, claim, now) : undefined;
        return { message: entry.message, claimed };
      },
      abort: async () => {
        finished = true;
      },
      [Symbol.asyncDispose]: async () => {
        finished = true;
      },
    };
  }

  async claim(request: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    this.#check();
    const now = this.#clock.now();
    for (const [token, claim] of this.#store.claims) if (claim.leaseEnd <= now) this.#store.loseClaim(token, now);
    const excluded = new Set(request.excludeDomains);
    const due: (DueInLane & Pick<StoredRecipient, "message" | "index">)[] = [];
    const { receivedBy } = request;
    for (const { message, recipients } of this.#store.open.values()) {
      if (receivedBy !== undefined && message.receivedAt > receivedBy) continue;
      const sender = senderOf(message);
      for (const { state, due: at, domain, index } of recipients) {
        if (state !== "scheduled" || at > now) continue;
        if (receivedBy !== undefined || !excluded.has(domain))
          due.push({ domain, sender, due: at, message: message.id, index });
      }
    }
    // The sort is stable, and the entries came in the order of their arrival.
    if (receivedBy === undefined) due.sort((a, b) => a.due - b.due);
    const page =
      receivedBy === undefined
        ? takeTurns(due, request, (first) => this.#turns.turnOf(first, now))
        : due.slice(0, request.limit);
    const groups = new Map<QueueId, number[]>();
    for (const recipient of page) {
      if (receivedBy === undefined) this.#turns.note(recipient, now);
      const { message, index } = recipient;
      const group = groups.get(message);
      if (group === undefined) groups.set(message, [index]);
      else group.push(index);
    }
    const claimed: ClaimedMessage[] = [];
    for (const [id, indexes] of groups) {
      const entry = this.#store.open.get(id);
      if (entry !== undefined) claimed.push(this.#store.take(entry, indexes, request, now));
    }
    return claimed;
  }

  async renew(tokens: readonly number[], leaseMs: number): Promise<readonly number[]> {
    this.#check();
    const now = this.#clock.now();
    return tokens.filter((token) => {
      const claim = this.#store.claims.get(token);
      if (claim === undefined) return true;
      claim.leaseEnd = now + leaseMs;
      return false;
    });
  }

  async settle(settlement: Settlement): Promise<boolean> {
    this.#check();
    const claim = this.#store.claims.get(settlement.token);
    const entry = claim?.entry;
    if (entry === undefined || entry.message.id !== settlement.message) return false;
    if (settlement.changes.some(({ index }) => entry.tokens[index] !== settlement.token)) return false;
    if (new Set(settlement.changes.map(({ index }) => index)).size < settlement.changes.length) {
      throw new SpoolError("failed", "A settlement changes a recipient twice");
    }
    this.#checkSpace(settlement.reports.reduce((size, { content }) => size + content.length, 0));
    for (const { message } of settlement.reports) this.#store.checkNew(message);
    const now = this.#clock.now();
    for (const { message, content } of settlement.reports) this.#store.insert(message, content, now);
    for (const change of settlement.changes) this.#store.applyChange(entry, change, now);
    if (!entry.tokens.includes(settlement.token)) this.#store.claims.delete(settlement.token);
    this.#store.capture(entry, settlement.captured ?? [], now);
    this.#store.closeIfFinal(entry, now);
    this.#store.addEvents(settlement.events);
    for (const change of settlement.records ?? []) this.#store.changeRecord(change);
    return true;
  }

  async nextDue(excludeDomains: readonly string[]): Promise<Instant | undefined> {
    this.#check();
    const excluded = new Set(excludeDomains);
    let next = Infinity;
    for (const { recipients } of this.#store.open.values()) {
      for (const { state, due, domain } of recipients) {
        if (state === "scheduled" && due < next && !excluded.has(domain)) next = due;
      }
    }
    for (const { leaseEnd } of this.#store.claims.values()) next = Math.min(next, leaseEnd);
    return next === Infinity ? undefined : next;
  }

  async openContent(message: QueueId): Promise<Content | undefined> {
    this.#check();
    const whole = this.#store.entries.get(message)?.content;
    if (whole === undefined) return undefined;
    return {
      size: whole.length,
      whole,
      async *chunks() {
        yield whole;
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async hold(filter: RecipientFilter, by: string, reason: string): Promise<number> {
    return this.#changeMany(filter, ["scheduled"], "recipient-held", by, reason, (recipient) => ({
      ...recipient,
      state: "held",
      held: { by, reason },
    }));
  }

  async release(filter: RecipientFilter, by: string): Promise<number> {
    return this.#changeMany(filter, ["held"], "recipient-released", by, undefined, (recipient, now) => {
      const { held: _, ...rest } = recipient;
      return { ...rest, state: "scheduled", due: now };
    });
  }

  async retry(filter: RecipientFilter, by: string): Promise<number> {
    return this.#changeMany(filter, ["scheduled"], "recipient-retried", by, undefined, (recipient, now) => ({
      ...recipient,
      due: now,
    }));
  }

  async remove(filter: RecipientFilter, by: string): Promise<number> {
    return this.#changeMany(filter, ["scheduled", "held"], "recipient-removed", by, undefined, (recipient, now) => {
      const { held: _, ...rest } = recipient;
      return { ...rest, state: "removed", finalAt: now };
    });
  }

  async find(
    filter: RecipientFilter,
    page: { readonly limit: number; readonly after?: { readonly message: QueueId; readonly index: number } },
  ): Promise<readonly FoundRecipient[]> {
    this.#check();
    const found: FoundRecipient[] = [];
    const newestFirst = [...this.#store.entries.values()].reverse();
    const { after } = page;
    // Where the last row of the page before has been pruned, ids tell what came before it.
    const start = after && newestFirst.findIndex(({ message }) => message.id === after.message);
    for (const entry of newestFirst.slice(Math.max(0, start ?? 0))) {
      if (after !== undefined && start === -1 && entry.message.id > after.message) continue;
      for (const recipient of entry.recipients) {
        if (after?.message === entry.message.id && recipient.index <= after.index) continue;
        if (!selectedStates(filter).includes(recipient.state)) continue;
        if (!isMeant(filter, entry.message, recipient)) continue;
        if (found.length === page.limit) return found;
        found.push({ message: entry.message, recipient });
      }
    }
    return found;
  }

  async unwarned(
    receivedBy: Instant,
    page: { readonly limit: number; readonly after?: { readonly message: QueueId; readonly index: number } },
  ): Promise<readonly FoundRecipient[]> {
    this.#check();
    const { limit, after } = page;
    const found: FoundRecipient[] = [];
    // The entries came in the order of acceptance; where the last one has been pruned, all are looked at.
    let isBefore = after !== undefined && this.#store.entries.has(after.message);
    for (const { message, recipients } of this.#store.entries.values()) {
      const isLast = message.id === after?.message;
      if (isLast) isBefore = false;
      if (isBefore || message.receivedAt > receivedBy) continue;
      for (const recipient of recipients) {
        if (found.length === limit) return found;
        if (!isUnwarned(recipient) || (isLast && recipient.index <= after.index)) continue;
        found.push({ message, recipient });
      }
    }
    return found;
  }

  async warn({ message: id, recipients, reports, events }: DelayWarning): Promise<boolean> {
    this.#check();
    const entry = this.#store.open.get(id);
    if (entry === undefined || !recipients.every((index) => isUnwarned(entry.recipients[index]))) return false;
    this.#checkSpace(reports.reduce((size, { content }) => size + content.length, 0));
    for (const { message } of reports) this.#store.checkNew(message);
    const now = this.#clock.now();
    for (const { message, content } of reports) this.#store.insert(message, content, now);
    for (const index of recipients) this.#store.markWarned(entry, index);
    this.#store.addEvents(events);
    return true;
  }

  async message(
    id: QueueId,
  ): Promise<{ readonly message: StoredMessage; readonly recipients: readonly StoredRecipient[] } | undefined> {
    this.#check();
    const entry = this.#store.entries.get(id);
    return entry && { message: entry.message, recipients: [...entry.recipients] };
  }

  async events(message: QueueId): Promise<readonly HistoryEvent[]> {
    this.#check();
    return [...(this.#store.events.get(message) ?? [])];
  }

  async stats(): Promise<SpoolStats> {
    this.#check();
    const counts = { scheduled: 0, claimed: 0, held: 0 };
    for (const { recipients } of this.#store.open.values()) {
      for (const { state } of recipients) if (isOpen(state)) counts[state]++;
    }
    const [oldest] = this.#store.open.values();
    const ageMs = oldest === undefined ? 0 : this.#clock.now() - oldest.message.receivedAt;
    return { ...counts, oldestSeconds: Math.max(0, Math.floor(ageMs / 1000)) };
  }

  async prune(before: Instant, limit: number): Promise<number> {
    this.#check();
    let rows = 0;
    for (const [id, entry] of this.#store.entries) {
      if (rows >= limit) return rows;
      if (entry.closedAt === undefined || entry.closedAt >= before) continue;
      rows += 1 + entry.recipients.length + (this.#store.events.get(id)?.length ?? 0);
      this.#store.entries.delete(id);
      this.#store.events.delete(id);
    }
    for (const namespace of this.#store.records.values()) {
      for (const [key, { expiresAt }] of namespace) {
        if (rows >= limit) return rows;
        if (expiresAt === undefined || expiresAt >= before) continue;
        namespace.delete(key);
        rows++;
      }
    }
    return rows;
  }

  async getRecord(namespace: string, key: string): Promise<unknown> {
    this.#check();
    const record = this.#store.records.get(namespace)?.get(key);
    return record && this.#isLive(record) ? (JSON.parse(record.json) as unknown) : undefined;
  }

  async listRecords(
    namespace: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<readonly StoredRecord[]> {
    this.#check();
    const { after } = page;
    return [...(this.#store.records.get(namespace) ?? [])]
      .filter(([key, record]) => (after === undefined || compareKeys(key, after) > 0) && this.#isLive(record))
      .toSorted(([a], [b]) => compareKeys(a, b))
      .slice(0, page.limit)
      .map(([key, { json }]) => ({ key, value: JSON.parse(json) as unknown }));
  }

  async changeRecords(changes: readonly RecordChange[], events: readonly HistoryEvent[] = []): Promise<void> {
    this.#check();
    for (const change of changes) this.#store.changeRecord(change);
    this.#store.addEvents(events);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(): void {
    if (this.#closed) throw new SpoolError("closed", "The spool is closed");
  }

  #checkSpace(bytes: number): void {
    if (this.#store.contentBytes + bytes > this.#capacityBytes) throw new SpoolError("no-space", "The spool is full");
  }

  #changeMany(
    filter: RecipientFilter,
    from: readonly RecipientState[],
    kind: "recipient-held" | "recipient-released" | "recipient-retried" | "recipient-removed",
    by: string,
    reason: string | undefined,
    change: (recipient: StoredRecipient, now: Instant) => StoredRecipient,
  ): number {
    this.#check();
    const at = this.#clock.now();
    const states = selectedStates(filter).filter((state) => from.includes(state));
    let count = 0;
    for (const entry of this.#store.open.values()) {
      for (const recipient of entry.recipients) {
        if (!states.includes(recipient.state) || !isMeant(filter, entry.message, recipient)) continue;
        const { message, index, address } = recipient;
        entry.recipients[index] = change(recipient, at);
        const facts = { at, message, recipient: index, address, by };
        this.#store.addEvents([
          kind === "recipient-held" ? { ...facts, kind, reason: reason ?? "" } : { ...facts, kind },
        ]);
        count++;
      }
      this.#store.closeIfFinal(entry, at);
    }
    return count;
  }

  #isLive({ expiresAt }: { readonly expiresAt: Instant | undefined }): boolean {
    return expiresAt === undefined || expiresAt > this.#clock.now();
  }
}

function isUnwarned(recipient: StoredRecipient | undefined): boolean {
  if (recipient === undefined || recipient.warned) return false;
  return recipient.state === "scheduled" || recipient.state === "claimed";
}

/** The order of UTF-8 octets, in which SQLite keeps texts; it differs from that of UTF-16 units above U+FFFF. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
