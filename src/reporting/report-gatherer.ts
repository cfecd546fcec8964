/**
 * One message, one report: gathers what a message has to tell its sender from attempts that end at different times, and
 * makes the report when nothing more is to come, or when the first of it has waited for a minute (warnings: until their
 * round is through).
 *
 * What is owed is on disk with the outcome itself; here is only which messages have something owed and until when it may
 * wait. The report is stored in the transaction that clears what it tells, so no crash loses a word or says it twice.
 * An attempt that had the whole message is not gathered: its report goes with its outcome.
 */
import type { Instant } from "../lib/instant.ts";
import type { Intake } from "../intake/intake.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { QueueId } from "../spool/queue-id.ts";
import { recordPages } from "../spool/record-pages.ts";
import type { RecordChange, Spool } from "../spool/spool.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import {
  type GatheredAction,
  keysOf,
  owedRecord,
  owedNamespace,
  type OwedRecipient,
  type OwedReport,
  readOwed,
} from "./owed-record.ts";
import type { Reporter, Reports, ReportsInput } from "./reporter.ts";
import { logHistory } from "../history/history-log.ts";

/** Records read at once: each has up to 140 KiB of the message that it is about. */
const recordsPageMax = 50;
/** Recipients read at once to see whether one of them may still have something to tell. */
const recipientsPageMax = 500;
/** Recipients in one report: some 300 KiB. The others of the message follow in a further one. */
const reportedMax = 1_000;
/** Messages whose reports wait here. Beyond it the one that waited longest is told at once. */
const waitingMax = 10_000;
/** Nothing waits longer, whatever the clock said when it was written down. */
const gatherMsMax = 3_600_000;
/** Messages being told at once. */
const tellingMax = 4;
/** After a report could not be made or stored. */
const firstRetryMs = 5_000;
const longestRetryMs = 900_000;

export interface ReportGathererOptions {
  readonly reporter: Pick<Reporter, "reportsFor" | "owe" | "gathered">;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  readonly intake: Pick<Intake, "store">;
}

interface Waiting {
  /** When each action is told at the latest, on the monotonic clock: the other one may be set meanwhile. */
  readonly tellByMs: Map<GatheredAction, number>;
  timer: Timer | undefined;
  retryMs: number;
  /** It is being told, or is about to be. */
  busy: boolean;
  /** Something happened meanwhile. */
  again: boolean;
}

/** What an attempt owes, besides what is in its settlement. */
export interface GatheredReports extends Reports {
  readonly records: readonly RecordChange[];
  /** To be called when the settlement with `records` is durable. */
  readonly onRecorded: () => void;
}

export class ReportGatherer {
  readonly #options: ReportGathererOptions;
  readonly #waiting = new Map<QueueId, Waiting>();
  /** Messages to look at, when one of the places is free. */
  readonly #toTell = new Set<QueueId>();
  readonly #telling = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ReportGathererOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier process left owed. Rejects where the spool does. */
  async start(): Promise<void> {
    for await (const page of recordPages(this.#options.spool, owedNamespace, { limit: recordsPageMax })) {
      for (const record of page) {
        const { about, action, tellBy } = readOwed(record);
        this.#wait(about.id, action, tellBy);
      }
    }
  }

  /** `whole`: nobody else has, or had, recipients of this message, so that there is nothing to gather. */
  async reportsFor(input: ReportsInput & { readonly whole: boolean }): Promise<GatheredReports> {
    const { reporter } = this.#options;
    if (input.whole) return { ...(await reporter.reportsFor(input)), records: [], onRecorded: () => undefined };
    const { owed, events, warned } = await reporter.owe(input);
    return {
      reports: [],
      events,
      warned,
      records: owed.map(owedRecord),
      onRecorded: () => {
        for (const { about, action, tellBy } of owed) this.#wait(about.id, action, tellBy);
      },
    };
  }

  /** Writes down what recipients owe that were given up without an attempt. Resolves when it is durable. */
  async owe(input: ReportsInput): Promise<void> {
    const { events, records, onRecorded } = await this.reportsFor({ ...input, whole: false });
    await this.#options.spool.changeRecords(records, events);
    logHistory(this.#options.log, input.message, events);
    onRecorded();
    this.claimEnded(input.message.id);
  }

  /** A claim of this message has ended: perhaps there was no other, and nothing more is to come. */
  claimEnded(message: QueueId): void {
    if (this.#waiting.has(message)) this.#look(message);
  }

  /** What is owed stays on disk. Resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { timer } of this.#waiting.values()) timer?.cancel();
    this.#waiting.clear();
    this.#toTell.clear();
    await Promise.all(this.#telling);
  }

  #wait(message: QueueId, action: GatheredAction, tellBy: Instant): void {
    if (this.#closed) return;
    const waiting = this.#waiting.get(message) ?? newWaiting();
    this.#waiting.set(message, waiting);
    const { clock } = this.#options;
    const leftMs = Math.max(0, Math.min(gatherMsMax, tellBy - clock.now()));
    this.#noteTellBy(waiting, action, clock.monotonicMs() + leftMs);
    this.#setTimer(message, waiting);
    if (this.#waiting.size <= waitingMax) return;
    for (const [longest, { tellByMs: times, busy }] of this.#waiting) {
      if (busy) continue;
      for (const each of times.keys()) times.set(each, -Infinity);
      this.#look(longest);
      return;
    }
  }

  #noteTellBy({ tellByMs }: Waiting, action: GatheredAction, atMs: number): void {
    tellByMs.set(action, Math.min(atMs, tellByMs.get(action) ?? Infinity));
  }

  /** `pauseMs`: after trouble, in place of the time until something is due. */
  #setTimer(message: QueueId, waiting: Waiting, pauseMs = 0): void {
    const { clock } = this.#options;
    waiting.timer?.cancel();
    const leftMs = Math.ceil(Math.max(0, Math.min(...waiting.tellByMs.values()) - clock.monotonicMs()));
    waiting.timer = clock.setTimer(pauseMs > 0 ? pauseMs : leftMs, () => this.#look(message));
  }

  #look(message: QueueId): void {
    const waiting = this.#waiting.get(message);
    if (waiting === undefined || this.#closed) return;
    if (waiting.busy) {
      waiting.again = true;
      return;
    }
    waiting.busy = true;
    this.#toTell.add(message);
    this.#next();
  }

  #next(): void {
    for (const message of this.#toTell) {
      if (this.#telling.size >= tellingMax) return;
      this.#toTell.delete(message);
      const waiting = this.#waiting.get(message);
      if (waiting === undefined) continue;
      const telling = this.#tell(message, waiting).finally(() => {
        this.#telling.delete(telling);
        this.#next();
      });
      this.#telling.add(telling);
    }
  }

  /** Never rejects. */
  async #tell(message: QueueId, waiting: Waiting): Promise<void> {
    let pauseMs = 0;
    try {
      for (const action of [...waiting.tellByMs.keys()]) await this.#tellOf(message, action, waiting);
      waiting.retryMs = firstRetryMs;
    } catch (error) {
      logTrouble(this.#options.log, "making a report", error, message);
      pauseMs = waiting.retryMs;
      waiting.retryMs = Math.min(longestRetryMs, waiting.retryMs * 2);
    }
    waiting.busy = false;
    if (this.#closed) return;
    if (waiting.tellByMs.size === 0) {
      waiting.timer?.cancel();
      this.#waiting.delete(message);
      return;
    }
    this.#setTimer(message, waiting, pauseMs);
    const { again } = waiting;
    waiting.again = false;
    if (again && pauseMs === 0) this.#look(message);
  }

  async #tellOf(message: QueueId, action: GatheredAction, waiting: Waiting): Promise<void> {
    const tellByMs = waiting.tellByMs.get(action);
    if (tellByMs === undefined) return;
    const { clock } = this.#options;
    const leftMs = tellByMs - clock.monotonicMs();
    if (leftMs > 0 && (await this.#moreMayCome(message, action, clock.now() + leftMs))) return;
    // Before it is read: what is owed from now on is waited for anew.
    waiting.tellByMs.delete(action);
    try {
      while (!this.#closed && (await this.#tellNext(message, action))) continue;
    } catch (error) {
      this.#noteTellBy(waiting, action, tellByMs);
      throw error;
    }
  }

  /** Whether a recipient is under way, or will be before `tellBy`, and may then have the same to tell. */
  async #moreMayCome(message: QueueId, action: GatheredAction, tellBy: Instant): Promise<boolean> {
    for await (const { state, due, warned } of this.#openRecipients(message)) {
      if (action === "delayed" && warned) continue;
      if (state === "claimed" || (state === "scheduled" && due <= tellBy)) return true;
    }
    return false;
  }

  async *#openRecipients(message: QueueId) {
    let after: { readonly message: QueueId; readonly index: number } | undefined;
    for (;;) {
      const page = await this.#options.spool.find(
        { message, states: ["scheduled", "claimed", "held"] },
        { limit: recipientsPageMax, ...(after !== undefined && { after }) },
      );
      for (const { recipient } of page) yield recipient;
      const last = page.at(-1)?.recipient;
      if (page.length < recipientsPageMax || last === undefined) return;
      after = { message, index: last.index };
    }
  }

  /** One report. false: nothing is owed. */
  async #tellNext(message: QueueId, action: GatheredAction): Promise<boolean> {
    const { spool, intake, reporter, log } = this.#options;
    const { first, recipients, keys } = await this.#readOwed(message, action);
    if (first === undefined) return false;
    const cleared = keys.map((key): RecordChange => ({ kind: "delete", namespace: owedNamespace, key }));
    const told = action === "delayed" ? await this.#stillDelayed(message, recipients) : recipients;
    if (told.length === 0) {
      await spool.changeRecords(cleared);
      return true;
    }
    const { letter, event } = await reporter.gathered(first, told);
    if (letter === undefined) await spool.changeRecords(cleared, [event]);
    else await intake.store(letter, { event, records: cleared });
    logHistory(log, first.about, [event]);
    return true;
  }

  /** The same original is in each record: the first one's is as good as any. */
  async #readOwed(
    message: QueueId,
    action: GatheredAction,
  ): Promise<{
    readonly first: OwedReport | undefined;
    readonly recipients: readonly OwedRecipient[];
    readonly keys: readonly string[];
  }> {
    const prefix = keysOf(message, action);
    const keys: string[] = [];
    const recipients: OwedRecipient[] = [];
    let first: OwedReport | undefined;
    for await (const page of recordPages(this.#options.spool, owedNamespace, { prefix, limit: recordsPageMax })) {
      for (const record of page) {
        const owed = readOwed(record);
        if (keys.length > 0 && recipients.length + owed.recipients.length > reportedMax)
          return { first, recipients, keys };
        first ??= owed;
        keys.push(record.key);
        recipients.push(...owed.recipients);
      }
    }
    return { first, recipients, keys };
  }

  /** Whoever got it meanwhile, or failed, is no longer late. */
  async #stillDelayed(message: QueueId, recipients: readonly OwedRecipient[]): Promise<readonly OwedRecipient[]> {
    const open = new Set<number>();
    for await (const { index } of this.#openRecipients(message)) open.add(index);
    return recipients.filter(({ index }) => open.has(index));
  }
}

function newWaiting(): Waiting {
  return { tellByMs: new Map(), timer: undefined, retryMs: firstRetryMs, busy: false, again: false };
}
