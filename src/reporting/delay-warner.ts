/**
 * Tells senders of a delay at the age of `queue.warn_after`, whatever their mail waits for: its next attempt, its turn at a
 * slow site, the end of a rest, or room in memory. Each minute it looks for recipients that have come to that age, so a
 * warning depends on no attempt, and one message gets one for all who still wait.
 *
 * The warning is stored in the transaction that marks its recipients as warned, so no crash has a sender told twice.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import { ClockSteps } from "../lib/clock-steps.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type Captures, withCapturedMarked } from "../route/captured-recipients.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import type { QueueId } from "../spool/queue-id.ts";
import { type Spool, SpoolError, type StoredRecipient } from "../spool/spool.ts";
import type { ReportableAttempt } from "./owed-reports.ts";
import type { Reporter } from "./reporter.ts";
import { Rounds } from "./rounds.ts";
import { logHistory } from "../history/history-log.ts";

const roundMs = 60_000;
/** After trouble; what could not be told is looked at again then. */
const troubledRoundMs = 600_000;
const pageMax = 500;
/** Recipients in one report; the others of the message follow in a further one. */
const reportedMax = 1_000;

export interface DelayWarnerOptions {
  readonly spool: Pick<Spool, "unwarned" | "message" | "events" | "openContent" | "warn">;
  readonly reporter: Pick<Reporter, "reportsFor">;
  /** Whether a recipient's mail is only kept for people to read. */
  readonly captures?: Captures;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: () => { readonly warnAfterMs: number; readonly expireMs: number };
  /** A report is due. */
  readonly wake: () => void;
}

export class DelayWarner {
  readonly #options: DelayWarnerOptions;
  readonly #clockSteps: ClockSteps;
  readonly #rounds: Rounds;
  /** Whoever came before this one, in the order of acceptance, was seen to. */
  #after: { readonly message: QueueId; readonly index: number } | undefined;

  constructor(options: DelayWarnerOptions) {
    this.#options = options;
    this.#clockSteps = new ClockSteps(options.clock);
    this.#rounds = new Rounds(options.clock, async () => ((await this.#round()) ? troubledRoundMs : roundMs));
  }

  start(): void {
    this.#rounds.start(roundMs);
  }

  /** Resolves when nothing is being written any more. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  /** true: something could not be told. Never rejects. */
  async #round(): Promise<boolean> {
    const { log, settings } = this.#options;
    const { warnAfterMs } = settings();
    // Where the clock was set, the order of acceptance is no longer that of ages.
    if (this.#clockSteps.take() !== 0) this.#after = undefined;
    if (warnAfterMs === 0) return false;
    let isTroubled = false;
    try {
      const receivedBy = this.#clockSteps.beganBy(warnAfterMs);
      for (let after = this.#after; !this.#rounds.isClosed;) {
        const page = await this.#options.spool.unwarned(receivedBy, { limit: pageMax, ...(after && { after }) });
        for (const message of new Set(page.map((found) => found.message.id))) {
          if (!(await this.#seeTo(message))) isTroubled = true;
        }
        const last = page.at(-1)?.recipient;
        if (last === undefined) break;
        after = { message: last.message, index: last.index };
        if (!isTroubled) this.#after = after;
      }
    } catch (error) {
      if (error instanceof SpoolError && error.code === "closed") return false;
      logTrouble(log, "looking for delayed mail", error);
      return true;
    }
    return isTroubled;
  }

  /** All of a message that still waits. false: it could not be told. */
  async #seeTo(id: QueueId): Promise<boolean> {
    try {
      while (!this.#rounds.isClosed && (await this.#warn(id)));
      return true;
    } catch (error) {
      logTrouble(this.#options.log, "making a report", error, id);
      return false;
    }
  }

  /** One report; false: there is nobody, or nobody more, to warn about. */
  async #warn(id: QueueId): Promise<boolean> {
    const { spool, reporter, captures, log, wake } = this.#options;
    const found = await spool.message(id);
    if (found === undefined || this.#isOver(found.message.receivedAt)) return false;
    const { message } = found;
    const waiting = found.recipients.filter(isWaiting).slice(0, reportedMax);
    if (waiting.length === 0) return false;
    const history = await spool.events(id);
    const willRetryUntil = message.receivedAt + this.#options.settings().expireMs;
    const attempts = waiting.map((recipient): ReportableAttempt => ({
      recipient,
      ...lastAttempt(history, recipient),
      willRetryUntil,
      delayWarningDue: true,
    }));
    const openContent = async () => {
      const content = await spool.openContent(id);
      if (content === undefined) throw new SpoolError("damaged", `the content of message ${id} is missing or damaged`);
      return content;
    };
    const { reports, events } = await reporter.reportsFor({ message, attempts, openContent });
    const marked = reports.map((report) => ({ ...report, message: withCapturedMarked(report.message, captures) }));
    const recipients = waiting.map(({ index }) => index);
    // Where one of them was delivered meanwhile, the others are looked at anew.
    if (!(await spool.warn({ message: id, recipients, reports: marked, events }))) return true;
    logHistory(log, message, events);
    if (reports.length > 0) wake();
    return true;
  }

  /** Its failure is told instead, soon. */
  #isOver(receivedAt: number): boolean {
    const { clock, settings } = this.#options;
    return clock.now() >= this.#clockSteps.whenAged(receivedAt, settings().expireMs);
  }
}

function isWaiting({ state, warned }: StoredRecipient): boolean {
  return (state === "scheduled" || state === "claimed") && !warned;
}

/** What is known of the recipient's fate so far. */
function lastAttempt(
  history: readonly HistoryEvent[],
  { index, lastReply }: StoredRecipient,
): Pick<ReportableAttempt, "outcome" | "attemptedAt"> {
  const last = history.findLast((event) => event.kind === "recipient-deferred" && event.recipient === index);
  if (last?.kind === "recipient-deferred" && last.attempt.outcome.kind === "deferred") {
    const { outcome } = last.attempt;
    return { outcome, attemptedAt: outcome.notTried === true ? undefined : last.at };
  }
  const reason = lastReply === undefined || lastReply === "" ? "The message is waiting for its turn" : lastReply;
  const outcome: DeliveryOutcome = { kind: "deferred", status: "4.4.5", owner: "remote-trouble", reason };
  return { outcome, attemptedAt: undefined };
}
