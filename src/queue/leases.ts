/**
 * What is claimed, and its leases, renewed together while this process works on it. One that cannot be renewed in time ends
 * by itself and the recipient returns to the schedule: a dead worker never locks mail away.
 */
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import type { ClaimedMessage, Spool, StoredMessage, StoredRecipient } from "../spool/spool.ts";
import { leaseMs } from "./queue-state.ts";

/** A claimed message in memory, until each of its recipients is settled. */
export interface Claim {
  readonly message: StoredMessage;
  readonly token: number;
  /** As it was claimed; renewals move it. */
  readonly leaseEnd: Instant;
  /** Claimed by its own commit, not read from the schedule. */
  readonly fresh: boolean;
  /** Recipients that were claimed. */
  readonly size: number;
  /** Of them, those not yet settled. */
  open: number;
  /** Recipients whose route is still being looked up. */
  routing: readonly StoredRecipient[];
  /** The lease ended before it could be renewed: someone else may have it now. */
  lost: boolean;
}

export function newClaim({ message, token, leaseEnd, recipients }: ClaimedMessage, fresh: boolean): Claim {
  const { length } = recipients;
  return { message, token, leaseEnd, fresh, size: length, open: length, routing: recipients, lost: false };
}

const renewEveryMs = leaseMs / 4;
/** Leases that end so soon are renewed before anything is claimed. */
const nearEndMs = 60_000;

export class Leases {
  readonly #spool: Spool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #giveUpStuck: () => void;
  readonly #claims = new Map<number, Claim>();
  #timer: Timer | undefined;
  /** No lease in memory ends before this, on the wall clock, as they stand on disk. */
  #endsAt: Instant = Infinity;

  constructor(options: {
    readonly spool: Spool;
    readonly clock: Clock;
    readonly log: Log;
    /** Gives up the deliveries that are stuck. Called before leases are renewed, so that theirs end. */
    readonly giveUpStuck: () => void;
  }) {
    this.#spool = options.spool;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#giveUpStuck = options.giveUpStuck;
  }

  add(claim: Claim): void {
    this.#endsAt = this.#claims.size === 0 ? claim.leaseEnd : Math.min(this.#endsAt, claim.leaseEnd);
    this.#claims.set(claim.token, claim);
    // One timer for all claims, left alone when they end: messages come and go much faster than it fires.
    this.#timer ??= this.#clock.setTimer(renewEveryMs, () => this.#tick());
  }

  /** So many recipients of the claim are settled. */
  settled(claim: Claim, recipients: number): void {
    claim.open -= recipients;
    if (claim.open <= 0) this.#claims.delete(claim.token);
  }

  claims(): Iterable<Claim> {
    return this.#claims.values();
  }

  get size(): number {
    return this.#claims.size;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /**
   * Whether to wait before anything is claimed: where leases may have run out, because the clock was set, the process or
   * its machine stood still, or the disk refused renewals, they are renewed first. Else what is in memory, and perhaps under
   * way, would be claimed by ourselves and be sent twice. Rejects where the spool does.
   */
  renewBeforeClaim(): Promise<void> | undefined {
    if (this.#claims.size === 0 || this.#clock.now() < this.#endsAt - nearEndMs) return undefined;
    return this.#renew();
  }

  /** All of them; those that someone else has by now are marked. */
  async #renew(): Promise<void> {
    const from = this.#clock.now();
    const lost = await this.#spool.renew([...this.#claims.keys()], leaseMs);
    // Those that were claimed meanwhile end later, unless the clock was set back.
    this.#endsAt = Math.min(from, this.#clock.now()) + leaseMs;
    for (const token of lost) {
      const claim = this.#claims.get(token);
      if (claim !== undefined && claim.open > 0) claim.lost = true;
    }
  }

  #tick(): void {
    this.#timer = undefined;
    this.#giveUpStuck();
    if (this.#claims.size === 0) return;
    this.#timer = this.#clock.setTimer(renewEveryMs, () => this.#tick());
    // Three more renewals fall within the lease.
    this.#renew().catch((error: unknown) => logTrouble(this.#log, "renewing leases", error));
  }
}
