/**
 * Bounds what strangers can fill the disk with by way of the address for reports: some minutes after something came, the
 * oldest reports go until the rest is within the limits. What is doubtful has limits of its own, so that rubbish pushes out
 * rubbish and never a report. Their time being over is the records' own affair.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { recordPages } from "../../spool/record-pages.ts";
import type { Spool } from "../../spool/spool.ts";
import {
  doubtfulReportsNamespace,
  reportDetailsNamespace,
  reportsNamespace,
  type ReportSummary,
} from "./received-report.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";

export interface ReportKeeperLimits {
  readonly reportsMax: number;
  /** Of all details. */
  readonly octetsMax: number;
  readonly doubtfulMax: number;
  readonly doubtfulOctetsMax: number;
}

/** A hundred reporters a day for 90 days, most of them below 100 KB. */
const usualLimits: ReportKeeperLimits = {
  reportsMax: 10_000,
  octetsMax: 500_000_000,
  // Enough to see why a reporter's mail is not read.
  doubtfulMax: 1000,
  doubtfulOctetsMax: 20_000_000,
};
/** However many come in that time, the list is gone through once. */
const delayMs = 5 * 60_000;

export class ReportKeeper {
  readonly #spool: Pick<Spool, "listRecords" | "changeRecords">;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: ReportKeeperLimits;
  #timer: Timer | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    parts: {
      readonly spool: Pick<Spool, "listRecords" | "changeRecords">;
      readonly clock: Clock;
      readonly log: Log;
    },
    limits: ReportKeeperLimits = usualLimits,
  ) {
    this.#spool = parts.spool;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#limits = limits;
  }

  /** A report came, or something that should be one. */
  received(): void {
    if (this.#closed) return;
    this.#timer ??= this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#running = this.#round();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #round(): Promise<void> {
    try {
      const { reportsMax, octetsMax, doubtfulMax, doubtfulOctetsMax } = this.#limits;
      const reports = await this.#removeBeyond(reportsNamespace, reportsMax, octetsMax);
      const doubtful = await this.#removeBeyond(doubtfulReportsNamespace, doubtfulMax, doubtfulOctetsMax);
      if (reports + doubtful > 0) this.#log.event("reports-removed", { reports, doubtful });
    } catch (error) {
      if (!this.#closed) logTrouble(this.#log, "removing old reports", error);
    }
  }

  /** The list is newest first, so all that comes behind the limits is older than what stays. */
  async #removeBeyond(namespace: string, reportsMax: number, octetsMax: number): Promise<number> {
    let [reports, octets, removed] = [0, 0, 0];
    for await (const page of recordPages(this.#spool, namespace)) {
      if (this.#closed) break;
      const beyond = page.filter(({ value }) => {
        const summary = value as ReportSummary;
        reports++;
        octets += summary.kind === "unreadable" ? 0 : summary.octets;
        return reports > reportsMax || octets > octetsMax;
      });
      if (beyond.length > 0) {
        await this.#spool.changeRecords(
          beyond.flatMap(({ key }) => [
            { kind: "delete", namespace, key },
            { kind: "delete", namespace: reportDetailsNamespace, key },
          ]),
        );
        removed += beyond.length;
      }
    }
    return removed;
  }
}
