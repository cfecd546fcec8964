/** What sites have to bear: how many sessions, what follows when they say that it is too much, and who waits for whom. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import type { Rows, WorldView } from "./checkers.ts";
import { answersSoon, type Character, type Receiver } from "./receivers.ts";

const minuteMs = 60_000;

/** Attempts per site stay within limits. */
export function checkSessions({ receivers, numbers, machine, faults }: WorldView): readonly string[] {
  const problems: string[] = [];
  // A relay host is another site than the same host as MX.
  const routes = faults.happened("route-changes") ? receivers.length : 0;
  for (const { domain, mostSessions, address, names } of receivers) {
    // So are MX hosts with other names, and while some mail is on its way to the old ones other mail goes to the new ones.
    const sites = 1 + routes + Math.min(2, names.changes.length);
    // A session that died on the way lives on at the other end until somebody notices; one that says QUIT is no delivery.
    const lost = machine.deaths.length + (faults.disturbances.get(address)?.length ?? 0);
    const most = numbers.deliveriesPerSite * (sites + lost);
    if (mostSessions > 2 * most) problems.push(`${mostSessions} sessions at once to ${domain}`);
  }
  return problems;
}

/** 421 halves what a site is given, for five minutes. */
export function checkBusySites({ receivers, numbers, machine, faults }: WorldView, rows: Rows): readonly string[] {
  if (faults.clockJumps > 0 || faults.happened("route-changes")) return [];
  const problems: string[] = [];
  const most = Math.max(1, Math.floor(numbers.deliveriesPerSite / 2));
  for (const receiver of receivers) {
    if (receiver.character !== "rate-limiter" && receiver.character !== "busy-421") continue;
    const busy = rows
      .flatMap(({ events }) => events)
      .filter((event) => saysBusy(event, receiver))
      .map(({ at }) => at);
    for (const at of new Set(busy)) {
      // By then, what was under way has ended, and what was kept is closed.
      const from = at + numbers.keepIdleMs + 15_000;
      const to = at + 4.9 * minuteMs;
      // Under another name it is another site.
      if (receiver.names.changes.some((change) => change.from < to && at - 10 * minuteMs < change.to)) continue;
      const over = receiver.openings.find((one) => one.at > from && one.at < to && one.open > most);
      if (over === undefined || !machine.lives.some((life) => life.from < at && over.at < life.to)) continue;
      if (faults.troubled(at - 10 * minuteMs, over.at, receiver)) continue;
      problems.push(`${receiver.domain} said 421 and was given ${over.open} sessions at once ${over.at - at} ms later`);
      break;
    }
  }
  return problems;
}

function saysBusy(event: HistoryEvent, { addresses }: Receiver): boolean {
  if (event.kind !== "recipient-deferred") return false;
  const { diagnostic } = event.attempt.outcome;
  return diagnostic?.code === 421 && addresses.some(({ address }) => diagnostic.remoteAddress === address);
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
      // A server that begins anew finds out anew, and so does one that is told other names; each MX host counts.
      const starts = machine.lives.filter((life) => life.from > cut.from && life.from < to).length;
      const renamings = receiver.names.changes.filter((change) => change.from < to && from < change.to).length;
      if (knocks > 16 * (1 + starts + renamings))
        problems.push(`${receiver.domain} was cut off, and ${knocks} connections were tried within an hour`);
    }
  }
  return problems;
}

/** They keep a delivery for minutes. */
const slow: ReadonlySet<Character> = new Set([
  "tarpit",
  "slow-to-answer",
  "loses-replies",
  "suppresses-duplicates",
  "goes-silent",
]);

/** Fresh mail to a site that is well is delivered soon, whatever others are like. */
export function checkFairness(view: WorldView, rows: Rows): readonly string[] {
  const { receivers, faults, numbers, workload } = view;
  const [healthy] = receivers;
  // Where peers that take minutes have every delivery there is, others wait.
  const isCrowded = numbers.deliveries < 500 && receivers.some(({ character }) => slow.has(character));
  if (healthy === undefined || faults.clockJumps > 0 || isCrowded) return [];
  const problems: string[] = [];
  const patienceMs = 1.5 * minuteMs;
  for (const { message, recipients, events } of rows) {
    for (const { index, domain, address } of recipients) {
      if (domain !== healthy.domain) continue;
      const at = message.receivedAt;
      const relayed = events.find((event) => event.kind === "recipient-relayed" && event.recipient === index);
      if (relayed === undefined || relayed.at - at < patienceMs) continue;
      if (faults.troubled(at - 45 * minuteMs, at + patienceMs, healthy)) continue;
      if (workload.operations.some((one) => one >= at && one <= at + patienceMs)) continue;
      problems.push(
        `${message.id} for ${address} waited ${Math.round((relayed.at - at) / 1000)} s for a site that is well`,
      );
    }
  }
  return problems;
}

/** First come, first served: what waits for a site is not turned upside down. */
export function checkFloods({ floods, faults, workload }: WorldView, rows: Rows): readonly string[] {
  const problems: string[] = [];
  if (faults.clockJumps > 0) return problems;
  for (const { receiver } of floods) {
    if (!answersSoon.has(receiver.character) && receiver.character !== "leisurely") continue;
    const first = rows.flatMap(({ message, events }) => {
      const relayed = events.filter((event) => event.kind === "recipient-relayed" && event.attempt.number === 1);
      const [only] = relayed;
      const ofFlood = message.reversePath === "lists@d0.test";
      return only !== undefined && ofFlood && "address" in only && only.address.endsWith(`@${receiver.domain}`)
        ? [{ accepted: message.receivedAt, relayed: only.at }]
        : [];
    });
    const from = Math.min(...first.map(({ accepted }) => accepted));
    const to = Math.max(...first.map(({ relayed }) => relayed));
    if (first.length < 15 || faults.troubled(from - 45 * minuteMs, to, receiver)) continue;
    if (workload.operations.some((at) => at >= from && at <= to)) continue;
    let turned = 0;
    let pairs = 0;
    for (const one of first) {
      for (const other of first) {
        if (one.accepted >= other.accepted) continue;
        pairs++;
        if (one.relayed > other.relayed) turned++;
      }
    }
    if (turned > 0.6 * pairs) problems.push(`mail for ${receiver.domain} was served last come, first`);
  }
  return problems;
}
