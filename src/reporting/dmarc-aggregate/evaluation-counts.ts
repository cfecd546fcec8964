/**
 * Counts evaluated messages for the daily aggregate reports: in memory, written to the spool once a minute and at a stop.
 * A crash may lose the counts of its last minute; mail is never lost or delayed for them.
 *
 * Bounded in rows and in octets: what is beyond the limits is not counted, and the log says how many messages that were. A
 * stranger chooses most of what a row says, so a domain's rows never take more octets than are left for all others.
 */
import type { DmarcRecord } from "../../dmarc/dmarc-outcome.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { SharedBudget } from "../../lib/shared-budget.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { RecordChange, Spool } from "../../spool/spool.ts";
import type { EvaluationNote, EvaluationRecorder } from "../../intake/evaluation-note.ts";
import { dayOf, putDomain, putRow, rowName } from "./report-rows.ts";
import { rowOf, type UncountedRow } from "./row-of-evaluation.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";

export interface EvaluationCountsSettings {
  /** false: nobody gets reports, so nothing is counted. */
  readonly send: boolean;
  /** Our address for reports, `local@domain` in lower case: mail to it is not counted. */
  readonly address?: string;
}

export interface EvaluationCountsOptions {
  readonly spool: Pick<Spool, "changeRecords">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: () => EvaluationCountsSettings;
}

const flushEveryMs = 60_000;
/** As many reports go out in a night; each is a message, a look-up, and a signature. */
export const domainsPerDayMax = 1000;
/** All rows of a day stay in memory; {@link octetsPerDayMax} bounds what they take there. */
const rowsPerDayMax = 50_000;
/** Real rows take 1 to 2 KB, so some 25,000 of them; a row may take 9 KB at the worst (`row-of-evaluation.ts`). */
const octetsPerDayMax = 40_000_000;
/** Beside the strings: objects, and slots of maps. Each signature is an object of its own. */
const rowOverhead = 500;
const signatureOverhead = 150;
/** A report of so many rows is about two megabytes, and 100 KB packed. */
const rowsPerDomainMax = 5000;
/** Records in one transaction: some milliseconds of the writing thread. */
const recordsAtOnce = 200;

interface CountedRow {
  readonly row: UncountedRow;
  readonly index: number;
  count: number;
}

interface CountedDomain {
  readonly name: string;
  readonly rows: Map<string, CountedRow>;
  octets: number;
  record: DmarcRecord;
  seenAt: number;
}

interface CountedDay {
  readonly name: string;
  readonly domains: Map<string, CountedDomain>;
  readonly budget: SharedBudget;
  rows: number;
  /** Changed since they were last written. */
  dirtyDomains: Set<CountedDomain>;
  dirtyRows: Map<CountedRow, CountedDomain>;
}

export class EvaluationCounts implements EvaluationRecorder {
  readonly #options: EvaluationCountsOptions;
  readonly #run: string;
  #days: CountedDay[] = [];
  #dropped = 0;
  #timer: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EvaluationCountsOptions) {
    this.#options = options;
    this.#run = Buffer.from(options.random.bytes(6)).toString("hex");
  }

  note(note: EvaluationNote): void {
    const { policyDomain, record, authorDomain, result } = note.dmarc;
    if (policyDomain === undefined || record === undefined || authorDomain === undefined) return;
    const settings = this.#options.settings();
    if (this.#closed || !settings.send || record.rua.length === 0) return;
    if (settings.address !== undefined && isOnlyTo(settings.address, note.recipients)) return;
    // A forged one is mail like any other, and its domain wants to know.
    if (result === "pass" && note.isReport) return;
    const now = this.#options.clock.now();
    const day = this.#day(dayOf(now));
    const domain = this.#domain(day, policyDomain, record);
    if (domain === undefined || !this.#count(day, domain, rowOf(note))) {
      this.#dropped++;
    } else {
      domain.seenAt = now;
      if (!sameRecord(domain.record, record)) replaceRecord(day, domain, record);
    }
    this.#timer ??= this.#options.clock.setTimer(flushEveryMs, () => void this.flush());
  }

  /** Writes what has been counted since the last time; resolves when that is done or has failed. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /** The last flush; nothing is counted from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#timer?.cancel();
  }

  #day(name: string): CountedDay {
    const last = this.#days.at(-1);
    if (last?.name === name) return last;
    const known = this.#days.find((day) => day.name === name);
    if (known !== undefined) return known;
    const day: CountedDay = {
      name,
      domains: new Map(),
      budget: new SharedBudget(octetsPerDayMax),
      rows: 0,
      dirtyDomains: new Set(),
      dirtyRows: new Map(),
    };
    this.#days.push(day);
    return day;
  }

  #domain(day: CountedDay, name: string, record: DmarcRecord): CountedDomain | undefined {
    const known = day.domains.get(name);
    if (known !== undefined) return known;
    if (day.domains.size >= domainsPerDayMax) return undefined;
    const octets = octetsOfRecord(record);
    if (!day.budget.take(0, octets)) return undefined;
    const domain: CountedDomain = { name, rows: new Map(), octets, record, seenAt: 0 };
    day.domains.set(name, domain);
    day.dirtyDomains.add(domain);
    return domain;
  }

  #count(day: CountedDay, domain: CountedDomain, row: UncountedRow): boolean {
    const name = rowName(row);
    let counted = domain.rows.get(name);
    if (counted === undefined) {
      if (domain.rows.size >= rowsPerDomainMax || day.rows >= rowsPerDayMax) return false;
      const octets = octetsOfRow(name, row);
      if (!day.budget.take(domain.octets, octets)) return false;
      domain.octets += octets;
      counted = { row, index: domain.rows.size, count: 0 };
      domain.rows.set(name, counted);
      day.rows++;
    }
    counted.count++;
    day.dirtyRows.set(counted, domain);
    return true;
  }

  async #write(): Promise<void> {
    const { log, clock } = this.#options;
    if (this.#dropped > 0) log.event("dmarc-counts-dropped", { messages: this.#dropped });
    this.#dropped = 0;
    const today = dayOf(clock.now());
    try {
      for (const day of this.#days) await this.#writeDay(day);
      // The day is over and its counts are written.
      this.#days = this.#days.filter((day) => day.name >= today || day.dirtyRows.size > 0);
    } catch (error) {
      logTrouble(log, "writing counts for aggregate reports", error);
      if (!this.#closed) this.#timer ??= clock.setTimer(flushEveryMs, () => void this.flush());
    }
  }

  async #writeDay(day: CountedDay): Promise<void> {
    const [domains, rows] = [day.dirtyDomains, day.dirtyRows];
    day.dirtyDomains = new Set();
    day.dirtyRows = new Map();
    try {
      // Domains first: rows without their domain's record would be no report.
      const changes: RecordChange[] = [...domains].map(({ name, record, seenAt }) =>
        putDomain(day.name, name, this.#run, { record, seenAt }),
      );
      for (const [{ row, index, count }, { name }] of rows) {
        changes.push(putRow(day.name, name, this.#run, index, { ...row, count }));
      }
      for (let at = 0; at < changes.length; at += recordsAtOnce) {
        await this.#options.spool.changeRecords(changes.slice(at, at + recordsAtOnce));
      }
    } catch (error) {
      // Writing a row again does no harm: its record holds the whole count.
      for (const domain of domains) day.dirtyDomains.add(domain);
      for (const [row, domain] of rows) day.dirtyRows.set(row, domain);
      throw error;
    }
  }
}

/** As published last; a longer one only where there is room for it. */
function replaceRecord(day: CountedDay, domain: CountedDomain, record: DmarcRecord): void {
  const more = octetsOfRecord(record) - octetsOfRecord(domain.record);
  if (!day.budget.take(domain.octets, more)) return;
  domain.octets += more;
  domain.record = record;
  day.dirtyDomains.add(domain);
}

/** The name is JSON of all that the row says: once as a key, and once more in the row's own strings. */
function octetsOfRow(name: string, { dkim }: UncountedRow): number {
  return 2 * name.length + rowOverhead + signatureOverhead * dkim.length;
}

function octetsOfRecord(record: DmarcRecord): number {
  return JSON.stringify(record).length + rowOverhead;
}

function isOnlyTo(address: string, recipients: readonly string[]): boolean {
  return recipients.length > 0 && recipients.every((recipient) => asciiLowerCase(recipient) === address);
}

function sameRecord(a: DmarcRecord, b: DmarcRecord): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
