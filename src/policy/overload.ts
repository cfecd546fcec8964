/**
 * Overload as a state: while memory, disk, inodes, the spool or the event loop are strained, new sessions hear 421 and go
 * elsewhere or come later; sessions that are open go on, and so do deliveries, which is how mail leaves the server.
 *
 * Two measures in a row begin it, five good ones end it, and what is good must be a fifth below the limit, so that it does
 * not flicker. It is measured when a client connects or a probe asks, at most once a second, and by itself while it lasts.
 */
import type { Clock, Timer } from "../ports/clock.ts";
import type { HostMeasures } from "../ports/host-measures.ts";
import type { Log } from "../ports/log.ts";
import { type Refusal, refuse } from "./decision.ts";
import type { NotReady, OverloadCause } from "./readiness.ts";
import type { LimitsSettings } from "./settings.ts";

const measureMs = 1000;
const strainedToBegin = 2;
const goodToEnd = 5;
/** While it lasts, a measure is good below this share of its limit. */
const goodShare = 0.8;

/** What is measured, and its limit. `least`: of what may run out, less than the limit is too little; else more is too much. */
interface Measure {
  readonly cause: OverloadCause;
  readonly value: number;
  readonly limit: number;
  readonly least?: boolean;
}

export interface OverloadOptions {
  readonly limits: LimitsSettings;
  readonly measures: HostMeasures;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  readonly log: Log;
  /** Where mail is stored. */
  readonly path: string;
  /** Octets that are free there, as last known. */
  readonly freeBytes: () => number;
  /** How long a commit took lately, in milliseconds; 0: there was none. */
  readonly spoolDelayMs: () => number;
}

export class Overload {
  readonly #options: OverloadOptions;
  #limits: LimitsSettings;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #freeInodes = Number.POSITIVE_INFINITY;
  /** Of the measures in a row that speak against the present state. */
  #against = 0;
  #cause: OverloadCause | undefined;
  /** The last measures that kept the server overloaded, at most one of each cause; none while it is not. */
  #strained: readonly Measure[] = [];
  #timer: Timer | undefined;

  constructor(options: OverloadOptions) {
    this.#options = options;
    this.#limits = options.limits;
  }

  reconfigure(limits: LimitsSettings): void {
    this.#limits = limits;
  }

  /** Undefined: new sessions are served. */
  refusal(): Refusal | undefined {
    this.#measureOnceASecond();
    return this.#cause === undefined ? undefined : refuse("overloaded", { cause: this.#cause });
  }

  /** Empty: new sessions are served. Else what is strained, in octets, inodes or milliseconds. */
  causes(): readonly NotReady[] {
    this.#measureOnceASecond();
    return this.#strained.map(({ cause, value, limit }) => ({
      cause,
      measured: Math.round(value),
      limit: Math.round(limit),
    }));
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #measureOnceASecond(): void {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#measuredAtMs < measureMs) return;
    this.#measuredAtMs = now;
    this.#askInodes();
    const share = this.#cause === undefined ? 1 : goodShare;
    const strained = this.#measures().filter((measure) => isStrained(measure, share));
    // Between good measures it stays what it was, so that a probe always hears a cause.
    if (this.#cause !== undefined && strained.length > 0) this.#strained = strained;
    const [first] = strained;
    if ((first === undefined) === (this.#cause === undefined)) {
      this.#against = 0;
      return;
    }
    this.#against++;
    if (first !== undefined && this.#against >= strainedToBegin) this.#begin(first, strained);
    else if (first === undefined && this.#against >= goodToEnd) this.#end();
  }

  /** A limit of 0 is none. */
  #measures(): readonly Measure[] {
    const { measures, freeBytes, spoolDelayMs } = this.#options;
    const { memory_share: percent, free_space: reserve, free_inodes: inodes } = this.#limits;
    const { resident, residentMax, heap, heapMax } = measures.memory();
    const all: readonly Measure[] = [
      { cause: "memory", value: resident, limit: (residentMax * percent) / 100 },
      { cause: "heap", value: heap, limit: (heapMax * percent) / 100 },
      // Mail is refused one message at a time before that; see FreeSpace.
      { cause: "disk", value: freeBytes(), limit: reserve / 2, least: true },
      { cause: "inodes", value: this.#freeInodes, limit: inodes, least: true },
      { cause: "spool", value: spoolDelayMs(), limit: this.#limits.spool_delay },
      { cause: "event-loop", value: measures.eventLoopDelayMs(), limit: this.#limits.event_loop_delay },
    ];
    return all.filter(({ limit }) => limit > 0);
  }

  /** The answer counts from the next measure on. A file system that does not say is left to fail where it is written. */
  #askInodes(): void {
    const { measures, path } = this.#options;
    measures.freeInodes(path).then(
      (free) => {
        this.#freeInodes = free;
      },
      () => {
        this.#freeInodes = Number.POSITIVE_INFINITY;
      },
    );
  }

  #begin({ cause, value, limit }: Measure, strained: readonly Measure[]): void {
    this.#against = 0;
    this.#cause = cause;
    this.#strained = strained;
    this.#options.log.event("overload-began", { cause, value: Math.round(value), limit: Math.round(limit) });
    this.#measureAgain();
  }

  #end(): void {
    const cause = this.#cause ?? "";
    this.#against = 0;
    this.#cause = undefined;
    this.#strained = [];
    this.stop();
    this.#options.log.event("overload-ended", { cause });
  }

  /** While it lasts, nobody need connect for it to end. */
  #measureAgain(): void {
    this.#timer = this.#options.clock.setTimer(measureMs, () => {
      this.#measureOnceASecond();
      if (this.#cause !== undefined) this.#measureAgain();
    });
  }
}

/** `share`: of its limit, from which on a measure is strained. */
function isStrained({ value, limit, least = false }: Measure, share: number): boolean {
  return least ? share * value < limit : value > share * limit;
}
