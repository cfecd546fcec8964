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
import type { Whereabouts } from "../history/explain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Captures } from "../route/captured-recipients.ts";
import type { Router } from "../route/router.ts";
import {
  type ClaimedMessage,
  type ClaimTerms,
  type RecipientFilter,
  type Spool,
  type OperatorVerb,
} from "../spool/spool.ts";
import { Claimer } from "./claimer.ts";
import { Concluder, type ReportMaker } from "./concluder.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Deliveries, type DeliveryAgents, type DeliveryEnd } from "./deliveries.ts";
import { type Claim, Leases, newClaim } from "./leases.ts";
import { MinuteRound } from "./minute-round.ts";
import { OperatorVerbs, type VerbResult } from "./operator-verbs.ts";
import { QueueState } from "./queue-state.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { ReadySpace } from "./ready-space.ts";
import { Recorder } from "./recorder.ts";
import type { QueueSettings } from "./settings.ts";
import { RetryWishes } from "./retry-wishes.ts";
import { SiteControl } from "./site-control.ts";
import { SiteLessons } from "./site-lessons.ts";
import { Unbegun } from "./unbegun.ts";
import { whereabouts } from "./whereabouts.ts";

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

/** What the agents get, after they were asked to stop, to say so. */
const abortGraceMs = 5_000;
/** Time to record the last outcomes. */
const flushMs = 10_000;

export class Queue {
  readonly #clock: Clock;
  readonly #state: QueueState;
  readonly #space: ReadySpace;
  readonly #ready: ReadyQueue;
  readonly #deliveries: Deliveries;
  readonly #leases: Leases;
  readonly #claimer: Claimer;
  readonly #recorder: Recorder;
  readonly #concluder: Concluder;
  readonly #dispatcher: Dispatcher;
  readonly #unbegun: Unbegun;
  readonly #lessons: SiteLessons;
  readonly #verbs: OperatorVerbs;
  readonly sites: SiteControl;
  readonly #round: MinuteRound;
  #stopping: Promise<void> | undefined;

  /** Each part knows those above it. What they tell upwards is in four functions. */
  constructor(options: QueueOptions) {
    const { spool, router, agents, reporter, captures, clock, random, log } = options;
    const onRoom = () => this.#claimer.wake();
    const begin = () => this.#begin();
    const ended = (end: DeliveryEnd) => this.#ended(end);
    const admit = (page: readonly ClaimedMessage[]) => this.#admitPage(page);
    const state = new QueueState(options.settings, clock);
    const space = new ReadySpace(state, onRoom);
    const ready = new ReadyQueue(state, space);
    const deliveries = new Deliveries({ agents, spool, clock, log, slots: ready.slots, begin, ended });
    const leases = new Leases({ spool, clock, log, giveUpStuck: () => deliveries.giveUpStuck() });
    const claimer = new Claimer({ spool, clock, log, state, space, leases, admit });
    const recorder = new Recorder({ spool, clock, log, state, claimer, begin });
    const counts = { state, space, leases, claimer };
    const concluder = new Concluder({ spool, reporter, recorder, captures, clock, random, log, ...counts });
    const wishes = new RetryWishes();
    const dispatcher = new Dispatcher({
      router,
      clock,
      random,
      state,
      space,
      ready,
      concluder,
      wishes,
      begin,
    });
    const unbegun = new Unbegun({ clock, ready, dispatcher, leases });
    const verbs = new OperatorVerbs({ spool, clock, claimer, concluder, deliveries, unbegun, wishes });
    this.sites = new SiteControl({ ready, dispatcher, router, clock, log, state, verbs });
    this.#round = new MinuteRound({ spool, clock, log, state, ready, claimer, concluder });
    this.#clock = clock;
    this.#state = state;
    this.#space = space;
    this.#ready = ready;
    this.#deliveries = deliveries;
    this.#leases = leases;
    this.#claimer = claimer;
    this.#recorder = recorder;
    this.#concluder = concluder;
    this.#dispatcher = dispatcher;
    this.#unbegun = unbegun;
    this.#lessons = new SiteLessons({ clock, log, state, ready, dispatcher, wishes });
    this.#verbs = verbs;
  }

  /** Begins to claim and deliver. A queue is started once. */
  start(): void {
    if (this.#state.phase !== "stopped" || this.#stopping !== undefined) return;
    this.#state.phase = "running";
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
    if (!this.#state.mayBegin) return undefined;
    const hasRoom = domains?.every((domain) => this.#space.roomFor(domain)) ?? this.#space.hasFreshRoom;
    return hasRoom ? this.#state.terms : undefined;
  }

  /** Takes over fresh mail that came back claimed from its commit; undefined: it was only scheduled. */
  accepted(claimed: ClaimedMessage | undefined): void {
    if (claimed === undefined) this.wake();
    else this.#admit(newClaim(claimed, true));
  }

  /** Something may have become due: reports, mail that was released or retried. Cheap; call it as often as you like. */
  wake(): void {
    if (this.#state.isRunning) this.#claimer.wake();
  }

  /** Of a recipient in memory; undefined where it is elsewhere, or its route is being looked up. */
  whereabouts(message: string, index: number): Whereabouts | undefined {
    const [deliveries, ready, clock, { settings }] = [this.#deliveries, this.#ready, this.#clock, this.#state];
    return whereabouts({ deliveries, ready, clock, settings }, message, index);
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
    this.#state.reconfigure(settings);
    for (const site of this.#ready.sites()) site.health.wake(this.#clock.monotonicMs());
    if (this.#state.isRunning) this.#unbegun.rerouteAll();
    this.#begin();
    this.wake();
  }

  stats(): QueueStats {
    const { phase, paused, settings } = this.#state;
    return {
      state: phase,
      ...(paused !== undefined && { paused }),
      ready: this.#space.taken,
      readyMax: this.#space.max,
      running: this.#ready.slots.network,
      runningMax: settings.deliveries,
      runningLocal: this.#deliveries.running - this.#ready.slots.network,
      unrecorded: this.#recorder.unrecorded,
    };
  }

  #admitPage(page: readonly ClaimedMessage[]): void {
    for (const claimed of page) this.#admit(newClaim(claimed, false));
    this.#begin();
  }

  #admit(claim: Claim): void {
    this.#space.reserve(claim);
    this.#leases.add(claim);
    this.#verbs.intercept(claim);
    if (claim.routing.length > 0) this.#dispatcher.dispatch(claim);
  }

  /** Begins what may begin. */
  #begin(): void {
    if (!this.#state.mayBegin) return;
    const nowMs = this.#clock.monotonicMs();
    for (let job = this.#ready.next(nowMs); job !== undefined; job = this.#ready.next(nowMs)) {
      if (job.claim.lost) {
        this.#ready.ended(job, nowMs);
        this.#concluder.giveUpLost(job);
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
    if (!saysNothing) this.#lessons.learn(job, result.outcomes, durationMs);
    this.#ready.ended(job, this.#clock.monotonicMs());
    this.#begin();
  }

  async #stop(deadlineMs: number): Promise<void> {
    if (this.#state.phase === "stopped") return;
    this.#state.phase = "stopping";
    const deadline = this.#clock.monotonicMs() + deadlineMs;
    const remaining = () => Math.max(0, deadline - this.#clock.monotonicMs());
    this.#putBackUnbegun();
    await this.#within(remaining(), this.#round.stop());
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
    this.#state.phase = "stopped";
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
