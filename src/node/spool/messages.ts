/**
 * Messages, contents and events in the SQLite spool's writer: a message comes in whole, and closes when its last
 * recipient is final. Also keeps the counts of recipients, in the transactions that change them.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import { retryDelayMs } from "../../spool/recipient-state.ts";
import { SpoolError } from "../../spool/spool.ts";
import { CapturedRows } from "./captured-rows.ts";
import { unlessDamaged } from "./damage.ts";
import { recipientsMax, firstKey, lastKey } from "./schema.ts";
import {
  claimedState,
  heldState,
  scheduledState,
  type ClosedMessage,
  type EventRows,
  type MessageRow,
} from "./protocol.ts";
import type { SpoolCounts } from "./thread-messages.ts";
import { Query } from "./query.ts";
import { entryFromJson, wholeMs } from "./rows.ts";
import type { SpoolSchedule } from "./schedule.ts";

/** Hands out the octets of one operation's contents in order. */
export class ContentCursor {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#at = offset;
  }

  take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + size);
    this.#at += size;
    return taken;
  }
}

/** Claim of recipients that are due as they come in. */
export interface FreshClaim {
  readonly token: number;
  readonly leaseMs: number;
  readonly retryDelaysMs: readonly number[];
}

export class SpoolMessages {
  /** Recipients in the states scheduled, claimed and held, as the open transaction would leave them. */
  counts: [scheduled: number, claimed: number, held: number];
  readonly captured: CapturedRows;
  readonly #schedule: SpoolSchedule;
  #committed: [number, number, number];
  #nextSeq: number;
  readonly #insertMessage: StatementSync;
  readonly #insertOpen: StatementSync;
  readonly #insertContent: StatementSync;
  readonly #insertFile: StatementSync;
  readonly #insertRecipient: StatementSync;
  readonly #insertClaim: StatementSync;
  readonly #insertEvent: StatementSync;
  readonly #seqOf: Query<[seq: number]>;
  readonly #deleteOpen: StatementSync;
  readonly #insertClosed: StatementSync;
  readonly #deleteContent: StatementSync;
  readonly #deleteFile: StatementSync;
  readonly #idOf: Query<[id: string]>;
  readonly #isOpen: Query<[1]>;
  readonly #oldest: Query<[receivedAt: number]>;
  readonly #writeCounts: StatementSync;

  constructor(database: DatabaseSync, schedule: SpoolSchedule) {
    this.#schedule = schedule;
    const counts = new Query<[number, number, number]>(database, "SELECT scheduled, claimed, held FROM state").get();
    this.counts = counts ?? [0, 0, 0];
    this.#committed = [...this.counts];
    this.captured = new CapturedRows(database);
    this.#nextSeq = lastSeq(database) + 1;
    this.#insertMessage = database.prepare("INSERT INTO messages VALUES (?, ?, ?, ?)");
    this.#insertOpen = database.prepare("INSERT INTO open_messages VALUES (?, ?)");
    this.#insertContent = database.prepare("INSERT INTO contents VALUES (?, ?)");
    this.#insertFile = database.prepare("INSERT INTO content_files VALUES (?, ?)");
    this.#insertRecipient = database.prepare(
      "INSERT INTO recipients VALUES (?, ?, ?, ?, ?, 0, NULL, ?, ?, ?, ?, NULL, ?, ?, ?)",
    );
    this.#insertClaim = database.prepare("INSERT INTO claims VALUES (?, ?, ?)");
    this.#insertEvent = database.prepare("INSERT INTO events (message, event) VALUES (?, ?)");
    this.#seqOf = new Query(database, "SELECT seq FROM messages WHERE id = ?");
    this.#deleteOpen = database.prepare("DELETE FROM open_messages WHERE seq = ?");
    this.#insertClosed = database.prepare("INSERT INTO closed_messages VALUES (?, ?)");
    this.#deleteContent = database.prepare("DELETE FROM contents WHERE seq = ?");
    this.#deleteFile = database.prepare("DELETE FROM content_files WHERE seq = ?");
    this.#idOf = new Query(database, "SELECT id FROM messages WHERE seq = ?");
    this.#isOpen = new Query(database, "SELECT 1 FROM recipients WHERE key BETWEEN ? AND ? AND state <= 2 LIMIT 1");
    this.#oldest = new Query(database, "SELECT received_at FROM open_messages ORDER BY seq LIMIT 1");
    this.#writeCounts = database.prepare("UPDATE state SET scheduled = ?, claimed = ?, held = ?");
  }

  /** true: at least one recipient was due and is claimed. */
  insert(row: MessageRow, content: ContentCursor, now: Instant, claim: FreshClaim | undefined): boolean {
    const { recipients, sender } = row;
    if (recipients.length === 0) throw new SpoolError("failed", "A message needs a recipient");
    if (recipients.length > recipientsMax) {
      throw new SpoolError("failed", `A message has at most ${recipientsMax} recipients`);
    }
    const seq = this.#nextSeq++;
    this.#insertMessage.run(seq, row.id, row.reversePath, row.json);
    this.#insertOpen.run(seq, wholeMs(row.receivedAt));
    if (row.inFile) this.#insertFile.run(seq, row.size);
    else this.#insertContent.run(seq, content.take(row.size));
    let key = firstKey(seq);
    let claimed = false;
    for (const [address, domain, acceptedAs, parameters, heldBy, heldReason, given] of recipients) {
      const due = given ?? now;
      const fresh = claim !== undefined && heldBy === null && due <= now ? claim : undefined;
      const state = heldBy !== null ? heldState : fresh !== undefined ? claimedState : scheduledState;
      const next = fresh === undefined ? due : Math.ceil(now + retryDelayMs(fresh, 1));
      const [attempts, token] = fresh === undefined ? [0, null] : [1, fresh.token];
      this.#insertRecipient.run(
        key++,
        state,
        next,
        attempts,
        token,
        address,
        domain,
        acceptedAs,
        parameters,
        heldBy,
        heldReason,
        sender,
      );
      this.counts[state]++;
      if (state === scheduledState) this.#schedule.note({ domain, sender }, due);
      claimed ||= fresh !== undefined;
    }
    if (row.captured !== null) this.captured.list(seq, entryFromJson(row.captured), now);
    if (claimed && claim !== undefined) this.#insertClaim.run(claim.token, seq, Math.ceil(now + claim.leaseMs));
    return claimed;
  }

  addEvents(rows: EventRows): void {
    for (let at = 0; at + 1 < rows.length; at += 2) this.#insertEvent.run(rows[at] ?? "", rows[at + 1] ?? "");
  }

  seqOf(id: string): number | undefined {
    return this.#seqOf.get(id)?.[0];
  }

  idOf(seq: number): string {
    return this.#idOf.get(seq)?.[0] ?? "";
  }

  isOpen(seq: number): boolean {
    return this.#isOpen.get(firstKey(seq), lastKey(seq)) !== undefined;
  }

  /** The last recipient is final: the content goes, but that of a captured message stays until it is deleted. */
  close(seq: number, now: Instant): Pick<ClosedMessage, "inFile"> {
    this.#deleteOpen.run(seq);
    return this.captured.has(seq) ? { inFile: false } : this.dropContent(seq, now);
  }

  /** Nothing needs the content any more; the history stays for some time from `closedAt` on. */
  dropContent(seq: number, closedAt: Instant): Pick<ClosedMessage, "inFile"> {
    this.#insertClosed.run(closedAt, seq);
    if (Number(this.#deleteContent.run(seq).changes) > 0) return { inFile: false };
    return { inFile: Number(this.#deleteFile.run(seq).changes) > 0 };
  }

  /** Within the transaction, before its COMMIT. */
  writeCounts(): void {
    const [scheduled, claimed, held] = this.counts;
    const [wasScheduled, wasClaimed, wasHeld] = this.#committed;
    if (scheduled === wasScheduled && claimed === wasClaimed && held === wasHeld) return;
    this.#writeCounts.run(scheduled, claimed, held);
  }

  committed(): void {
    this.#committed = [...this.counts];
  }

  rolledBack(): void {
    this.counts = [...this.#committed];
  }

  spoolCounts(): SpoolCounts {
    const [scheduled, claimed, held] = this.counts;
    return { scheduled, claimed, held, oldestReceivedAt: this.#oldest.get()?.[0] };
  }
}

/** Where the end of the messages cannot be read, their recipients tell, so that no number is given twice. */
function lastSeq(database: DatabaseSync): number {
  const last = (sql: string) => new Query<[number | null]>(database, sql).get()?.[0] ?? 0;
  return unlessDamaged(
    () => last("SELECT max(seq) FROM messages"),
    () => last("SELECT max(key) / 65536 FROM recipients"),
  );
}
