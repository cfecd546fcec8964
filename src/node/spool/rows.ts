/** Between the spool's interface and the rows in which the SQLite spool's threads keep it. */
import type { HistoryEvent } from "../../events/history-event.ts";
import type { Instant } from "../../lib/instant.ts";
import { entryOf } from "../../spool/captured-entry.ts";
import type { CapturedEntry } from "../../spool/captured-mail.ts";
import { retryDelayMs } from "../../spool/recipient-state.ts";
import {
  SpoolError,
  type ClaimedMessage,
  type ClaimTerms,
  type DelayWarning,
  type FoundRecipient,
  type GeneratedMessage,
  type NewMessage,
  type NewRecipient,
  type RecipientChange,
  type RecordChange,
  type Settlement,
  type StoredMessage,
  type StoredRecipient,
} from "../../spool/spool.ts";
import { senderOf } from "../../spool/turns.ts";
import {
  storedStates,
  stateNumber,
  type ChangeRow,
  type EventRows,
  type FoundRows,
  type MessageRow,
  type NewRecipientRow,
  type RecipientRow,
  type RecordRow,
  type SettleOperation,
  type WarnOperation,
} from "./protocol.ts";

/** What is kept of a recipient as one JSON text, since nothing selects by it. */
type Parameters = Pick<NewRecipient, "notify" | "originalRecipient" | "forwarded" | "captured">;

export function storedMessage(given: NewMessage, size: number): StoredMessage {
  const { recipients: _, ...rest } = given;
  return { ...rest, size };
}

export function messageRow(
  message: StoredMessage,
  recipients: readonly NewRecipient[],
  { inFile, now }: { readonly inFile: boolean; readonly now: Instant },
): MessageRow {
  const { id, receivedAt, reversePath, size } = message;
  const captured = recipients.filter((recipient) => recipient.captured);
  return {
    id,
    receivedAt,
    reversePath,
    sender: senderOf(message),
    json: JSON.stringify(message),
    size,
    inFile,
    recipients: recipients.map(newRecipientRow),
    captured: captured.length === 0 ? null : JSON.stringify(entryOf(message, captured, now)),
  };
}

function newRecipientRow(recipient: NewRecipient): NewRecipientRow {
  const { address, domain, acceptedAs, notify, originalRecipient, forwarded, captured, held, due } = recipient;
  const parameters: Parameters = {
    ...(notify !== undefined && { notify }),
    ...(originalRecipient !== undefined && { originalRecipient }),
    ...(forwarded !== undefined && { forwarded }),
    ...(captured !== undefined && { captured }),
  };
  const isPlain = [notify, originalRecipient, forwarded, captured].every((given) => given === undefined);
  return [
    address,
    domain,
    acceptedAs ?? null,
    isPlain ? null : JSON.stringify(parameters),
    held?.by ?? null,
    held?.reason ?? null,
    due === undefined ? null : wholeMs(due),
  ];
}

/** What the writer did to the recipients that were due, told without another trip. */
export function freshClaim(
  message: StoredMessage,
  given: NewMessage,
  claim: ClaimTerms,
  token: number,
  now: Instant,
): ClaimedMessage {
  const due = wholeMs(now + retryDelayMs(claim, 1));
  const attempt = { state: "claimed", due, attempts: 1, warned: false } as const;
  const recipients: StoredRecipient[] = [];
  for (const [index, recipient] of given.recipients.entries()) {
    if (recipient.held !== undefined || wholeMs(recipient.due ?? now) > now) continue;
    recipients.push({ ...recipient, ...attempt, message: message.id, index });
  }
  return { message, token, leaseEnd: wholeMs(now + claim.leaseMs), recipients };
}

export function recipientFromRow(message: string, row: RecipientRow): StoredRecipient {
  const [index, state, due, attempts, warned, finalAt, address, domain, acceptedAs, parameters, lastReply, by, reason] =
    row;
  const name = storedStates[state];
  if (name === undefined) throw new SpoolError("failed", `${message} has a recipient in the unknown state ${state}`);
  return {
    message,
    index,
    state: name,
    due,
    attempts,
    warned: warned !== 0,
    address,
    domain,
    ...(finalAt !== null && { finalAt }),
    ...(acceptedAs !== null && { acceptedAs }),
    ...(parameters !== null && (JSON.parse(parameters) as Parameters)),
    ...(lastReply !== null && { lastReply }),
    ...(by !== null && { held: { by, reason: reason ?? "" } }),
  };
}

export function foundRecipients(groups: readonly FoundRows[]): readonly FoundRecipient[] {
  return groups.flatMap(({ json, recipients }) => {
    const message = messageFromJson(json);
    return recipients.map((row) => ({ message, recipient: recipientFromRow(message.id, row) }));
  });
}

export function messageFromJson(json: string): StoredMessage {
  return JSON.parse(json) as StoredMessage;
}

export function entryFromJson(json: string): CapturedEntry {
  return JSON.parse(json) as CapturedEntry;
}

function changeRow(change: RecipientChange): ChangeRow {
  const { index, to } = change;
  switch (to) {
    case "scheduled": {
      const { due, reply, warned, uncounted } = change;
      return [index, stateNumber(to), wholeMs(due), reply, null, warned ? 1 : 0, uncounted ? 1 : 0];
    }
    case "held":
      return [index, stateNumber(to), 0, change.reason, change.by, 0, 0];
    case "delivered":
    case "relayed":
    case "failed":
    case "expired":
      return [index, stateNumber(to), 0, change.reply, null, 0, 0];
    default:
      return change satisfies never;
  }
}

export function settleOperation(settlement: Settlement, now: Instant): SettleOperation {
  const { message, token, changes, reports, events, records = [], captured = [] } = settlement;
  return {
    kind: "settle",
    now,
    message,
    token,
    changes: changes.map(changeRow),
    reports: reportRows(reports, now),
    events: eventRows(events),
    records: records.map(recordRow),
    captured,
  };
}

export function warnOperation({ message, recipients, reports, events }: DelayWarning, now: Instant): WarnOperation {
  return { kind: "warn", now, message, recipients, reports: reportRows(reports, now), events: eventRows(events) };
}

function reportRows(reports: readonly GeneratedMessage[], now: Instant): readonly MessageRow[] {
  return reports.map(({ message, content }) =>
    messageRow(storedMessage(message, content.length), message.recipients, { inFile: false, now }),
  );
}

export function eventRows(events: readonly HistoryEvent[]): EventRows {
  const rows: string[] = [];
  for (const event of events) rows.push(event.message, JSON.stringify(event));
  return rows;
}

export function recordRow(change: RecordChange): RecordRow {
  const { namespace } = change;
  switch (change.kind) {
    case "put": {
      const { expiresAt } = change;
      const json = JSON.stringify(change.value ?? null);
      return [namespace, change.key, json, expiresAt === undefined ? null : wholeMs(expiresAt)];
    }
    case "delete":
      return [namespace, change.key, null, null];
    case "clear":
      return [namespace, null, null, null];
    default:
      return change satisfies never;
  }
}

/** Times are kept in whole milliseconds; a jitter may have given a fraction. Never earlier than asked for. */
export function wholeMs(time: Instant): Instant {
  return Math.ceil(time);
}
