/** Nobody takes what is another's: what scenes promise, fair shares of a site, and the limits of addresses and mailboxes. */
import type { HistoryEvent } from "../../src/events/history-event.ts";
import { begunFirst, isExcused } from "./check-turns.ts";
import type { Rows, WorldView } from "./world-view.ts";
import { atOnce, bySite, type Delivery, roundedMs } from "./deliveries.ts";

const readyMs = 15_000;
const troubleMs = 45 * 60_000;

/** What a scene promised for a letter was kept, unless something else went wrong at that time. */
export function checkPromises(view: WorldView, rows: Rows): readonly string[] {
  const { machine, stage, faults, workload } = view;
  const byId = new Map(rows.map((row) => [row.message.id, row]));
  return stage.promises.flatMap(({ sent: { marker, letter, outcome }, withinMs, despiteVerbs = false }) => {
    const row = outcome?.kind === "accepted" ? byId.get(outcome.id) : undefined;
    if (row === undefined) return [];
    const { message, recipients, events } = row;
    const { receivedAt } = message;
    // Times of the wall clock are those of the monotonic one where nobody set it.
    if (faults.clockJumps > 0) return [];
    const late = recipients.find(
      ({ index }) => !events.some((event) => isDone(event, index) && event.at <= receivedAt + withinMs),
    );
    const isOver = machine.clock.now() > receivedAt + withinMs;
    if (late === undefined || !isOver) return [];
    if (faults.troubled(receivedAt - troubleMs, receivedAt + withinMs, receiverOf(view.receivers, late.domain)))
      return [];
    const times = despiteVerbs ? workload.verbs.map(({ from }) => from) : workload.operations;
    if (times.some((at) => at >= receivedAt && at <= receivedAt + withinMs)) return [];
    const end = events.find((event) => isDone(event, late.index));
    const waited = end === undefined ? "still waits" : `waited ${Math.round((end.at - receivedAt) / 1000)} s`;
    return [`${marker} of <${letter.from}> for ${late.address} ${waited}; ${withinMs / 1000} s are enough for it`];
  });
}

function receiverOf<T extends { readonly domain: string }>(receivers: readonly T[], domain: string): T | undefined {
  return receivers.find((one) => one.domain === domain);
}

/** Delivered, relayed, failed or given up. */
function isDone(event: HistoryEvent, recipient: number): boolean {
  return (
    "recipient" in event &&
    event.recipient === recipient &&
    /^recipient-(?:delivered|relayed|failed|expired|removed)$/.test(event.kind)
  );
}

/**
 * Who has something to send to a site waits for one turn of each other sender there, not for all that they have; and one
 * message waits for one transaction of another message, not for its end.
 */
export function checkShares(view: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const { numbers } = view;
  // With less room in memory mail comes in portions, of whoever was first.
  if (numbers.ready < 2_000) return [];
  return bySite(deliveries.filter(({ route }) => route.startsWith("mx "))).flatMap((ofSite) => {
    for (const delivery of begunFirst(ofSite)) {
      const from = delivery.accepted + readyMs;
      const to = delivery.from - roundedMs;
      if (from >= to || isExcused(view, delivery)) continue;
      const meanwhile = ofSite.filter((one) => one.from > from && one.from < to && one.message !== delivery.message);
      const own = meanwhile.filter(({ lane }) => lane === delivery.lane);
      for (const [lane, theirs] of Map.groupBy(meanwhile, (one) => one.lane)) {
        if (lane === delivery.lane || theirs.length <= 2 + own.length) continue;
        return [`${delivery.message} of ${delivery.lane} waited while ${lane} had ${theirs.length} turns at its site`];
      }
      const others = new Set(own.map(({ message }) => message)).size;
      for (const [message, theirs] of Map.groupBy(own, (one) => one.message)) {
        if (theirs.length <= 2 + others) continue;
        return [`${delivery.message} waited for ${theirs.length} transactions of ${message}, of the same sender`];
      }
    }
    return [];
  });
}

/** However many names a machine has, it has no more deliveries at once than two sites. */
export function checkAddresses({ stage, numbers }: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  return stage.receivers.flatMap(({ domain }) => {
    const most = 2 * numbers.deliveriesPerSite;
    const there = deliveries.filter((one) => one.domain === domain || one.domain.endsWith(`.${domain}`));
    const counts = [...Map.groupBy(there, ({ life }) => life).values()].map((same) => Math.max(0, ...atOnce(same)));
    const seen = Math.max(0, ...counts);
    return seen > most ? [`${seen} deliveries at once to the address of ${domain}, which may have ${most}`] : [];
  });
}

/** A mailbox has two deliveries at a time. */
export function checkMailboxLimits(_: WorldView, deliveries: readonly Delivery[]): readonly string[] {
  const ofMailboxes = deliveries.filter(({ route }) => route === "maildir");
  return [...Map.groupBy(ofMailboxes, ({ life, lane }) => `${life} ${lane}`).values()].flatMap((same) => {
    const seen = Math.max(0, ...atOnce(same));
    return seen > 2 ? [`${seen} deliveries at once into the mailbox of ${same[0]?.lane}`] : [];
  });
}

/** Who does not take 8-bit content is not given any. */
export function checkSevenBit({ receivers }: WorldView): readonly string[] {
  return receivers
    .filter(({ character }) => character === "seven-bit")
    .flatMap(({ domain, copies }) =>
      copies.filter(({ eightBit }) => eightBit).map(({ id }) => `${domain} was given ${id} with 8-bit octets`),
    );
}
