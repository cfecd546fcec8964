/**
 * Reports about domains: those that other servers send to our address for reports, and those that we owe to domains whose
 * mail we took. What both do with long content is done by one worker, in a thread of its own where there is one.
 */
import { formatMailbox, mailboxKey, parseMailbox } from "../../address/mailbox-text.ts";
import type { Settings } from "../../config/settings-schema.ts";
import type { Intake } from "../../intake/intake.ts";
import { ReportDelivery } from "../../outbound/report-delivery.ts";
import type { DeliveryAgent } from "../../queue/delivery-agent.ts";
import { DailyReports, type DailyReportsSettings } from "../../reporting/dmarc-aggregate/daily-reports.ts";
import { EvaluationCounts, type EvaluationCountsSettings } from "../../reporting/dmarc-aggregate/evaluation-counts.ts";
import { DailyTlsReports, type DailyTlsReportsSettings } from "../../reporting/tls-reports/daily-tls-reports.ts";
import { SessionCounts } from "../../reporting/tls-reports/session-counts.ts";
import { ReportKeeper } from "../../reporting/received/report-keeper.ts";
import { type ReportWork, workInThisThread } from "../../reporting/report-work.ts";
import { InForce, type Opening } from "../plan/part.ts";
import type { Store } from "../store/store.ts";

export interface ReceivedReports {
  /** Of hops to the address for reports. */
  readonly agent: DeliveryAgent;
  readonly work: ReportWork;
}

export function openReceivedReports({ settings, ports, parts }: Opening, { spool }: Store): ReceivedReports {
  const { clock, log, reportWork: work = workInThisThread } = ports;
  parts.add({ name: "report-work", stop: () => work.close() });
  const keeper = new ReportKeeper({ spool, clock, log });
  const view = ({ reports: { keep: keepMs } }: Settings) => ({ keepMs });
  const { get, prepare } = new InForce(view(settings));
  const agent = new ReportDelivery({ log, work, settings: get, received: () => keeper.received() });
  parts.add({ name: "received-reports", view, prepare, stop: () => keeper.close() });
  return { agent, work };
}

/** Counts what the daily reports tell. */
export function openEvaluationCounts({ settings, ports, parts }: Opening, { spool }: Store): EvaluationCounts {
  const { clock, random, log } = ports;
  const { get, prepare } = new InForce(countsSettings(settings));
  const counts = new EvaluationCounts({ spool, clock, random, log, settings: get });
  parts.add({ name: "evaluation-counts", view: countsSettings, prepare, stop: () => counts.close() });
  return counts;
}

export function openDailyReports(
  { settings, ports, parts }: Opening,
  { spool, ids }: Store,
  given: {
    readonly counts: EvaluationCounts;
    readonly work: ReportWork;
    readonly intake: Intake;
  },
): void {
  const { resolver, clock, random, log, version } = ports;
  const { counts, work, intake } = given;
  const view = (all: Settings) => dailySettings(all, version);
  const { get, prepare } = new InForce(view(settings));
  const daily = new DailyReports({
    ...{ spool, intake, resolver, clock, random, log },
    nextId: () => ids.next(),
    settings: get,
    flush: () => counts.flush(),
    make: (input) => work.make(input),
  });
  parts.add({ name: "daily-reports", view, prepare, start: () => daily.start(), stop: () => daily.close() });
}

/** Counts what the daily TLS reports tell. */
export function openTlsSessions({ settings, ports, parts }: Opening, { spool }: Store): SessionCounts {
  const { resolver, clock, random, log } = ports;
  const view = ({ reports: { send_tls: send } }: Settings) => ({ send });
  const { get, prepare } = new InForce(view(settings));
  const counts = new SessionCounts({ spool, resolver, clock, random, log, enabled: () => get().send });
  parts.add({ name: "tls-sessions", view, prepare, stop: () => counts.close() });
  return counts;
}

export function openDailyTlsReports(
  { settings, ports, parts }: Opening,
  { spool, ids }: Store,
  { counts, intake }: { readonly counts: SessionCounts; readonly intake: Intake },
): void {
  const { resolver, clock, log, version, reportPoster: poster } = ports;
  const view = (all: Settings): DailyTlsReportsSettings => ({
    ...dailySettings(all, version),
    send: all.reports.send_tls,
    allowPrivate: all.outbound.allow_private,
  });
  const { get, prepare } = new InForce(view(settings));
  const daily = new DailyTlsReports({
    ...{ spool, intake, resolver, poster, clock, log },
    nextId: () => ids.next(),
    settings: get,
    flush: () => counts.flush(),
  });
  parts.add({ name: "daily-tls-reports", view, prepare, start: () => daily.start(), stop: () => daily.close() });
}

function countsSettings({ reports: { address, send } }: Settings): EvaluationCountsSettings {
  const mailbox = address === undefined ? undefined : parseMailbox(address);
  return { send, ...(mailbox !== undefined && { address: mailboxKey(mailbox) }) };
}

function dailySettings({ hostname, domain, reports }: Settings, version: string): DailyReportsSettings {
  const { send, address, organization, contact } = reports;
  const ownDomain = domain[0]?.name ?? hostname;
  const from = asciiAddress(reports.from ?? address ?? `postmaster@${ownDomain}`);
  return {
    send,
    hostname,
    from,
    generator: `Posthaste ${version}`,
    ...(organization !== undefined && { organization }),
    ...(contact !== undefined && { contact }),
  };
}

/** With the domain in A-labels, as it can stand in any header. */
function asciiAddress(address: string): string {
  const mailbox = parseMailbox(address);
  return mailbox === undefined ? address : formatMailbox({ ...mailbox, domain: mailbox.domainKey });
}
