/** What sites have to bear: how many deliveries at once, and what follows when they say that it is too much, or nothing. */
import type { DeliveryOutcome } from "../../src/events/delivery-outcome.ts";
import type { WorldView } from "./checkers.ts";
import { atOnce, bySite, type Delivery, isOfServer, roundedMs } from "./deliveries.ts";

const minuteMs = 60_000;

/** Attempts per site stay within limits: connections at once, as our server sees them. */
export function checkSessions({ receivers, numbers, machine, faults }: WorldView): readonly string[] {
  return receivers.flatMap(({ domain, address, character, names }, index) => {
    // Other MX names make another site, and so does a relay host with the address of an MX host; and a connection may
    // be kept on which a liar did not offer what the next letter needs.
    const sites =
      1 +
      names.changes.length +
      (index === 0 && faults.happened("route-changes") ? 1 : 0) +
      (character === "lies" ? 1 : 0);
    const most = machine.sessionsOut.most.get(address) ?? 0;
    return most > numbers.deliveriesPerSite * sites ? [`${most} connections at once to ${domain}`] : [];
  });
}

/** Deliveries at once stay within the limits, in all and to each site. */
export function checkLimits(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const { numbers } = view;
  const problems: string[] = [];
  const ofServers = deliveries.filter(({ route }) => isOfServer(route));
  for (const ofLife of Map.groupBy(ofServers, ({ life }) => life).values()) {
    const most = Math.max(...atOnce(ofLife));
    if (most > numbers.deliveries) problems.push(`${most} deliveries at once, where ${numbers.deliveries} may be`);
  }
  for (const ofSite of bySite(ofSteadySites(view, deliveries))) {
    const most = Math.max(...atOnce(ofSite));
    if (most > numbers.deliveriesPerSite) problems.push(`${most} deliveries at once by ${ofSite[0]?.route}`);
  }
  return problems;
}

/** 421 halves what a site is given, for five minutes; however many say it within ten seconds, it is one wish. */
export function checkBusySites(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const problems: string[] = [];
  const most = Math.max(1, Math.floor(view.numbers.deliveriesPerSite / 2));
  for (const ofSite of bySite(ofSteadySites(view, deliveries))) {
    const counts = atOnce(ofSite);
    for (const busy of ofSite.filter(({ outcomes }) => outcomes.some(saysBusy))) {
      const heeded = busy.to + 5 * minuteMs - 10_000;
      const over = ofSite.findIndex(
        ({ from }, index) => from > busy.to + roundedMs && from < heeded && (counts[index] ?? 0) > most,
      );
      if (over < 0) continue;
      const laterMs = Math.round((ofSite[over]?.from ?? 0) - busy.to);
      problems.push(`421 by ${busy.route}, and ${counts[over]} deliveries at once ${laterMs} ms later`);
      break;
    }
  }
  return problems;
}

/** A site that could not be reached is left alone for a minute at least, unless it just worked. */
export function checkRests(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const problems: string[] = [];
  for (const ofSite of bySite(ofSteadySites(view, deliveries))) {
    const failed = ofSite.filter(({ outcomes }) => outcomes.every(wasUnreachable));
    const worked = ofSite.filter((delivery) => !failed.includes(delivery));
    const endedWithin = (some: readonly Delivery[], from: number, to: number) =>
      some.some((one) => one.to > from && one.to <= to);
    for (const failure of failed) {
      const { from, to, route } = failure;
      // What was under way when another one failed does not prolong the rest, and may end after it.
      if (endedWithin(failed, from - roundedMs, to - 0.001) || endedWithin(worked, to - minuteMs - roundedMs, to))
        continue;
      const next = ofSite.find((one) => one.from > to + roundedMs);
      if (next === undefined || next.from > to + minuteMs - roundedMs || endedWithin(worked, to, next.from)) continue;
      problems.push(`${route} could not be reached, and was tried again after ${Math.round(next.from - to)} ms`);
      break;
    }
  }
  return problems;
}

/** Where the description of the next hop means one site all the time. */
function ofSteadySites({ receivers }: WorldView, deliveries: readonly Delivery[]): readonly Delivery[] {
  const moved = new Set(receivers.filter(({ names }) => names.changes.length > 0).map(({ domain }) => domain));
  return deliveries.filter(
    ({ route, domain }) => route.startsWith("relay ") || (isOfServer(route) && !moved.has(domain)),
  );
}

function saysBusy({ diagnostic }: DeliveryOutcome): boolean {
  return diagnostic?.type === "smtp" && diagnostic.code === 421;
}

function wasUnreachable({ kind, status, diagnostic }: DeliveryOutcome): boolean {
  return kind === "deferred" && status === "4.4.1" && diagnostic?.type !== "smtp";
}

/** Where nobody answers, few knocks are enough, however much mail waits. */
export function checkStorms({ receivers, machine, faults }: WorldView): readonly string[] {
  const problems: string[] = [];
  if (faults.happened("route-changes")) return problems;
  for (const receiver of receivers) {
    for (const cut of faults.cutOff(receiver)) {
      const from = cut.from + 10 * minuteMs;
      const to = Math.min(cut.to, from + 60 * minuteMs);
      if (to < from) continue;
      // Where it moves to while it is cut off, it can be reached.
      const places = new Set(receiver.addresses.filter(({ since }) => since <= cut.from).map(({ address }) => address));
      const knocks = machine.dialled.filter(({ at, address }) => places.has(address) && at >= from && at <= to).length;
      // A server that begins anew finds out anew, and so does one that is told other names; each of three MX hosts counts.
      const starts = machine.lives.filter((life) => life.from > cut.from && life.from < to).length;
      const renamings = receiver.names.changes.filter((change) => change.from < to && from < change.to).length;
      if (knocks > 24 * (1 + starts + renamings))
        problems.push(`${receiver.domain} was cut off, and ${knocks} connections were tried within an hour`);
    }
  }
  return problems;
}
