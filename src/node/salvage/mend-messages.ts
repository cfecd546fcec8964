/**
 * Makes the staged rows a spool that agrees with itself, message by message. A recipient that history knows as final is
 * final. One that perhaps is, or whose message or content is in doubt, is held: nothing is sent a second time, and
 * nothing is sent that may not be what was accepted.
 */
import { existsSync, readFileSync } from "node:fs";
import type { StatementSync } from "node:sqlite";
import { parseMailbox } from "../../address/mailbox-text.ts";
import type { HistoryEvent } from "../../events/history-event.ts";
import type { Instant } from "../../lib/instant.ts";
import { entryOf } from "../../spool/captured-entry.ts";
import { isOpen } from "../../spool/recipient-state.ts";
import type { RecipientState, StoredMessage, StoredRecipient } from "../../spool/spool.ts";
import { claimedState, heldState, type RecipientRow, stateNumber } from "../spool/protocol.ts";
import { Query } from "../spool/query.ts";
import { messageFromJson, recipientFromRow } from "../spool/rows.ts";
import { firstKey, lastKey, recipientColumns } from "../spool/schema.ts";
import type { SavedFiles } from "./saved-files.ts";
import type { Staging } from "./staging.ts";

export interface Losses {
  /** `message`: its queue id, or its number where the id is lost, too. */
  readonly lost: { readonly message: string; readonly what: string }[];
  readonly held: { readonly message: string; readonly recipients: number; readonly reason: string }[];
}

export interface MendTerms {
  readonly now: Instant;
  readonly files: SavedFiles;
  /** Every recipient that waits is held, for this reason. */
  readonly holdAll: string | undefined;
}

const by = "salvage";
const claimedReason = "an attempt was in progress when the server ended, so the message may have been delivered";
const restoredReason = "its row is lost, and this is from its history: it may have been delivered";
const pageRows = 500;
/** Wholly lost recipients are named only as far as a person reads. */
const namesMax = 20;

const finalEvents: Partial<Readonly<Record<HistoryEvent["kind"], RecipientState>>> = {
  "recipient-delivered": "delivered",
  "recipient-relayed": "relayed",
  "recipient-failed": "failed",
  "recipient-expired": "expired",
  "recipient-removed": "removed",
};

type HistoryByRecipient = ReadonlyMap<number, readonly OfRecipient[]>;
type OfRecipient = Extract<HistoryEvent, { readonly recipient: number }>;

export class MessageMender {
  readonly losses: Losses = { lost: [], held: [] };
  readonly #terms: MendTerms;
  readonly #page: Query<[seq: number, json: string]>;
  readonly #recipients: Query<RecipientRow>;
  readonly #events: Query<[json: string]>;
  readonly #doubt: Query<[reason: string]>;
  readonly #content: Query<[bytes: Uint8Array]>;
  readonly #contentSize: Query<[size: number]>;
  readonly #captured: Query<[arrival: number]>;
  readonly #notedAs: Query<[wasOpen: number, closedAt: number | null]>;
  readonly #finish: StatementSync;
  readonly #hold: StatementSync;
  readonly #restore: StatementSync;
  readonly #addEvent: StatementSync;
  readonly #open: StatementSync;
  readonly #close: StatementSync;
  readonly #dropContent: StatementSync;
  readonly #dropFile: StatementSync;
  readonly #noteFile: StatementSync;
  readonly #list: StatementSync;

  constructor({ database }: Staging, terms: MendTerms) {
    this.#terms = terms;
    this.#page = new Query(database, "SELECT seq, message FROM messages WHERE seq > ? ORDER BY seq LIMIT ? + 0");
    this.#recipients = new Query(
      database,
      `SELECT ${recipientColumns} FROM recipients WHERE key BETWEEN ? AND ? ORDER BY key`,
    );
    this.#events = new Query(database, "SELECT event FROM events WHERE message = ? ORDER BY n");
    this.#doubt = new Query(database, "SELECT reason FROM doubts WHERE of = ? AND key = ?");
    this.#content = new Query(database, "SELECT bytes FROM contents WHERE seq = ?");
    this.#contentSize = new Query(database, "SELECT length(bytes) FROM contents WHERE seq = ?");
    this.#captured = new Query(database, "SELECT arrival FROM captured WHERE seq = ?");
    this.#notedAs = new Query(
      database,
      `SELECT EXISTS (SELECT 1 FROM was_open WHERE seq = ?1), (SELECT closed_at FROM was_closed WHERE seq = ?1)`,
    );
    this.#finish = database.prepare("UPDATE recipients SET state = ?, token = NULL, final_at = ? WHERE key = ?");
    this.#hold = database.prepare(
      "UPDATE recipients SET state = 2, token = NULL, held_by = ?, held_reason = ? WHERE key = ?",
    );
    this.#restore = database.prepare(
      "INSERT INTO recipients VALUES (?, ?, ?, ?, NULL, 0, ?, ?, ?, NULL, NULL, NULL, ?, ?, '')",
    );
    this.#addEvent = database.prepare("INSERT INTO events (message, event) VALUES (?, ?)");
    this.#open = database.prepare("INSERT INTO open_messages VALUES (?, ?)");
    this.#close = database.prepare("INSERT OR IGNORE INTO closed_messages VALUES (?, ?)");
    this.#dropContent = database.prepare("DELETE FROM contents WHERE seq = ?");
    this.#dropFile = database.prepare("DELETE FROM content_files WHERE seq = ?");
    this.#noteFile = database.prepare("INSERT OR REPLACE INTO content_files VALUES (?, ?)");
    this.#list = database.prepare(
      "INSERT OR IGNORE INTO captured SELECT coalesce(max(arrival), 0) + 1, ?, ?, ?, ? FROM captured",
    );
  }

  /** All messages; `step` hears of each. */
  run(step: () => void): void {
    for (let after = -1; ;) {
      const page = this.#page.all(after, pageRows);
      for (const [seq, json] of page) {
        step();
        this.#mend(seq, messageFromJson(json));
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last[0];
    }
  }

  /** Its octets as far as they can be believed; `needed` undefined: of any number. */
  contentOf(seq: number, id: string | undefined, needed: number | undefined): Uint8Array | undefined {
    const bytes = this.#content.get(seq)?.[0];
    if (bytes !== undefined) return needed === undefined || bytes.length === needed ? bytes : undefined;
    const path = id === undefined ? undefined : this.#terms.files.contentPath(id);
    if (path === undefined || !existsSync(path)) return undefined;
    const read = readFileSync(path);
    return needed === undefined || read.length === needed ? read : undefined;
  }

  #mend(seq: number, message: StoredMessage): void {
    const { id } = message;
    const events = this.#events.all(id).map(([json]) => JSON.parse(json) as HistoryEvent);
    const ofRecipients = Map.groupBy(
      events.filter((event): event is OfRecipient => "recipient" in event),
      ({ recipient }) => recipient,
    );
    this.#settleByHistory(seq, message, ofRecipients);
    const missing = this.#restoreMissing(seq, message, ofRecipients);
    const [wasOpen, closedAt] = this.#notedAs.get(seq) ?? [0, null];
    const recipients = this.#recipientsOf(seq, id);
    if (missing > 0 || recipients.length === 0) this.#tellMissing(message, { missing, recipients, events });
    const where = this.#placeOfContent(seq, message);
    const waiting = recipients.filter(({ state }) => isOpen(state));
    const isListed = this.#captured.get(seq) !== undefined;
    this.#holdDoubtful(seq, message, waiting, where === undefined);
    const mayWait = missing > 0 || recipients.length === 0 || (wasOpen === 1 && waiting.length === 0);
    if (mayWait && where !== undefined) this.#leaveApart(seq, message);
    const captured = recipients.filter((recipient) => recipient.captured);
    const toList = !isListed && waiting.length === 0 && closedAt === null && captured.length > 0 && where !== undefined;
    if (toList) this.#relist(seq, message, captured);
    if (isListed && where === undefined)
      this.losses.lost.push({ message: id, what: "its content; it is captured mail" });
    const isNeeded = waiting.length > 0 || isListed || toList;
    if (where === "file" && isNeeded) {
      this.#noteFile.run(seq, message.size);
      this.#terms.files.keepContent(id);
    }
    if (where !== "row" || !isNeeded) this.#dropContent.run(seq);
    if (where !== "file" || !isNeeded) this.#dropFile.run(seq);
    if (waiting.length > 0) this.#open.run(seq, Math.ceil(message.receivedAt));
    else if (!isListed && !toList) this.#close.run(closedAt ?? lastFinal(recipients) ?? this.#terms.now, seq);
  }

  #recipientsOf(seq: number, id: string): readonly StoredRecipient[] {
    return this.#recipients.all(firstKey(seq), lastKey(seq)).map((row) => recipientFromRow(id, row));
  }

  /** A page may be older than the history on another: what was settled stays settled. */
  #settleByHistory(seq: number, { id }: StoredMessage, events: HistoryByRecipient): void {
    for (const { index, state, address } of this.#recipientsOf(seq, id)) {
      if (!isOpen(state)) continue;
      const last = events.get(index)?.findLast(({ kind }) => finalEvents[kind] !== undefined);
      const final = last === undefined ? undefined : finalEvents[last.kind];
      if (last === undefined || final === undefined || last.address !== address) continue;
      this.#finish.run(stateNumber(final), Math.floor(last.at), firstKey(seq) + index);
    }
  }

  /** Those whose history is there come back, held or final. Returns how many do not. */
  #restoreMissing(seq: number, { id }: StoredMessage, events: HistoryByRecipient): number {
    const known = new Set(this.#recipientsOf(seq, id).map(({ index }) => index));
    const last = [...known, ...events.keys()].reduce((most, index) => Math.max(most, index), -1);
    let missing = 0;
    let restored = 0;
    for (let index = 0; index <= last; index++) {
      if (known.has(index)) continue;
      const own = events.get(index) ?? [];
      const domain = parseMailbox(own[0]?.address ?? "")?.domainKey;
      if (own[0] === undefined || domain === undefined) {
        missing++;
        continue;
      }
      const end = own.findLast(({ kind }) => finalEvents[kind] !== undefined);
      const final = end === undefined ? undefined : finalEvents[end.kind];
      const attempts = own.filter((event) => "attempt" in event).length;
      const state = final === undefined ? heldState : stateNumber(final);
      const held = final === undefined ? [by, restoredReason] : [null, null];
      const finalAt = final === undefined ? null : Math.floor(end?.at ?? this.#terms.now);
      this.#restore.run(firstKey(seq) + index, state, 0, attempts, finalAt, own[0].address, domain, ...held);
      if (final === undefined) restored++;
    }
    if (restored > 0) this.losses.held.push({ message: id, recipients: restored, reason: restoredReason });
    return missing;
  }

  #tellMissing(
    { id }: StoredMessage,
    {
      missing,
      recipients,
      events,
    }: {
      readonly missing: number;
      readonly recipients: readonly StoredRecipient[];
      readonly events: readonly HistoryEvent[];
    },
  ): void {
    const accepted = events.find((event) => event.kind === "message-accepted")?.recipients ?? [];
    const known = new Set(recipients.flatMap(({ address, acceptedAs }) => [address, acceptedAs]));
    const names = [...new Set(accepted)].filter((address) => !known.has(address)).slice(0, namesMax);
    const who = names.length === 0 ? "" : `, perhaps ${names.join(", ")}`;
    const what =
      recipients.length === 0 ? "all recipients" : `${missing} ${missing === 1 ? "recipient" : "recipients"}`;
    this.losses.lost.push({ message: id, what: `${what}${who}` });
  }

  /** undefined: there is none of the message's size. */
  #placeOfContent(seq: number, { id, size }: StoredMessage): "row" | "file" | undefined {
    if (this.#contentSize.get(seq)?.[0] === size) return "row";
    return this.#terms.files.contentSize(id) === size ? "file" : undefined;
  }

  #holdDoubtful(seq: number, message: StoredMessage, waiting: readonly StoredRecipient[], isEmpty: boolean): void {
    const { holdAll } = this.#terms;
    const ofMessage = (isEmpty ? "its content is lost" : undefined) ?? holdAll ?? this.#doubtOf("messages", seq);
    const reasons = new Map<string, number>();
    for (const { index, state, address, held } of waiting) {
      const key = firstKey(seq) + index;
      const doubt =
        ofMessage ??
        this.#doubtOf("recipients", key) ??
        this.#doubtOf("contents", seq) ??
        (stateNumber(state) === claimedState ? claimedReason : undefined);
      // Whoever releases what was held before is to know what is in doubt now.
      const isNew = doubt !== undefined && held?.by !== by && (stateNumber(state) !== heldState || doubt !== holdAll);
      if (!isNew) continue;
      const reason = held === undefined ? doubt : `${doubt} (held before by ${held.by}: ${held.reason})`;
      this.#hold.run(by, reason, key);
      const facts = { at: this.#terms.now, message: message.id, recipient: index, address, by, reason };
      this.#addEvent.run(message.id, JSON.stringify({ kind: "recipient-held", ...facts } satisfies HistoryEvent));
      reasons.set(doubt, (reasons.get(doubt) ?? 0) + 1);
    }
    if (isEmpty && waiting.length > 0) this.losses.lost.push({ message: message.id, what: "its content" });
    for (const [reason, recipients] of reasons) this.losses.held.push({ message: message.id, recipients, reason });
  }

  #doubtOf(table: "messages" | "recipients" | "contents", key: number): string | undefined {
    return this.#doubt.get(table, key)?.[0];
  }

  /** As it would have gone out; who sends it again has to know to whom. */
  #leaveApart(seq: number, { id, size, headerBlock }: StoredMessage): void {
    const content = this.contentOf(seq, id, size);
    if (content !== undefined)
      this.#terms.files.leaveApart(`${id}.eml`, Buffer.concat([Buffer.from(headerBlock), content]));
  }

  /** Its content is kept, and nothing deleted it: it was listed. */
  #relist(seq: number, message: StoredMessage, captured: readonly StoredRecipient[]): void {
    const at = Math.floor(lastFinal(captured) ?? message.receivedAt);
    this.#list.run(message.id, seq, at, JSON.stringify(entryOf(message, captured, at)));
  }
}

function lastFinal(recipients: readonly StoredRecipient[]): Instant | undefined {
  const ends = recipients.flatMap(({ finalAt }) => finalAt ?? []);
  return ends.length === 0 ? undefined : Math.max(...ends);
}
