/**
 * Which reports a sender is owed for what happened to recipients (RFC 3461 §5.2, RFC 5321 §6.1). Pure decisions.
 */
import type { ReportAction } from "../dsn/report.ts";
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { Instant } from "../lib/instant.ts";
import type { NotifyCondition } from "../smtp/envelope.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";

/** What one attempt did to one recipient, and what the queue decided from it. */
export interface ReportableAttempt {
  readonly recipient: StoredRecipient;
  readonly outcome: DeliveryOutcome;
  /** The outcome is a deferral, and the recipient's time in the queue is over. */
  readonly expired?: boolean;
  /** When it was made; default: just now. */
  readonly attemptedAt?: Instant | undefined;
  /** Deferred: attempts go on until this time. */
  readonly willRetryUntil?: Instant;
  /** Deferred for longer than the sender should be left without word, and not yet warned. */
  readonly delayWarningDue?: boolean;
}

export type ReportNeed =
  | { readonly kind: "owed"; readonly action: ReportAction }
  /** Someone would be told, were it not for this. */
  | { readonly kind: "withheld"; readonly action: ReportAction; readonly reason: WithheldReason }
  | { readonly kind: "none" };

export type WithheldReason = "null-reverse-path" | "not-asked-for" | "forged-reverse-path" | "unverified-loop";

/** Routing loop detected (RFC 3463 §3.5). */
const loopStatus = "5.4.6";

const none: ReportNeed = { kind: "none" };

export function reportNeed(message: StoredMessage, attempt: ReportableAttempt): ReportNeed {
  const { recipient, outcome } = attempt;
  const { notify } = recipient;
  switch (outcome.kind) {
    case "bounced":
      if (message.stranger === "unknown" && outcome.status === loopStatus) {
        // Its header says that it was here before, and anyone can write that to have a report sent to a third party.
        return { kind: "withheld", action: "failed", reason: "unverified-loop" };
      }
      return unlessForbidden(message, notify, "failed", "FAILURE");
    case "deferred":
      if (attempt.expired === true) return unlessForbidden(message, notify, "failed", "FAILURE");
      // Once for a recipient, however often the question comes (RFC 3461 §5.2.5).
      if (attempt.delayWarningDue !== true || recipient.warned) return none;
      return unlessForbidden(message, notify, "delayed", "DELAY");
    case "relayed":
      // With DSN, the next server has taken over the promise (RFC 3461 §5.2.1).
      return outcome.dsnPassedOn ? none : ifAskedFor(message, notify, "relayed");
    case "delivered":
      return ifAskedFor(message, notify, "delivered");
    default:
      return outcome satisfies never;
  }
}

/** Failure and delay are told unless NOTIFY says otherwise (RFC 3461 §4.1). */
function unlessForbidden(
  message: StoredMessage,
  notify: readonly NotifyCondition[] | undefined,
  action: ReportAction,
  condition: NotifyCondition,
): ReportNeed {
  if (message.reversePath === "") return { kind: "withheld", action, reason: "null-reverse-path" };
  if (message.stranger === "forged") return { kind: "withheld", action, reason: "forged-reverse-path" };
  if (notify !== undefined && !notify.includes(condition)) return { kind: "withheld", action, reason: "not-asked-for" };
  return { kind: "owed", action };
}

/** Success is told only where NOTIFY has it. */
function ifAskedFor(
  message: StoredMessage,
  notify: readonly NotifyCondition[] | undefined,
  action: ReportAction,
): ReportNeed {
  return message.reversePath !== "" && notify?.includes("SUCCESS") === true ? { kind: "owed", action } : none;
}
