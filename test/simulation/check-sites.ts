/** What sites have to bear: how many deliveries at once, and what follows when they say that it is too much, or nothing. */
import type { DeliveryOutcome } from "../../src/events/delivery-outcome.ts";
import type { WorldView } from "./world-view.ts";
import { shortenedExpiry } from "./world.ts";
import { atOnce, bySite, type Delivery, isOfServer, roundedMs } from "./deliveries.ts";

const minuteMs = 60_000;
const longestRestMs = 15 * minuteMs;

/** Connections at once, those that are kept included, as our server sees them: limits of sites and of addresses. */
export function checkSessions({ receivers, numbers, machine, faults, stage }: WorldView): readonly string[] {
  return receivers.flatMap(({ domain, address, character, names }, index) => {
    const most = machine.sessionsOut.most.get(address) ?? 0;
    const byAddress = 2 * numbers.deliveriesPerSite;
    if (most > byAddress)
      return [`${most} connections at once to the address of ${domain}, which may have ${byAddress}`];
    if (stage.hasManyNames(domain)) return [];
    // Other MX names make another site, and so does a relay host with the address of an MX host; and a connection may
    // be kept on which a liar did not offer what the next letter needs.
    const sites =
      1 +
      names.changes.length +
      (index === 0 && faults.happened("route-changes") ? 1 : 0) +
      (character === "lies" ? 1 : 0);
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

/**
 * A site that could not be reached is left alone for a minute at least, unless it just worked, or a person ended the rest.
 * After that, one delivery finds out, and others wait for its end.
 */
export function checkRests(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const problems: string[] = [];
  const ends = endsOfRests(view);
  for (const ofSite of bySite(ofSteadySites(view, deliveries))) {
    const failed = ofSite.filter(({ outcomes }) => outcomes.every(wasUnreachable));
    const worked = ofSite.filter((delivery) => !failed.includes(delivery));
    const counts = atOnce(ofSite);
    const endedWithin = (some: readonly Delivery[], from: number, to: number) =>
      some.some((one) => one.to > from && one.to <= to);
    for (const failure of failed) {
      const { from, to, route } = failure;
      // What was under way when another one failed does not prolong the rest, and may end after it.
      if (endedWithin(failed, from - roundedMs, to - 0.001) || endedWithin(worked, to - minuteMs - roundedMs, to))
        continue;
      // A last attempt that fails within a rest does not prolong it.
      if (isLastAttempt(view, failure) && endedWithin(failed, to - longestRestMs, to - 0.001)) continue;
      const probe = ofSite.findIndex((one) => one.from > to + roundedMs && !isLastAttempt(view, one));
      const next = ofSite[probe];
      if (next === undefined || endedWithin(worked, to, next.from)) continue;
      // Between two reloads all mail of a site is for one domain, so who ends its rest asked for just that domain's.
      const isEnded = ends.some(
        ({ domain, at }) => at >= to && at <= next.from + roundedMs && (domain ?? next.domain) === next.domain,
      );
      if (next.from <= to + minuteMs - roundedMs && !isEnded) {
        problems.push(`${route} could not be reached, and was tried again after ${Math.round(next.from - to)} ms`);
        break;
      }
      // Until any delivery ends: one that failed may have been answered before, which the history does not tell.
      const over = ofSite.findIndex(
        (one, index) => index >= probe && (counts[index] ?? 0) > 1 && !endedWithin(ofSite, to, one.from + roundedMs),
      );
      if (over < 0) continue;
      problems.push(
        `${route} could not be reached, and ${counts[over]} deliveries at once found out whether it is back`,
      );
      break;
    }
  }
  return problems;
}

/** A rest lasts for as long as the log said when it began, unless the site recovered, or a person ended the rest. */
export function checkRestsLast(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const { machine } = view;
  const ends = endsOfRests(view);
  const told = machine.events.filter(({ name }) => name === "site-resting" || name === "site-recovered");
  return bySite(ofSteadySites(view, deliveries)).flatMap((ofSite) => {
    const [{ life, route } = { life: -1, route: "" }] = ofSite;
    const { from, to } = machine.lives[life] ?? { from: Infinity, to: Infinity };
    const own = told.filter(({ at, fields }) => fields["description"] === route && at >= from && at <= to);
    return own.flatMap(({ at: began, name, fields }) => {
      const until = Date.parse(String(fields["until"]));
      const early = ofSite.find(
        (one) => one.from > began + roundedMs && one.from < until - roundedMs && !isLastAttempt(view, one),
      );
      if (name !== "site-resting" || early === undefined) return [];
      const isMeanwhile = (at: number) => at >= began && at <= early.from + roundedMs;
      if (own.some((other) => other.name === "site-recovered" && isMeanwhile(other.at))) return [];
      if (ends.some(({ domain, at }) => isMeanwhile(at) && (domain ?? early.domain) === early.domain)) return [];
      return [
        `${route} was to rest until ${String(fields["until"])}, and was tried ${Math.round(until - early.from)} ms before`,
      ];
    });
  });
}

/** Whose time is over is tried once more, though the site rests. */
function isLastAttempt({ numbers }: WorldView, { accepted, from }: Delivery): boolean {
  return from - accepted >= shortenedExpiry * numbers.expireMs - roundedMs;
}

/** When a person ended rests: by a reload those of all sites, by retry or release those of a domain's, or of all. */
function endsOfRests({ machine, workload }: WorldView): readonly { readonly domain?: string; readonly at: number }[] {
  const reloads = machine.events.filter(({ name }) => name === "settings-reloaded").map(({ at }) => ({ at }));
  return [...reloads, ...workload.wishes.map(({ domain, at }) => (domain === undefined ? { at } : { domain, at }))];
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

function wasUnreachable(outcome: DeliveryOutcome): boolean {
  const { kind, status, diagnostic } = outcome;
  if (kind !== "deferred" || status !== "4.4.1" || diagnostic?.type === "smtp") return false;
  // A backup host answered, and lacks what the message needs.
  return !outcome.reason.includes("the other servers of the site have not been tried yet");
}

/** Where nobody answers, few knocks are enough, however much mail waits. */
export function checkStorms(view: WorldView): readonly string[] {
  const { receivers, machine, faults } = view;
  const problems: string[] = [];
  const ends = endsOfRests(view);
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
      // After a rest that a person ended, the next ones last 2, 4, 8 and 15 minutes again: up to four knocks more at each.
      const woken = ends.filter(
        ({ domain, at }) => at > cut.from && at < to && (domain ?? receiver.domain) === receiver.domain,
      ).length;
      if (knocks > 24 * (1 + starts + renamings) + 12 * woken)
        problems.push(`${receiver.domain} was cut off, and ${knocks} connections were tried within an hour`);
    }
  }
  return problems;
}
