/**
 * The ready stage: what is claimed, routed and waits for its turn. Sites take turns, one delivery each, so a flood to
 * one of them starves none; within a site senders take turns (`lanes.ts`). Which of them may begin is bounded by slots
 * (`slots.ts`); what waits, in all and for each site, by `ready-space.ts`. Time here is the monotonic clock's.
 */
import type { NextHop } from "../route/next-hop.ts";
import type { QueueState } from "./queue-state.ts";
import type { ReadySpace } from "./ready-space.ts";
import { type ReadyJob, Site } from "./site.ts";
import { Slots } from "./slots.ts";

/** Sites remembered, busy or not. An idle one costs under a kilobyte; what it knew is learnt again in one attempt. */
const sitesMax = 10_000;

export class ReadyQueue {
  readonly #state: QueueState;
  readonly #space: ReadySpace;
  readonly slots: Slots;
  readonly #sites = new Map<string, Site>();
  readonly #turn: Site[] = [];

  constructor(state: QueueState, space: ReadySpace) {
    this.#state = state;
    this.#space = space;
    this.slots = new Slots(state);
  }

  siteFor(hop: NextHop): Site {
    const key = `${hop.kind} ${hop.site}`;
    let site = this.#sites.get(key);
    if (site === undefined) {
      if (this.#sites.size >= sitesMax) this.#forgetIdleSites();
      site = new Site(key, hop);
      this.#sites.set(key, site);
    }
    return site;
  }

  push(job: ReadyJob, nowMs: number): void {
    const { site, claim, recipients } = job;
    site.waiting.push(job);
    this.#space.join(claim, site.crowds, recipients.length);
    // A report may be all that kept the site waiting.
    if (claim.message.reversePath !== "") this.slots.forget(site);
    this.#offerTurn(site, nowMs);
  }

  /** The next job in turn, now counted as running at its site; undefined when no site may begin one. */
  next(nowMs: number): ReadyJob | undefined {
    // Each round begins something, or leaves a site to wait for a slot or for mail: this ends.
    for (;;) {
      this.#turnToWakened(nowMs);
      const site = this.#turn.shift();
      if (site === undefined) return undefined;
      site.inTurn = false;
      const job = site.mayBegin(this.#state.settings, nowMs) ? this.#begin(site, nowMs) : undefined;
      if (job !== undefined) return job;
    }
  }

  /** A job that {@link ReadyQueue.next} gave ended. */
  ended(job: ReadyJob, nowMs: number): void {
    const { site } = job;
    this.slots.release(job);
    site.waiting.ended(job);
    site.running--;
    if (site.health.isProven(nowMs)) this.slots.noteProven(site);
    this.#offerTurn(site, nowMs);
  }

  /** Takes away everything that waits at a site. */
  drain(site: Site): readonly ReadyJob[] {
    const jobs = site.waiting.drain();
    for (const job of jobs) this.#left(job);
    this.slots.forget(site);
    return jobs;
  }

  /** Takes away what waits at a site and `suits`. */
  takeOut(site: Site, suits: (job: ReadyJob) => boolean, nowMs: number): readonly ReadyJob[] {
    const jobs = site.waiting.drain(suits);
    if (jobs.length === 0) return jobs;
    for (const job of jobs) this.#left(job);
    // The others may wait for something else.
    this.slots.forget(site);
    this.#offerTurn(site, nowMs);
    return jobs;
  }

  sites(): Iterable<Site> {
    return this.#sites.values();
  }

  /** Takes the site's next job and a slot for it; undefined where there is none, and the site then waits for one. */
  #begin(site: Site, nowMs: number): ReadyJob | undefined {
    let job = site.waiting.next();
    if (job !== undefined && site.health.isProbing && site.isSuspect(job)) {
      job = site.waiting.next((other) => !site.isSuspect(other)) ?? job;
    }
    if (job !== undefined && this.slots.refusesReportsOnly(job, nowMs)) {
      job = site.waiting.next(({ claim }) => claim.message.reversePath !== "") ?? job;
    }
    if (job === undefined || !this.slots.take(job, nowMs)) return undefined;
    site.waiting.take(job);
    this.#left(job);
    site.running++;
    this.#offerTurn(site, nowMs);
    return job;
  }

  /** Who waited for a slot comes before those that stand in the round. */
  #turnToWakened(nowMs: number): void {
    for (const site of this.slots.wakened()) {
      if (!site.mayBegin(this.#state.settings, nowMs)) continue;
      site.inTurn = true;
      this.#turn.unshift(site);
    }
  }

  #offerTurn(site: Site, nowMs: number): void {
    if (site.inTurn || this.slots.isWaiting(site) || !site.mayBegin(this.#state.settings, nowMs)) return;
    site.inTurn = true;
    this.#turn.push(site);
  }

  #left({ site, claim, recipients }: ReadyJob): void {
    this.#space.leave(claim, site.crowds, recipients.length);
    // So they are bounded by what waits.
    if (site.waitingRecipients === 0) site.domains.clear();
  }

  /** The oldest idle sites go first; those that are working cannot be more than the ready stage holds recipients. */
  #forgetIdleSites(): void {
    for (const [key, site] of this.#sites) {
      if (this.#sites.size < sitesMax * 0.9) return;
      if (site.running === 0 && site.waiting.size === 0 && site.rest === undefined) this.#sites.delete(key);
    }
  }
}
