/** Where a claimed recipient is: for people who ask what their mail waits for. */
import type { Whereabouts } from "../history/explain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Deliveries } from "./deliveries.ts";
import type { ReadyQueue } from "./ready-queue.ts";
import type { QueueSettings } from "./settings.ts";
import type { ReadyJob } from "./site.ts";
import { siteWait } from "./site-wait.ts";

export function whereabouts(
  {
    deliveries,
    ready,
    clock,
    settings,
  }: {
    readonly deliveries: Deliveries;
    readonly ready: ReadyQueue;
    readonly clock: Clock;
    readonly settings: QueueSettings;
  },
  message: string,
  index: number,
): Whereabouts | undefined {
  const isMeant = ({ claim, recipients }: ReadyJob) =>
    claim.message.id === message && recipients.some((recipient) => recipient.index === index);
  const underWay = deliveries.jobs().find(isMeant);
  if (underWay !== undefined) return { kind: "under-way", at: underWay.hop.description };
  for (const site of ready.sites()) {
    for (const job of site.waiting) {
      if (!isMeant(job)) continue;
      const wait = siteWait(site, { settings, clock, slots: ready.slots });
      return { kind: "turn", at: site.description, ...(wait ?? { reason: "it has the next turn" }) };
    }
  }
  return undefined;
}
