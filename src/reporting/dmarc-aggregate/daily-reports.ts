/**
 * Sends the aggregate reports: some time after midnight UTC, one for each policy domain that was counted on a day that is
 * over, as mail through the spool. Days that an earlier run of the server left behind are made up for after a start.
 *
 * Each day and domain is reported once, crashes included: the queue id of the report is recorded before the message is
 * queued under it, and the counts go when it is there. Whoever finds the record asks the spool which of the two it was.
 */
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { parseMailbox } from "../../address/mailbox-text.ts";
import type { AggregateReport } from "../../dmarc/report/aggregate-report.ts";
import type { ReportMessage, ReportMessageInput } from "../../dmarc/report/report-message.ts";
import type { Intake } from "../../intake/intake.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import type { Spool } from "../../spool/spool.ts";
import { Rounds } from "../rounds.ts";
import { domainsPerDayMax } from "./evaluation-counts.ts";
import { findDestinations, type ReportDestination } from "./report-destinations.ts";
import { dayOf, type DomainRows, nextUnreported, readRows, removeRows, startOfDay } from "./report-rows.ts";

export interface DailyReportsSettings {
  readonly send: boolean;
  /** Our name, in A-labels. */
  readonly hostname: string;
  /** `local@domain`, of a domain of ours. */
  readonly from: string;
  readonly organization?: string;
  readonly contact?: string;
  /** Name and version of the program. */
  readonly generator: string;
}

export interface DailyReportsOptions {
  readonly spool: Spool;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nextId: () => QueueId;
  readonly intake: Pick<Intake, "store">;
  readonly settings: () => DailyReportsSettings;
  /** Called before a day is closed, so that what is counted is in the spool. */
  readonly flush: () => Promise<void>;
  /** Takes long where a domain has thousands of rows. */
  readonly make: (input: ReportMessageInput) => Promise<ReportMessage>;
}

export const sentNamespace = "dmarc-reports-sent";

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** Not everybody's reports at the stroke of midnight: some time within this, from five minutes past. */
const spreadMs = 55 * minuteMs;
/** After a start there is mail to be seen to first. */
const firstDelayMs = 2 * minuteMs;
/** Where DNS did not answer, until the day is two days old. */
const retryMs = 60 * minuteMs;
const givenUpAfterMs = 3 * dayMs;
/** Longer than any report stays in the queue. */
const markKeptMs = 14 * dayMs;

export class DailyReports {
  readonly #options: DailyReportsOptions;
  readonly #rounds: Rounds;

  constructor(options: DailyReportsOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.clock, () => this.#round());
  }

  start(): void {
    this.#rounds.start(firstDelayMs + Math.floor(this.#options.random.next() * 10 * minuteMs));
  }

  /** Resolves when the report under way is queued or given up. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  /** Gives the milliseconds until the next one. */
  async #round(): Promise<number> {
    const { clock, random, log } = this.#options;
    let again = false;
    try {
      again = await this.#reportAll();
    } catch (error) {
      again = true;
      // What is left is tried again.
      if (!this.#rounds.isClosed) logTrouble(log, "making aggregate reports", error);
    }
    const now = clock.now();
    const midnight = startOfDay(dayOf(now)) + dayMs;
    const next = midnight - now + 5 * minuteMs + Math.floor(random.next() * spreadMs);
    return again ? Math.min(retryMs, next) : next;
  }

  /** true: something is left that another try may settle. */
  async #reportAll(): Promise<boolean> {
    const { spool, clock, flush } = this.#options;
    await flush();
    const today = dayOf(clock.now());
    let again = false;
    let at = await nextUnreported(spool, today, undefined);
    for (let count = 0; at !== undefined && count < domainsPerDayMax * 2; count++) {
      if (this.#rounds.isClosed) return true;
      if ((await this.#report(at.day, at.domain)) === "later") again = true;
      at = await nextUnreported(spool, today, at);
    }
    return again || at !== undefined;
  }

  async #report(day: string, domain: string): Promise<"settled" | "later"> {
    const { spool, clock, resolver, intake } = this.#options;
    const key = `${day}/${domain}`;
    const mark = (await spool.getRecord(sentNamespace, key)) as { readonly id: QueueId } | undefined;
    if (mark !== undefined && (await spool.message(mark.id)) !== undefined) return await this.#settle(day, domain);
    const counted = await readRows(spool, day, domain);
    const settings = this.#options.settings();
    if (counted === undefined || counted.rows.length === 0 || !settings.send) return await this.#settle(day, domain);
    const { destinations, refused, failure } = await findDestinations(resolver, domain, counted.record);
    if (failure !== undefined && clock.now() < startOfDay(day) + givenUpAfterMs) return "later";
    const made = await this.#make(day, domain, counted, destinations, settings);
    if (made === undefined) {
      const reason = failure ?? refused[0] ?? "its report is larger than it takes";
      this.#options.log.event("dmarc-report-not-sent", { domain, day, reason });
      return await this.#settle(day, domain);
    }
    const id = mark?.id ?? this.#options.nextId();
    const put = { kind: "put", namespace: sentNamespace, key, value: { id } } as const;
    await spool.changeRecords([{ ...put, expiresAt: clock.now() + markKeptMs }]);
    await intake.store({
      id,
      at: clock.now(),
      content: made.message.bytes,
      // Our own domain, so that SPF aligns too; what bounces nevertheless is not asked for.
      reversePath: settings.from,
      recipients: made.to.map(({ address, domain: at }) => ({ address, domain: at })),
    });
    this.#options.log.event("dmarc-report-queued", {
      message: id,
      domain,
      day,
      rows: counted.rows.length,
      to: made.to.map(({ address }) => address),
    });
    return await this.#settle(day, domain);
  }

  async #settle(day: string, domain: string): Promise<"settled"> {
    await removeRows(this.#options.spool, day, domain);
    return "settled";
  }

  /** For those whose limit it keeps; leaving someone out changes what the message says, so it is made again. */
  async #make(
    day: string,
    domain: string,
    counted: DomainRows,
    destinations: readonly ReportDestination[],
    settings: DailyReportsSettings,
  ): Promise<{ readonly message: ReportMessage; readonly to: readonly ReportDestination[] } | undefined> {
    const report = reportOf(day, domain, counted, settings);
    let to = destinations;
    while (to.length > 0) {
      const message = await this.#options.make({
        report,
        submitter: domainOf(settings.from),
        from: settings.from,
        to: to.map(({ address }) => address),
        at: this.#options.clock.now(),
      });
      const fitting = to.filter(({ bytesMax }) => message.bytes.length <= bytesMax);
      if (fitting.length === to.length) return { message, to };
      to = fitting;
    }
    return undefined;
  }
}

function reportOf(
  day: string,
  domain: string,
  { record, rows }: DomainRows,
  { from, organization, contact, generator }: DailyReportsSettings,
): AggregateReport {
  const begin = startOfDay(day);
  return {
    organization: organization ?? domainOf(from),
    email: from,
    ...(contact !== undefined && { extraContact: contact }),
    reportId: `${Math.floor(begin / 1000)}.${domain}@${domainOf(from)}`,
    begin,
    // The last second of the day: periods must not overlap.
    end: begin + dayMs - 1000,
    errors: [],
    generator,
    policy: {
      domain,
      discoveryMethod: "treewalk",
      p: record.p,
      sp: record.sp ?? record.p,
      np: record.np ?? record.sp ?? record.p,
      fo: record.fo.join(":"),
      adkim: record.adkim,
      aspf: record.aspf,
      testing: record.testing,
    },
    rows,
  };
}

/** A-labels: the address is one that settings have checked. */
function domainOf(address: string): string {
  return parseMailbox(address)?.domainKey ?? asciiLowerCase(address.slice(address.lastIndexOf("@") + 1));
}
