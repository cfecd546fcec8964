/**
 * The end of every attempt: outcomes become conclusions, conclusions become one settlement with the reports they call for, and
 * the settlement is recorded. Nothing is forgotten before the spool has it.
 */
import type { HistoryEvent } from "../events/history-event.ts";
import { logHistory, replyText } from "../history/history-log.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import { type Captures, withCapturedMarked } from "../route/captured-recipients.ts";
import type { QueueId } from "../spool/queue-id.ts";
import {
  type Content,
  type GeneratedMessage,
  type RecipientChange,
  type RecordChange,
  type Spool,
  SpoolError,
  type StoredMessage,
  type StoredRecipient,
} from "../spool/spool.ts";
import type { ReportableAttempt } from "../reporting/owed-reports.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { asReportable, type Conclusion, conclusionsOn, expireAt, isGivenUp, mayOweReport } from "./conclusion.ts";
import type { RecipientOutcome } from "./delivery-agent.ts";
import type { Claimer } from "./claimer.ts";
import type { Claim, Leases } from "./leases.ts";
import type { QueueState } from "./queue-state.ts";
import type { ReadySpace } from "./ready-space.ts";
import type { Recorder } from "./recorder.ts";
import { type Attempted, changeFor, eventFor } from "./settlement.ts";

/** Tries at making the reports of one attempt. Failing outcomes wait in memory meanwhile, so it is short. */
const reportTries = 3;
const reportRetryMs = 2_000;
/** Whoever is tried again within this time may have something to tell in the same report. */
const comesSoonMs = 60_000;
/** After that the recipient is tried again. */
const reportPutOffMs = 300_000;

/** An attempt that has ended, or that is not made. */
export interface EndedAttempt {
  readonly claim: Claim;
  readonly recipients: readonly StoredRecipient[];
  readonly outcomes: readonly RecipientOutcome[];
  readonly records?: readonly RecordChange[];
  readonly captured?: readonly number[];
  readonly route: string;
  readonly durationMs: number;
  /** Our own stop cut the attempt short. */
  readonly interrupted?: boolean;
}

export interface ConcluderOptions {
  readonly spool: Spool;
  readonly reporter: ReportMaker;
  readonly recorder: Recorder;
  readonly captures: Captures | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly state: QueueState;
  readonly space: ReadySpace;
  readonly leases: Leases;
  readonly claimer: Claimer;
}

/** What the queue asks of `reporting/`: the delivery status notifications that a set of outcomes calls for. */
export interface ReportMaker {
  reportsFor(input: {
    readonly message: StoredMessage;
    readonly attempts: readonly ReportableAttempt[];
    readonly openContent: () => Promise<Content>;
    /** The attempt had all there is to deliver of the message: there is nothing to gather from others. */
    readonly whole: boolean;
  }): Promise<MadeReports>;
  /** Nothing of this claim of the message is under way any more. Called often, mostly in vain. */
  claimEnded(message: QueueId): void;
}

export interface MadeReports {
  readonly reports: readonly GeneratedMessage[];
  readonly events: readonly HistoryEvent[];
  /** What is owed and will be told later, to be recorded with the outcomes. */
  readonly records: readonly RecordChange[];
  /** To be called when all of this is recorded. */
  readonly onRecorded: () => void;
}

const noReports: MadeReports = { reports: [], events: [], records: [], onRecorded: () => undefined };

export class Concluder {
  readonly #options: ConcluderOptions;
  /** Conclusions whose reports are being made. */
  readonly #reporting = new Set<Promise<void>>();
  /** Conclusions that are not recorded yet. */
  readonly #unrecorded = new Set<EndedAttempt>();

  constructor(options: ConcluderOptions) {
    this.#options = options;
  }

  /** Recipients whose attempt has ended, and whose outcome is not recorded yet. */
  unrecorded(): Iterable<Pick<EndedAttempt, "claim" | "recipients">> {
    return this.#unrecorded;
  }

  conclude(ended: EndedAttempt): void {
    this.#unrecorded.add(ended);
    const { clock, random, state } = this.#options;
    const { message } = ended.claim;
    const now = clock.now();
    const conclusions = conclusionsOn(ended.recipients, ended.outcomes, {
      message,
      settings: state.settings,
      clockSteps: state.clockSteps,
      random,
      now,
      interrupted: ended.interrupted === true,
    });
    const attempted: Attempted = { message, route: ended.route, durationMs: ended.durationMs, at: now };
    if (!conclusions.some(mayOweReport)) {
      this.#record(ended, conclusions, attempted, noReports);
      return;
    }
    const reporting = this.#makeReports(ended, conclusions)
      .then((reports) =>
        reports === undefined
          ? this.#putOffUnreported(ended, conclusions, attempted)
          : this.#record(ended, conclusions, attempted, reports),
      )
      .finally(() => this.#reporting.delete(reporting));
    this.#reporting.add(reporting);
  }

  /** Gives recipients back to the schedule as if they had not been claimed, due at `due`; then `done`. */
  putBack(claim: Claim, recipients: readonly StoredRecipient[], due: Instant, done?: () => void): void {
    if (recipients.length === 0) return done?.();
    this.#options.recorder.record(
      {
        message: claim.message.id,
        token: claim.token,
        changes: recipients.map(({ index, lastReply }) => ({
          index,
          to: "scheduled",
          due,
          reply: lastReply ?? "",
          uncounted: true,
        })),
        reports: [],
        events: [],
      },
      () => {
        this.#settled(claim, recipients.length, due);
        done?.();
      },
    );
  }

  /** Holds recipients for a person, each with its reason. */
  hold(claim: Claim, held: ReadonlyMap<StoredRecipient, string>, by: string): void {
    const { recorder, clock, log } = this.#options;
    const message = claim.message.id;
    const at = clock.now();
    const changes: RecipientChange[] = [];
    const events: HistoryEvent[] = [];
    for (const [{ index, address }, reason] of held) {
      changes.push({ index, to: "held", by, reason });
      events.push({ kind: "recipient-held", at, message, recipient: index, address, by, reason });
    }
    logHistory(log, claim.message, events);
    recorder.record({ message, token: claim.token, changes, reports: [], events }, () =>
      this.#settled(claim, held.size, undefined),
    );
  }

  /** Lets go of recipients that someone else has by now. */
  giveUpLost({ claim, recipients }: Pick<EndedAttempt, "claim" | "recipients">): void {
    this.#options.log.event("claim-lost", { message: claim.message.id, recipients: recipients.length });
    this.#settled(claim, recipients.length, undefined);
  }

  /** Resolves when every report under way is made and handed to the recorder. */
  async reportsMade(): Promise<void> {
    while (this.#reporting.size > 0) await Promise.all(this.#reporting);
  }

  #record(ended: EndedAttempt, conclusions: readonly Conclusion[], attempted: Attempted, made: MadeReports): void {
    const { recorder, log, captures } = this.#options;
    const { claim, records, captured } = ended;
    const events = [...conclusions.map((conclusion) => eventFor(conclusion, attempted)), ...made.events];
    logHistory(log, claim.message, events);
    const settlement = {
      message: claim.message.id,
      token: claim.token,
      changes: conclusions.map(changeFor),
      reports: made.reports.map(({ message, content }) => ({
        message: withCapturedMarked(message, captures),
        content,
      })),
      events,
      ...((records !== undefined || made.records.length > 0) && { records: [...(records ?? []), ...made.records] }),
      ...(captured !== undefined && { captured }),
    };
    let due: Instant | undefined = made.reports.length > 0 ? attempted.at : undefined;
    for (const conclusion of conclusions) {
      if (conclusion.kind === "again" && (due === undefined || conclusion.due < due)) due = conclusion.due;
    }
    recorder.record(settlement, (result) => {
      this.#unrecorded.delete(ended);
      if (result === "stale") {
        log.event("claim-lost", { message: claim.message.id, recipients: conclusions.length });
      }
      if (result === "recorded") made.onRecorded();
      this.#settled(claim, conclusions.length, due);
    });
  }

  /** These recipients of the claim are no longer in memory. `due`: the earliest time at which one is due again. */
  #settled(claim: Claim, recipients: number, due: Instant | undefined): void {
    const { space, leases, claimer, reporter } = this.#options;
    leases.settled(claim, recipients);
    space.release(claim, recipients);
    if (due !== undefined) claimer.noteDue(due);
    if (claim.open <= 0) reporter.claimEnded(claim.message.id);
  }

  /** Never rejects. Undefined: it failed again and again. */
  async #makeReports(
    { claim, recipients }: EndedAttempt,
    conclusions: readonly Conclusion[],
  ): Promise<MadeReports | undefined> {
    const { reporter, clock, log, spool } = this.#options;
    const { message } = claim;
    const attempts = conclusions.map(asReportable);
    const openContent = () => openContentOf(spool, message.id);
    const soon = clock.now() + comesSoonMs;
    const comesSoon = conclusions.some((conclusion) => conclusion.kind === "again" && conclusion.due <= soon);
    const whole = claim.fresh && recipients.length === claim.size && !comesSoon;
    for (let tries = 1; ; tries++) {
      try {
        return await reporter.reportsFor({ message, attempts, openContent, whole });
      } catch (error) {
        logTrouble(log, "making a report", error, message.id);
        if (tries >= reportTries) return undefined;
        await clock.sleep(reportRetryMs);
      }
    }
  }

  /** Nobody is given up in silence: who could not be reported is tried again, and reported then. */
  #putOffUnreported(ended: EndedAttempt, conclusions: readonly Conclusion[], attempted: Attempted): void {
    const { clock, state } = this.#options;
    const { message } = attempted;
    const due = clock.now() + reportPutOffMs;
    const willRetryUntil = expireAt(message, state);
    const told = conclusions.map((conclusion): Conclusion => {
      if (!isGivenUp(conclusion)) return conclusion;
      const { recipient, outcome } = conclusion;
      const reason = `This server could not create the delivery report, so it will try the delivery again: ${replyText(outcome)}`;
      return {
        kind: "again",
        recipient,
        outcome: { kind: "deferred", status: "4.3.0", owner: "local-trouble", reason },
        due,
        uncounted: false,
        willRetryUntil,
      };
    });
    // Success is worth no second delivery.
    const untold = told.filter((conclusion) => conclusion.kind === "final" && mayOweReport(conclusion));
    const events: HistoryEvent[] =
      untold.length === 0
        ? []
        : [
            {
              kind: "report-withheld",
              at: clock.now(),
              message: message.id,
              reason: "This server could not create the report.",
              recipients: untold.map(({ recipient }) => recipient.address),
            },
          ];
    this.#record(ended, told, attempted, { ...noReports, events });
  }
}

/** Rejects with `damaged` where the content is gone or not whole. */
export async function openContentOf(spool: Spool, message: string): Promise<Content> {
  const content = await spool.openContent(message);
  if (content === undefined) throw new SpoolError("damaged", `the content of message ${message} is missing or damaged`);
  return content;
}
