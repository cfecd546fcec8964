/**
 * Sends the TLS reports (RFC 8460): some time after midnight UTC, one for each domain whose sessions were counted on a day that
 * is over and whose `_smtp._tls` record asks, by mail through the spool and over HTTPS. Days that an earlier run of the server
 * left behind are made up for.
 *
 * Each day and domain is mailed once, crashes included: the queue id of the report is recorded before the message is queued
 * under it, as it is for DMARC reports. Over HTTPS a crash at the wrong moment may send it twice, which its report-id tells.
 */
import { createHash } from "node:crypto";
import { parseMailbox } from "../../address/mailbox-text.ts";
import type { Intake } from "../../intake/intake.ts";
import { asciiLowerCase, hasNonAscii } from "../../lib/ascii-case.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { ReportPoster } from "../../ports/report-poster.ts";
import type { Resolver } from "../../ports/resolver.ts";
import { percentDecoded } from "../../dmarc/external-destination.ts";
import type { QueueId } from "../../spool/queue-id.ts";
import type { Spool } from "../../spool/spool.ts";
import { logTrouble } from "../../spool/spool-trouble.ts";
import { makeTlsReport, makeTlsReportMessage, packedReportType } from "../../tls-rpt/make-report.ts";
import type { TlsPolicyReport, TlsReport } from "../../tls-rpt/tls-report.ts";
import { dayOf, startOfDay } from "../dmarc-aggregate/report-rows.ts";
import { Rounds } from "../rounds.ts";
import { type CountedAt, findReportUris, nextCounted, readCounts, removeCounts } from "./stored-counts.ts";

export interface DailyTlsReportsSettings {
  readonly send: boolean;
  /** Our name, in A-labels. */
  readonly hostname: string;
  /** `local@domain`, of a domain of ours. */
  readonly from: string;
  readonly organization?: string;
  readonly contact?: string;
  /** Whether reports may go over HTTPS to hosts on private addresses, as mail may go to such hosts. */
  readonly allowPrivate: boolean;
}

export interface DailyTlsReportsOptions {
  readonly spool: Spool;
  readonly resolver: Resolver;
  /** Absent: there is no HTTPS, and only mail is sent. */
  readonly poster: ReportPoster | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly nextId: () => QueueId;
  readonly intake: Pick<Intake, "store">;
  readonly settings: () => DailyTlsReportsSettings;
  /** Called before a day is closed, so that what is counted is in the spool. */
  readonly flush: () => Promise<void>;
}

export const sentTlsNamespace = "tls-reports-sent";

interface SentMark {
  readonly id: QueueId;
  readonly posted: readonly string[];
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** RFC 8460 §4.1: not everybody at midnight. From five minutes past it, some time within four hours. */
const spreadMs = 235 * minuteMs;
const firstDelayMs = 15 * minuteMs;
/** Where DNS or HTTPS did not answer, until the day is three days old. */
const retryMs = 60 * minuteMs;
const givenUpAfterMs = 3 * dayMs;
/** Longer than any report stays in the queue. */
const markKeptMs = 14 * dayMs;
/** More make us someone's mail cannon. */
const destinationsMax = 4;
const reportsPerRoundMax = 2_000;

export class DailyTlsReports {
  readonly #options: DailyTlsReportsOptions;
  readonly #rounds: Rounds;

  constructor(options: DailyTlsReportsOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.clock, () => this.#round());
  }

  start(): void {
    this.#rounds.start(firstDelayMs);
  }

  /** Resolves when the report under way is sent or given up. */
  close(): Promise<void> {
    return this.#rounds.close();
  }

  /** Gives the milliseconds until the next one. */
  async #round(): Promise<number> {
    const { clock, log, settings } = this.#options;
    let again = false;
    try {
      again = await this.#reportAll();
    } catch (error) {
      again = true;
      // What is left is tried again.
      if (!this.#rounds.isClosed) logTrouble(log, "making TLS reports", error);
    }
    const now = clock.now();
    const midnight = startOfDay(dayOf(now)) + dayMs;
    const next = midnight - now + 5 * minuteMs + spread(`${settings().hostname} ${dayOf(now)}`);
    return again ? Math.min(retryMs, next) : next;
  }

  /** true: something is left that another try may settle. */
  async #reportAll(): Promise<boolean> {
    const { spool, clock, flush } = this.#options;
    await flush();
    const today = dayOf(clock.now());
    let again = false;
    let at = await nextCounted(spool, today, undefined);
    for (let count = 0; at !== undefined && count < reportsPerRoundMax; count++) {
      if (this.#rounds.isClosed) return true;
      if ((await this.#report(at)) === "later") again = true;
      else await removeCounts(spool, at);
      at = await nextCounted(spool, today, at);
    }
    return again || at !== undefined;
  }

  async #report(at: CountedAt): Promise<"settled" | "later"> {
    const { spool, clock, resolver } = this.#options;
    const settings = this.#options.settings();
    if (!settings.send) return "settled";
    const mayRetry = clock.now() < startOfDay(at.day) + givenUpAfterMs;
    const found = await findReportUris(resolver, at.domain);
    if (found.kind === "none") return "settled";
    if (found.kind === "failure") return mayRetry ? "later" : this.#notSent(at, found.reason);
    const policies = await readCounts(spool, at);
    const report = reportOf(at, policies, settings);
    const packed = makeTlsReport(report);
    const uris = found.uris.slice(0, destinationsMax);
    const to = uris.flatMap((uri) => addressOf(uri) ?? []);
    const urls = uris.flatMap((uri) => urlOf(uri) ?? []);
    const key = `${at.day}/${at.domain}`;
    let mark = (await spool.getRecord(sentTlsNamespace, key)) as SentMark | undefined;
    if (mark === undefined) mark = await this.#remember(key, { id: this.#options.nextId(), posted: [] });
    if (to.length > 0) await this.#mail(at, { report, packed, to, id: mark.id }, settings);
    const failure = await this.#post(at, { key, mark, packed, urls });
    if (failure === undefined) return "settled";
    if (mayRetry) return "later";
    return to.length > 0 ? "settled" : this.#notSent(at, failure);
  }

  async #mail(
    { day, domain }: CountedAt,
    parts: {
      readonly report: TlsReport;
      readonly packed: Buffer;
      readonly to: readonly Destination[];
      readonly id: QueueId;
    },
    { from }: DailyTlsReportsSettings,
  ): Promise<void> {
    const { spool, clock, intake, log } = this.#options;
    const { report, packed, to, id } = parts;
    if ((await spool.message(id)) !== undefined) return;
    const addresses = to.map(({ address }) => address);
    const at = clock.now();
    const content = makeTlsReportMessage({
      report,
      packed,
      domain,
      submitter: domainOf(from),
      from,
      to: addresses,
      at,
    });
    await intake.store({ id, at, content, reversePath: from, recipients: to });
    log.event("tls-report-queued", { message: id, domain, day, policies: report.policies.length, to: addresses });
  }

  /** Why one of the addresses has not got it; undefined: all have. */
  async #post(
    { day, domain }: CountedAt,
    given: { readonly key: string; readonly mark: SentMark; readonly packed: Buffer; readonly urls: readonly URL[] },
  ): Promise<string | undefined> {
    const { poster, settings, log } = this.#options;
    const { allowPrivate } = settings();
    let { mark } = given;
    let failure: string | undefined;
    for (const url of given.urls) {
      if (mark.posted.includes(url.href)) continue;
      if (poster === undefined) return "this server cannot send over HTTPS";
      const result = await poster.post(url, { contentType: packedReportType, body: given.packed, allowPrivate });
      if (result.kind === "failure") failure ??= result.detail;
      else if (result.status < 200 || result.status > 299)
        failure ??= `${url.host} answered with status ${result.status}`;
      else {
        log.event("tls-report-posted", { domain, day, url: url.href, status: result.status });
        mark = await this.#remember(given.key, { ...mark, posted: [...mark.posted, url.href] });
      }
    }
    return failure;
  }

  async #remember(key: string, mark: SentMark): Promise<SentMark> {
    const { spool, clock } = this.#options;
    const expiresAt = clock.now() + markKeptMs;
    await spool.changeRecords([{ kind: "put", namespace: sentTlsNamespace, key, value: mark, expiresAt }]);
    return mark;
  }

  #notSent({ day, domain }: CountedAt, reason: string): "settled" {
    this.#options.log.event("tls-report-not-sent", { domain, day, reason });
    return "settled";
  }
}

interface Destination {
  readonly address: string;
  readonly domain: string;
}

function reportOf(
  { day, domain }: CountedAt,
  policies: readonly TlsPolicyReport[],
  { from, organization, contact }: DailyTlsReportsSettings,
): TlsReport {
  const begin = startOfDay(day);
  return {
    organization: organization ?? domainOf(from),
    contact: contact ?? from,
    reportId: `${Math.floor(begin / 1000)}.${domain}.tls@${domainOf(from)}`,
    begin,
    // The last second of the day.
    end: begin + dayMs - 1000,
    policies,
  };
}

/** Undefined for anything but mailto with one address. */
function addressOf(uri: string): Destination | undefined {
  const encoded = /^mailto:([^?]{1,1000})/i.exec(uri)?.[1];
  const address = encoded === undefined ? "" : percentDecoded(encoded);
  const mailbox = parseMailbox(address);
  if (mailbox === undefined || hasNonAscii(address) || mailbox.domainKey === "" || mailbox.domainKey.startsWith("["))
    return undefined;
  return { address, domain: mailbox.domainKey };
}

function urlOf(uri: string): URL | undefined {
  const url = /^https:/i.test(uri) ? URL.parse(uri) : null;
  return url === null || url.username !== "" || url.password !== "" ? undefined : url;
}

/** A-labels: the address is one that settings have checked. */
function domainOf(address: string): string {
  return parseMailbox(address)?.domainKey ?? asciiLowerCase(address.slice(address.lastIndexOf("@") + 1));
}

/** Different for each server and day, and the same after a restart. */
function spread(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) % spreadMs;
}
