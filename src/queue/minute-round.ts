/**
 * Once a minute: whether the clock was set or the machine slept, and what has no time left. No wait for a time of day is
 * trusted for longer than that.
 *
 * After a step back what waits would do so for longer by as much, and nobody knows of a due time on disk by which clock it
 * was written: so all of it is due at once, and tried early for once. The same goes for a step back while the server was
 * stopped, as far as the newest message tells. The first look is a minute after the start: a machine without a clock of its
 * own has been told the time by then.
 *
 * Who waits for a slow site when its time has ended goes before all others there, from disk, too, where its domain is left
 * out of the pages. Who has no turn within an hour even so is given up without it: the sender should know by then.
 */
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { Rounds } from "../reporting/rounds.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import { finalStates, openStates } from "../spool/recipient-state.ts";
import { type Spool, SpoolError } from "../spool/spool.ts";
import type { Claimer } from "./claimer.ts";
import type { Concluder } from "./concluder.ts";
import { expireAt } from "./conclusion.ts";
import type { QueueState } from "./queue-state.ts";
import type { ReadyQueue } from "./ready-queue.ts";
import type { ReadyJob } from "./site.ts";

const roundMs = 60_000;
/** An attempt takes up to some forty minutes, and a place is free after one of them. */
const lastTurnWithinMs = 3_600_000;
/** After a smaller step back, what waits may wait that much longer. */
const farBackMs = 300_000;

export interface MinuteRoundOptions {
  readonly spool: Pick<Spool, "stats" | "retry" | "find" | "events">;
  readonly clock: Clock;
  readonly log: Log;
  readonly ready: ReadyQueue;
  readonly claimer: Claimer;
  readonly concluder: Concluder;
  readonly state: QueueState;
}

export class MinuteRound {
  readonly #options: MinuteRoundOptions;
  readonly #rounds: Rounds;
  /** On the monotonic clock. */
  #startedMs = 0;
  #wasSetBack = false;
  /** Whether the clock was compared with what an earlier process stored. */
  #isCompared = false;

  constructor(options: MinuteRoundOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.clock, async () => {
      await this.#look();
      return roundMs;
    });
  }

  start(): void {
    this.#startedMs = this.#options.clock.monotonicMs();
    this.#rounds.start(roundMs);
  }

  /** Resolves when nothing is under way. */
  stop(): Promise<void> {
    return this.#rounds.close();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { state, log, claimer } = this.#options;
    const stepMs = state.clockSteps.take();
    if (stepMs !== 0) {
      log.event("clock-set", { by_seconds: Math.round(stepMs / 1_000) });
      claimer.clockWasSet();
      if (stepMs <= -farBackMs) this.#wasSetBack = true;
    }
    if (!state.mayBegin) return;
    // A newest message that is damaged stays so, and keeps nobody from the rest.
    if (!this.#isCompared) await this.#try("comparing the clock with the spool", () => this.#compareWithSpool());
    await this.#try("looking for what has no time left", async () => {
      this.#seeToLastAttempts();
      await this.#makeDue();
      await this.#lookForAged();
    });
  }

  /** Never rejects. */
  async #try(doing: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof SpoolError && error.code === "closed") return;
      logTrouble(this.#options.log, doing, error);
    }
  }

  async #compareWithSpool(): Promise<void> {
    const { spool, clock, log } = this.#options;
    const [newest] = await spool.find({ states: [...openStates, ...finalStates] }, { limit: 1 });
    const history = newest === undefined ? [] : await spool.events(newest.message.id);
    this.#isCompared = true;
    const stored = history.at(-1)?.at ?? newest?.message.receivedAt ?? -Infinity;
    const behindMs = stored - clock.now();
    if (behindMs < farBackMs) return;
    log.event("clock-behind-spool", {
      behind_seconds: Math.round(behindMs / 1_000),
      newest: new Date(stored).toISOString(),
    });
    this.#wasSetBack = true;
  }

  /** What was scheduled by the clock of before. */
  async #makeDue(): Promise<void> {
    if (!this.#wasSetBack) return;
    const { spool, claimer } = this.#options;
    await spool.retry({ states: ["scheduled"] }, "clock");
    this.#wasSetBack = false;
    claimer.wake();
  }

  /** On disk, where there is any mail so old. */
  async #lookForAged(): Promise<void> {
    const { spool, clock, claimer, state } = this.#options;
    const { oldestSeconds } = await spool.stats();
    if (clock.now() - oldestSeconds * 1_000 <= state.clockSteps.beganBy(state.settings.expire)) claimer.lookForAged();
  }

  /** In memory. */
  #seeToLastAttempts(): void {
    const { clock, ready, concluder } = this.#options;
    const now = clock.now();
    for (const site of ready.sites()) {
      if (site.waiting.size === 0) continue;
      for (const job of ready.takeOut(
        site,
        (one) => this.#overdueMs(one, now) >= lastTurnWithinMs,
        clock.monotonicMs(),
      )) {
        concluder.conclude(withoutTurn(job));
      }
      // The first of them shall be the first.
      const last = [...site.waiting].filter((job) => this.#overdueMs(job, now) >= 0);
      for (const job of last.toReversed()) site.waiting.hasten(job);
    }
  }

  /** For how long it could have had its last attempt; negative: it has time left. */
  #overdueMs({ claim }: ReadyJob, now: number): number {
    const { clock, state } = this.#options;
    const overMs = now - expireAt(claim.message, state);
    // What outlived its time in a stopped server has as long.
    return overMs < 0 ? overMs : Math.min(overMs, clock.monotonicMs() - this.#startedMs);
  }
}

function withoutTurn({ claim, recipients, hop }: ReadyJob) {
  const outcome = {
    kind: "deferred",
    status: "4.4.5",
    owner: "remote-trouble",
    reason: `Not tried before it expired: ${hop.description} was busy with other mail for an hour`,
    notTried: true,
  } as const;
  const outcomes = recipients.map(({ index }) => ({ index, outcome }));
  return { claim, recipients, outcomes, route: hop.description, durationMs: 0 };
}
