/** Who waits for whom: sites take turns, senders at a site do, and one sender's mail goes in the order in which it came. */
import type { Rows, WorldView } from "./world-view.ts";
import { bySite, type Delivery, roundedMs } from "./deliveries.ts";
import { mayBeCrowded } from "./receivers.ts";
import { manyDeliveries } from "./world.ts";

const minuteMs = 60_000;
/** Names are looked up, which takes some seconds for each question where the first DNS server is dead; then it is ready. */
const readyMs = 15_000;
/** With so much room in memory no mail is put off here: all of it is ready when it is accepted. */
const roomyReady = 2_000;

/** Fresh mail to a site that is well is delivered soon, whatever others are like. */
export function checkFairness(view: WorldView, rows: Rows): readonly string[] {
  const { receivers, faults, numbers, workload } = view;
  const [healthy] = receivers;
  // A flood may have every delivery there is, too.
  const isFlooded = numbers.flooded && numbers.deliveries < manyDeliveries;
  // What there is no room for in memory comes in portions, as lists do where there is little.
  const isCrowded = isFlooded || mayBeCrowded(view) || numbers.ready < roomyReady;
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

/** What one sender has waiting for a site is not overtaken by what the sender hands over later. */
export function checkOrder(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const problems: string[] = [];
  if (view.numbers.ready < roomyReady) return problems;
  for (const ofSite of bySite(begunFirst(deliveries)).flatMap((same) => [
    ...Map.groupBy(same, ({ lane }) => lane).values(),
  ])) {
    // In the order in which they began: the newest of those that went before is the one to compare with.
    let newest: Delivery | undefined;
    for (const delivery of ofSite) {
      const wasOvertaken = newest !== undefined && newest.accepted > delivery.accepted + readyMs;
      if (wasOvertaken && delivery.from > (newest?.from ?? 0) + roundedMs && !isExcused(view, delivery)) {
        problems.push(`${delivery.message} waited for ${delivery.route}, and ${newest?.message} was sent before it`);
        break;
      }
      if (newest === undefined || delivery.accepted > newest.accepted) newest = delivery;
    }
  }
  return problems;
}

/** Mail into mailboxes of ours is delivered within a minute, whatever becomes of mail to others. */
export function checkLocal(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const { machine, faults, numbers, workload } = view;
  if (faults.diskTrouble || numbers.ready < roomyReady) return [];
  return deliveries.flatMap((delivery) => {
    const { accepted, to, route, message, lane } = delivery;
    if (route !== "maildir" || !isFirst(delivery) || to - accepted < minuteMs) return [];
    if (workload.operations.some((at) => at >= accepted && at <= to)) return [];
    // A crash or a stop leaves what it had to the next life.
    if (!machine.lives.some((life) => life.from <= accepted && to <= life.to)) return [];
    if (faults.happened("user-removed") || view.stage.hangingMailboxes.has(lane)) return [];
    return [`${message} for ${lane} waited ${Math.round((to - accepted) / 1000)} s for a mailbox of ours`];
  });
}

/** A site that is well and has a delivery to spare waits for one turn of each other, not for all that they have. */
export function checkTurns(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const { receivers, numbers } = view;
  const problems: string[] = [];
  const [healthy] = receivers;
  if (numbers.ready < roomyReady || healthy === undefined || healthy.names.changes.length > 0) return problems;
  const own = deliveries.filter(({ route }) => route === `mx ${healthy.domain}`);
  const others = [...Map.groupBy(deliveries, ({ route }) => route)].filter(
    ([route]) => route !== `mx ${healthy.domain}`,
  );
  for (const delivery of own.filter(isFirst)) {
    const from = delivery.accepted + readyMs;
    const to = delivery.from - roundedMs;
    if (from >= to || isExcused(view, delivery)) continue;
    const before = own.filter((one) => one !== delivery && one.from <= to && one.to >= from);
    if (before.length >= (view.faults.happened("reload") ? 1 : numbers.deliveriesPerSite)) continue;
    for (const [route, theirs] of others) {
      const turns = theirs.filter(
        (one) => one.from > from && one.from < to && !unprovenAreTaken(deliveries, numbers.deliveries, one.from),
      ).length;
      // The fresh ones and those that were read came each in their own turn.
      if (turns <= 2 + before.length) continue;
      problems.push(`${delivery.message} waited for a site that is well while ${route} had ${turns} turns`);
      break;
    }
  }
  return problems;
}

/** Sites that keep a delivery for minutes have all the slots that are not kept for sites that answered promptly of late. */
function unprovenAreTaken(deliveries: readonly Delivery[], slots: number, at: number): boolean {
  const slow = deliveries.filter(({ from, to }) => from <= at && to >= at && to - from > minuteMs);
  return slow.length >= slots - Math.floor(slots / 4);
}

/** Of each message at each site the delivery that began first: the others of a mailing take turns with what comes later. */
export function begunFirst(deliveries: readonly Delivery[]): readonly Delivery[] {
  const begun = new Set<string>();
  return deliveries.filter((delivery) => {
    const key = `${delivery.life} ${delivery.route} ${delivery.lane} ${delivery.message}`;
    if (!isFirst(delivery) || begun.has(key)) return false;
    begun.add(key);
    return true;
  });
}

export function isFirst({ attempt }: Delivery): boolean {
  return attempt === 1;
}

/** Something went on that may have kept it from being ready. */
export function isExcused({ receivers, faults, workload }: WorldView, { accepted, from, domain }: Delivery): boolean {
  const receiver = receivers.find((one) => one.domain === domain);
  if (workload.operations.some((at) => at >= accepted && at <= from)) return true;
  // Under another name it is another site, of the same description.
  if (receiver !== undefined && receiver.names.changes.length > 0) return true;
  return faults.troubled(accepted - 45 * minuteMs, from, receiver);
}
