/** A site: where recipients go whose next hops are the same. Limits, rest and fairness work on it, not on the domain. */
import type { NextHop } from "../route/next-hop.ts";
import type { Instant } from "../lib/instant.ts";
import { wallTimeOf } from "../lib/wall-time.ts";
import type { Clock } from "../ports/clock.ts";
import type { StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./leases.ts";
import type { QueueSettings } from "./settings.ts";
import { Lanes } from "./lanes.ts";
import { Crowd, type Crowds } from "./ready-space.ts";
import { SiteHealth } from "./site-health.ts";

/**
 * Domains remembered per site while recipients wait there, to be left out of claims while it is full. A provider may host
 * many more; those wait a moment.
 */
const domainsMax = 1_000;

const suspectsMax = 100;

/** A snapshot for people and the API. */
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
  readonly limitedUntil?: Instant;
  /** Until then nothing is attempted at the site, because it could not be reached, or because a person says so. */
  readonly restingUntil?: Instant;
  /** What a person gave as the reason. */
  readonly restReason?: string;
  readonly lastReply?: string;
}

/** Recipients of one message that go to one next hop in one transaction. */
export interface ReadyJob {
  readonly claim: Claim;
  readonly recipients: readonly StoredRecipient[];
  readonly hop: NextHop;
  readonly site: Site;
  /** The message leaves in its forwarded form. */
  readonly forwarded: boolean;
}

/** A rest that a person ordered. */
export interface OrderedRest {
  /** On the monotonic clock. */
  readonly untilMs: number;
  readonly by: string;
  readonly reason: string;
}

export class Site {
  readonly key: string;
  readonly kind: NextHop["kind"];
  readonly description: string;
  readonly health = new SiteHealth();
  readonly domains = new Set<string>();
  readonly waiting = new Lanes<ReadyJob>();
  /** Recipients in `waiting`. */
  readonly crowds: Crowds = { fresh: new Crowd(this.domains), read: new Crowd(this.domains) };
  /** Deliveries under way. */
  running = 0;
  /** Stands in the round of sites that may begin a delivery. */
  inTurn = false;
  lastReply: string | undefined;
  /** Of {@link RetryWishes}, when its rest began. */
  wishesBeforeRest = 0;
  /** What a person ordered; nothing but its end or that person ends it. */
  rest: OrderedRest | undefined;
  /** Domains of recipients that were deferred while it rested. */
  readonly putOff = new Set<string>();
  /** Messages whose deliveries failed since a server of the site last answered: they may be what it fails on. */
  readonly #suspects = new Set<string>();

  constructor(key: string, hop: NextHop) {
    this.key = key;
    this.kind = hop.kind;
    this.description = hop.description;
  }

  get waitingRecipients(): number {
    return this.crowds.fresh.waiting + this.crowds.read.waiting;
  }

  normalLimit(settings: QueueSettings): number {
    switch (this.kind) {
      case "smtp":
        return settings.deliveries_per_site;
      case "lmtp":
        // A mailbox server on the same machine or network: more in parallel only makes it queue for us.
        return 10;
      case "maildir":
      case "capture":
        // Each waits for the disk; sixteen keep one busy.
        return 16;
      case "program":
        // As many messages may be in its memory at once.
        return 16;
      case "reports":
        // Unpacking and parsing run in this thread: one at a time leaves room for mail.
        return 1;
      case "discard":
        return 100;
      default:
        return this.kind satisfies never;
    }
  }

  /** `nowMs`, here and below: on the monotonic clock. */
  mayBegin(settings: QueueSettings, nowMs: number): boolean {
    return this.waiting.isReady && this.running < this.health.limit(this.normalLimit(settings), nowMs);
  }

  /** Whether something else is the better one to find out with, where the site is back after a rest. */
  isSuspect({ claim }: ReadyJob): boolean {
    return this.#suspects.has(claim.message.id);
  }

  suspect({ claim }: ReadyJob): void {
    if (this.#suspects.size < suspectsMax) this.#suspects.add(claim.message.id);
  }

  clearSuspects(): void {
    if (this.#suspects.size > 0) this.#suspects.clear();
  }

  remember(domain: string): void {
    if (this.domains.size < domainsMax) this.domains.add(domain);
  }

  /** Nothing should be attempted before this time. */
  restingUntilMs(nowMs: number): number | undefined {
    return this.restOrdered(nowMs)?.untilMs ?? this.health.restingUntilMs(nowMs);
  }

  restOrdered(nowMs: number): OrderedRest | undefined {
    return this.rest !== undefined && this.rest.untilMs > nowMs ? this.rest : undefined;
  }

  notePutOff(domain: string): void {
    if (this.putOff.size < domainsMax) this.putOff.add(domain);
  }

  stats(settings: QueueSettings, clock: Clock): SiteStats {
    const nowMs = clock.monotonicMs();
    const normalLimit = this.normalLimit(settings);
    const limitedUntilMs = this.health.limitedUntilMs(normalLimit, nowMs);
    const restingUntilMs = this.restingUntilMs(nowMs);
    const ordered = this.restOrdered(nowMs);
    return {
      site: this.key,
      description: this.description,
      ready: this.waitingRecipients,
      running: this.running,
      limit: this.health.limit(normalLimit, nowMs),
      normalLimit,
      ...(limitedUntilMs !== undefined && { limitedUntil: wallTimeOf(limitedUntilMs, clock) }),
      ...(restingUntilMs !== undefined && { restingUntil: wallTimeOf(restingUntilMs, clock) }),
      ...(ordered !== undefined && { restReason: ordered.reason }),
      ...(this.lastReply !== undefined && { lastReply: this.lastReply }),
    };
  }
}
