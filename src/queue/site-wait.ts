/** Why mail waits at a site, in memory or deferred for it, and until when: for people who look at lists of what waits. */
import type { Instant } from "../lib/instant.ts";
import { wallTimeOf } from "../lib/wall-time.ts";
import type { Clock } from "../ports/clock.ts";
import type { QueueSettings } from "./settings.ts";
import type { Site } from "./site.ts";
import type { Slots } from "./slots.ts";

export interface SiteWait {
  /** Words for people, in the middle of a sentence; they may quote another server. */
  readonly reason: string;
  /** When a pause ends, or a lowered limit is raised. Absent: when a delivery ends. */
  readonly until?: Instant;
}

/** undefined: it is not paused, and nothing waits for it in memory. */
export function siteWait(
  site: Site,
  { settings, clock, slots }: { readonly settings: QueueSettings; readonly clock: Clock; readonly slots: Slots },
): SiteWait | undefined {
  const nowMs = clock.monotonicMs();
  const { health, lastReply } = site;
  const ordered = site.restOrdered(nowMs);
  if (ordered !== undefined) {
    return { reason: `${ordered.by} paused the site: ${ordered.reason}`, until: wallTimeOf(ordered.untilMs, clock) };
  }
  const restingUntilMs = health.restingUntilMs(nowMs);
  if (restingUntilMs !== undefined) {
    const reason = `the site is paused because it could not be reached or was too busy: ${lastReply ?? "no answer"}`;
    return { reason, until: wallTimeOf(restingUntilMs, clock) };
  }
  if (site.waiting.size === 0) return undefined;
  const normal = site.normalLimit(settings);
  const limit = health.limit(normal, nowMs);
  if (site.running >= limit) {
    if (health.isProbing) return { reason: "one delivery is finding out whether the site can be reached again" };
    const raisedMs = health.limitedUntilMs(normal, nowMs);
    if (raisedMs === undefined) return { reason: `all ${limit} deliveries that the site may have are in progress` };
    const reason = `the site asked for fewer connections, so it has ${limit} of ${normal} deliveries at a time`;
    return { reason, until: wallTimeOf(raisedMs, clock) };
  }
  if (!site.waiting.isReady) return { reason: "both deliveries that one mailbox may have are in progress" };
  return { reason: slots.fullFor(site) ?? "it has the next turn" };
}
