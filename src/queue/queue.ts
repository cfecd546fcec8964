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
import { ClockSteps } from "../lib/clock-steps.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Captures } from "../route/captured-recipients.ts";
import type { Router } from "../route/router.ts";
import type { ClaimedMessage, ClaimRequest, ClaimTerms, RecipientFilter, Spool } from "../spool/spool.ts";
import { Claimer } from "./claimer.ts";
import { Concluder, type ReportMaker } from "./concluder.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Deliveries, type DeliveryAgents, type DeliveryEnd } from "./deliveries.ts";
import { type Claim, leaseMs, Leases, newClaim } from "./leases.ts";
import { MinuteRound } from "./minute-round.ts";
import { type OperatorVerb, OperatorVerbs, type VerbResult } from "./operator-verbs.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { ReadySpace } from "./ready-space.ts";
import { Recorder } from "./recorder.ts";
import type { QueueSettings } from "./settings.ts";
import type { ReadyJob, Site } from "./site.ts";
import { RetryWishes } from "./retry-wishes.ts";
import { SiteControl } from "./site-control.ts";
import { siteVerdict } from "./site-health.ts";
import { replyText } from "./settlement.ts";
import { Unbegun } from "./unbegun.ts";
import { UntriedPace } from "./untried-pace.ts";

export type { DeliveryAgents } from "./deliveries.ts";
export type { SiteStats } from "./site.ts";

export interface QueueOptions {
  readonly spool: Spool;
  readonly router: Router;
  readonly agents: DeliveryAgents;
  readonly reporter: ReportMaker;
  /** Absent: no report of ours is captured. */
  readonly captures?: Captures;
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
  /** Deliveries under way to other servers. */
  readonly running: number;
  readonly runningMax: number;
  /** Deliveries under way into mailboxes and other places of this server. */
  readonly runningLocal: number;
  /** Settlements that wait for the spool. */
  readonly unrecorded: number;
}

/** Recipients of mail whose time is over that may be in memory beyond `ready`. */
const agedMax = 500;
/** What the agents get, after they were asked to stop, to say so. */
const abortGraceMs = 5_000;
/** Time to record the last outcomes. */
const flushMs = 10_000;

export class Queue {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #clockSteps: ClockSteps;
  #settings: QueueSettings;
  #terms: ClaimTerms;
  #state: QueueStats["state"] = "stopped";
  #stopping: Promise<void> | undefined;

  readonly #ready: ReadyQueue;
  readonly #space: ReadySpace;
  readonly #untriedPace = new UntriedPace();
  readonly #dispatcher: Dispatcher;
  readonly #deliveries: Deliveries;
  readonly #recorder: Recorder;
  readonly #concluder: Concluder;
  readonly #leases: Leases;
  readonly #claimer: Claimer;
  readonly #unbegun: Unbegun;
  readonly #wishes = new RetryWishes();
  readonly sites: SiteControl;
  readonly #verbs: OperatorVerbs;
  readonly #round: MinuteRound;

  constructor(options: QueueOptions) {
    const { spool, router, agents, reporter, clock, random, log, settings } = options;
    const clockSteps = new ClockSteps(clock);
    this.#clockSteps = clockSteps;
    this.#clock = clock;
    this.#log = log;
    this.#settings = settings;
    this.#terms = { leaseMs, retryDelaysMs: settings.retry };
    this.#space = new ReadySpace(
      () => this.#settings.ready,
      () => this.#claimer.wake(),
    );
    this.#ready = new ReadyQueue(settings, this.#space);
    this.#deliveries = new Deliveries({
      agents,
      spool,
      clock,
      log,
      ended: (end) => this.#ended(end),
      mayConnect: (job, address) => this.#mayConnect(job, address),
    });
    this.#recorder = new Recorder({ spool, clock, log, onResumed: () => this.#resumed() });
    this.#concluder = new Concluder({
      spool,
      reporter,
      recorder: this.#recorder,
      captures: options.captures,
      clock,
      random,
      log,
      settings: () => this.#settings,
      clockSteps,
      settled: (claim, recipients, due) => this.#settled(claim, recipients, due),
    });
    this.#dispatcher = new Dispatcher({
      router,
      clock,
      random,
      ready: this.#ready,
      space: this.#space,
      untriedPace: this.#untriedPace,
      concluder: this.#concluder,
      wishes: this.#wishes,
      settings: () => this.#settings,
      clockSteps,
      isOpen: () => this.#state === "running",
      onReady: () => this.#pump(),
    });
    this.#leases = new Leases({ spool, clock, log, onTick: () => this.#deliveries.giveUpStuck() });
    this.#claimer = new Claimer({
      spool,
      clock,
      log,
      request: () => this.#claimRequest(),
      agedRequest: () => this.#agedRequest(),
      secure: () => this.#leases.secure(),
      admit: (page) => {
        for (const claimed of page) {
          this.#untriedPace.noteRead(claimed.recipients.length);
          this.#admit(newClaim(claimed, false));
        }
        this.#pump();
      },
    });
    const [ready, dispatcher, leases] = [this.#ready, this.#dispatcher, this.#leases];
    this.#unbegun = new Unbegun({ clock, ready, dispatcher, leases });
    const [claimer, concluder, deliveries, unbegun] = [this.#claimer, this.#concluder, this.#deliveries, this.#unbegun];
    const wishes = this.#wishes;
    const retry = async (filter: RecipientFilter) => (await this.operate("retry", filter, "operator", "")).changed;
    this.sites = new SiteControl({ ready, dispatcher, router, clock, log, settings: () => this.#settings, retry });
    this.#verbs = new OperatorVerbs({ spool, clock, claimer, concluder, deliveries, unbegun, wishes });
    this.#round = new MinuteRound({
      ...{ spool, clock, clockSteps, log, ready, claimer, concluder },
      settings: () => this.#settings,
      isOpen: () => this.#mayBegin,
      clockWasSet: () => claimer.clockWasSet(),
    });
  }

  /** Begins to claim and deliver. A queue is started once. */
  start(): void {
    if (this.#state !== "stopped" || this.#stopping !== undefined) return;
    this.#state = "running";
    this.#round.start();
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
    if (!this.#mayBegin) return undefined;
    const hasRoom = domains?.every((domain) => this.#space.roomFor(domain)) ?? this.#space.hasFreshRoom;
    return hasRoom ? this.#terms : undefined;
  }

  /** Takes over fresh mail that came back claimed from its commit; undefined: it was only scheduled. */
  accepted(claimed: ClaimedMessage | undefined): void {
    if (claimed === undefined) this.wake();
    else this.#admit(newClaim(claimed, true));
  }

  /** Something may have become due: reports, mail that was released or retried. Cheap; call it as often as you like. */
  wake(): void {
    if (this.#state === "running") this.#claimer.wake();
  }

  /** What an operator asks for, done to all that the filter selects, in memory and on disk, but for what is under way. */
  operate(verb: OperatorVerb, filter: RecipientFilter, by: string, reason: string): Promise<VerbResult> {
    return this.#verbs.operate(verb, filter, by, reason);
  }

  /**
   * A changed configuration, in force from the next decision on, for everything that is not under way: what waits in
   * memory is routed anew, so the router must have its changes by now. Rests end, since what they are for may be mended:
   * one delivery finds out.
   */
  reconfigure(settings: QueueSettings): void {
    this.#settings = settings;
    this.#terms = { leaseMs, retryDelaysMs: settings.retry };
    this.#ready.reconfigure(settings);
    for (const site of this.#ready.sites()) site.health.wake(this.#clock.monotonicMs());
    if (this.#state === "running") this.#unbegun.rerouteAll();
    this.#pump();
    this.wake();
  }

  stats(): QueueStats {
    const { paused, unrecorded } = this.#recorder;
    return {
      state: this.#state,
      ...(paused !== undefined && { paused }),
      ready: this.#space.taken,
      readyMax: this.#space.max,
      running: this.#ready.slots.network,
      runningMax: this.#settings.deliveries,
      runningLocal: this.#deliveries.running - this.#ready.slots.network,
      unrecorded,
    };
  }

  get #mayBegin(): boolean {
    return this.#state === "running" && this.#recorder.paused === undefined;
  }

  #deferAll(site: Site): void {
    for (const waiting of this.#ready.drain(site)) this.#dispatcher.deferResting(waiting);
  }

  #claimRequest(): ClaimRequest | undefined {
    if (!this.#mayBegin) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const slowMs = this.#untriedPace.waitMs(nowMs);
    const page = slowMs > 0 ? { waitMs: slowMs } : this.#space.page(nowMs);
    if (!("waitMs" in page)) return { ...this.#terms, ...page, ...this.#untriedPace.page(page, nowMs) };
    this.#claimer.wakeAfter(page.waitMs);
    return undefined;
  }

  /** Of mail whose time is over. With nothing in memory, nothing is crowded out. */
  #agedRequest(): ClaimRequest | undefined {
    const { taken, max } = this.#space;
    const limit = Math.min(agedMax, max + agedMax - taken);
    if (!this.#mayBegin || taken === 0 || limit <= 0) return undefined;
    const receivedBy = this.#clockSteps.beganBy(this.#settings.expire);
    return { ...this.#terms, limit, perDomainMax: limit, excludeDomains: [], receivedBy };
  }

  #admit(claim: Claim): void {
    this.#space.reserve(claim);
    this.#leases.add(claim);
    this.#verbs.intercept(claim);
    if (claim.routing.length > 0) this.#dispatcher.dispatch(claim);
  }

  /** Begins what may begin. */
  #pump(): void {
    if (!this.#mayBegin) return;
    const nowMs = this.#clock.monotonicMs();
    for (let job = this.#ready.next(nowMs); job !== undefined; job = this.#ready.next(nowMs)) {
      if (job.claim.lost) {
        this.#log.event("claim-lost", { message: job.claim.message.id, recipients: job.recipients.length });
        this.#ready.ended(job, nowMs);
        this.#settled(job.claim, job.recipients.length, undefined);
      } else {
        this.#deliveries.begin(job);
      }
    }
  }

  #ended({ job, durationMs, result, saysNothing, interrupted }: DeliveryEnd): void {
    const { claim, recipients, hop } = job;
    this.#concluder.conclude({
      claim,
      recipients,
      outcomes: result.outcomes,
      ...(result.records !== undefined && { records: result.records }),
      ...(result.captured !== undefined && { captured: result.captured }),
      route: hop.description,
      durationMs,
      interrupted,
    });
    if (!saysNothing) this.#learn(job, result.outcomes, durationMs);
    this.#ready.ended(job, this.#clock.monotonicMs());
    this.#pump();
  }

  /** A delivery goes on at another address, and another delivery may have its place. */
  #mayConnect({ slot }: ReadyJob, address: string): boolean {
    if (slot === undefined || slot.address === address) return true;
    const may = this.#ready.slots.moveTo(slot, address);
    if (may) this.#pump();
    return may;
  }

  /** What the outcomes say about the site. */
  #learn(job: ReadyJob, outcomes: DeliveryEnd["result"]["outcomes"], durationMs: number): void {
    const { site } = job;
    const nowMs = this.#clock.monotonicMs();
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
    const normal = site.normalLimit(this.#settings);
    const change = site.health.record(verdict, normal, nowMs);
    // It rests on, and this was a last attempt: the others that wait for theirs would find the same.
    if (change === undefined && site.restingUntilMs(nowMs) !== undefined) this.#deferAll(site);
    if (change === undefined) return;
    const { restingUntil, limitedUntil, limit } = site.stats(this.#settings, this.#clock);
    const fields = { site: site.key, description: site.description, reply: site.lastReply };
    switch (change) {
      case "recovered":
        this.#log.event("site-recovered", fields);
        return;
      case "limited":
        this.#log.event("site-limited", { ...fields, limit, until: isoTime(limitedUntil) });
        return;
      case "resting":
        site.wishesBeforeRest = this.#wishes.count;
        this.#log.event("site-resting", { ...fields, until: isoTime(restingUntil) });
        this.#deferAll(site);
        return;
      default:
        return change satisfies never;
    }
  }

  #settled(claim: Claim, recipients: number, due: Instant | undefined): void {
    claim.open -= recipients;
    if (claim.open <= 0) this.#leases.delete(claim);
    this.#space.release(claim, recipients);
    if (due !== undefined && this.#state === "running") this.#claimer.noteDue(due);
  }

  #resumed(): void {
    this.#pump();
    this.wake();
  }

  async #stop(deadlineMs: number): Promise<void> {
    if (this.#state === "stopped") return;
    this.#state = "stopping";
    this.#round.stop();
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
    for (const { claim, recipients } of this.#unbegun.takeAll()) this.#concluder.putBack(claim, recipients, now);
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
