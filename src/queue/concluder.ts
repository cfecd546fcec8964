/**
 * The end of every attempt: outcomes become verdicts, verdicts become one settlement with the reports they call for, and
 * the settlement is recorded. Nothing is forgotten before the spool has it.
 */
import type { HistoryEvent } from "../events/history-event.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import { type Captures, withCapturedMarked } from "../route/captured-recipients.ts";
import {
  type Content,
  type RecipientChange,
  type RecordChange,
  type Spool,
  SpoolError,
  type StoredRecipient,
} from "../spool/spool.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import type { Claim } from "./claim.ts";
import type { RecipientOutcome } from "./delivery-agent.ts";
import type { Recorder } from "./recorder.ts";
import { expireAt } from "./expiry.ts";
import type { MadeReports, ReportMaker } from "./report-maker.ts";
import type { QueueSettings } from "./settings.ts";
import { type Attempted, changeFor, eventFor, logReports, logVerdict, replyText } from "./settlement.ts";
import { asReportable, mayOweReport, type Verdict, verdictsOn } from "./verdict.ts";

/** Tries at making the reports of one attempt. Failing outcomes wait in memory meanwhile, so it is short. */
const reportTries = 3;
const reportRetryMs = 2_000;
/** Whoever is tried again within this time may have something to tell in the same report. */
const comesSoonMs = 60_000;
/** After that the recipient is tried again. */
const reportPutOffMs = 300_000;

export interface Conclusion {
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
  readonly settings: () => QueueSettings;
  /** These recipients of the claim are no longer in memory. `due`: the earliest time at which one is due again. */
  readonly settled: (claim: Claim, recipients: number, due: Instant | undefined) => void;
}

const noReports: MadeReports = { reports: [], events: [], warned: [], records: [], onRecorded: () => undefined };

export class Concluder {
  readonly #options: ConcluderOptions;
  /** Conclusions whose reports are being made. */
  readonly #reporting = new Set<Promise<void>>();
  /** Conclusions that are not recorded yet. */
  readonly #unrecorded = new Set<Conclusion>();

  constructor(options: ConcluderOptions) {
    this.#options = options;
  }

  /** Recipients whose attempt has ended, and whose outcome is not recorded yet. */
  unrecorded(): Iterable<Pick<Conclusion, "claim" | "recipients">> {
    return this.#unrecorded;
  }

  conclude(conclusion: Conclusion): void {
    this.#unrecorded.add(conclusion);
    const { clock, random, settings, log } = this.#options;
    const { message } = conclusion.claim;
    const now = clock.now();
    const verdicts = verdictsOn(conclusion.recipients, conclusion.outcomes, {
      message,
      settings: settings(),
      random,
      now,
      interrupted: conclusion.interrupted === true,
    });
    const attempted: Attempted = { message, route: conclusion.route, durationMs: conclusion.durationMs, at: now };
    for (const verdict of verdicts) logVerdict(log, verdict, attempted);
    if (!verdicts.some(mayOweReport)) {
      this.#record(conclusion, verdicts, attempted, noReports);
      return;
    }
    const reporting = this.#makeReports(conclusion, verdicts)
      .then((reports) =>
        reports === undefined
          ? this.#putOffUnreported(conclusion, verdicts, attempted)
          : this.#record(conclusion, verdicts, attempted, reports),
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
      log.event("recipient-held", { message, recipient: address, by, reason });
      changes.push({ index, to: "held", by, reason });
      events.push({ kind: "recipient-held", at, message, recipient: index, address, by, reason });
    }
    recorder.record({ message, token: claim.token, changes, reports: [], events }, () =>
      this.#settled(claim, held.size, undefined),
    );
  }

  /** Resolves when every report under way is made and handed to the recorder. */
  async reportsMade(): Promise<void> {
    while (this.#reporting.size > 0) await Promise.all(this.#reporting);
  }

  #record(conclusion: Conclusion, verdicts: readonly Verdict[], attempted: Attempted, made: MadeReports): void {
    const { recorder, log, captures } = this.#options;
    const { claim, records, captured } = conclusion;
    const warned = made.warned.length === 0 ? undefined : new Set(made.warned);
    logReports(log, claim.message, made.reports);
    const settlement = {
      message: claim.message.id,
      token: claim.token,
      changes: verdicts.map((verdict) => changeFor(verdict, warned?.has(verdict.recipient.index) ?? false)),
      reports: made.reports.map(({ message, content }) => ({
        message: withCapturedMarked(message, captures),
        content,
      })),
      events: [...verdicts.map((verdict) => eventFor(verdict, attempted)), ...made.events],
      ...((records !== undefined || made.records.length > 0) && { records: [...(records ?? []), ...made.records] }),
      ...(captured !== undefined && { captured }),
    };
    let due: Instant | undefined = made.reports.length > 0 ? attempted.at : undefined;
    for (const verdict of verdicts) {
      if (verdict.kind === "again" && (due === undefined || verdict.due < due)) due = verdict.due;
    }
    recorder.record(settlement, (result) => {
      this.#unrecorded.delete(conclusion);
      if (result === "stale") {
        log.event("claim-lost", { message: claim.message.id, recipients: verdicts.length });
      }
      if (result === "recorded") made.onRecorded();
      this.#settled(claim, verdicts.length, due);
    });
  }

  #settled(claim: Claim, recipients: number, due: Instant | undefined): void {
    this.#options.settled(claim, recipients, due);
    if (claim.open <= 0) this.#options.reporter.claimEnded(claim.message.id);
  }

  /** Never rejects. Undefined: it failed again and again. */
  async #makeReports(
    { claim, recipients }: Conclusion,
    verdicts: readonly Verdict[],
  ): Promise<MadeReports | undefined> {
    const { reporter, clock, log, spool } = this.#options;
    const { message } = claim;
    const attempts = verdicts.map(asReportable);
    const openContent = () => openContentOf(spool, message.id);
    const soon = clock.now() + comesSoonMs;
    const comesSoon = verdicts.some((verdict) => verdict.kind === "again" && verdict.due <= soon);
    const whole = claim.fresh && recipients.length === claim.size && !comesSoon;
    for (let tries = 1; ; tries++) {
      try {
        return await reporter.reportsFor({ message, attempts, openContent, whole });
      } catch (error) {
        logTrouble(log, "making a report", error, { message: message.id });
        if (tries >= reportTries) return undefined;
        await clock.sleep(reportRetryMs);
      }
    }
  }

  /** Nobody is given up in silence: who could not be reported is tried again, and reported then. */
  #putOffUnreported(conclusion: Conclusion, verdicts: readonly Verdict[], attempted: Attempted): void {
    const { clock, log, settings } = this.#options;
    const { message } = attempted;
    const due = clock.now() + reportPutOffMs;
    const willRetryUntil = expireAt(message, settings());
    const told = verdicts.map((verdict): Verdict => {
      if (!isGivenUp(verdict)) return verdict;
      const { recipient, outcome } = verdict;
      const reason = `No report could be made on this, so it is tried again: ${replyText(outcome)}`;
      const putOff: Verdict = {
        kind: "again",
        recipient,
        outcome: { kind: "deferred", status: "4.3.0", owner: "local-trouble", reason },
        due,
        uncounted: false,
        willRetryUntil,
        delayWarningDue: false,
      };
      logVerdict(log, putOff, attempted);
      return putOff;
    });
    // Success is worth no second delivery.
    const untold = told.filter((verdict) => verdict.kind === "final" && mayOweReport(verdict));
    const events: HistoryEvent[] =
      untold.length === 0
        ? []
        : [
            {
              kind: "report-withheld",
              at: clock.now(),
              message: message.id,
              reason: "It could not be made.",
              recipients: untold.map(({ recipient }) => recipient.address),
            },
          ];
    this.#record(conclusion, told, attempted, { ...noReports, events });
  }
}

function isGivenUp(verdict: Verdict): boolean {
  return verdict.kind === "final" && (verdict.to === "failed" || verdict.to === "expired");
}

/** Rejects with `damaged` where the content is gone or not whole. */
export async function openContentOf(spool: Spool, message: string): Promise<Content> {
  const content = await spool.openContent(message);
  if (content === undefined) throw new SpoolError("damaged", `the content of ${message} is missing or damaged`);
  return content;
}
