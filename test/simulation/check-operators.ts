/** What operators ask for is done: verbs leave nothing behind, retries are tried, and routes hold from the reload on. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import type { Rows, WorldView } from "./world-view.ts";
import { roundedMs } from "./deliveries.ts";
import { isUncounted, wasNotTried } from "./check-schedule.ts";
import type { CarriedOut } from "./workload.ts";

type Attempted = Extract<HistoryEvent, { readonly attempt: unknown }>;

/** For so long the outcome of a delivery may wait for a disk that had trouble. */
const recordedMs = 10 * 60_000;

/** Whatever was there when recipients were held or removed does not begin afterwards, unless somebody releases it. */
export function checkVerbs(view: WorldView, rows: Rows): readonly string[] {
  const { machine, workload, faults } = view;
  if (faults.clockJumps > 0) return [];
  const problems: string[] = [];
  const acceptedAt = new Map<unknown, number>();
  for (const { name, at, fields } of machine.events) {
    if (name === "message-accepted") acceptedAt.set(fields["message"], at);
  }
  for (const carriedOut of workload.verbs) {
    const { verb, domain, from, to } = carriedOut;
    if (verb !== "hold" && verb !== "remove") continue;
    // An outcome that the disk had not taken yet was under way for the verb, whenever it came about.
    if (faults.diskTroubled(from - recordedMs, to)) continue;
    for (const { message, recipients, events } of rows) {
      // Reports are made at any moment; whose acceptance was not answered was not there.
      if ((acceptedAt.get(message.id) ?? Infinity) >= from) continue;
      for (const recipient of recipients.filter((one) => domain === undefined || one.domain === domain)) {
        const own = events.filter((event) => "recipient" in event && event.recipient === recipient.index);
        const attempts = own.filter(isAttempt);
        if (attempts.some((one) => startOf(one) <= to + roundedMs && one.at >= from)) continue;
        const next = attempts.find((one) => startOf(one) > to + roundedMs);
        if (next === undefined || wasLost(view, own, carriedOut, startOf(next))) continue;
        const released = own.some(({ kind, at }) => kind === "recipient-released" && at >= from && at <= next.at);
        if (!released)
          problems.push(`${message.id} for ${recipient.address} was tried after a ${verb} that should have reached it`);
      }
    }
  }
  return problems;
}

/** It may have been under way, and ended with the server, so that nobody knows: nothing is told of it in between. */
function wasLost({ machine }: WorldView, own: readonly HistoryEvent[], { from }: CarriedOut, next: number): boolean {
  return machine.deaths.some(
    (death) => death >= from && death <= next && !own.some(({ at }) => at >= from && at <= death),
  );
}

/** What a person wants tried is not turned away because its site rests, before the site was tried. */
export function checkRetries({ workload, faults }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0) return [];
  const problems: string[] = [];
  const attempts = rows.flatMap(({ events }) => events.filter(isAttempt));
  for (const { verb, from, to } of workload.verbs) {
    if (verb !== "retry") continue;
    for (const { message, events } of rows) {
      for (const event of events) {
        if (event.kind !== "recipient-retried" || event.at < from || event.at > to) continue;
        const next = events.find((one) => isStep(one) && one.recipient === event.recipient && one.at >= event.at);
        if (next?.kind !== "recipient-deferred" || !wasNotTried(next) || !next.attempt.route.startsWith("mx "))
          continue;
        const { route } = next.attempt;
        if (attempts.some((one) => one.attempt.route === route && one.at >= from && one.at <= next.at)) continue;
        problems.push(`${message.id} for ${event.address} was to be tried, and was deferred without an attempt`);
      }
    }
  }
  return problems;
}

/** From a start and from a reload on, nothing begins by other routes, whatever refused reloads ask for. */
export function checkReloads({ machine, faults }: WorldView, rows: Rows): readonly string[] {
  const { takenInVain } = machine;
  const problems = takenInVain === 0 ? [] : [`${takenInVain} reloads were refused by a part and told as done`];
  if (faults.clockJumps > 0) return problems;
  const attempts = rows.flatMap(({ message, events }) => events.filter(isAttempt).map((event) => ({ message, event })));
  for (const [index, { to, route }] of machine.reloads.entries()) {
    const until = machine.reloads.slice(index + 1).find(({ refused }) => !refused)?.from ?? Infinity;
    const life = machine.lives.find((one) => one.from <= to && to <= one.to);
    if (life === undefined) continue;
    for (const { message, event } of attempts) {
      const start = startOf(event);
      if (start <= to + roundedMs || start + roundedMs >= Math.min(until, life.to)) continue;
      const domain = event.address.slice(event.address.lastIndexOf("@") + 1);
      if (!domain.startsWith("d")) continue;
      const byRoute = route.some((one) => one.domain === domain);
      if (event.attempt.route.startsWith("relay ") !== byRoute)
        problems.push(`${message.id} for ${event.address} went by ${event.attempt.route}, which is not in force`);
    }
  }
  return problems;
}

/** An attempt is counted when somebody was contacted, and only then. */
export function checkCounts({ machine, faults }: WorldView, rows: Rows): readonly string[] {
  // An attempt that a crash or the disk cut off is counted, and has no event.
  if (machine.deaths.length > 0 || faults.diskTrouble || faults.clockJumps > 0) return [];
  const problems: string[] = [];
  for (const { message, recipients, events } of rows) {
    for (const { index, address, attempts, state } of recipients) {
      const own = events.filter((event) => "recipient" in event && event.recipient === index);
      if (own.some((event) => event.kind === "recipient-held" && event.by !== "operator")) continue;
      const counted = own.filter((event) => {
        if (!isStep(event)) return false;
        return event.kind !== "recipient-deferred" || !(wasNotTried(event) || isUncounted(event));
      });
      if (state !== "claimed" && attempts > counted.length)
        problems.push(`${message.id} for ${address} counts ${attempts} attempts, and had ${counted.length}`);
    }
  }
  return problems;
}

function isStep(event: HistoryEvent): event is Attempted {
  return "attempt" in event;
}

function isAttempt(event: HistoryEvent): event is Attempted {
  return isStep(event) && event.attempt.durationMs > 0;
}

function startOf({ at, attempt }: Attempted): number {
  return at - attempt.durationMs;
}
