/**
 * From a claimed message to jobs at sites: stops mail that is in a loop, asks for routes, groups recipients with the
 * same next hop into transactions, and defers or reschedules what cannot be begun.
 */
import { wallTimeOf } from "../lib/wall-time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Router } from "../route/router.ts";
import type { StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import type { Concluder } from "./concluder.ts";
import { expireAt, outcomeOfHops } from "./conclusion.ts";
import { leavesForwarded } from "./deliveries.ts";
import { LoopBreaker } from "./loop-breaker.ts";
import type { ReadyQueue } from "./ready-queue.ts";
import type { ReadySpace } from "./ready-space.ts";
import type { RetryWishes } from "./retry-wishes.ts";
import { type RoutedRecipient, RoutingStage } from "./routing-stage.ts";
import type { QueueState } from "./queue-state.ts";
import type { ReadyJob, Site } from "./site.ts";

/** A recipient for whose site there was no room is deferred by this, and up to as much again. */
const crowdedPutOffMs = 5_000;

/** Where nobody answers, last attempts are made no more often than this. */
const oneKnockMs = 60_000;

export interface DispatcherOptions {
  readonly router: Router;
  readonly clock: Clock;
  readonly random: Random;
  readonly ready: ReadyQueue;
  readonly space: ReadySpace;
  readonly concluder: Concluder;
  /** What a person wants tried although its site rests. */
  readonly wishes: RetryWishes;
  readonly state: QueueState;
  /** There may be something to begin. */
  readonly begin: () => void;
}

/** Recipients of one message at one site. */
interface Group {
  readonly hop: ReadyJob["hop"];
  readonly recipients: StoredRecipient[];
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #routing: RoutingStage;
  readonly #loopBreaker = new LoopBreaker();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#routing = new RoutingStage(options, (claim, batch) => this.#dispatch(claim, batch));
  }

  /** Every recipient of the claim becomes part of a job, or is concluded, held or put back. */
  dispatch(claim: Claim): void {
    const { concluder, clock, state } = this.#options;
    const recipients = claim.routing;
    claim.routing = [];
    // The queue stops, and nothing new becomes ready.
    if (!state.isRunning) {
      concluder.putBack(claim, recipients, clock.now());
      return;
    }
    if (this.#endsByHops(claim, recipients)) return;
    const passed = this.#screen(claim, recipients);
    if (passed.length > 0) this.#routing.begin(claim, passed);
  }

  /** Looks routes up once more, with what is configured now, for recipients that were screened before. */
  dispatchAnew(claim: Claim, recipients: readonly StoredRecipient[]): void {
    if (!this.#endsByHops(claim, recipients)) this.#routing.begin(claim, recipients);
  }

  /** Recipients whose routes are not known yet; their later answers are ignored. */
  takeBack(claim: Claim): readonly StoredRecipient[] {
    return this.#routing.takeBack(claim);
  }

  /** A deferral without a connection: each recipient moves on along its own schedule, and expires in time. */
  deferResting({ claim, recipients, hop, site }: ReadyJob): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const { domain } of recipients) site.notePutOff(domain);
    this.#options.space.noteUntried(claim, recipients.length);
    const restEnd = wallTimeOf(site.restingUntilMs(nowMs) ?? nowMs, clock);
    const until = new Date(restEnd).toISOString();
    const ordered = site.restOrdered(nowMs);
    const reason =
      ordered === undefined
        ? `${hop.description} could not be reached; the next attempt is at ${until}. Last error: ${site.lastReply ?? "no answer"}`
        : `${ordered.by} paused ${hop.description} until ${until}: ${ordered.reason}`;
    const outcome = {
      kind: "deferred",
      status: ordered === undefined ? "4.4.1" : "4.3.2",
      owner: ordered === undefined ? "remote-trouble" : "policy",
      reason: `Not tried: ${reason}`,
      notTried: true,
      ...(ordered !== undefined && { notBefore: restEnd }),
    } as const;
    const outcomes = recipients.map(({ index }) => ({ index, outcome }));
    this.#options.concluder.conclude({ claim, recipients, outcomes, route: hop.description, durationMs: 0 });
  }

  /** Not negative: its time has ended, and the next attempt is the last: whoever rests, and before all others. */
  #overdueMs({ message }: Claim): number {
    const { clock, state } = this.#options;
    return clock.now() - expireAt(message, state);
  }

  /** What must not be attempted at all: mail that is in a loop. */
  #endsByHops(claim: Claim, recipients: readonly StoredRecipient[]): boolean {
    const outcome = outcomeOfHops(claim.message.facts, this.#options.state.settings.hop_limit);
    if (outcome === undefined) return false;
    const outcomes = recipients.map(({ index }) => ({ index, outcome }));
    this.#options.concluder.conclude({ claim, recipients, outcomes, route: "none (hop limit)", durationMs: 0 });
    return true;
  }

  /** Holds or delays what comes again and again. */
  #screen(claim: Claim, recipients: readonly StoredRecipient[]): readonly StoredRecipient[] {
    const { concluder, clock } = this.#options;
    const settings = this.#options.state.settings;
    const { message } = claim;
    const nowMs = clock.monotonicMs();
    const isLast = this.#overdueMs(claim) >= 0;
    const held = new Map<StoredRecipient, string>();
    const delayed = new Map<StoredRecipient, string>();
    for (const recipient of recipients) {
      // Asked once: what a person released, or what waited before, goes.
      if (recipient.attempts > 1 || recipient.lastReply !== undefined) continue;
      const verdict = this.#loopBreaker.check(message, recipient.address, settings, nowMs);
      // Whose time has ended would be given up without an attempt.
      if (verdict?.kind === "delay" && isLast) continue;
      if (verdict !== undefined) (verdict.kind === "hold" ? held : delayed).set(recipient, verdict.reason);
    }
    if (held.size > 0) concluder.hold(claim, held, "loop-breaker");
    if (delayed.size > 0) this.#delay(claim, delayed);
    if (held.size + delayed.size === 0) return recipients;
    return recipients.filter((recipient) => !held.has(recipient) && !delayed.has(recipient));
  }

  /** A deferral like any other: tried again by the schedule, and then not asked again. */
  #delay(claim: Claim, delayed: ReadonlyMap<StoredRecipient, string>): void {
    const outcomes = Array.from(delayed, ([{ index }, reason]) => ({
      index,
      outcome: { kind: "deferred", status: "4.7.0", owner: "policy", reason } as const,
    }));
    const recipients = [...delayed.keys()];
    this.#options.concluder.conclude({ claim, recipients, outcomes, route: "none (rate)", durationMs: 0 });
  }

  /** Routed recipients of one message become jobs at their sites. */
  #dispatch(claim: Claim, batch: readonly RoutedRecipient[]): void {
    const { begin } = this.#options;
    const [first] = batch;
    if (batch.length === 1 && first?.result.kind === "hop") {
      const { recipient, result } = first;
      const form = {
        site: this.#siteOf(result.hop, recipient),
        forwarded: leavesForwarded(recipient, claim, result.hop),
      };
      this.#enqueue(claim, result.hop, form, [recipient]);
      begin();
      return;
    }
    /** In two forms the message takes two transactions. */
    const bySite = { plain: new Map<Site, Group>(), forwarded: new Map<Site, Group>() };
    const unrouted: RoutedRecipient[] = [];
    for (const routed of batch) {
      const { recipient, result } = routed;
      if (result.kind !== "hop") {
        unrouted.push(routed);
        continue;
      }
      const site = this.#siteOf(result.hop, recipient);
      const groups = leavesForwarded(recipient, claim, result.hop) ? bySite.forwarded : bySite.plain;
      const group = groups.get(site);
      if (group === undefined) groups.set(site, { hop: result.hop, recipients: [recipient] });
      else group.recipients.push(recipient);
    }
    if (unrouted.length > 0) this.#concludeUnrouted(claim, unrouted);
    const sizeMax = this.#options.state.settings.recipients_per_transaction;
    for (const forwarded of [false, true]) {
      for (const [site, { hop, recipients }] of forwarded ? bySite.forwarded : bySite.plain) {
        // Each mailbox has its own turn, so that one that hangs holds up no other.
        const size = hop.kind === "maildir" ? 1 : sizeMax;
        for (let from = 0; from < recipients.length; from += size) {
          this.#enqueue(claim, hop, { site, forwarded }, recipients.slice(from, from + size));
        }
      }
    }
    begin();
  }

  #siteOf(hop: ReadyJob["hop"], recipient: StoredRecipient): Site {
    const site = this.#options.ready.siteFor(hop);
    site.remember(recipient.domain);
    return site;
  }

  #concludeUnrouted(claim: Claim, unrouted: readonly RoutedRecipient[]): void {
    const outcomes = unrouted.flatMap(({ recipient: { index }, result }) => {
      if (result.kind === "hop") return [];
      return [{ index, outcome: result.kind === "deferred" ? { ...result, notTried: true as const } : result }];
    });
    const recipients = unrouted.map(({ recipient }) => recipient);
    const { space, concluder } = this.#options;
    space.noteUntried(claim, unrouted.filter(({ result }) => result.kind === "deferred").length);
    concluder.conclude({ claim, recipients, outcomes, route: "none", durationMs: 0 });
  }

  #enqueue(
    claim: Claim,
    hop: ReadyJob["hop"],
    { site, forwarded }: Pick<ReadyJob, "site" | "forwarded">,
    recipients: readonly StoredRecipient[],
  ): void {
    const { clock, random, ready, space, concluder, wishes, state } = this.#options;
    const nowMs = clock.monotonicMs();
    const job: ReadyJob = { claim, recipients, hop, site, forwarded };
    if (!state.isRunning) {
      concluder.putBack(claim, recipients, clock.now());
      return;
    }
    const overdueMs = this.#overdueMs(claim);
    const isLast = overdueMs >= 0;
    if (site.restingUntilMs(nowMs) !== undefined) {
      const isWished = wishes.includes(job);
      // Where an attempt failed since its time was over, that was the last attempt of this one, too.
      const wantsAttempt = isLast && !site.health.hasFailedWithin(Math.min(overdueMs, oneKnockMs), nowMs);
      if (site.restOrdered(nowMs) !== undefined || !(isWished || wantsAttempt)) {
        this.deferResting(job);
        return;
      }
      if (isWished) site.health.wake(nowMs);
    }
    if (!isLast && !space.admits(claim, site.crowds, recipients.length)) {
      concluder.putBack(claim, recipients, clock.now() + Math.ceil(crowdedPutOffMs * (1 + random.next())));
      return;
    }
    ready.push(job, nowMs);
    if (isLast) site.waiting.hasten(job);
  }
}
