/** Puts together what reports need: counting and sending those we owe, and the agent that takes those sent to us. */
import { formatMailbox, mailboxKey, parseMailbox } from "../../address/mailbox-text.ts";
import type { Settings } from "../../config/settings-schema.ts";
import { ReportDelivery } from "../../outbound/report-delivery.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Random } from "../../ports/random.ts";
import type { Resolver } from "../../ports/resolver.ts";
import type { DeliveryAgent } from "../../queue/delivery-agent.ts";
import { DailyReports, type DailyReportsSettings } from "../../reporting/dmarc-aggregate/daily-reports.ts";
import { EvaluationCounts, type EvaluationCountsSettings } from "../../reporting/dmarc-aggregate/evaluation-counts.ts";
import type { EvaluationRecorder } from "../../reporting/dmarc-aggregate/evaluation-note.ts";
import { ReportKeeper } from "../../reporting/received/report-keeper.ts";
import { type ReportWork, workInThisThread } from "../../reporting/report-work.ts";
import type { QueueId, Spool } from "../../spool/spool.ts";

export interface ReportsParts {
  readonly spool: Spool;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nextId: () => QueueId;
  /** Absent: reports are read and made in this thread. */
  readonly reportWork?: ReportWork;
  readonly version: string;
  /** As they are in force; asked each time. */
  readonly settings: () => Settings;
}

export interface OpenReports {
  /** Of hops to the address for reports. */
  readonly agent: DeliveryAgent;
  readonly recorder: EvaluationRecorder;
  /** Begins to send; `sign` absent: reports leave unsigned. */
  start(parts: { readonly wake: () => void; readonly sign?: (content: Uint8Array) => Promise<string> }): void;
  /** Writes what is counted; resolves when nothing is under way. */
  close(): Promise<void>;
}

export function openReports(parts: ReportsParts): OpenReports {
  const { log, settings, version, reportWork: work = workInThisThread } = parts;
  const counts = new EvaluationCounts({ ...parts, settings: () => countsSettings(settings()) });
  const keeper = new ReportKeeper(parts);
  let daily: DailyReports | undefined;
  const agent = new ReportDelivery({
    log,
    work,
    settings: () => ({ keepMs: settings().reports.keep }),
    received: () => keeper.received(),
  });
  return {
    agent,
    recorder: counts,
    start: (more) => {
      daily = new DailyReports({
        ...parts,
        ...more,
        settings: () => dailySettings(settings(), version),
        flush: () => counts.flush(),
        make: (input) => work.make(input),
      });
      daily.start();
    },
    close: async () => {
      await keeper.close();
      await daily?.close();
      await counts.close();
      await work.close();
    },
  };
}

/** Of the settings as they are; made anew only when those change, since it is asked for every message. */
const countsOf = new WeakMap<Settings, EvaluationCountsSettings>();

function countsSettings(settings: Settings): EvaluationCountsSettings {
  const known = countsOf.get(settings);
  if (known !== undefined) return known;
  const { address, send } = settings.reports;
  const mailbox = address === undefined ? undefined : parseMailbox(address);
  const made = { send, ...(mailbox === undefined ? {} : { address: mailboxKey(mailbox) }) };
  countsOf.set(settings, made);
  return made;
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
    ...(organization === undefined ? {} : { organization }),
    ...(contact === undefined ? {} : { contact }),
  };
}

/** With the domain in A-labels, as it can stand in any header. */
function asciiAddress(address: string): string {
  const mailbox = parseMailbox(address);
  return mailbox === undefined ? address : formatMailbox({ ...mailbox, domain: mailbox.domainKey });
}
