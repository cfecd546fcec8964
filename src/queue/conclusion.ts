/**
 * What becomes of a recipient: not attempted at all (the hop limit), done, tried again at a time, held, or given up. All of it
 * is decided here, and nothing else: `settlement.ts` writes it down, `concluder.ts` has it recorded.
 *
 * A deferred recipient is tried again (RFC 5321 §4.5.4.1) by the configured waits, spread so that mail which failed together
 * does not return together; at the time the server asked for, where it named one (`retry-wish.ts`); and never later than the
 * age at which the recipient is given up, so that the last attempt is made at that age. The schedule is looked up at each
 * outcome: a changed configuration holds for mail that is queued already.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { ClockSteps } from "../lib/clock-steps.ts";
import type { Instant } from "../lib/instant.ts";
import type { MessageFacts } from "../message/message-facts.ts";
import { isOwnLoop } from "../message/own-loop.ts";
import type { Random } from "../ports/random.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { RecipientOutcome } from "./delivery-agent.ts";
import { wishedDelayMs } from "./retry-wish.ts";
import type { ReportableAttempt } from "../reporting/owed-reports.ts";
import type { QueueSettings } from "./settings.ts";

export type Conclusion = Final | Again | Held;

interface Final {
  readonly kind: "final";
  readonly recipient: StoredRecipient;
  readonly outcome: DeliveryOutcome;
  readonly to: "delivered" | "relayed" | "failed" | "expired";
}

interface Again {
  readonly kind: "again";
  readonly recipient: StoredRecipient;
  readonly outcome: Deferral;
  readonly due: Instant;
  /** The attempt did not count against the schedule. */
  readonly uncounted: boolean;
  readonly willRetryUntil: Instant;
}

/** For a person, who is told the outcome's reason. */
interface Held {
  readonly kind: "hold";
  readonly recipient: StoredRecipient;
  readonly outcome: Deferral;
}

type Deferral = DeliveryOutcome & { readonly kind: "deferred" };

/** What decides on the end of a message's time. */
export interface ExpiryTerms {
  readonly settings: Pick<QueueSettings, "expire">;
  readonly clockSteps: Pick<ClockSteps, "whenAged">;
}

export interface AttemptContext extends ExpiryTerms {
  readonly message: StoredMessage;
  readonly settings: QueueSettings;
  readonly random: Random;
  readonly now: Instant;
  /** The attempt was cut short by our own stop. */
  readonly interrupted: boolean;
}

/** ±20 %: enough to spread a burst, little enough that the schedule stays recognisable. */
const spread = 0.2;
/** Whatever a server asks for: sooner would only cost both sides a connection. */
const shortestWishMs = 20_000;
/** For a schedule without entries. */
const emptyScheduleMs = 3_600_000;

/**
 * Asked before each attempt: the hop count (RFC 5321 §6.3). A message with `hopLimit` Received fields, or five of ours, goes
 * in a loop. undefined: nothing against it.
 */
export function outcomeOfHops(
  facts: Pick<MessageFacts, "receivedCount" | "ownReceivedCount">,
  hopLimit: number,
): DeliveryOutcome | undefined {
  const { receivedCount, ownReceivedCount } = facts;
  if (isOwnLoop(facts)) return goesRound(`the message passed through this server ${ownReceivedCount} times`);
  if (receivedCount < hopLimit) return undefined;
  return goesRound(`the message passed through ${receivedCount} servers on its way here; the limit is ${hopLimit}`);
}

function goesRound(evidence: string): DeliveryOutcome {
  return { kind: "bounced", status: "5.4.6", owner: "policy", reason: `Mail loop: ${evidence}` };
}

/** One conclusion per recipient of the attempt, in the attempt's order. */
export function conclusionsOn(
  recipients: readonly StoredRecipient[],
  outcomes: readonly RecipientOutcome[],
  context: AttemptContext,
): readonly Conclusion[] {
  // The common case is one recipient; a long list is looked up by index.
  const [only] = outcomes;
  if (recipients.length === 1 && outcomes.length === 1 && only !== undefined && only.index === recipients[0]?.index) {
    return [conclusionOn(recipients[0], only.outcome, undefined, context)];
  }
  const byIndex = new Map(outcomes.map(({ index, outcome }) => [index, outcome]));
  const someAccepted = outcomes.some(({ outcome }) => outcome.kind === "relayed" || outcome.kind === "delivered");
  // One time for all that did not fit: at times of their own each would come in a transaction of its own.
  const leftoversDue = someAccepted ? soonAt(context) : undefined;
  return recipients.map((recipient) =>
    conclusionOn(recipient, byIndex.get(recipient.index) ?? unanswered, leftoversDue, context),
  );
}

/** An agent that forgets a recipient is wrong; the recipient must not be lost for that. */
const unanswered: DeliveryOutcome = {
  kind: "deferred",
  status: "4.3.0",
  owner: "local-trouble",
  reason: "The attempt ended without a result for this recipient",
};

function conclusionOn(
  recipient: StoredRecipient,
  outcome: DeliveryOutcome,
  leftoversDue: Instant | undefined,
  context: AttemptContext,
): Conclusion {
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
  outcome: Deferral,
  leftoversDue: Instant | undefined,
  context: AttemptContext,
): Conclusion {
  if (outcome.hold === true) return { kind: "hold", recipient, outcome };
  const { message, now, interrupted } = context;
  const again = { kind: "again", recipient, outcome, willRetryUntil: expireAt(message, context) } as const;
  const free = { ...again, uncounted: true };
  // What the other side said while we were stopping counts as ever.
  if (interrupted && outcome.owner === "local-trouble") return { ...free, due: now };
  // Bounded by progress: each such round delivered to someone, so there are at most as many as recipients.
  if (outcome.soon === true && leftoversDue !== undefined) return { ...free, due: leftoversDue };
  // Asked after a failed attempt only: mail that waited out a long stop of the server still gets one attempt.
  if (now >= again.willRetryUntil) {
    const { notBefore } = outcome;
    // Nobody is given up without a last attempt, and a person may have forbidden it until then.
    if (notBefore !== undefined && notBefore > now) return { ...free, due: notBefore, willRetryUntil: notBefore };
    return { kind: "final", recipient, outcome, to: "expired" };
  }
  return { ...again, due: nextAttemptAt(recipient, outcome, context), uncounted: outcome.notTried === true };
}

/** When a recipient is given up; counted from acceptance, as far as the clock can be believed. */
export function expireAt(message: Pick<StoredMessage, "receivedAt">, { settings, clockSteps }: ExpiryTerms): Instant {
  return clockSteps.whenAged(message.receivedAt, settings.expire);
}

/** After now, and at most at the expiry, which is after now. */
function nextAttemptAt(recipient: StoredRecipient, outcome: Deferral, context: AttemptContext): Instant {
  const { message, settings, random, now } = context;
  const { diagnostic } = outcome;
  const wish = diagnostic?.type === "smtp" ? wishedDelayMs(diagnostic.text) : undefined;
  // What never was tried must not come back every few minutes until it is given up.
  const attempts =
    outcome.notTried === true
      ? Math.max(recipient.attempts, attemptsWithin(now - message.receivedAt, settings.retry))
      : recipient.attempts;
  const delayMs =
    wish === undefined
      ? waitAfter(settings.retry, attempts) * (1 - spread + 2 * spread * random.next())
      : // A little later than asked, never earlier: the other side's clock decides.
        Math.max(wish, shortestWishMs) * (1 + 0.05 * random.next());
  return Math.max(now + 1, Math.min(Math.ceil(now + delayMs), expireAt(message, context)));
}

/** The wait after attempt number `attempts` (from 1); the last one repeats. */
function waitAfter(retryDelaysMs: readonly number[], attempts: number): number {
  return retryDelaysMs[Math.min(Math.max(attempts, 1), retryDelaysMs.length) - 1] ?? emptyScheduleMs;
}

/** How many attempts a recipient of this age has had, where each wait was as configured; at least one. */
export function attemptsWithin(ageMs: number, retryDelaysMs: readonly number[]): number {
  let attempts = 1;
  for (let at = retryDelaysMs[0] ?? 0; at <= ageMs && attempts < retryDelaysMs.length; attempts++) {
    at += retryDelaysMs[attempts] ?? 0;
  }
  return attempts;
}

/**
 * For recipients that only did not fit their transaction: 1 to 5 seconds, so that the rest of a long list follows while the
 * connection may still be open.
 */
function soonAt({ now, random }: AttemptContext): Instant {
  return Math.ceil(now + 1_000 + 4_000 * random.next());
}

/**
 * Whether the sender may be owed a report; `reporting/` decides. Asked first because most mail is owed none, and then
 * costs nothing.
 */
export function mayOweReport(conclusion: Conclusion): boolean {
  if (conclusion.kind !== "final") return false;
  return isGivenUp(conclusion) || (conclusion.recipient.notify?.includes("SUCCESS") ?? false);
}

export function isGivenUp(conclusion: Conclusion): boolean {
  return conclusion.kind === "final" && (conclusion.to === "failed" || conclusion.to === "expired");
}

export function asReportable(conclusion: Conclusion): ReportableAttempt {
  const { kind, recipient, outcome } = conclusion;
  if (kind === "hold") return { recipient, outcome };
  if (kind === "final") return { recipient, outcome, ...(conclusion.to === "expired" && { expired: true }) };
  return { recipient, outcome, willRetryUntil: conclusion.willRetryUntil };
}
