/**
 * From what an attempt did to a recipient to what becomes of the recipient: done, tried again at a time, or given up.
 * Pure decisions; `settlement.ts` writes them down.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { Instant } from "../lib/instant.ts";
import type { Random } from "../ports/random.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { RecipientOutcome } from "./delivery-agent.ts";
import { expireAt, hasExpired, warningDue } from "./expiry.ts";
import type { ReportableAttempt } from "./report-maker.ts";
import { attemptsWithin, nextAttemptAt, soonAt } from "./retry-schedule.ts";
import type { QueueSettings } from "./settings.ts";

export type Verdict =
  | {
      readonly kind: "final";
      readonly recipient: StoredRecipient;
      readonly outcome: DeliveryOutcome;
      readonly to: "delivered" | "relayed" | "failed" | "expired";
    }
  | {
      readonly kind: "again";
      readonly recipient: StoredRecipient;
      readonly outcome: DeliveryOutcome;
      readonly due: Instant;
      /** The attempt did not count against the schedule. */
      readonly uncounted: boolean;
      readonly willRetryUntil: Instant;
      readonly delayWarningDue: boolean;
    }
  /** For a person, who is told the outcome's reason. */
  | { readonly kind: "hold"; readonly recipient: StoredRecipient; readonly outcome: HeldOutcome };

export type HeldOutcome = DeliveryOutcome & { readonly kind: "deferred" };

export interface VerdictContext {
  readonly message: StoredMessage;
  readonly settings: QueueSettings;
  readonly random: Random;
  readonly now: Instant;
  /** The attempt was cut short by our own stop. */
  readonly interrupted: boolean;
}

/** One verdict per recipient of the attempt, in the attempt's order. */
export function verdictsOn(
  recipients: readonly StoredRecipient[],
  outcomes: readonly RecipientOutcome[],
  context: VerdictContext,
): readonly Verdict[] {
  // The common case is one recipient; a long list is looked up by index.
  const [only] = outcomes;
  if (recipients.length === 1 && outcomes.length === 1 && only !== undefined && only.index === recipients[0]?.index) {
    return [verdictOn(recipients[0], only.outcome, undefined, context)];
  }
  const byIndex = new Map(outcomes.map(({ index, outcome }) => [index, outcome]));
  const someAccepted = outcomes.some(({ outcome }) => outcome.kind === "relayed" || outcome.kind === "delivered");
  // One time for all that did not fit: at times of their own each would come in a transaction of its own.
  const leftoversDue = someAccepted ? soonAt(context.now, context.random) : undefined;
  return recipients.map((recipient) =>
    verdictOn(recipient, byIndex.get(recipient.index) ?? unanswered, leftoversDue, context),
  );
}

/** An agent that forgets a recipient is wrong; the recipient must not be lost for that. */
const unanswered: DeliveryOutcome = {
  kind: "deferred",
  status: "4.3.0",
  owner: "local-trouble",
  reason: "The attempt ended without an outcome for this recipient",
};

function verdictOn(
  recipient: StoredRecipient,
  outcome: DeliveryOutcome,
  leftoversDue: Instant | undefined,
  context: VerdictContext,
): Verdict {
  switch (outcome.kind) {
    case "delivered":
    case "relayed":
      return { kind: "final", recipient, outcome, to: outcome.kind };
    case "bounced":
      return { kind: "final", recipient, outcome, to: "failed" };
    case "deferred":
      return deferral(recipient, outcome, leftoversDue, context);
    default:
      return outcome satisfies never;
  }
}

function deferral(
  recipient: StoredRecipient,
  outcome: DeliveryOutcome & { readonly kind: "deferred" },
  leftoversDue: Instant | undefined,
  { message, settings, random, now, interrupted }: VerdictContext,
): Verdict {
  if (outcome.hold === true) return { kind: "hold", recipient, outcome };
  const willRetryUntil = expireAt(message, settings);
  // What the other side said while we were stopping counts as ever.
  if (interrupted && outcome.owner === "local-trouble") {
    return { kind: "again", recipient, outcome, due: now, uncounted: true, willRetryUntil, delayWarningDue: false };
  }
  // Bounded by progress: each such round delivered to somebody, so there are at most as many as recipients.
  if (outcome.soon === true && leftoversDue !== undefined) {
    return {
      kind: "again",
      recipient,
      outcome,
      due: leftoversDue,
      uncounted: true,
      willRetryUntil,
      delayWarningDue: false,
    };
  }
  if (hasExpired(message, settings, now)) return { kind: "final", recipient, outcome, to: "expired" };
  const notTried = outcome.notTried === true;
  const due = nextAttemptAt(
    {
      now,
      // What never was tried must not come back every few minutes until it is given up.
      attempts: notTried
        ? Math.max(recipient.attempts, attemptsWithin(now - message.receivedAt, settings.retry))
        : recipient.attempts,
      retryDelaysMs: settings.retry,
      expireAt: willRetryUntil,
      ...(outcome.diagnostic?.type === "smtp" && { text: outcome.diagnostic.text }),
    },
    random,
  );
  const delayWarningDue = warningDue(message, recipient, settings, now);
  return { kind: "again", recipient, outcome, due, uncounted: notTried, willRetryUntil, delayWarningDue };
}

/**
 * Whether the sender may be owed a report; `reporting/` decides. Asked first because most mail is owed none, and then
 * costs nothing.
 */
export function mayOweReport(verdict: Verdict): boolean {
  if (verdict.kind === "hold") return false;
  if (verdict.kind === "again") return verdict.delayWarningDue;
  if (verdict.to === "failed" || verdict.to === "expired") return true;
  return verdict.recipient.notify?.includes("SUCCESS") ?? false;
}

export function asReportable(verdict: Verdict): ReportableAttempt {
  const { recipient, outcome } = verdict;
  if (verdict.kind === "hold") return { recipient, outcome };
  if (verdict.kind === "final") return { recipient, outcome, ...(verdict.to === "expired" && { expired: true }) };
  const { willRetryUntil, delayWarningDue } = verdict;
  return { recipient, outcome, willRetryUntil, delayWarningDue };
}
