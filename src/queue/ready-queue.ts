/**
 * The ready stage: what is claimed, routed and waits for its turn. Sites take turns, one delivery each, so a flood to
 * one of them starves none; within a site the order of arrival holds. Bounded by who fills it (`queue.ts`), in all and
 * for each site.
 */
import type { Instant } from "../lib/instant.ts";
import type { NextHop } from "../route/next-hop.ts";
import type { QueueSettings } from "./settings.ts";
import { type ReadyJob, Site } from "./site.ts";

/** Sites remembered, busy or not. An idle one costs under a kilobyte; what it knew is learnt again in one attempt. */
const sitesMax = 10_000;
/** Domains left out of one claim: the statement stays small. What is claimed beyond them is put off for a moment. */
const excludedDomainsMax = 1_000;

export class ReadyQueue {
  #settings: QueueSettings;
  readonly #sites = new Map<string, Site>();
  readonly #full = new Set<Site>();
  readonly #turn: Site[] = [];
  /** Recipients in `waiting` of all sites, by domain. */
  readonly #waitingByDomain = new Map<string, number>();
  #eased = false;

  constructor(settings: QueueSettings) {
    this.#settings = settings;
  }

  reconfigure(settings: QueueSettings): void {
    this.#settings = settings;
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

  /**
   * `share`: how many recipients of one site may wait in memory just now. With half of them the site counts as full and
   * no more are asked for; the other half is room for those that were on their way by then.
   */
  push(job: ReadyJob, share: number, now: Instant): void {
    const { site } = job;
    site.waiting.push(job);
    site.waitingRecipients += job.recipients.length;
    this.#count(job, 1);
    if (!site.full && site.waitingRecipients * 2 >= share) {
      site.full = true;
      site.hasRoomAt = Math.floor(share / 4);
      this.#full.add(site);
    }
    this.#offerTurn(site, now);
  }

  /** The next job in turn, now counted as running at its site; undefined when no site may begin one. */
  next(now: Instant): ReadyJob | undefined {
    for (let site = this.#turn.shift(); site !== undefined; site = this.#turn.shift()) {
      site.inTurn = false;
      if (!site.mayBegin(this.#settings, now)) continue;
      const job = site.waiting.shift();
      if (job === undefined) continue;
      this.#count(job, -1);
      this.#left(site, job.recipients.length);
      site.running++;
      this.#offerTurn(site, now);
      return job;
    }
    return undefined;
  }

  /** A running job ended. */
  ended(site: Site, now: Instant): void {
    site.running--;
    this.#offerTurn(site, now);
  }

  /** Takes away everything that waits at a site. */
  drain(site: Site): readonly ReadyJob[] {
    const jobs = site.waiting.splice(0);
    for (const job of jobs) this.#count(job, -1);
    this.#left(site, site.waitingRecipients);
    return jobs;
  }

  /** Whether a site that was full has room again since this was last asked. */
  takeEased(): boolean {
    const eased = this.#eased;
    this.#eased = false;
    return eased;
  }

  /** Domains whose sites have their share of the memory. */
  fullDomains(): readonly string[] {
    const domains: string[] = [];
    for (const site of this.#full) {
      for (const domain of site.domains) {
        if (domains.length >= excludedDomainsMax) return domains;
        domains.push(domain);
      }
    }
    return domains;
  }

  isFull(domain: string): boolean {
    for (const site of this.#full) if (site.domains.has(domain)) return true;
    return false;
  }

  /** Recipients of this domain that wait for their turn. */
  waitingOf(domain: string): number {
    return this.#waitingByDomain.get(domain) ?? 0;
  }

  sites(): Iterable<Site> {
    return this.#sites.values();
  }

  #offerTurn(site: Site, now: Instant): void {
    if (site.inTurn || !site.mayBegin(this.#settings, now)) return;
    site.inTurn = true;
    this.#turn.push(site);
  }

  #count({ recipients }: ReadyJob, step: 1 | -1): void {
    for (const { domain } of recipients) {
      const count = (this.#waitingByDomain.get(domain) ?? 0) + step;
      if (count === 0) this.#waitingByDomain.delete(domain);
      else this.#waitingByDomain.set(domain, count);
    }
  }

  #left(site: Site, recipients: number): void {
    site.waitingRecipients -= recipients;
    // Only a site where something waits can be full, so its domains are bounded by what waits.
    if (site.waitingRecipients === 0) site.domains.clear();
    if (site.full && site.waitingRecipients <= site.hasRoomAt) {
      site.full = false;
      this.#full.delete(site);
      this.#eased = true;
    }
  }

  /** The oldest idle sites go first; those that are working cannot be more than the ready stage holds recipients. */
  #forgetIdleSites(): void {
    for (const [key, site] of this.#sites) {
      if (this.#sites.size < sitesMax * 0.9) return;
      if (site.running === 0 && site.waiting.length === 0) this.#sites.delete(key);
    }
  }
}
