/**
 * Claiming, leases and settling in the SQLite spool's writer. A claim is a row with a token; a recipient row bears the
 * token of the claim that holds it, and only who knows it can settle. What is due, the schedule finds.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import { dueAfterLostClaim, retryDelayMs } from "../../spool/recipient-state.ts";
import { SpoolError } from "../../spool/spool.ts";
import type { ContentCursor, SpoolMessages } from "./messages.ts";
import {
  claimedState,
  heldState,
  scheduledState,
  type ChangeRow,
  type ClaimedRows,
  type ClaimOperation,
  type RecipientRow,
  type SettleOperation,
  type SettleResult,
} from "./protocol.ts";
import { type SpoolDamage, unlessDamaged } from "./damage.ts";
import { Query } from "./query.ts";
import type { SpoolSchedule } from "./schedule.ts";
import { recipientsMax, firstKey, lastKey, recipientColumns, seqOf } from "./schema.ts";

/** How many open messages are looked at together, where age decides. */
const openPage = 256;
/** How many claims that ended are returned to the schedule in one transaction. */
const lostMax = 1000;
/** So many rows of recipients fit on one page at most. */
const pageRowsMax = 200;
/** Tokens of one incarnation; those of the next begin above. */
const tokensPerIncarnation = 2 ** 32;

interface SpoolClaimsOptions {
  readonly database: DatabaseSync;
  readonly messages: SpoolMessages;
  readonly schedule: SpoolSchedule;
  readonly incarnation: number;
  readonly damage: SpoolDamage;
}

type OneRow = [
  index: number,
  state: number,
  token: number | null,
  attempts: number,
  due: number,
  domain: string,
  sender: string,
];
type HeldRow = readonly [key: number, attempts: number, due: number, domain: string, sender: string];

export class SpoolClaims {
  readonly #messages: SpoolMessages;
  readonly #schedule: SpoolSchedule;
  readonly #damage: SpoolDamage;
  #lastToken: number;
  readonly #openFrom: Query<[seq: number, receivedAt: number]>;
  readonly #dueOfMessage: Query<[key: number]>;
  readonly #recipient: Query<RecipientRow>;
  readonly #take: StatementSync;
  readonly #insertClaim: StatementSync;
  readonly #deleteClaim: StatementSync;
  readonly #messageOf: Query<[json: string]>;
  readonly #renew: StatementSync;
  readonly #endedClaims: Query<[token: number, seq: number]>;
  readonly #earliestLease: Query<[leaseEnd: number | null]>;
  readonly #heldBy: Query<HeldRow>;
  readonly #one: Query<OneRow>;
  readonly #return: StatementSync;
  readonly #states: Query<[index: number, state: number, token: number | null]>;
  readonly #finish: StatementSync;
  readonly #defer: StatementSync;
  readonly #hold: StatementSync;
  readonly #laneOf: Query<[domain: string, sender: string]>;

  constructor({ database, messages, schedule, incarnation, damage }: SpoolClaimsOptions) {
    this.#messages = messages;
    this.#schedule = schedule;
    this.#damage = damage;
    this.#lastToken = incarnation * tokensPerIncarnation;
    this.#openFrom = new Query(
      database,
      "SELECT seq, received_at FROM open_messages WHERE seq >= ? ORDER BY seq LIMIT ? + 0",
    );
    this.#dueOfMessage = new Query(
      database,
      "SELECT key FROM recipients WHERE key BETWEEN ? AND ? AND state = 0 AND due <= ? ORDER BY key",
    );
    this.#recipient = new Query(database, `SELECT ${recipientColumns} FROM recipients WHERE key = ?`);
    this.#take = database.prepare("UPDATE recipients SET state = 1, token = ?, attempts = ?, due = ? WHERE key = ?");
    this.#insertClaim = database.prepare("INSERT INTO claims VALUES (?, ?, ?)");
    this.#deleteClaim = database.prepare("DELETE FROM claims WHERE token = ?");
    this.#messageOf = new Query(database, "SELECT message FROM messages WHERE seq = ?");
    this.#renew = database.prepare("UPDATE claims SET lease_end = ? WHERE token = ?");
    this.#endedClaims = new Query(
      database,
      "SELECT token, seq FROM claims WHERE lease_end <= ? ORDER BY lease_end LIMIT ? + 0",
    );
    this.#earliestLease = new Query(database, "SELECT min(lease_end) FROM claims");
    this.#heldBy = new Query(
      database,
      "SELECT key, attempts, due, domain, sender FROM recipients WHERE key BETWEEN ? AND ? AND token = ?",
    );
    this.#one = new Query(
      database,
      "SELECT key & 65535, state, token, attempts, due, domain, sender FROM recipients WHERE key = ?",
    );
    this.#return = database.prepare("UPDATE recipients SET state = 0, token = NULL, due = ? WHERE key = ?");
    this.#states = new Query(
      database,
      "SELECT key & 65535, state, token FROM recipients WHERE key BETWEEN ? AND ? ORDER BY key",
    );
    this.#finish = database.prepare(
      "UPDATE recipients SET state = ?, token = NULL, last_reply = ?, final_at = ? WHERE key = ?",
    );
    this.#defer = database.prepare(`UPDATE recipients SET state = 0, token = NULL, due = ?, last_reply = ?,
      warned = warned | ?, attempts = attempts - ? WHERE key = ?`);
    this.#hold = database.prepare(
      "UPDATE recipients SET state = 2, token = NULL, held_by = ?, held_reason = ? WHERE key = ?",
    );
    this.#laneOf = new Query(database, "SELECT domain, sender FROM recipients WHERE key = ?");
  }

  nextToken(): number {
    return ++this.#lastToken;
  }

  claim(operation: ClaimOperation): readonly ClaimedRows[] {
    const { now } = operation;
    // Throws where the terms are unusable, before anything changes.
    retryDelayMs(operation, 1);
    this.returnEnded(now, lostMax);
    const page = operation.receivedBy === undefined ? this.#schedule.page(operation) : undefined;
    const groups = new Map<number, number[]>();
    for (const key of page?.due.map((recipient) => recipient.key) ?? this.#agedDue(operation)) {
      const seq = seqOf(key);
      const group = groups.get(seq);
      if (group === undefined) groups.set(seq, [key]);
      else group.push(key);
    }
    const claimed: ClaimedRows[] = [];
    let taken = 0;
    for (const [seq, keys] of groups) {
      keys.sort((a, b) => a - b);
      const json = this.#damage.readMessage(keys, () => this.#messageOf.get(seq)?.[0]);
      const token = this.nextToken();
      const recipients: RecipientRow[] = [];
      for (const key of keys) {
        const row = json === undefined ? undefined : this.#takeRecipient(key, token, operation);
        // Its index has what the table has lost.
        if (row === undefined) this.#damage.leaveOut(key);
        else recipients.push(row);
      }
      if (json === undefined || recipients.length === 0) continue;
      this.#insertClaim.run(token, seq, Math.ceil(now + operation.leaseMs));
      claimed.push({ json, token, recipients });
      taken += recipients.length;
    }
    this.#messages.counts[scheduledState] -= taken;
    this.#messages.counts[claimedState] += taken;
    if (page !== undefined) this.#schedule.taken(page, now);
    return claimed;
  }

  /** Returns the tokens that are no longer valid. */
  renew(tokens: readonly number[], leaseEnd: Instant): readonly number[] {
    return tokens.filter((token) => Number(this.#renew.run(leaseEnd, token).changes) === 0);
  }

  /** Claims whose lease has ended by `now` go back to the schedule, at most `limit`; returns how many recipients went. */
  returnEnded(now: Instant, limit: number, leaseEnd: Instant = now): number {
    let returned = 0;
    for (const [token, seq] of this.#endedClaims.all(leaseEnd, limit)) {
      for (const [key, attempts, recorded, domain, sender] of this.#holdersOf(seq, token)) {
        const due = dueAfterLostClaim(attempts, recorded, now);
        if (this.#damage.has(key)) continue;
        this.#damage.change(key, () => this.#return.run(due, key));
        this.#schedule.note({ domain, sender }, due);
        returned++;
      }
      this.#deleteClaim.run(token);
    }
    this.#messages.counts[claimedState] -= returned;
    this.#messages.counts[scheduledState] += returned;
    return returned;
  }

  settle(operation: SettleOperation, content: ContentCursor): SettleResult {
    const { token, now, changes } = operation;
    const seq = this.#messages.seqOf(operation.message);
    if (seq === undefined) return "stale";
    const states = this.#statesOf(seq);
    if (!states.some(([, , holder]) => holder === token)) return "stale";
    const changing = new Set<number>();
    for (const [index] of changes) {
      if (this.#damage.has(firstKey(seq) + index)) continue;
      if (states[index]?.[2] !== token) return "stale";
      if (changing.has(index)) throw new SpoolError("failed", "A settlement changes a recipient twice");
      changing.add(index);
    }
    let final = 0;
    for (const change of changes) {
      if (!changing.has(change[0])) continue;
      if (this.#applyChange(firstKey(seq) + change[0], change, now)) final++;
    }
    if (!states.some(([index, , holder]) => holder === token && !changing.has(index))) this.#deleteClaim.run(token);
    for (const report of operation.reports) this.#messages.insert(report, content, now, undefined);
    this.#messages.captured.listLate(seq, operation.captured, now);
    this.#messages.addEvents(operation.events);
    const othersOpen = states.some(([index, state]) => state <= heldState && !changing.has(index));
    if (othersOpen || final < changes.length || this.#damage.hasMessage(seq)) return "settled";
    let inFile = false;
    this.#damage.changeMessage(seq, () => {
      ({ inFile } = this.#messages.close(seq, now));
    });
    return inFile ? "closed-file" : "closed";
  }

  /** The new states alone: no reply, event or report, and the message stays open. */
  settleBarely({ message, token, now, changes }: SettleOperation): SettleResult {
    const seq = this.#messages.seqOf(message);
    if (seq === undefined) return "stale";
    for (const [index, state, due, , , warned, uncounted] of changes) {
      const key = firstKey(seq) + index;
      if (!this.#damage.has(key)) this.#applyChange(key, [index, state, due, "", null, warned, uncounted], now);
    }
    this.#deleteClaim.run(token);
    return "settled";
  }

  nextDue(excludeDomains: readonly string[]): Instant | undefined {
    const leaseEnd = this.#earliestLease.get()?.[0] ?? Infinity;
    const earliest = Math.min(leaseEnd, this.#schedule.earliest(excludeDomains) ?? Infinity);
    return earliest === Infinity ? undefined : earliest;
  }

  /** What is due of the oldest messages, whatever their domains have. */
  #agedDue({ now, limit, receivedBy = now }: ClaimOperation): readonly number[] {
    const due: number[] = [];
    for (let from = 0; due.length < limit;) {
      const page = this.#openFrom.all(from, openPage);
      const aged = page.filter(([, receivedAt]) => receivedAt <= receivedBy);
      for (const [seq] of aged) {
        if (due.length >= limit) break;
        const rows = this.#damage.read(seq, () => this.#dueOfMessage.all(firstKey(seq), lastKey(seq), now));
        for (const [key] of rows) if (!this.#damage.has(key)) due.push(key);
      }
      const last = page.at(-1);
      // They came in this order, so the next ones are younger.
      if (last === undefined || aged.length === 0) break;
      from = last[0] + 1;
    }
    return due.slice(0, limit);
  }

  #holdersOf(seq: number, token: number): readonly HeldRow[] {
    const readable = this.#damage.readableOf(seq);
    if (readable === undefined) {
      return this.#damage.read(seq, () => this.#heldBy.all(firstKey(seq), lastKey(seq), token));
    }
    return this.#oneByOne(seq, readable).flatMap((row) =>
      row !== undefined && row[2] === token ? [[firstKey(seq) + row[0], row[3], row[4], row[5], row[6]] as const] : [],
    );
  }

  /** By index. One that cannot be read counts as waiting: its message does not close. */
  #statesOf(seq: number): readonly (readonly [index: number, state: number, token: number | null])[] {
    const readable = this.#damage.readableOf(seq);
    if (readable === undefined) return this.#damage.read(seq, () => this.#states.all(firstKey(seq), lastKey(seq)));
    return this.#oneByOne(seq, readable).map((row, index) =>
      row ? [row[0], row[1], row[2]] : [index, scheduledState, null],
    );
  }

  #oneByOne(seq: number, readable: readonly boolean[]): readonly (OneRow | undefined)[] {
    return readable.map((isReadable, index) => (isReadable ? this.#one.get(firstKey(seq) + index) : undefined));
  }

  /** With no transaction open: finds which rows of a message can be read. What is behind a damaged end is not known. */
  probe(seq: number): void {
    const readable: boolean[] = [];
    for (let unreadable = 0; readable.length < recipientsMax && unreadable < pageRowsMax;) {
      const row = unlessDamaged<OneRow | "damaged" | undefined>(
        () => this.#one.get(firstKey(seq) + readable.length),
        () => "damaged",
      );
      if (row === undefined) break;
      unreadable = row === "damaged" ? unreadable + 1 : 0;
      readable.push(row !== "damaged");
    }
    this.#damage.setReadable(seq, readable);
  }

  /** undefined: there is no such row. */
  #takeRecipient(key: number, token: number, operation: ClaimOperation): RecipientRow | undefined {
    const row = this.#damage.read(seqOf(key), () => this.#recipient.get(key));
    if (row === undefined) return undefined;
    const [index, , , before, ...rest] = row;
    const attempts = before + 1;
    const due = Math.ceil(operation.now + retryDelayMs(operation, attempts));
    this.#damage.change(key, () => this.#take.run(token, attempts, due, key));
    return [index, claimedState, due, attempts, ...rest];
  }

  /** true: the recipient is final. */
  #applyChange(key: number, change: ChangeRow, now: Instant): boolean {
    const [, state, due, text, by, warned, uncounted] = change;
    const reply = this.#damage.isShortened(key) ? "" : text;
    this.#damage.change(key, () => {
      if (state === scheduledState) this.#defer.run(due, reply, warned, uncounted, key);
      else if (state === heldState) this.#hold.run(by, text, key);
      else this.#finish.run(state, reply, now, key);
    });
    this.#messages.counts[claimedState]--;
    if (state === scheduledState) {
      const [domain, sender] = this.#laneOf.get(key) ?? ["", ""];
      this.#schedule.note({ domain, sender }, due);
    }
    if (state !== scheduledState && state !== heldState) return true;
    this.#messages.counts[state]++;
    return false;
  }
}
