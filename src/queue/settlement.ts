/** Writes conclusions down: the spool's changes and the history's events. */
import type { AttemptFacts, HistoryEvent } from "../events/history-event.ts";
import { replyLength, replyText } from "../history/history-log.ts";
import type { Instant } from "../lib/instant.ts";
import type { RecipientChange, StoredMessage } from "../spool/spool.ts";
import type { Conclusion } from "./conclusion.ts";

/** What all recipients of one attempt have in common. */
export interface Attempted {
  readonly message: StoredMessage;
  readonly route: string;
  readonly durationMs: number;
  readonly at: Instant;
}

/** Who holds what cannot be delivered as it is. */
const holder = "queue";

export function changeFor(conclusion: Conclusion): RecipientChange {
  const { recipient, outcome } = conclusion;
  const { index } = recipient;
  if (conclusion.kind === "final") {
    const reply =
      conclusion.to === "expired"
        ? `4.4.7 Expired; last error: ${replyText(outcome)}`.slice(0, replyLength)
        : replyText(outcome);
    return { index, to: conclusion.to, reply };
  }
  if (conclusion.kind === "hold") return { index, to: "held", by: holder, reason: conclusion.outcome.reason };
  return {
    index,
    to: "scheduled",
    due: conclusion.due,
    reply: replyText(outcome),
    ...(conclusion.uncounted && { uncounted: true as const }),
  };
}

export function eventFor(conclusion: Conclusion, attempted: Attempted): HistoryEvent {
  const { recipient, outcome } = conclusion;
  const attempt: AttemptFacts = {
    number: recipient.attempts,
    durationMs: Math.round(attempted.durationMs),
    route: attempted.route,
    outcome,
  };
  const common = {
    at: attempted.at,
    message: attempted.message.id,
    recipient: recipient.index,
    address: recipient.address,
    attempt,
  };
  if (conclusion.kind === "again") return { ...common, kind: "recipient-deferred", due: conclusion.due };
  if (conclusion.kind === "hold") {
    const { at, message, address } = common;
    const { reason } = conclusion.outcome;
    return { kind: "recipient-held", at, message, recipient: recipient.index, address, by: holder, reason };
  }
  switch (conclusion.to) {
    case "delivered":
      return { ...common, kind: "recipient-delivered" };
    case "relayed":
      return { ...common, kind: "recipient-relayed" };
    case "failed":
      return { ...common, kind: "recipient-failed" };
    case "expired":
      return { ...common, kind: "recipient-expired" };
    default:
      return conclusion.to satisfies never;
  }
}
