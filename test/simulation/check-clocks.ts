/**
 * Time is honest: a clock that is set and a machine that sleeps are noticed, nobody is given up for a clock that was wrong
 * for a while, and the time of a message ends when it should, with a last attempt, whatever it waits for.
 */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import type { Rows, WorldView } from "./world-view.ts";
import { type Delivery, isOfServer, roundedMs } from "./deliveries.ts";
import { type FaultKind, unnoticed } from "./fault-plan.ts";
import { answersSoon, mayBeCrowded } from "./receivers.ts";
import { shortenedExpiry } from "./world.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const troubleMs = 45 * minuteMs;

/** Smaller steps are how a clock is kept right. */
const noticedMs = 1.5 * minuteMs;

/** A step of the clock, or a sleep, is noticed within a minute by a server that lives on. */
export function checkSteps({ machine, faults }: WorldView): readonly string[] {
  // Where several come together they may cancel each other out.
  const all = [...faults.jumps.map(({ atMs }) => atMs), ...machine.sleeps.flatMap(({ from, to }) => [from, to])];
  const isAlone = (from: number, to: number) =>
    all.filter((one) => one >= from - 2 * minuteMs && one <= to).length === 1;
  const steps = [
    ...faults.jumps.filter(({ byMs }) => Math.abs(byMs) > noticedMs).map(({ atMs, byMs }) => ({ atMs, byMs })),
    ...machine.sleeps
      .filter(({ from, to }) => to - from > noticedMs)
      .map(({ from, to }) => ({ atMs: to, byMs: to - from })),
  ];
  return steps.flatMap(({ atMs, byMs }) => {
    const until = atMs + 2 * minuteMs;
    // Whoever sleeps notices when the machine wakes up.
    if (machine.sleeps.some(({ from, to }) => from < atMs && atMs < to)) return [];
    const livesOn = machine.lives.some(({ from, to }) => from <= atMs - Math.abs(byMs) && to >= until);
    if (!livesOn || !isAlone(atMs, until) || until > machine.clock.monotonicMs()) return [];
    const isNoticed = machine.events.some(
      ({ name, realMs }) => name === "clock-set" && realMs >= atMs && realMs <= until,
    );
    return isNoticed ? [] : [`the clock went by ${Math.round(byMs / 1000)} s, and nobody noticed`];
  });
}

/** A step forward ends nobody's time before an hour has passed: it may have been an error. */
export function checkFalseExpiry({ machine, faults, numbers }: WorldView): readonly string[] {
  if (faults.jumps.length === 0) return [];
  const acceptedMs = new Map<unknown, number>();
  return machine.events.flatMap(({ name, realMs, fields }) => {
    const id = fields["message"];
    if (name === "message-accepted" && !acceptedMs.has(id)) acceptedMs.set(id, realMs);
    const began = acceptedMs.get(id);
    if (name !== "recipient-expired" || began === undefined) return [];
    const life = machine.lives.find(({ from, to }) => from <= realMs && realMs <= to);
    // A server that started since knows of no step, and after an hour the clock is believed.
    const believed = faults.jumps
      .filter(
        ({ atMs, byMs }) =>
          byMs > 0 && atMs >= began && (atMs < realMs - 55 * minuteMs || atMs < (life?.from ?? realMs)),
      )
      .reduce((sum, { byMs }) => sum + byMs, 0);
    // Each of those that are too small to be noticed adds a little.
    const age = realMs - began + believed + faults.jumps.length * noticedMs;
    if (age >= shortenedExpiry * numbers.expireMs) return [];
    return [`${String(id)} for ${String(fields["recipient"])} was given up for a clock that had just been set`];
  });
}

/** What a scene promised for a letter came true, whatever the wall clock said meanwhile. */
export function checkArrivals(view: WorldView, rows: Rows): readonly string[] {
  const { machine, stage, faults, workload } = view;
  return stage.arrivals.flatMap(({ sent, byMs, unwarned = false }) => {
    const { outcome, letter, marker } = sent;
    if (outcome?.kind !== "accepted" || byMs > machine.clock.monotonicMs()) return [];
    const { id } = outcome;
    if (workload.operations.some((at) => at >= sent.at && at <= byMs && !stage.operations.has(at))) return [];
    const until = machine.events.filter(({ realMs, fields }) => realMs <= byMs && fields["message"] === id);
    const history = rows.find(({ message }) => message.id === id)?.events ?? [];
    const wasWarned = history.some((event) => event.kind === "report-queued" && event.action === "delayed");
    return letter.to.flatMap((path) => {
      const address = path.slice(1, path.indexOf(">"));
      const receiver = view.receivers.find(({ domain }) => address.endsWith(`@${domain}`));
      if (faults.troubled(sent.at - troubleMs, byMs, receiver)) return [];
      const own = until.filter(({ fields }) => fields["recipient"] === address);
      const hasArrived = own.some(({ name }) => name === "recipient-relayed" || name === "recipient-delivered");
      const minutes = Math.round((byMs - sent.at) / minuteMs);
      const last = own.at(-1)?.name ?? "no attempt";
      return [
        ...(hasArrived ? [] : [`${marker} (${id}) for ${address} had not arrived after ${minutes} minutes: ${last}`]),
        ...(unwarned && wasWarned ? [`${marker} (${id}) was reported as delayed, for a clock that was wrong`] : []),
      ];
    });
  });
}

/** What waited when the clock was set back is tried soon, and does not wait longer by as much. */
export function checkStepsBack(view: WorldView): readonly string[] {
  const { machine, faults, workload, receivers } = view;
  if (mayBeCrowded(view) || faults.diskTrouble) return [];
  const soon = new Map(receivers.filter(({ character }) => answersSoon.has(character)).map((one) => [one.domain, one]));
  const ofRecipient = Map.groupBy(
    machine.events.filter(({ name }) => name.startsWith("recipient-")),
    ({ fields }) => `${String(fields["message"])} for ${String(fields["recipient"])}`,
  );
  return faults.jumps.flatMap(({ atMs, byMs }) => {
    const until = atMs + hourMs;
    if (byMs > -2 * hourMs || !machine.lives.some(({ from, to }) => from < atMs && to > until)) return [];
    if (workload.operations.some((at) => at >= atMs - hourMs && at <= until)) return [];
    return [...ofRecipient].flatMap(([key, events]) => {
      const receiver = soon.get(key.slice(key.lastIndexOf("@") + 1));
      const last = events.findLast(({ realMs }) => realMs <= atMs);
      if (last?.name !== "recipient-deferred" || receiver === undefined) return [];
      const isOther = (kind: string) => !unnoticed.has(kind as FaultKind) && !kind.startsWith("clock-");
      if (faults.troubled(atMs - hourMs, until, receiver, ({ kind }) => isOther(kind))) return [];
      if (events.some(({ realMs }) => realMs > atMs && realMs <= until)) return [];
      return [`${key} waits on since the clock was set back by ${Math.round(-byMs / minuteMs)} minutes`];
    });
  });
}

/** So long an attempt takes at most, and whoever waits behind it. */
const lastTurnMs = 2.5 * hourMs;

/** The time of a message ends at the age set, whether its site is slow, rests, or leaves no room in memory. */
export function checkExpiredInTime({ machine, faults, numbers }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0 || faults.diskTrouble) return [];
  const nowMs = machine.clock.monotonicMs();
  return rows.flatMap(({ message, recipients, events }) => {
    const expiry = message.receivedAt + numbers.expireMs;
    const latest = expiry + lastTurnMs;
    if (latest > nowMs || !machine.lives.some(({ from, to }) => from <= expiry && to >= latest)) return [];
    return recipients.flatMap(({ index, address }) => {
      const own = events.filter((event) => "recipient" in event && event.recipient === index);
      if (own.some(({ kind, at }) => kind === "recipient-held" || (endKinds.has(kind) && at <= latest))) return [];
      return [`${message.id} for ${address} was still open ${lastTurnMs / minuteMs} minutes after its time`];
    });
  });
}

const endKinds: ReadonlySet<string> = new Set(
  ["delivered", "relayed", "failed", "expired", "removed"].map((state) => `recipient-${state}`),
);

type Expired = Extract<HistoryEvent, { kind: "recipient-expired" }>;

/** Who is given up without an attempt of its own had a site that was tried just then, or was busy for an hour. */
export function checkLastAttempts(
  { faults }: WorldView,
  rows: Rows,
  deliveries: readonly Delivery[],
): readonly string[] {
  if (faults.clockJumps > 0 || faults.diskTrouble) return [];
  const byRoute = Map.groupBy(deliveries, ({ route }) => route);
  return rows.flatMap(({ message, events }) =>
    events
      .filter((event): event is Expired => event.kind === "recipient-expired")
      .flatMap(({ at, address, attempt: { route, durationMs, outcome } }) => {
        if (durationMs > 0 || !isOfServer(route)) return [];
        const isBusy = outcome.kind === "deferred" && outcome.status === "4.4.5";
        const tried = (byRoute.get(route) ?? []).some(
          ({ to }) => to >= at - minuteMs - roundedMs && to <= at + roundedMs,
        );
        return isBusy || tried ? [] : [`${message.id} for ${address} was given up without a last attempt`];
      }),
  );
}
