/**
 * What operators do to many recipients, in bounded steps, so that a million of them never hold up a commit. What is
 * being attempted is left to its attempt: these verbs move only what is scheduled or held.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { HistoryEvent } from "../../events/history-event.ts";
import { type RecipientState, type OperatorVerb } from "../../spool/spool.ts";
import type { Lane } from "../../spool/turns.ts";
import type { SpoolDamage } from "./damage.ts";
import { filterCondition, filterValues } from "./filter.ts";
import type { SpoolMessages } from "./messages.ts";
import { heldState, scheduledState, stateNumber, type VerbOperation, type VerbStep } from "./protocol.ts";
import { Query } from "./query.ts";
import type { SpoolSchedule } from "./schedule.ts";
import { firstKey, lastKey, seqOf } from "./schema.ts";

/** How many recipients one step changes: about 10 ms. */
const changedMax = 500;
/** How many messages one step looks at. */
const lookedAtMax = 5000;

type Row = readonly [key: number, id: string, address: string, domain: string, state: number, sender: string];

const movedFrom: Readonly<Record<OperatorVerb, readonly RecipientState[]>> = {
  hold: ["scheduled"],
  release: ["held"],
  retry: ["scheduled"],
  remove: ["scheduled", "held"],
};
const movedTo: Readonly<Record<OperatorVerb, RecipientState>> = {
  hold: "held",
  release: "scheduled",
  retry: "scheduled",
  remove: "removed",
};

export class SpoolVerbs {
  readonly #messages: SpoolMessages;
  readonly #schedule: SpoolSchedule;
  readonly #damage: SpoolDamage;
  /** How many messages one step looks at. */
  #lookAt = lookedAtMax;
  readonly #windowEnd: Query<[seq: number | null]>;
  readonly #select: Query<Row>;
  readonly #hold: StatementSync;
  readonly #makeDue: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync, messages: SpoolMessages, schedule: SpoolSchedule, damage: SpoolDamage) {
    this.#messages = messages;
    this.#schedule = schedule;
    this.#damage = damage;
    this.#windowEnd = new Query(
      database,
      "SELECT max(seq) FROM (SELECT seq FROM open_messages WHERE seq >= ? ORDER BY seq LIMIT ? + 0)",
    );
    this.#select = new Query(
      database,
      `SELECT r.key, m.id, r.address, r.domain, r.state, r.sender
        FROM open_messages o
        CROSS JOIN messages m ON m.seq = o.seq
        CROSS JOIN recipients r ON r.key BETWEEN o.seq * 65536 AND o.seq * 65536 + 65535
        WHERE ${filterCondition} AND o.seq BETWEEN ?5 AND ?6 AND r.key >= ?7 LIMIT ?8 + 0`,
    );
    this.#hold = database.prepare("UPDATE recipients SET state = 2, held_by = ?, held_reason = ? WHERE key = ?");
    this.#makeDue = database.prepare(
      "UPDATE recipients SET state = 0, due = ?, held_by = NULL, held_reason = NULL WHERE key = ?",
    );
    this.#remove = database.prepare(
      "UPDATE recipients SET state = 7, final_at = ?, held_by = NULL, held_reason = NULL WHERE key = ?",
    );
  }

  step(operation: VerbOperation): VerbStep {
    const { verb, filter, cursor } = operation;
    const window = this.#window(operation);
    if (window === undefined) return { changed: 0, cursor: undefined, closed: [] };
    const [first, last] = window;
    const values = filterValues(filter, movedFrom[verb]);
    const rows = this.#rowsOf(first, last, () => this.#select.all(...values, first, last, cursor, changedMax));
    const to = stateNumber(movedTo[verb]);
    const touched = new Map<number, string>();
    let changed = 0;
    for (const [key, id, address, domain, from, sender] of rows) {
      if (this.#damage.has(key)) continue;
      this.#damage.change(key, () => this.#change(operation, key, { domain, sender }));
      changed++;
      const { counts } = this.#messages;
      if (from === scheduledState || from === heldState) counts[from]--;
      if (to === scheduledState || to === heldState) counts[to]++;
      this.#messages.addEvents([id, JSON.stringify(eventOf(operation, id, key - firstKey(seqOf(key)), address))]);
      touched.set(seqOf(key), id);
    }
    const closed = [];
    if (verb === "remove") {
      for (const [seq, id] of touched) {
        if (!this.#messages.isOpen(seq)) closed.push({ id, ...this.#messages.close(seq, operation.now) });
      }
    }
    const lastRow = rows.length === changedMax ? rows.at(-1) : undefined;
    const next = lastRow !== undefined ? lastRow[0] + 1 : filter.message === undefined ? lastKey(last) + 1 : undefined;
    return { changed, cursor: next, closed };
  }

  /** Where a damaged page is among them, the next try looks at fewer messages, and at last leaves the one out. */
  #rowsOf(first: number, last: number, select: () => readonly Row[]): readonly Row[] {
    if (first === last && this.#damage.hasMessage(first)) return [];
    const look = (): readonly Row[] => {
      const rows = select();
      this.#lookAt = Math.min(lookedAtMax, this.#lookAt * 8);
      return rows;
    };
    if (first === last) return this.#damage.changeMessage(first, look);
    return this.#damage.readMany(look, () => (this.#lookAt = Math.ceil(this.#lookAt / 8)));
  }

  /** The messages that this step looks at; undefined: none are left. */
  #window({ filter, cursor }: VerbOperation): readonly [first: number, last: number] | undefined {
    if (filter.message !== undefined) {
      const seq = this.#messages.seqOf(filter.message);
      return seq === undefined ? undefined : [seq, seq];
    }
    const first = seqOf(cursor);
    const last = this.#windowEnd.get(first, this.#lookAt)?.[0];
    if (typeof last !== "number") return undefined;
    // The one message that is looked at may be behind a gap.
    return [this.#lookAt === 1 ? last : first, last];
  }

  #change({ verb, now, by, reason }: VerbOperation, key: number, lane: Lane): void {
    switch (verb) {
      case "hold":
        this.#hold.run(by, reason, key);
        return;
      case "release":
      case "retry":
        this.#makeDue.run(now, key);
        this.#schedule.note(lane, now);
        return;
      case "remove":
        this.#remove.run(now, key);
        return;
      default:
        verb satisfies never;
    }
  }
}

function eventOf({ verb, now, by, reason }: VerbOperation, message: string, recipient: number, address: string) {
  const facts = { at: now, message, recipient, address, by };
  const events: Readonly<Record<OperatorVerb, HistoryEvent>> = {
    hold: { kind: "recipient-held", ...facts, reason },
    release: { kind: "recipient-released", ...facts },
    retry: { kind: "recipient-retried", ...facts },
    remove: { kind: "recipient-removed", ...facts },
  };
  return events[verb];
}
