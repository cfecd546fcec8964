/**
 * What the outcomes of a delivery teach about its site: how its health changes, what the log says about that, and what a
 * rest means for the mail that waits in memory.
 */
import { replyText } from "../history/history-log.ts";
import { type Instant, isoTime } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { DeliveryEnd } from "./deliveries.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { QueueState } from "./queue-state.ts";
import type { ReadyQueue } from "./ready-queue.ts";
import type { RetryWishes } from "./retry-wishes.ts";
import { siteVerdict } from "./site-health.ts";
import type { ReadyJob, Site } from "./site.ts";

interface SiteLessonsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly state: QueueState;
  readonly ready: ReadyQueue;
  readonly dispatcher: Dispatcher;
  readonly wishes: RetryWishes;
}

export class SiteLessons {
  readonly #options: SiteLessonsOptions;

  constructor(options: SiteLessonsOptions) {
    this.#options = options;
  }

  /** Learns from a delivery that took `durationMs` milliseconds; its job is still counted as under way. */
  learn(job: ReadyJob, outcomes: DeliveryEnd["result"]["outcomes"], durationMs: number): void {
    const { site } = job;
    const { clock, state } = this.#options;
    const nowMs = clock.monotonicMs();
    const [first] = outcomes;
    if (first !== undefined) site.lastReply = replyText(first.outcome);
    const found = siteVerdict(outcomes);
    if (found === undefined) return;
    // Its last word may be older than the rest: only from a delivery that began after it does that say that the site is back.
    const isNews = site.health.isProbing && !site.health.hasFailedWithin(durationMs, nowMs);
    if (found === "earlier-contact" && !isNews) return;
    const verdict = found === "earlier-contact" ? "contact" : found;
    if (verdict === "contact") {
      site.health.noteAnswer(durationMs, nowMs);
      site.clearSuspects();
    } else if (verdict !== "busy") {
      // One that broke the connection before says nothing new by breaking it again.
      if (verdict === "lost" && site.isSuspect(job)) return;
      site.suspect(job);
    }
    const change = site.health.record(verdict, site.normalLimit(state.settings), nowMs);
    // It rests on, and this was a last attempt: the others that wait for theirs would find the same.
    if (change === undefined && site.restingUntilMs(nowMs) !== undefined) this.#deferAll(site);
    if (change !== undefined) this.#changed(site, change);
  }

  #changed(site: Site, change: "recovered" | "limited" | "resting"): void {
    const { clock, log, state, wishes } = this.#options;
    const { restingUntil, limitedUntil, limit } = site.stats(state.settings, clock);
    const fields = { site: site.key, description: site.description, reply: site.lastReply };
    switch (change) {
      case "recovered":
        log.event("site-recovered", fields);
        return;
      case "limited":
        log.event("site-limited", { ...fields, limit, until: timeText(limitedUntil) });
        return;
      case "resting":
        site.wishesBeforeRest = wishes.count;
        log.event("site-resting", { ...fields, until: timeText(restingUntil) });
        this.#deferAll(site);
        return;
      default:
        return change satisfies never;
    }
  }

  #deferAll(site: Site): void {
    const { ready, dispatcher } = this.#options;
    for (const waiting of ready.drain(site)) dispatcher.deferResting(waiting);
  }
}

function timeText(at: Instant | undefined): string | undefined {
  return at === undefined ? undefined : isoTime(at);
}
