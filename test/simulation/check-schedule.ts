/** When recipients are tried: never sooner than the schedule says, not much later, and not for longer than their time. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import type { Row, Rows, WorldView } from "./checkers.ts";
import { answersSoon } from "./receivers.ts";
import { scheduleMs, shortenedExpiry } from "./world.ts";

type Deferral = Extract<HistoryEvent, { kind: "recipient-deferred" }>;
type Attempt = Extract<HistoryEvent, { readonly attempt: unknown }>;

const lateMs = 10 * 60_000;

/** Retry times follow the schedule: no attempt follows a deferral sooner than the jitter allows, but by order or crash. */
export function checkAttempts(view: WorldView, rows: Rows): readonly string[] {
  const { machine, workload, faults, numbers } = view;
  const problems: string[] = [];
  const freely = machine.deaths.length + workload.operations.length + faults.clockJumps;
  for (const { message, recipients, events } of rows) {
    for (const { index, address } of recipients) {
      const deferrals = deferralsOf(events, index);
      let early = 0;
      for (const [number, event] of deferrals.entries()) {
        if (isUncounted(event) || event.due >= message.receivedAt + shortenedExpiry * numbers.expireMs) continue;
        const least = 0.75 * delayAfter(event);
        if (event.due - event.at < least) {
          problems.push(`${message.id} for ${address}, attempt ${event.attempt.number}, is due again too early`);
          break;
        }
        const next = deferrals[number + 1];
        if (next !== undefined && next.at - event.at < least) early++;
      }
      if (early > freely) problems.push(`${message.id} for ${address} was tried ${early} times too early`);
      // Two days of the schedule make some twenty; each crash and each order may add one.
      const counted = deferrals.filter((event) => !isUncounted(event)).length;
      if (counted > 40 + freely) problems.push(`${message.id} for ${address} was deferred ${counted} times`);
    }
  }
  return problems;
}

/** Given up at its age, not before and not after. */
export function checkExpiry({ faults, numbers }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0) return [];
  const problems: string[] = [];
  for (const { message, events } of rows) {
    for (const event of events) {
      if (event.kind !== "recipient-expired" && event.kind !== "recipient-deferred") continue;
      const age = event.at - message.receivedAt;
      const minutes = Math.round(age / 60_000);
      if (event.kind === "recipient-expired" && age < shortenedExpiry * numbers.expireMs - 1)
        problems.push(`${message.id} for ${event.address} was given up after ${minutes} minutes`);
      if (event.kind === "recipient-deferred" && age > numbers.expireMs && !isUncounted(event))
        problems.push(`${message.id} for ${event.address} was deferred after ${minutes} minutes`);
    }
  }
  return problems;
}

/** What is due is tried: where the site answers soon and nothing is in the way, within minutes. */
export function checkLateness(view: WorldView, rows: Rows): readonly string[] {
  const { receivers, faults, workload } = view;
  if (faults.clockJumps > 0) return [];
  const problems: string[] = [];
  const soon = new Map(receivers.filter((one) => answersSoon.has(one.character)).map((one) => [one.domain, one]));
  for (const { message, recipients, events } of rows) {
    for (const { index, address, domain } of recipients) {
      const receiver = soon.get(domain);
      if (receiver === undefined) continue;
      for (const event of deferralsOf(events, index)) {
        const next = events.find(
          (one): one is Attempt => isAttempt(one) && one.recipient === index && one.at > event.at,
        );
        if (next === undefined) continue;
        const late = next.at - next.attempt.durationMs - event.due;
        const from = event.at - 30 * 60_000;
        if (late < lateMs || faults.troubled(from, next.at, receiver)) continue;
        if (workload.operations.some((at) => at >= event.at && at <= next.at)) continue;
        problems.push(`${message.id} for ${address} was tried ${Math.round(late / 60_000)} minutes after it was due`);
      }
    }
  }
  return problems;
}

function deferralsOf(events: Row["events"], recipient: number): readonly Deferral[] {
  return events.filter(
    (event): event is Deferral => event.kind === "recipient-deferred" && event.recipient === recipient,
  );
}

function isAttempt(event: HistoryEvent): event is Attempt {
  return "attempt" in event;
}

/** The peer asked for the rest in another transaction, or our own stop cut it short. */
function isUncounted({ attempt: { outcome } }: Deferral): boolean {
  return (
    outcome.kind === "deferred" &&
    (outcome.soon === true || (outcome.status === "4.3.2" && outcome.owner === "local-trouble"))
  );
}

/** By the schedule, or as the peer wishes. */
function delayAfter({ attempt: { number, outcome } }: Deferral): number {
  if (outcome.diagnostic?.text.includes("try again in 300 seconds") === true) return 300_000;
  return scheduleMs[Math.min(number, scheduleMs.length) - 1] ?? 0;
}
