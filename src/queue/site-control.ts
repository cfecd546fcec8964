/**
 * What an operator does to one site: lets it rest for a time and a reason, whoever answers there, or wakes it, so that
 * what was deferred is tried now. Ordered rests are kept in memory: a restart ends them.
 */
import { domainKeyOf } from "../address/domain.ts";
import { wallTimeOf } from "../lib/wall-time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Router } from "../route/router.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { OperatorVerbs } from "./operator-verbs.ts";
import type { ReadyQueue } from "./ready-queue.ts";
import type { QueueState } from "./queue-state.ts";
import type { Site, SiteStats } from "./site.ts";
import { type SiteWait, siteWait } from "./site-wait.ts";

export interface SiteControlOptions {
  readonly ready: ReadyQueue;
  readonly dispatcher: Dispatcher;
  readonly router: Router;
  readonly clock: Clock;
  readonly log: Log;
  readonly state: QueueState;
  readonly verbs: OperatorVerbs;
}

/** Sites that a person may let rest at the same time: they are never forgotten before their end. */
const restsMax = 1_000;

/** A site as people see it. */
export interface SiteShown extends SiteStats {
  /** Why mail waits for it; absent: none does, and it is not paused. */
  readonly wait?: SiteWait;
}

export class SiteControl {
  readonly #options: SiteControlOptions;

  constructor(options: SiteControlOptions) {
    this.#options = options;
  }

  /** Sites with work, with a rest or a lowered limit; others only with `all`. */
  list({ all = false }: { readonly all?: boolean } = {}): readonly SiteShown[] {
    const { ready, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const shown: SiteShown[] = [];
    for (const site of ready.sites()) {
      const isIdle = site.running === 0 && site.waiting.size === 0 && site.health.isPlain(nowMs);
      if (all || !isIdle || site.restOrdered(nowMs) !== undefined) shown.push(this.#shown(site));
    }
    return shown;
  }

  /** `name`: the site's key, its description, or a domain or address whose mail goes there. */
  async show(name: string): Promise<SiteShown | undefined> {
    const site = await this.#find(name);
    return site && this.#shown(site);
  }

  /** undefined: no such site. */
  async rest(name: string, order: { readonly ms: number; readonly by: string; readonly reason: string }) {
    const { ready, dispatcher, clock, log } = this.#options;
    const site = await this.#find(name);
    if (site === undefined) return undefined;
    const nowMs = clock.monotonicMs();
    const rests = [...ready.sites()].filter((one) => one.restOrdered(nowMs) !== undefined).length;
    if (rests >= restsMax && site.restOrdered(nowMs) === undefined) return "too-many";
    const { by, reason } = order;
    site.rest = { untilMs: nowMs + order.ms, by, reason };
    const until = new Date(wallTimeOf(site.rest.untilMs, clock)).toISOString();
    log.event("site-rest-ordered", { site: site.key, until, by, reason });
    for (const job of ready.drain(site)) dispatcher.deferResting(job);
    return this.#shown(site);
  }

  /** Ends any rest of the site, and makes due what was deferred for it. undefined: no such site. */
  async wake(name: string, by: string): Promise<{ readonly site: SiteShown; readonly retried: number } | undefined> {
    const { clock, log, verbs } = this.#options;
    const site = await this.#find(name);
    if (site === undefined) return undefined;
    site.rest = undefined;
    site.health.wake(clock.monotonicMs());
    log.event("site-woken", { site: site.key, by });
    const domains = [...site.putOff];
    site.putOff.clear();
    let retried = 0;
    for (const domain of domains) retried += (await verbs.operate("retry", { domain }, "operator", "")).changed;
    return { site: this.#shown(site), retried };
  }

  #shown(site: Site): SiteShown {
    const { ready, clock, state } = this.#options;
    const { settings } = state;
    const wait = siteWait(site, { settings, clock, slots: ready.slots });
    return { ...site.stats(settings, clock), ...(wait !== undefined && { wait }) };
  }

  async #find(name: string): Promise<Site | undefined> {
    const { ready, router } = this.#options;
    for (const site of ready.sites()) if (site.key === name || site.description === name) return site;
    const domain = domainKeyOf(name.slice(name.lastIndexOf("@") + 1));
    if (domain === undefined) return undefined;
    // A route's pattern may name one address.
    const address = name.includes("@") ? name : `postmaster@${domain}`;
    const found = await router.route({ address, domain });
    return found.kind === "hop" ? ready.siteFor(found.hop) : undefined;
  }
}
