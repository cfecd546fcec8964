/**
 * The log's side of the history. Whoever writes events into the history of a message gives the same events to this, and
 * each becomes a line of the log, so that neither can say what the other does not.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import type { AttemptFacts, HistoryEvent } from "../events/history-event.ts";
import type { Log } from "../ports/log.ts";
import type { StoredMessage } from "../spool/spool.ts";

/** What the log says of the message besides. */
type About = Pick<StoredMessage, "reversePath" | "reportOn">;

export function logHistory(log: Log, about: About, events: readonly HistoryEvent[]): void {
  for (const event of events) logEvent(log, about, event);
}

function logEvent(log: Log, about: About, event: HistoryEvent): void {
  const { kind, message } = event;
  const from = about.reversePath;
  switch (kind) {
    case "message-accepted": {
      const { recipients: to, size, client, protocol, login } = event;
      return log.event(kind, { message, from, to, size, client, protocol, login });
    }
    case "recipient-delivered":
    case "recipient-relayed":
      return log.event(kind, attemptFields(about, event));
    case "recipient-deferred":
      return log.event(kind, { ...attemptFields(about, event), due: new Date(event.due).toISOString() });
    case "recipient-failed":
    case "recipient-expired": {
      const fields = attemptFields(about, event);
      log.event(kind, fields);
      // RFC 5321 §6.1: a report that fails ends here.
      if (from === "") log.event("report-undeliverable", { ...fields, report_on: about.reportOn });
      return;
    }
    case "recipient-held":
      return log.event(kind, { message, from, recipient: event.address, by: event.by, reason: event.reason });
    case "report-queued": {
      const { report, action, recipients } = event;
      return log.event(kind, { message, report, action, to: from, recipients });
    }
    case "report-withheld":
      return log.event(kind, { message, to: from, recipients: event.recipients, reason: event.reason });
    case "recipient-released":
    case "recipient-retried":
    case "recipient-removed":
      // The spool writes these for operators, whose commands have lines of their own.
      return;
    default:
      return kind satisfies never;
  }
}

interface Attempted {
  readonly message: string;
  readonly address: string;
  readonly attempt: AttemptFacts;
}

function attemptFields(about: About, { message, address, attempt }: Attempted) {
  const { number, durationMs, route, outcome } = attempt;
  const { diagnostic, status } = outcome;
  return {
    message,
    from: about.reversePath,
    recipient: address,
    route,
    attempt: number,
    duration_ms: durationMs,
    status,
    reply: replyText(outcome),
    remote_host: diagnostic?.remoteHost,
    remote_address: diagnostic?.remoteAddress,
    tls: diagnostic?.tls,
    tls_demand: diagnostic?.tlsDemand,
    owner: outcome.kind === "deferred" || outcome.kind === "bounced" ? outcome.owner : undefined,
  };
}

/** Replies are kept for people; a peer's novel is cut. */
export const replyLength = 1_000;

/** The remote's own words where there are any, else our finding. */
export function replyText(outcome: DeliveryOutcome): string {
  if (outcome.diagnostic?.type === "smtp") return outcome.diagnostic.text.slice(0, replyLength);
  if (outcome.kind === "delivered" || outcome.kind === "relayed") return outcome.diagnostic.text.slice(0, replyLength);
  return `${outcome.status} ${outcome.reason}`.slice(0, replyLength);
}
