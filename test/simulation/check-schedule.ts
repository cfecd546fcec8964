/** When recipients are tried: never sooner than the schedule says, not much later, and not for longer than their time. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import { attemptsWithin } from "../../src/queue/conclusion.ts";
import type { Row, Rows, WorldView } from "./world-view.ts";
import { answersSoon, mayBeCrowded } from "./receivers.ts";
import { scheduleMs, shortenedExpiry } from "./world.ts";

type Deferral = Extract<HistoryEvent, { kind: "recipient-deferred" }>;
type Attempt = Extract<HistoryEvent, { readonly attempt: unknown }>;

const lateMs = 10 * 60_000;

/** Retry times follow the schedule: due as it says, and not tried before that but by order. */
export function checkAttempts(view: WorldView, rows: Rows): readonly string[] {
  const { workload, faults, numbers } = view;
  const problems: string[] = [];
  for (const { message, recipients, events } of rows) {
    for (const { index, address } of recipients) {
      for (const event of deferralsOf(events, index)) {
        const { number } = event.attempt;
        const [least, most] = waitAfter(event, message.receivedAt);
        const wait = event.due - event.at;
        // The last attempt is made at the age of expiry, which a reload may have changed.
        const expires = message.receivedAt + shortenedExpiry * numbers.expireMs;
        if (wait > most + 1 || (wait < least && event.due < expires - 1))
          problems.push(`${message.id} for ${address}, attempt ${number}, is due again after ${wait} ms`);
        const next = nextAttempt(events, event);
        if (next === undefined || faults.clockJumps > 0) continue;
        const earlyMs = event.due - (next.at - next.attempt.durationMs);
        const ordered = workload.operations.some((at) => at >= event.at && at <= next.at);
        if (earlyMs > 1 && !ordered)
          problems.push(`${message.id} for ${address} was tried ${Math.round(earlyMs)} ms before it was due`);
      }
    }
  }
  return problems;
}

/**
 * The attempt and the next due time are stored before anybody connects, so an attempt that a crash ended counts: but for
 * the first, the next one waits as long as if it had failed.
 */
export function checkLostClaims({ machine, workload, faults }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0) return [];
  const problems: string[] = [];
  for (const { message, recipients, events } of rows) {
    for (const { index, address } of recipients) {
      const claims = machine.claims.get(`${message.id} ${index}`) ?? [];
      for (const [before, { to, number }] of claims.slice(1).entries()) {
        const lost = claims[before];
        // Where the count did not rise, it was given back unused.
        if (lost === undefined || lost.number < 2 || number <= lost.number) continue;
        if (
          events.some(
            (event) => "recipient" in event && event.recipient === index && event.at >= lost.from && event.at <= to,
          )
        )
          continue;
        if (workload.operations.some((one) => one >= lost.from && one <= to)) continue;
        if (to - lost.from < delayAfter(lost.number))
          problems.push(
            `${message.id} for ${address}: attempt ${lost.number} was lost, and followed too early by the next`,
          );
      }
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
  if (faults.clockJumps > 0 || mayBeCrowded(view)) return [];
  const problems: string[] = [];
  const soon = new Map(receivers.filter((one) => answersSoon.has(one.character)).map((one) => [one.domain, one]));
  for (const { message, recipients, events } of rows) {
    for (const { index, address, domain } of recipients) {
      const receiver = soon.get(domain);
      if (receiver === undefined) continue;
      for (const event of deferralsOf(events, index)) {
        const next = nextAttempt(events, event);
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

function nextAttempt(events: Row["events"], { recipient, at }: Deferral): Attempt | undefined {
  return events.find((one): one is Attempt => "attempt" in one && one.recipient === recipient && one.at > at);
}

/** Nobody was contacted. */
export function wasNotTried({ attempt: { outcome } }: Deferral): boolean {
  return outcome.kind === "deferred" && outcome.notTried === true;
}

/** The peer asked for the rest in another transaction, or our own stop cut it short. */
export function isUncounted({ attempt: { outcome } }: Deferral): boolean {
  return (
    outcome.kind === "deferred" &&
    (outcome.soon === true || (outcome.status === "4.3.2" && outcome.owner === "local-trouble"))
  );
}

/** The least and the longest wait: by the schedule, spread by a fifth, or as the peer wishes and a little more. */
function waitAfter(event: Deferral, accepted: number): readonly [number, number] {
  const { number, outcome } = event.attempt;
  if (isUncounted(event)) return [0, 5_000];
  // What was not tried does not count; it waits as long as if it had failed each time.
  const step = wasNotTried(event) ? Math.max(number, attemptsWithin(event.at - accepted, scheduleMs)) : number;
  if (/Greylist/.test(outcome.diagnostic?.text ?? "")) return [300_000, 315_000];
  const delayMs = delayAfter(step);
  return [0.8 * delayMs, 1.2 * delayMs];
}

function delayAfter(attempt: number): number {
  return scheduleMs[Math.min(attempt, scheduleMs.length) - 1] ?? 0;
}
