/** What senders are told: each report that is owed, none that is not, none twice, and nothing in answer to `<>`. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import type { Spool, StoredRecipient } from "../../src/spool/spool.ts";
import type { Row, Rows, WorldView } from "./world-view.ts";
import { shortenedExpiry } from "./world.ts";

type ReportQueued = Extract<HistoryEvent, { kind: "report-queued" }>;

export function checkReports(view: WorldView, rows: Rows): readonly string[] {
  const byId = new Map(rows.map((row) => [row.message.id, row]));
  return rows.flatMap((row) => [...checkReport(row, byId), ...checkTold(view, row, byId)]);
}

/** Of a report itself: to whom, and in answer to what. */
function checkReport({ message, recipients }: Row, byId: ReadonlyMap<string, Row>): readonly string[] {
  if (message.reportOn === undefined) return [];
  const problems: string[] = [];
  if (message.reversePath !== "") problems.push(`the report ${message.id} has a reverse-path`);
  const original = byId.get(message.reportOn);
  if (original === undefined) problems.push(`${message.id} reports on ${message.reportOn}, which is gone`);
  if (original !== undefined && recipients.map(({ address }) => address).join() !== original.message.reversePath)
    problems.push(`${message.id} reports on ${message.reportOn}, and not to its sender`);
  if (original?.message.reversePath === "")
    problems.push(`${message.id} reports on ${message.reportOn}, whose reverse-path is null`);
  return problems;
}

/** RFC 3461 §5.2, RFC 5321 §6.1: for each recipient, the words that are owed for what became of it, and no others. */
function checkTold(view: WorldView, { message, recipients, events }: Row, byId: ReadonlyMap<string, Row>) {
  const problems: string[] = [];
  // A user of ours who is gone is told nothing.
  const senderWasGone = message.reversePath === "bob@example.org" && view.faults.happened("user-removed");
  const reports = events.filter((event): event is ReportQueued => event.kind === "report-queued");
  for (const { report, action } of reports) {
    if (byId.get(report)?.message.reportOn !== message.id)
      problems.push(`${message.id} caused the report ${report} (${action}), which is gone`);
  }
  for (const recipient of recipients) {
    const { address, state, notify } = recipient;
    const told = (action: ReportQueued["action"]) =>
      reports.filter((event) => event.action === action && event.recipients.includes(address)).length;
    const may = (condition: "FAILURE" | "DELAY") => notify === undefined || notify.includes(condition);
    const canBeTold = message.reversePath !== "";
    const success = notify?.includes("SUCCESS") === true;
    const heldTooLong = events.some(
      (event) => event.kind === "recipient-removed" && event.recipient === recipient.index && event.by === "expiry",
    );
    const failed = state === "failed" || state === "expired" || heldTooLong;
    const owed = {
      failed: canBeTold && failed && may("FAILURE") ? 1 : 0,
      delivered: canBeTold && state === "delivered" && success ? 1 : 0,
      relayed: canBeTold && state === "relayed" && success && !passedOn(view, recipient, events) ? 1 : 0,
    };
    for (const action of ["failed", "delivered", "relayed"] as const) {
      if (told(action) === owed[action] || (told(action) === 0 && senderWasGone)) continue;
      problems.push(
        `${message.id} of <${message.reversePath}> for ${address} (${notify?.join() ?? "no NOTIFY"}) is ${state}, and its sender was told ${told(action)} times that it is ${action}`,
      );
    }
    const delayed = told("delayed");
    const wait = waitOf(view, { message, recipients, events }, recipient);
    const mayBeTold = canBeTold && may("DELAY") && wait !== "short";
    const mustBeTold = mayBeTold && wait === "long" && !senderWasGone;
    if (delayed > (mayBeTold ? 1 : 0) || delayed < (mustBeTold ? 1 : 0))
      problems.push(`${message.id} for ${address} was reported as delayed ${delayed} times, after a ${wait} wait`);
  }
  return problems;
}

/** A look each minute, and what it takes. */
const warnedWithinMs = 3 * 60_000;

/**
 * Whether the recipient waited beyond the age of a warning, in a server that had time to notice, whatever it waited for.
 * In between, or where a clock that was set says nothing of ages, it may be told or not.
 */
function waitOf({ machine, numbers, faults }: WorldView, { message, events }: Row, recipient: StoredRecipient) {
  const warnAt = message.receivedAt + numbers.warnAfterMs;
  const end = events.find((event) => isEndOf(recipient, event))?.at ?? Infinity;
  if (faults.clockJumps > 0) return "doubtful";
  if (end < warnAt) return "short";
  // At the end of its time it is told of as failed; a reload may have brought that nearer.
  const until = Math.min(end, message.receivedAt + shortenedExpiry * numbers.expireMs);
  const isHeld = events.some((event) => event.kind === "recipient-held" && event.recipient === recipient.index);
  const hadTime = machine.lives.some(
    (life) => Math.min(life.to, until) - Math.max(life.from, warnAt) >= warnedWithinMs,
  );
  return hadTime && !isHeld && !faults.diskTrouble ? "long" : "doubtful";
}

/** Whoever is warned hears it at the age set, not at some later attempt. */
export function checkWarnings({ machine, numbers, faults }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0 || faults.diskTrouble) return [];
  return rows.flatMap(({ message, events }) => {
    if (events.some(({ kind }) => kind === "recipient-held" || kind === "recipient-released")) return [];
    return events.flatMap((event) => {
      if (event.kind !== "report-queued" || event.action !== "delayed") return [];
      const warnAt = message.receivedAt + numbers.warnAfterMs;
      const life = machine.lives.find(({ from, to }) => from <= event.at && event.at <= to);
      // A life that ended within minutes may have left it to the next.
      const lateMs = event.at - Math.max(warnAt, life?.from ?? warnAt);
      if (lateMs >= 0 && lateMs < warnedWithinMs) return [];
      return [`${message.id} was reported as delayed ${Math.round(lateMs / 1000)} s after the age of a warning`];
    });
  });
}

function isEndOf({ index }: StoredRecipient, event: HistoryEvent): boolean {
  switch (event.kind) {
    case "recipient-delivered":
    case "recipient-relayed":
    case "recipient-failed":
    case "recipient-expired":
    case "recipient-removed":
      return event.recipient === index;
    default:
      return false;
  }
}

/** Whether the next server was told to report. */
function passedOn(_: WorldView, { index }: StoredRecipient, events: Row["events"]): boolean {
  const relayed = events.find((event) => event.kind === "recipient-relayed" && event.recipient === index);
  return relayed?.kind === "recipient-relayed" && relayed.attempt.outcome.kind === "relayed"
    ? relayed.attempt.outcome.dsnPassedOn
    : false;
}

/** Whatever a report was owed for has been told by the end; nothing waits for it for ever. */
export async function checkOwed(spool: Spool): Promise<readonly string[]> {
  const left = await spool.listRecords("owed-reports", { limit: 100 });
  return left.map(({ key }) => `a report is owed for ever: ${key}`);
}

/** For so long the failures of one message wait for each other. */
const gatherMs = 60_000;

/** One message, one report: failures that came within a minute are told together. */
export function checkGathered({ machine, faults }: WorldView, rows: Rows): readonly string[] {
  // What a crash gave back, or a clock that was set, or a person, may fail at any time after the others.
  if (machine.deaths.length > 0 || faults.clockJumps > 0 || faults.diskTrouble) return [];
  return rows.flatMap(({ message, events }) => {
    if (events.some(({ kind }) => kind === "recipient-retried" || kind === "recipient-released")) return [];
    const failed = events.filter(
      (event): event is ReportQueued => event.kind === "report-queued" && event.action === "failed",
    );
    const began = failed.map((report) => firstFailure(events, report));
    return began.flatMap((at, index) => {
      const before = began[index - 1] ?? -Infinity;
      return at - before >= gatherMs
        ? []
        : [`${message.id}: two reports of failures that came within ${at - before} ms`];
    });
  });
}

/** When the first of these recipients failed: from then on a report waits for others. */
function firstFailure(events: Row["events"], { at, recipients }: ReportQueued): number {
  const times = events.flatMap((event) =>
    (event.kind === "recipient-failed" || event.kind === "recipient-expired") && recipients.includes(event.address)
      ? [event.at]
      : [],
  );
  return Math.min(at, ...times);
}

/** RFC 9990: each day once for each domain that asks for it, and not forgotten. */
export function checkDailyReports({ machine, receivers, workload, faults }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  for (const { domain } of receivers) {
    const address = `dmarc@${domain}`;
    const sent = rows.filter(({ recipients }) => recipients.some((recipient) => recipient.address === address));
    for (const [subject, same] of Map.groupBy(sent, ({ message }) => message.facts.subject)) {
      if (same.length > 1) problems.push(`${address} was sent ${subject} ${same.length} times`);
    }
    const counted = workload.sent.some(
      ({ letter, outcome }) => outcome?.kind === "accepted" && letter.from === `sender@${domain}`,
    );
    // What was only counted in memory may be lost with it.
    const calm = machine.deaths.length === 0 && !faults.diskTrouble && faults.clockJumps === 0;
    if (counted && calm && !faults.dnsTroubled() && sent.length === 0)
      problems.push(`${address} was never sent a report of the day`);
  }
  return problems;
}
