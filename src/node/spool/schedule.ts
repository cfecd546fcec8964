/**
 * The schedule in the SQLite spool's writer: finds what is due, and when something will be. A lane is what one sender has
 * scheduled for one domain.
 *
 * Nothing walks over recipients. `domains` and `lanes` have a time for each that is not after its earliest due time, so a
 * domain that is excluded or full costs one step, however many recipients wait for it, and a lane that is out of turn
 * none. Whoever looks at one corrects its time.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Instant } from "../../lib/instant.ts";
import { type Lane, LastTurns, takeTurns } from "../../spool/turns.ts";
import type { SpoolDamage } from "./damage.ts";
import type { ClaimOperation } from "./protocol.ts";
import { Query } from "./query.ts";

/** How many rows of `domains` or `lanes` are read at a time. */
const pageRows = 256;
/** How many lanes of one domain are looked at for one page, those with the oldest mail. */
const lanesLookedAtMax = 1000;

export interface DueRecipient extends Lane {
  readonly key: number;
  readonly due: Instant;
}

/** A lane with something due. */
interface DueLane extends Lane {
  /** Not after its oldest recipient's. */
  readonly due: Instant;
}

interface LaneInTurn {
  readonly lane: DueLane;
  readonly turn: Instant;
  /** Of its oldest recipient; undefined while only the lane's recorded time is known. */
  readonly key: number | undefined;
}

/** What a page takes, and where it was looked for. */
export interface DuePage {
  readonly due: readonly DueRecipient[];
  /** Domains that were looked at, with their recorded time. */
  readonly visited: ReadonlyMap<string, Instant>;
  /** Those of them whose recorded time differs from that of their lanes, whatever is taken. */
  readonly stale: ReadonlySet<string>;
  /** Lanes that had nothing due after all. */
  readonly empty: readonly DueLane[];
}

interface SharesRequest extends Pick<ClaimOperation, "now" | "limit" | "perDomainMax"> {
  readonly empty: DueLane[];
}

type Recorded = readonly [name: string, due: number];
type KeyAndDue = readonly [key: number, due: number];

export class SpoolSchedule {
  readonly #damage: SpoolDamage;
  readonly #turns = new LastTurns();
  readonly #noteLane: StatementSync;
  readonly #noteDomain: StatementSync;
  readonly #domains: Query<Recorded>;
  readonly #lanes: Query<Recorded>;
  readonly #firstLane: Query<[due: number]>;
  readonly #dueOfLane: Query<KeyAndDue>;
  readonly #firstOfLane: Query<KeyAndDue>;
  readonly #setLane: StatementSync;
  readonly #deleteLane: StatementSync;
  readonly #setDomain: StatementSync;
  readonly #deleteDomain: StatementSync;

  constructor(database: DatabaseSync, damage: SpoolDamage) {
    this.#damage = damage;
    this.#noteLane = database.prepare(`INSERT INTO lanes VALUES (?, ?, ?)
      ON CONFLICT (domain, sender) DO UPDATE SET due = excluded.due WHERE excluded.due < due`);
    this.#noteDomain = database.prepare(`INSERT INTO domains VALUES (?, ?)
      ON CONFLICT (domain) DO UPDATE SET due = excluded.due WHERE excluded.due < due`);
    this.#domains = new Query(
      database,
      "SELECT domain, due FROM domains WHERE due <= ? AND (due, domain) > (?, ?) ORDER BY due, domain LIMIT ? + 0",
    );
    this.#lanes = new Query(
      database,
      `SELECT sender, due FROM lanes WHERE domain = ? AND due <= ? AND (due, sender) > (?, ?)
        ORDER BY due, sender LIMIT ? + 0`,
    );
    this.#firstLane = new Query(database, "SELECT due FROM lanes WHERE domain = ? ORDER BY due LIMIT 1");
    this.#dueOfLane = new Query(
      database,
      `SELECT key, due FROM recipients WHERE state = 0 AND domain = ? AND sender = ? AND due <= ?
        ORDER BY due, key LIMIT ? + 0`,
    );
    this.#firstOfLane = new Query(
      database,
      "SELECT key, due FROM recipients WHERE state = 0 AND domain = ? AND sender = ? ORDER BY due, key LIMIT ? + 0",
    );
    this.#setLane = database.prepare("UPDATE lanes SET due = ? WHERE domain = ? AND sender = ?");
    this.#deleteLane = database.prepare("DELETE FROM lanes WHERE domain = ? AND sender = ?");
    this.#setDomain = database.prepare("UPDATE domains SET due = ? WHERE domain = ?");
    this.#deleteDomain = database.prepare("DELETE FROM domains WHERE domain = ?");
  }

  /** To be called whenever a recipient becomes scheduled: claims look only where something is recorded. */
  note({ domain, sender }: Lane, due: Instant): void {
    // A domain's time is not after those of its lanes: where the lane's stays, so does the domain's.
    if (Number(this.#noteLane.run(domain, sender, due).changes) > 0) this.#noteDomain.run(domain, due);
  }

  /** What a claim takes under the request's limits, in order of due time. To be followed by {@link SpoolSchedule.taken}. */
  page(operation: ClaimOperation): DuePage {
    const { now, limit, excludeDomains } = operation;
    const perDomainMax = Math.min(limit, operation.perDomainMax);
    const excluded = new Set(excludeDomains);
    const visited = new Map<string, Instant>();
    const stale = new Set<string>();
    const lanes: DueLane[] = [];
    const lanesOf = new Map<string, number>();
    let passedOver = 0;
    for (const [domain, recorded] of inOrder((after, name) => this.#domains.all(now, after, name, pageRows))) {
      // Someone with mail for many domains has many lanes: others may come after them.
      if (lanes.length + passedOver >= 2 * limit) break;
      if (excluded.has(domain) || this.#damage.hasDomain(domain)) continue;
      const noticed = this.#noticedLanes(domain, now);
      const useful = noticed.filter(({ sender }) => (lanesOf.get(sender) ?? 0) < limit);
      if (useful.length === 0 && noticed.length > 0) {
        passedOver++;
        continue;
      }
      visited.set(domain, recorded);
      // Where there are more lanes than a page takes, looking for the first ones corrects some.
      if (noticed[0]?.due !== recorded || useful.length > perDomainMax) stale.add(domain);
      for (const lane of this.#firstLanes(useful, now, perDomainMax)) {
        lanes.push(lane);
        lanesOf.set(lane.sender, (lanesOf.get(lane.sender) ?? 0) + 1);
      }
    }
    const empty: DueLane[] = [];
    const request = { now, limit, perDomainMax, empty };
    const turnOf = (first: DueRecipient) => this.#turns.turnOf(first, now);
    // Where senders share a domain, what is one's there depends on what the others have; elsewhere on nobody.
    const [shared, alone] = partition(lanes);
    const settled = shared.flatMap((ofDomain) => {
      const rows = this.#shares(ofDomain, [], { ...request, limit: perDomainMax });
      return takeTurns(rows, { limit: perDomainMax, perDomainMax }, turnOf);
    });
    const due = this.#shares(alone, settled, request);
    return { due: takeTurns(due, { limit, perDomainMax }, turnOf), visited, stale, empty };
  }

  /** The recipients of a page are claimed: notes whose turn it was, and when the next ones are due. */
  taken({ due, visited, stale, empty }: DuePage, now: Instant): void {
    const lanes = new Map<string, Map<string, Instant>>();
    for (const recipient of due) {
      const { domain, sender } = recipient;
      const ofDomain = lanes.get(domain) ?? new Map<string, Instant>();
      if (!ofDomain.has(sender)) ofDomain.set(sender, recipient.due);
      lanes.set(domain, ofDomain);
    }
    for (const [domain, senders] of lanes) {
      for (const [sender, recorded] of senders) {
        this.#turns.note({ domain, sender }, now);
        this.#correctLane({ domain, sender }, recorded);
      }
    }
    for (const lane of empty) this.#correctLane(lane, lane.due);
    const moved = new Set([...lanes.keys(), ...empty.map(({ domain }) => domain), ...stale]);
    for (const domain of moved) this.#correctDomain(domain, visited.get(domain) ?? -Infinity);
  }

  /** The earliest due time of a scheduled recipient. */
  earliest(excludeDomains: readonly string[]): Instant | undefined {
    const excluded = new Set(excludeDomains);
    let earliest: Instant | undefined;
    for (const [domain, recorded] of inOrder((after, name) => this.#domains.all(Infinity, after, name, pageRows))) {
      if (earliest !== undefined && recorded >= earliest) break;
      if (excluded.has(domain) || this.#damage.hasDomain(domain)) continue;
      const due = this.#earliestIn(domain, recorded);
      if (due !== undefined && due < (earliest ?? Infinity)) earliest = due;
    }
    return earliest;
  }

  #earliestIn(domain: string, recorded: Instant): Instant | undefined {
    let earliest: Instant | undefined;
    const read = (after: number, name: string) =>
      this.#damage.readDomain(domain, () => this.#lanes.all(domain, Infinity, after, name, pageRows));
    for (const [sender, recordedForLane] of inOrder(read)) {
      if (earliest !== undefined && recordedForLane >= earliest) break;
      const due = this.#correctLane({ domain, sender }, recordedForLane)?.[1];
      if (due !== undefined && due < (earliest ?? Infinity)) earliest = due;
    }
    this.#correctDomain(domain, recorded);
    return earliest;
  }

  /** Lanes of a domain that may have something due, with their recorded time. */
  #noticedLanes(domain: string, now: Instant): readonly DueLane[] {
    const rows = this.#damage.readDomain(domain, () => this.#lanes.all(domain, now, -Infinity, "", lanesLookedAtMax));
    return rows.map(([sender, due]) => ({ domain, sender, due }));
  }

  /** At most `max` of these lanes, those whose turn it is first, for which it then has to be known what they have due. */
  #firstLanes(recorded: readonly DueLane[], now: Instant, max: number): readonly DueLane[] {
    if (recorded.length <= max) return recorded;
    const queue = recorded
      .map((lane): LaneInTurn => ({ lane, turn: this.#turns.turnOf(lane, now), key: undefined }))
      .toSorted(inTurn);
    const lanes: DueLane[] = [];
    for (let first = queue.shift(); first !== undefined && lanes.length < max; first = queue.shift()) {
      if (first.key !== undefined) {
        lanes.push(first.lane);
        continue;
      }
      // What is recorded is not after the truth, so nobody comes before the first one whose truth is known.
      const oldest = this.#correctLane(first.lane, first.lane.due);
      if (oldest === undefined || oldest[1] > now) continue;
      const lane = { ...first.lane, due: oldest[1] };
      const known = { lane, turn: this.#turns.turnOf(lane, now), key: oldest[0] };
      const at = queue.findIndex((other) => inTurn(known, other) < 0);
      queue.splice(at === -1 ? queue.length : at, 0, known);
    }
    return lanes;
  }

  /**
   * Enough of each sender's oldest for an equal share of the page, and more of the others' where some have less. Reading
   * more than a share only for those that have it keeps this at a few times the page, however much is due. `settled` has
   * been read already, from other lanes.
   */
  #shares(
    lanes: readonly DueLane[],
    settled: readonly DueRecipient[],
    { limit, ...request }: SharesRequest,
  ): readonly DueRecipient[] {
    const byAge = lanes.toSorted((a, b) => a.due - b.due);
    const ownLanes = Map.groupBy(byAge, ({ sender }) => sender);
    const ownSettled = Map.groupBy(settled, ({ sender }) => sender);
    const senders = Array.from(new Set([...ownLanes.keys(), ...ownSettled.keys()]), (sender) => ({
      lanes: ownLanes.get(sender) ?? [],
      settled: ownSettled.get(sender) ?? [],
      due: [] as readonly DueRecipient[],
    }));
    let hungry = senders;
    let share = 0;
    let missing = limit;
    while (missing > 0 && hungry.length > 0) {
      share += Math.ceil(missing / hungry.length);
      for (const sender of hungry) {
        sender.due = this.#oldestIn(sender.lanes, sender.settled, { ...request, limit: share });
      }
      missing = limit - senders.reduce((sum, { due }) => sum + due.length, 0);
      hungry = hungry.filter(({ due }) => due.length >= share);
    }
    return senders.flatMap(({ due }) => due).toSorted(earlier);
  }

  /** The oldest recipients of one sender, of the settled ones and of these lanes, which are in order of their recorded time. */
  #oldestIn(
    lanes: readonly DueLane[],
    settled: readonly DueRecipient[],
    { now, limit, perDomainMax, empty }: SharesRequest,
  ): readonly DueRecipient[] {
    let due = settled.toSorted(earlier).slice(0, limit);
    // What is due later than this cannot be among the first `limit`.
    let last = due.length < limit ? now : (due.at(-1)?.due ?? now);
    for (const lane of lanes) {
      if (due.length >= limit && lane.due >= last) break;
      const found = this.#dueIn(lane, last, Math.min(limit, perDomainMax));
      if (found.length === 0 && last === now) empty.push(lane);
      due.push(...found);
      // Twice the limit, so that one sort serves many lanes.
      if (due.length < limit || (due.length < 2 * limit && last < now)) continue;
      due = due.toSorted(earlier).slice(0, limit);
      last = due.at(-1)?.due ?? now;
    }
    return due.toSorted(earlier).slice(0, limit);
  }

  #dueIn({ domain, sender }: Lane, until: Instant, limit: number): readonly DueRecipient[] {
    const { recipients } = this.#damage;
    const rows = this.#damage.readDomain(domain, () => this.#dueOfLane.all(domain, sender, until, limit + recipients));
    const whole = recipients === 0 ? rows : rows.filter(([key]) => !this.#damage.has(key)).slice(0, limit);
    return whole.map(([key, due]) => ({ domain, sender, key, due }));
  }

  /** Notes when the lane's first recipient is really due, and returns that one. */
  #correctLane({ domain, sender }: Lane, recorded: Instant): KeyAndDue | undefined {
    const { recipients } = this.#damage;
    const rows = this.#damage.readDomain(domain, () => this.#firstOfLane.all(domain, sender, 1 + recipients));
    const first = recipients === 0 ? rows[0] : rows.find(([key]) => !this.#damage.has(key));
    if (first === undefined && rows.length > 0) return undefined;
    if (first === undefined) this.#deleteLane.run(domain, sender);
    else if (first[1] !== recorded) this.#setLane.run(first[1], domain, sender);
    return first;
  }

  /** From what is recorded of its lanes. */
  #correctDomain(domain: string, recorded: Instant): void {
    const due = this.#damage.readDomain(domain, () => this.#firstLane.get(domain))?.[0];
    if (due === undefined) this.#deleteDomain.run(domain);
    else if (due !== recorded) this.#setDomain.run(due, domain);
  }
}

/** The lanes of each domain that has several, and all others. */
function partition(lanes: readonly DueLane[]): readonly [shared: readonly DueLane[][], alone: readonly DueLane[]] {
  const domains = [...Map.groupBy(lanes, ({ domain }) => domain).values()];
  return [domains.filter((own) => own.length > 1), domains.filter((own) => own.length === 1).flat()];
}

/** All rows, a page at a time, in order of their time and name. */
function* inOrder(read: (after: number, name: string) => readonly Recorded[]): Iterable<Recorded> {
  let after: Recorded = ["", -Infinity];
  for (;;) {
    const page = read(after[1], after[0]);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageRows) return;
    after = last;
  }
}

/** As the rows are in `takeTurns`: by turn, then the oldest first. */
function inTurn(a: LaneInTurn, b: LaneInTurn): number {
  return a.turn - b.turn || a.lane.due - b.lane.due || (a.key ?? -1) - (b.key ?? -1);
}

function earlier(a: DueRecipient, b: DueRecipient): number {
  return a.due - b.due || a.key - b.key;
}
