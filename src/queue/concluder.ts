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
  type GeneratedMessage,
  type RecipientChange,
  type RecordChange,
  type Spool,
  SpoolError,
  type StoredMessage,
  type StoredRecipient,
} from "../spool/spool.ts";
import type { Claim } from "./claim.ts";
import type { RecipientOutcome } from "./delivery-agent.ts";
import type { Recorder } from "./recorder.ts";
import type { ReportMaker } from "./report-maker.ts";
import type { QueueSettings } from "./settings.ts";
import { type Attempted, changeFor, eventFor, logReports, logVerdict } from "./settlement.ts";
import { asReportable, mayOweReport, type Verdict, verdictsOn } from "./verdict.ts";

/** Tries at making the reports of one attempt. Failing outcomes wait in memory meanwhile, so it is short. */
const reportTries = 3;
const reportRetryMs = 2_000;

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

interface Reports {
  readonly reports: readonly GeneratedMessage[];
  readonly events: readonly HistoryEvent[];
  readonly warned: readonly number[];
}
const noReports: Reports = { reports: [], events: [], warned: [] };

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
    const reporting = this.#makeReports(message, verdicts)
      .then((reports) => this.#record(conclusion, verdicts, attempted, reports))
      .finally(() => this.#reporting.delete(reporting));
    this.#reporting.add(reporting);
  }

  /** Gives recipients back to the schedule as if they had not been claimed, due at `due`; then `done`. */
  putBack(claim: Claim, recipients: readonly StoredRecipient[], due: Instant, done?: () => void): void {
    if (recipients.length === 0) return done?.();
    const { recorder, settled } = this.#options;
    recorder.record(
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
        settled(claim, recipients.length, due);
        done?.();
      },
    );
  }

  /** Holds recipients for a person, each with its reason. */
  hold(claim: Claim, held: ReadonlyMap<StoredRecipient, string>, by: string): void {
    const { recorder, settled, clock, log } = this.#options;
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
      settled(claim, held.size, undefined),
    );
  }

  /** Resolves when every report under way is made and handed to the recorder. */
  async reportsMade(): Promise<void> {
    while (this.#reporting.size > 0) await Promise.all(this.#reporting);
  }

  #record(conclusion: Conclusion, verdicts: readonly Verdict[], attempted: Attempted, made: Reports): void {
    const { recorder, settled, log, captures } = this.#options;
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
      ...(records !== undefined && { records }),
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
      settled(claim, verdicts.length, due);
    });
  }

  /** Never rejects: an outcome is not held back because its report cannot be made. */
  async #makeReports(message: StoredMessage, verdicts: readonly Verdict[]): Promise<Reports> {
    const { reporter, clock, log } = this.#options;
    const attempts = verdicts.map(asReportable);
    const openContent = () => openContentOf(this.#options.spool, message.id);
    for (let tries = 1; ; tries++) {
      try {
        return await reporter.reportsFor({ message, attempts, openContent });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.event("internal-error", { message: message.id, where: "making a report", error: reason });
        if (tries >= reportTries)
          return reportsWithheld(message, verdicts, `It could not be made: ${reason}`, clock.now());
        await clock.sleep(reportRetryMs);
      }
    }
  }
}

function reportsWithheld(message: StoredMessage, verdicts: readonly Verdict[], reason: string, at: Instant): Reports {
  const recipients = verdicts.filter(mayOweReport).map(({ recipient }) => recipient.address);
  return { ...noReports, events: [{ kind: "report-withheld", at, message: message.id, reason, recipients }] };
}

/** Rejects with `damaged` where the content is gone or not whole. */
export async function openContentOf(spool: Spool, message: string): Promise<Content> {
  const content = await spool.openContent(message);
  if (content === undefined) throw new SpoolError("damaged", `the content of ${message} is missing or damaged`);
  return content;
}
