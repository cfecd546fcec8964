/**
 * Whose DNS question is asked next. Questions at work are limited; what strangers' mail asks, what our own deliveries ask
 * and what the server asks for itself each keep a part that the others cannot take. Within the first, every client and
 * every message has a share, and whoever has the least at work is next: so nobody's questions wait for all of
 * someone else's. Waiting is bounded in time and in number, and those who wait the most go first.
 */
import { SparseLines } from "../../lib/sparse-lines.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { DnsAsker } from "../../ports/resolver.ts";
import { Share, type Waiter } from "./share.ts";

/** Questions at work, a socket each. */
const concurrentMax = 256;
/** The parts overlap, but each leaves the others 64 at least. */
const purposeMax: Readonly<Record<DnsAsker["purpose"], number>> = { inbound: 160, outbound: 160, upkeep: 32 };
/** Of one client network; of one next hop. */
const clientMax = 64;
/** Of one message: its checks go on side by side, and rarely ask more at once unless every answer is slow. */
const messageMax = 8;
/** Some 500 octets each, so 4 MB. */
const waitingMax = 8192;
/** Long enough for one slow question before it, short enough for the patience of whoever asked. */
const waitMsMax = 10_000;
const lineEveryMs = 10_000;

const anyone: DnsAsker = { purpose: "upkeep" };

export interface Turn {
  /** Others wait for the same part: a question that is not answered soon should make room. */
  readonly crowded: boolean;
  /** Must be called once. */
  end(): void;
}

export class DnsTurns {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #all = new Share(concurrentMax);
  /** All that wait, the oldest first, with until when. */
  readonly #waiting = new Map<Waiter, number>();
  readonly #lines = new SparseLines<DnsAsker["purpose"]>(lineEveryMs);
  #timer: Timer | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Undefined: too many others wait, or waiting took too long. */
  async take(asker: DnsAsker = anyone): Promise<Turn | undefined> {
    const share = this.#shareOf(asker);
    if (share.hasRoom) share.begin();
    else if (!(await this.#wait(share))) {
      this.#tell(asker);
      return undefined;
    }
    const part = this.#all.child(asker.purpose, purposeMax[asker.purpose]);
    return {
      get crowded() {
        return part.waiting > 0;
      },
      end: () => {
        share.end();
        this.#grant();
      },
    };
  }

  #shareOf({ purpose, client, message }: DnsAsker): Share {
    const ofPurpose = this.#all.child(purpose, purposeMax[purpose]);
    // Without a client to be limited, as on loopback, each message stands for itself.
    const ofClient = ofPurpose.child(client ?? message ?? purpose, clientMax);
    return message === undefined ? ofClient.child(purpose, clientMax) : ofClient.child(message, messageMax);
  }

  #wait(share: Share): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = { share, settle: resolve };
    this.#waiting.set(waiter, this.#clock.monotonicMs() + waitMsMax);
    share.wait(waiter);
    if (this.#waiting.size > waitingMax) {
      const heaviest = this.#all.heaviest();
      if (heaviest !== undefined) this.#settle(heaviest, false);
    }
    this.#armTimer();
    return promise;
  }

  /** Whoever is next begins. */
  #grant(): void {
    for (let next = this.#all.next(); next !== undefined; next = this.#all.next()) {
      next.share.begin();
      this.#settle(next, true);
    }
  }

  #settle(waiter: Waiter, granted: boolean): void {
    this.#waiting.delete(waiter);
    waiter.share.stopWaiting(waiter);
    waiter.settle(granted);
    if (this.#waiting.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #armTimer(): void {
    const [oldest] = this.#waiting.values();
    if (this.#timer !== undefined || oldest === undefined) return;
    this.#timer = this.#clock.setTimer(Math.max(0, oldest - this.#clock.monotonicMs()), () => this.#expire());
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (const [waiter, untilMs] of this.#waiting) {
      if (untilMs > nowMs) break;
      this.#settle(waiter, false);
    }
    this.#armTimer();
  }

  #tell({ purpose, client }: DnsAsker): void {
    const count = this.#lines.note(purpose, this.#clock.monotonicMs());
    if (count !== undefined) this.#log.event("dns-busy", { purpose, client, count });
  }
}
