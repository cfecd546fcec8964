/** Writes conclusions down: the spool's changes, the history's events, the log's lines. */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { AttemptFacts, HistoryEvent } from "../events/history-event.ts";
import type { Instant } from "../lib/instant.ts";
import type { Log, LogFields } from "../ports/log.ts";
import type { GeneratedMessage, RecipientChange, StoredMessage } from "../spool/spool.ts";
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

export function logConclusion(log: Log, conclusion: Conclusion, attempted: Attempted): void {
  const { recipient, outcome } = conclusion;
  const { diagnostic } = outcome;
  const fields: Record<string, unknown> = {
    message: attempted.message.id,
    from: attempted.message.reversePath,
    recipient: recipient.address,
    route: attempted.route,
    attempt: recipient.attempts,
    duration_ms: Math.round(attempted.durationMs),
    status: outcome.status,
    reply: replyText(outcome),
  };
  if (diagnostic?.remoteHost !== undefined) fields["remote_host"] = diagnostic.remoteHost;
  if (diagnostic?.remoteAddress !== undefined) fields["remote_address"] = diagnostic.remoteAddress;
  if (diagnostic?.tls !== undefined) fields["tls"] = diagnostic.tls;
  if (outcome.kind === "deferred" || outcome.kind === "bounced") fields["owner"] = outcome.owner;
  if (conclusion.kind === "hold") {
    log.event("recipient-held", { ...fields, by: holder, reason: conclusion.outcome.reason });
    return;
  }
  if (conclusion.kind === "again") {
    log.event("recipient-deferred", { ...fields, due: new Date(conclusion.due).toISOString() });
    return;
  }
  log.event(`recipient-${conclusion.to}`, fields satisfies LogFields);
  const hasFailed = conclusion.to === "failed" || conclusion.to === "expired";
  if (hasFailed && attempted.message.reversePath === "") {
    // RFC 5321 §6.1: a report that fails ends here.
    const { reportOn } = attempted.message;
    log.event("report-undeliverable", { ...fields, ...(reportOn !== undefined && { report_on: reportOn }) });
  }
}

export function logReports(log: Log, message: StoredMessage, reports: readonly GeneratedMessage[]): void {
  for (const { message: report } of reports) {
    const to = report.recipients.map(({ address }) => address);
    log.event("report-queued", { message: message.id, report: report.id, to });
  }
}

/** Replies are kept for people; a peer's novel is cut. */
const replyLength = 1_000;

/** The remote's own words where there are any, else our finding. */
export function replyText(outcome: DeliveryOutcome): string {
  if (outcome.diagnostic?.type === "smtp") return outcome.diagnostic.text.slice(0, replyLength);
  if (outcome.kind === "delivered" || outcome.kind === "relayed") return outcome.diagnostic.text.slice(0, replyLength);
  return `${outcome.status} ${outcome.reason}`.slice(0, replyLength);
}
