/**
 * Deliveries as the history tells them: each with its beginning, its end, and what became of it. From them can be said to
 * the millisecond how many went on at once, what followed upon an answer, and in which order they began.
 */
import type { DeliveryOutcome } from "../../src/events/delivery-outcome.ts";
import type { HistoryEvent } from "../../src/events/history-event.ts";
import { senderOf } from "../../src/spool/turns.ts";
import type { Rows, WorldView } from "./world-view.ts";

export interface Delivery {
  readonly message: string;
  /** When the message was accepted. */
  readonly accepted: number;
  /** The next hop: one to a site, as long as the names of its hosts stay. */
  readonly route: string;
  readonly domain: string;
  /** Whose turn it was: the sender's, and into a mailbox the mailbox's. */
  readonly lane: string;
  readonly from: number;
  readonly to: number;
  /** Which of the server's lives; what it knows of sites ends with it. */
  readonly life: number;
  /** Of its recipients, the lowest; what was put off without an attempt has had its turn. */
  readonly attempt: number;
  readonly outcomes: readonly DeliveryOutcome[];
}

type Attempted = Extract<HistoryEvent, { readonly attempt: unknown }>;

/** Durations are rounded. */
export const roundedMs = 1;

/** In the order in which they began. A clock that was set tells no times: then there are none. */
export function deliveriesOf({ machine, faults }: WorldView, rows: Rows): readonly Delivery[] {
  if (faults.clockJumps > 0) return [];
  const deliveries = rows.flatMap(({ message, events }) => {
    const attempted = events.filter((event): event is Attempted => "attempt" in event && event.attempt.durationMs > 0);
    const together = Map.groupBy(attempted, ({ at, attempt, address }) =>
      [at, attempt.durationMs, attempt.route, ...(isOfServer(attempt.route) ? [] : [address])].join(" "),
    );
    return [...together.values()].flatMap((same): readonly Delivery[] => {
      const [first] = same;
      if (first === undefined) return [];
      const { at, attempt, address } = first;
      const delivery = {
        message: message.id,
        accepted: message.receivedAt,
        route: attempt.route,
        lane: isOfServer(attempt.route) ? senderOf(message) : address,
        domain: address.slice(address.lastIndexOf("@") + 1),
        from: at - attempt.durationMs,
        to: at,
        life: machine.lives.findIndex((life) => life.from <= at && at <= life.to),
        attempt: Math.min(...same.map((event) => roundOf(event, events))),
        outcomes: same.map((event) => event.attempt.outcome),
      };
      return [delivery];
    });
  });
  return deliveries.toSorted((a, b) => a.from - b.from);
}

/** To another server, not into a mailbox. */
export function isOfServer(route: string): boolean {
  return route.startsWith("mx ") || route.startsWith("relay ");
}

/** Those of one life to one site. */
export function bySite(deliveries: readonly Delivery[]): readonly (readonly Delivery[])[] {
  return [...Map.groupBy(deliveries, ({ life, route }) => `${life} ${route}`).values()];
}

/** For each: how many of them went on when it began, itself included. */
export function atOnce(deliveries: readonly Delivery[]): readonly number[] {
  let running: readonly Delivery[] = [];
  return deliveries.map((delivery) => {
    running = [...running.filter(({ to }) => to - roundedMs > delivery.from), delivery];
    return running.length;
  });
}

function roundOf(event: Attempted, events: readonly HistoryEvent[]): number {
  const before = events.filter(
    (one) => one.kind === "recipient-deferred" && one.recipient === event.recipient && one.at < event.at,
  );
  return Math.max(event.attempt.number, before.length + 1);
}
