/**
 * The queue: decides when each recipient is attempted, and hands messages to the delivery agents.
 *
 * Two stages. *Scheduled* recipients are on disk, in any number; *ready* ones are claimed and in memory, bounded. Fresh
 * mail comes claimed from its own commit and is attempted without being read again; everything else is read in pages,
 * by due time. Each kind has half of the ready stage, so neither a backlog nor a flood shuts out the other.
 *
 * Promises: nothing is attempted but by the schedule; every claimed recipient is settled, put back, or returned by its
 * lease; memory does not grow with the queue. Leaves to others: routing (`route/`), the attempt itself (`outbound/`),
 * whether a report is owed (`reporting/`), durability (`spool/`).
 */
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Router } from "../route/router.ts";
import type { ClaimedMessage, ClaimRequest, ClaimTerms, Spool, StoredRecipient } from "../spool/spool.ts";
import { type Claim, newClaim } from "./claim.ts";
import { Claimer } from "./claimer.ts";
import { Concluder } from "./concluder.ts";
import { Deliveries, type DeliveryAgents, type DeliveryEnd } from "./deliveries.ts";
import { hopLimitOutcome, hopLimitReached } from "./hop-limit.ts";
import { leaseMs, Leases } from "./leases.ts";
import { LoopBreaker } from "./loop-breaker.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { Recorder } from "./recorder.ts";
import type { ReportMaker } from "./report-maker.ts";
import type { RoutedRecipient } from "./route-message.ts";
import { RoutingStage } from "./routing-stage.ts";
import type { QueueSettings } from "./settings.ts";
import type { ReadyJob, Site, SiteStats } from "./site.ts";
import { siteVerdict } from "./site-health.ts";
import { replyText } from "./settlement.ts";

export type { DeliveryAgents } from "./deliveries.ts";
export type { SiteStats } from "./site.ts";

export interface QueueOptions {
  readonly spool: Spool;
  readonly router: Router;
  readonly agents: DeliveryAgents;
  readonly reporter: ReportMaker;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly settings: QueueSettings;
}

/** A snapshot of what is in memory, counted in recipients unless said otherwise. */
export interface QueueStats {
  readonly state: "stopped" | "running" | "stopping";
  /** Set while the spool cannot record outcomes. */
  readonly paused?: string;
  readonly ready: number;
  readonly readyMax: number;
  /** Deliveries under way. */
  readonly running: number;
  readonly runningMax: number;
  /** Settlements that wait for the spool. */
  readonly unrecorded: number;
}

/** Recipients per claim: one page is one transaction and a few milliseconds of the spool. */
const pageMax = 500;
/** Of them for one domain: a flood leaves most of each page to others. */
const pagePerDomainMax = 100;
/** Less room than this is not worth a claim; it waits until half of the stage is free. */
const pageMin = 50;
/** What the agents get, after they were asked to stop, to say so. */
const abortGraceMs = 5_000;
/** Time to record the last outcomes. */
const flushMs = 10_000;
/** A recipient for whose site there was no room is put off by this, and up to as much again. */
const crowdedPutOffMs = 5_000;

export class Queue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  #settings: QueueSettings;
  #terms: ClaimTerms;
  #state: QueueStats["state"] = "stopped";
  #stopping: Promise<void> | undefined;

  readonly #ready: ReadyQueue;
  readonly #routing: RoutingStage;
  readonly #deliveries: Deliveries;
  readonly #recorder: Recorder;
  readonly #concluder: Concluder;
  readonly #leases: Leases;
  readonly #claimer: Claimer;
  readonly #loopBreaker = new LoopBreaker();

  /** Recipients in memory, by how they came. */
  #fresh = 0;
  #read = 0;
  /** The last claim was not made for want of room. */
  #moreToRead = false;

  constructor(options: QueueOptions) {
    const { spool, router, agents, reporter, clock, random, log, settings } = options;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    this.#settings = settings;
    this.#terms = { leaseMs, retryDelaysMs: settings.retry };
    this.#ready = new ReadyQueue(settings);
    this.#routing = new RoutingStage({ router, clock }, (claim, batch) => this.#dispatch(claim, batch));
    this.#deliveries = new Deliveries({ agents, spool, clock, log, ended: (end) => this.#ended(end) });
    this.#recorder = new Recorder({ spool, clock, log, onResumed: () => this.#resumed() });
    this.#concluder = new Concluder({
      spool,
      reporter,
      recorder: this.#recorder,
      clock,
      random,
      log,
      settings: () => this.#settings,
      settled: (claim, recipients, due) => this.#settled(claim, recipients, due),
    });
    this.#leases = new Leases({ spool, clock, log, onTick: () => this.#deliveries.giveUpStuck() });
    this.#claimer = new Claimer({
      spool,
      clock,
      log,
      request: () => this.#claimRequest(),
      admit: (page) => {
        for (const claimed of page) this.#admit(newClaim(claimed, false));
        this.#pump();
      },
    });
  }

  /** Begins to claim and deliver. A queue is started once. */
  start(): void {
    if (this.#state !== "stopped" || this.#stopping !== undefined) return;
    this.#state = "running";
    this.#claimer.wake();
  }

  /**
   * Stops claiming, gives unbegun work back to the schedule, lets deliveries finish until the deadline, then asks them
   * to stop. Resolves when every outcome is recorded, at the latest a quarter of a minute after the deadline. The agents
   * are not closed: they belong to who made them.
   */
  stop(options: { readonly deadlineMs: number }): Promise<void> {
    this.#stopping ??= this.#stop(options.deadlineMs);
    return this.#stopping;
  }

  /**
   * Asked just before a commit, with the recipients' domains where they are at hand: terms on which the commit should
   * claim, so that the mail is attempted at once; undefined when it should only be scheduled, because the ready stage or
   * the share of one of the domains is full, or nothing may begin.
   */
  claimTermsForFresh(domains?: readonly string[]): ClaimTerms | undefined {
    if (this.#state !== "running" || this.#recorder.paused !== undefined) return undefined;
    if (this.#fresh >= this.#share) return undefined;
    if (domains !== undefined && domains.some((domain) => this.#isCrowded(domain))) return undefined;
    return this.#terms;
  }

  /** Takes over fresh mail that came back claimed from its commit. */
  accepted(claimed: ClaimedMessage): void {
    this.#admit(newClaim(claimed, true));
  }

  /** Something may have become due: mail accepted unclaimed, released, retried. Cheap; call it as often as you like. */
  wake(): void {
    if (this.#state === "running") this.#claimer.wake();
  }

  /** A changed configuration, in force from the next decision on, also for mail already queued. */
  reconfigure(settings: QueueSettings): void {
    this.#settings = settings;
    this.#terms = { leaseMs, retryDelaysMs: settings.retry };
    this.#ready.reconfigure(settings);
    this.#pump();
    this.wake();
  }

  stats(): QueueStats {
    const { paused, unrecorded } = this.#recorder;
    return {
      state: this.#state,
      ...(paused !== undefined && { paused }),
      ready: this.#fresh + this.#read,
      readyMax: this.#settings.ready,
      running: this.#deliveries.running,
      runningMax: this.#settings.deliveries,
      unrecorded,
    };
  }

  /** Sites with work, with a rest or a lowered limit; others only with `all`. */
  sites(options: { readonly all?: boolean } = {}): readonly SiteStats[] {
    const now = this.#clock.now();
    const shown: SiteStats[] = [];
    for (const site of this.#ready.sites()) {
      const isIdle = site.running === 0 && site.waiting.length === 0 && site.health.isPlain(now);
      if (options.all === true || !isIdle) shown.push(site.stats(this.#settings, now));
    }
    return shown;
  }

  /** Half of the ready stage for fresh mail, half for what is read from the schedule. */
  get #share(): number {
    return Math.floor(this.#settings.ready / 2);
  }

  /**
   * What one site may take of a half: as much as a half of what is left. One flood then takes a third, two take a half,
   * and however many there are, something is left for everybody else.
   */
  #siteShare(fresh: boolean): number {
    const left = this.#share - (fresh ? this.#fresh : this.#read);
    return Math.max(1, Math.floor(this.#share / 16), Math.floor(left / 2));
  }

  #isCrowded(domain: string): boolean {
    return this.#ready.isFull(domain) || this.#routing.isCrowded(domain, this.#siteShare(true));
  }

  #claimRequest(): ClaimRequest | undefined {
    if (this.#state !== "running" || this.#recorder.paused !== undefined) return undefined;
    const room = this.#share - this.#read;
    if (room < Math.min(pageMin, this.#share / 4)) {
      this.#moreToRead = true;
      return undefined;
    }
    const siteShare = this.#siteShare(false);
    return {
      ...this.#terms,
      limit: Math.min(room, pageMax),
      perDomainMax: Math.min(pagePerDomainMax, siteShare),
      excludeDomains: [...this.#ready.fullDomains(), ...this.#routing.crowdedDomains(siteShare)],
    };
  }

  #admit(claim: Claim): void {
    if (claim.fresh) this.#fresh += claim.open;
    else this.#read += claim.open;
    this.#leases.add(claim);
    const recipients = claim.routing;
    claim.routing = [];
    if (this.#state !== "running") {
      this.#concluder.putBack(claim, recipients, this.#clock.now());
      return;
    }
    const passed = this.#screen(claim, recipients);
    if (passed.length > 0) this.#routing.begin(claim, passed);
  }

  /** What must not be attempted at all: mail that goes in circles. */
  #screen(claim: Claim, recipients: readonly StoredRecipient[]): readonly StoredRecipient[] {
    const { message } = claim;
    const { hop_limit: hopLimit } = this.#settings;
    if (hopLimitReached(message.facts, hopLimit)) {
      const outcome = hopLimitOutcome(message.facts, hopLimit);
      const outcomes = recipients.map(({ index }) => ({ index, outcome }));
      this.#concluder.conclude({ claim, recipients, outcomes, route: "none (hop limit)", durationMs: 0 });
      return [];
    }
    const now = this.#clock.now();
    const held: { recipient: StoredRecipient; reason: string }[] = [];
    for (const recipient of recipients) {
      // Asked at the first attempt only: what a person released is not held again.
      if (recipient.attempts > 1) continue;
      const reason = this.#loopBreaker.check(message, recipient.address, this.#settings, now);
      if (reason !== undefined) held.push({ recipient, reason });
    }
    if (held.length === 0) return recipients;
    this.#concluder.hold(claim, held, "loop-breaker");
    return recipients.filter((recipient) => !held.some((other) => other.recipient === recipient));
  }

  /** Routed recipients of one message become jobs at their sites. */
  #dispatch(claim: Claim, batch: readonly RoutedRecipient[]): void {
    const [first] = batch;
    if (batch.length === 1 && first?.result.kind === "hop") {
      const site = this.#ready.siteFor(first.result.hop);
      site.remember(first.recipient.domain);
      this.#enqueue({ claim, recipients: [first.recipient], hop: first.result.hop, site });
      this.#pump();
      return;
    }
    const bySite = new Map<Site, { readonly hop: ReadyJob["hop"]; readonly recipients: StoredRecipient[] }>();
    const unrouted: RoutedRecipient[] = [];
    for (const routed of batch) {
      const { recipient, result } = routed;
      if (result.kind !== "hop") {
        unrouted.push(routed);
        continue;
      }
      const site = this.#ready.siteFor(result.hop);
      site.remember(recipient.domain);
      const group = bySite.get(site);
      if (group === undefined) bySite.set(site, { hop: result.hop, recipients: [recipient] });
      else group.recipients.push(recipient);
    }
    this.#concludeUnrouted(claim, unrouted);
    const size = this.#settings.recipients_per_transaction;
    for (const [site, { hop, recipients }] of bySite) {
      for (let from = 0; from < recipients.length; from += size) {
        this.#enqueue({ claim, recipients: recipients.slice(from, from + size), hop, site });
      }
    }
    this.#pump();
  }

  #concludeUnrouted(claim: Claim, unrouted: readonly RoutedRecipient[]): void {
    if (unrouted.length === 0) return;
    const outcomes = unrouted.flatMap(({ recipient: { index }, result }) =>
      result.kind === "hop" ? [] : [{ index, outcome: result }],
    );
    const recipients = unrouted.map(({ recipient }) => recipient);
    this.#concluder.conclude({ claim, recipients, outcomes, route: "none", durationMs: 0 });
  }

  #enqueue(job: ReadyJob): void {
    const { claim, recipients, site } = job;
    const now = this.#clock.now();
    if (this.#state !== "running") {
      this.#concluder.putBack(claim, recipients, now);
    } else if (site.health.restingUntil(now) !== undefined) {
      this.#concludeResting(job, now);
    } else if (site.full) {
      const due = now + Math.ceil(crowdedPutOffMs * (1 + this.#random.next()));
      this.#concluder.putBack(claim, recipients, due);
    } else {
      this.#ready.push(job, this.#siteShare(claim.fresh), now);
    }
  }

  /** A counted deferral without a connection: each recipient moves on along its own schedule, and expires in time. */
  #concludeResting({ claim, recipients, hop, site }: ReadyJob, now: Instant): void {
    const until = new Date(site.health.restingUntil(now) ?? now).toISOString();
    const outcome = {
      kind: "deferred",
      status: "4.4.1",
      owner: "remote-trouble",
      reason: `Not tried, because ${hop.description} could not be reached a moment ago and rests until ${until}: ${site.lastReply ?? "no answer"}`,
    } as const;
    const outcomes = recipients.map(({ index }) => ({ index, outcome }));
    this.#concluder.conclude({ claim, recipients, outcomes, route: hop.description, durationMs: 0 });
  }

  /** Begins what may begin. */
  #pump(): void {
    if (this.#state !== "running" || this.#recorder.paused !== undefined) return;
    const now = this.#clock.now();
    while (this.#deliveries.running < this.#settings.deliveries) {
      const job = this.#ready.next(now);
      if (job === undefined) break;
      if (job.claim.lost) {
        this.#log.event("claim-lost", { message: job.claim.message.id, recipients: job.recipients.length });
        this.#ready.ended(job.site, now);
        this.#settled(job.claim, job.recipients.length, undefined);
      } else {
        this.#deliveries.begin(job);
      }
    }
    if (this.#ready.takeEased()) this.#claimer.wake();
  }

  #ended({ job, durationMs, result, saysNothing, interrupted }: DeliveryEnd): void {
    const { claim, recipients, hop, site } = job;
    const now = this.#clock.now();
    this.#concluder.conclude({
      claim,
      recipients,
      outcomes: result.outcomes,
      ...(result.records !== undefined && { records: result.records }),
      route: hop.description,
      durationMs,
      interrupted,
    });
    if (!saysNothing) this.#learn(site, result.outcomes, now);
    this.#ready.ended(site, now);
    this.#pump();
  }

  /** What the outcomes say about the site. */
  #learn(site: Site, outcomes: DeliveryEnd["result"]["outcomes"], now: Instant): void {
    const [first] = outcomes;
    if (first !== undefined) site.lastReply = replyText(first.outcome);
    const verdict = siteVerdict(outcomes.map(({ outcome }) => outcome));
    if (verdict === undefined) return;
    const normal = site.normalLimit(this.#settings);
    const change = site.health.record(verdict, normal, now);
    if (change === undefined) return;
    const { restingUntil, limitedUntil, limit } = site.stats(this.#settings, now);
    const fields = { site: site.key, description: site.description, reply: site.lastReply };
    switch (change) {
      case "recovered":
        this.#log.event("site-recovered", fields);
        return;
      case "limited":
        this.#log.event("site-limited", { ...fields, limit, until: isoTime(limitedUntil) });
        return;
      case "resting":
        this.#log.event("site-resting", { ...fields, until: isoTime(restingUntil) });
        for (const waiting of this.#ready.drain(site)) this.#concludeResting(waiting, now);
        return;
      default:
        return change satisfies never;
    }
  }

  #settled(claim: Claim, recipients: number, due: Instant | undefined): void {
    claim.open -= recipients;
    if (claim.open <= 0) this.#leases.delete(claim);
    if (claim.fresh) this.#fresh -= recipients;
    else this.#read -= recipients;
    if (this.#state !== "running") return;
    if (due !== undefined) this.#claimer.noteDue(due);
    if (this.#moreToRead && this.#read * 2 <= this.#share) {
      this.#moreToRead = false;
      this.#claimer.wake();
    }
  }

  #resumed(): void {
    this.#pump();
    this.wake();
  }

  async #stop(deadlineMs: number): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopping";
    const deadline = this.#clock.monotonicMs() + deadlineMs;
    const remaining = () => Math.max(0, deadline - this.#clock.monotonicMs());
    this.#putBackUnbegun();
    await this.#within(remaining(), this.#claimer.stop());
    await this.#within(remaining(), this.#deliveries.idle());
    if (this.#deliveries.running > 0) {
      this.#deliveries.abort();
      await this.#within(abortGraceMs, this.#deliveries.idle());
    }
    await this.#within(
      flushMs,
      this.#concluder.reportsMade().then(() => this.#recorder.flush()),
    );
    this.#leases.stop();
    this.#state = "stopped";
  }

  #putBackUnbegun(): void {
    const now = this.#clock.now();
    for (const site of this.#ready.sites()) {
      for (const { claim, recipients } of this.#ready.drain(site)) this.#concluder.putBack(claim, recipients, now);
    }
    for (const claim of this.#leases.claims()) this.#concluder.putBack(claim, this.#routing.takeBack(claim), now);
  }

  /** Waits for `work`, but not longer than `ms`. */
  async #within(ms: number, work: Promise<void>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = this.#clock.setTimer(ms, resolve);
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

function isoTime(at: Instant | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}
