/**
 * Reports to senders: decides which delivery status notifications a set of outcomes calls for, makes them, and gives them
 * to the queue, which stores them in the transaction of the outcomes. One report for all recipients of a message with the
 * same fate; never one about mail with the null reverse-path, so there is never a bounce of a bounce (RFC 5321 §6.1).
 */
import { parseMailbox } from "../address/mailbox-text.ts";
import { makeReport } from "../dsn/make-report.ts";
import type { ReportAction, ReportedMessage, ReportedRecipient } from "../dsn/report.ts";
import type { DeliveryOutcome, Diagnostic } from "../events/delivery-outcome.ts";
import type { HistoryEvent } from "../events/history-event.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { ExpandedRecipient } from "../intake/envelope.ts";
import type { Intake } from "../intake/intake.ts";
import type { Letter } from "../intake/letter.ts";
import type { HeaderSection } from "../message/header-section.ts";
import { makeMessageId, messageIdRandomBytes } from "../message/message-id.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import { logTrouble } from "../spool/spool-trouble.ts";
import type { QueueId } from "../spool/queue-id.ts";
import type { Content, GeneratedMessage, NewMessage, StoredMessage } from "../spool/spool.ts";
import { readOriginal, withoutContent } from "./original-message.ts";
import type { FindReportDestination, ReportDestination } from "./report-destination.ts";
import type { GatheredAction, OwedRecipient, OwedReport, ReportedOn } from "./owed-record.ts";
import { type ReportableAttempt, type ReportNeed, reportNeed, type WithheldReason } from "./owed-reports.ts";

/** Above this only the header is returned, whatever RET asks for (RFC 3461 §6.2): a mailbox is not filled by failures. */
export const returnedBytesMaxDefault = 100 * 1024;

export interface ReporterSettings {
  /** Our name, in A-labels. */
  readonly hostname: string;
  /** Whom the reader of a report may ask; by default the postmaster of `hostname`. */
  readonly postmaster?: string;
  /** Octets up to which RET=FULL returns the whole message with a failure. */
  readonly returnedBytesMax?: number;
}

export interface ReporterOptions {
  /** Asked anew for each report, so that a reload applies at once. */
  readonly settings: () => ReporterSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nextId: () => QueueId;
  /** Default: the reverse-path itself. */
  readonly findDestination?: FindReportDestination;
  readonly compose: Intake["compose"];
}

export interface ReportsInput {
  readonly message: StoredMessage;
  readonly attempts: readonly ReportableAttempt[];
  readonly openContent: () => Promise<Content>;
}

export interface Reports {
  readonly reports: readonly GeneratedMessage[];
  readonly events: readonly HistoryEvent[];
  /** Indexes of the recipients whose delay needs no more thought: a report was made, or is not to be. */
  readonly warned: readonly number[];
}

export interface OwedReports extends Omit<Reports, "reports"> {
  readonly owed: readonly OwedReport[];
}

/** A report that is not stored yet, and what the history of the message that it is about tells of it. */
export interface ReportLetter {
  readonly letter: Letter;
  readonly event: HistoryEvent;
}

interface Needed {
  readonly attempt: ReportableAttempt;
  readonly need: ReportNeed;
}

/** The order in which reports leave: bad news first. */
const actions = ["failed", "delayed", "relayed", "delivered"] as const satisfies readonly GatheredAction[];

const withheldTexts = {
  "null-reverse-path": "The message has the null reverse-path, so there is no sender to report to.",
  "not-asked-for": "The sender asked for no report (NOTIFY).",
  "forged-reverse-path":
    "SPF failed for the reverse-path, so the report would go to someone who did not send the message.",
  "unverified-loop":
    "The header shows that the message passed through this server before, and nothing proves that its reverse-path is genuine.",
} as const satisfies Record<WithheldReason, string>;
/** A message's failures are told together when so long has passed since the first, or before, if nothing is to come. */
const gatherMs = 60_000;
/** Warnings wait for the others of their round. */
const gatherWarningsMs = 3_600_000;
const nobodyText =
  "The reverse-path is in a local domain, but no such user exists: it was forged, or the user was deleted.";

export class Reporter {
  readonly #options: ReporterOptions;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Rejects only because of a bug; content that cannot be read makes a report without it. */
  async reportsFor(input: ReportsInput): Promise<Reports> {
    const { message } = input;
    const needs = needsOf(input);
    const reports: GeneratedMessage[] = [];
    const events: HistoryEvent[] = [];
    const anyOwed = needs.some(({ need }) => need.kind === "owed");
    const destination = anyOwed ? await this.#destination(message.reversePath) : nobody;
    for (const action of actions) {
      const recipients = this.#owedRecipients(needs, action);
      if (recipients.length === 0) continue;
      if (destination.kind === "nobody") {
        events.push(this.#withheld(message.id, nobodyText, recipients));
        continue;
      }
      const original = await this.#original(message, input.openContent, action);
      const { letter, event } = this.#letterAndEvent(action, message, original, recipients, destination);
      reports.push(await this.#options.compose(letter));
      events.push(event);
    }
    events.push(...this.#withheldEvents(message, needs));
    return { reports, events, warned: warnedOf(needs) };
  }

  /** The same decisions, with the reports left to be made later, from what these records say. */
  async owe(input: ReportsInput): Promise<OwedReports> {
    const { message } = input;
    const needs = needsOf(input);
    const owed: OwedReport[] = [];
    for (const action of actions) {
      const recipients = this.#owedRecipients(needs, action);
      if (recipients.length === 0) continue;
      const original = await this.#original(message, input.openContent, action);
      const tellBy = this.#options.clock.now() + (action === "delayed" ? gatherWarningsMs : gatherMs);
      owed.push({ about: reportedOn(message), action, tellBy, original, recipients });
    }
    return { owed, events: this.#withheldEvents(message, needs), warned: warnedOf(needs) };
  }

  /** One report of what was owed for one message, all with the same action. No report: there is nobody to tell any more. */
  async gathered(
    owed: Pick<OwedReport, "about" | "action" | "original">,
    recipients: readonly OwedRecipient[],
  ): Promise<{ readonly letter: Letter | undefined; readonly event: HistoryEvent }> {
    const { about, action, original } = owed;
    const destination = await this.#destination(about.reversePath);
    if (destination.kind === "nobody") {
      return { letter: undefined, event: this.#withheld(about.id, nobodyText, recipients) };
    }
    return this.#letterAndEvent(action, about, original, recipients, destination);
  }

  #owedRecipients(needs: readonly Needed[], action: ReportAction): readonly OwedRecipient[] {
    const at = this.#options.clock.now();
    return needs.flatMap(({ attempt, need }) =>
      need.kind === "owed" && need.action === action
        ? [{ index: attempt.recipient.index, told: reportedRecipient(attempt, at) }]
        : [],
    );
  }

  #withheldEvents(message: StoredMessage, needs: readonly Needed[]): readonly HistoryEvent[] {
    return (Object.keys(withheldTexts) as WithheldReason[]).flatMap((reason) => {
      const withheld = needs.filter(({ need }) => need.kind === "withheld" && need.reason === reason);
      const recipients = withheld.map(({ attempt }) => ({ told: { address: attempt.recipient.address } }));
      return recipients.length === 0 ? [] : [this.#withheld(message.id, withheldTexts[reason], recipients)];
    });
  }

  #withheld(
    message: QueueId,
    reason: string,
    recipients: readonly { readonly told: Pick<ReportedRecipient, "address"> }[],
  ): HistoryEvent {
    const addresses = recipients.map(({ told }) => told.address);
    return { kind: "report-withheld", at: this.#options.clock.now(), message, reason, recipients: addresses };
  }

  #letterAndEvent(
    action: ReportAction,
    about: ReportedOn,
    original: ReportedMessage,
    recipients: readonly OwedRecipient[],
    destination: KnownDestination,
  ): ReportLetter {
    const told = recipients.map((recipient) => recipient.told);
    const letter = this.#make(action, about, original, told, destination);
    const event: HistoryEvent = {
      kind: "report-queued",
      at: letter.at,
      message: about.id,
      report: letter.id,
      action,
      recipients: told.map(({ address }) => address),
    };
    return { letter, event };
  }

  /**
   * The report that an alias with several targets owes its sender where NOTIFY has SUCCESS (RFC 3461 §5.2.7.3), for the
   * moment of acceptance; undefined: none is owed. The targets are then no longer asked for success.
   */
  async expandedReport(input: {
    readonly message: Omit<NewMessage, "recipients">;
    /** Of the content as it is stored. */
    readonly header: HeaderSection;
    readonly recipients: readonly ExpandedRecipient[];
  }): Promise<ReportLetter | undefined> {
    const { message, header } = input;
    const owed = input.recipients.filter(({ notify }) => notify?.includes("SUCCESS") === true);
    if (message.reversePath === "" || owed.length === 0) return undefined;
    const destination = await this.#destination(message.reversePath);
    if (destination.kind === "nobody") return undefined;
    const ours = withoutContent(message);
    const original = { ...ours, header: Buffer.concat([ours.header, header.bytes]) };
    const recipients = owed.map(({ address, originalRecipient }, index) => ({
      index,
      told: {
        address,
        status: "2.0.0",
        ...(originalRecipient !== undefined && { originalRecipient }),
      } satisfies ReportedRecipient,
    }));
    return this.#letterAndEvent("expanded", message, original, recipients, destination);
  }

  #destination(reversePath: string): ReportDestination | Promise<ReportDestination> {
    return this.#options.findDestination?.(reversePath) ?? itself(reversePath);
  }

  /** The whole message only with failures, if asked for, if small (RFC 3461 §6.2), and without REQUIRETLS (RFC 8689 §5). */
  async #original(
    message: StoredMessage,
    openContent: () => Promise<Content>,
    action: ReportAction,
  ): Promise<ReportedMessage> {
    const { returnedBytesMax = returnedBytesMaxDefault } = this.#options.settings();
    const { facts, ret, requireTls } = message;
    const mayBeWhole = action === "failed" && ret === "FULL" && requireTls !== true;
    const wholeBytesMax = mayBeWhole && !facts.binary && !facts.longLines ? returnedBytesMax : 0;
    try {
      await using content = await openContent();
      return await readOriginal(message, content, { wholeBytesMax });
    } catch (error) {
      logTrouble(this.#options.log, "reading a message for its report", error, message.id);
      return withoutContent(message);
    }
  }

  #make(
    action: ReportAction,
    about: ReportedOn,
    original: ReportedMessage,
    recipients: readonly ReportedRecipient[],
    destination: KnownDestination,
  ): Letter {
    const { settings, clock, random, nextId } = this.#options;
    const { hostname, postmaster = `postmaster@${hostname}` } = settings();
    const at = clock.now();
    const messageId = makeMessageId({ at, random: random.bytes(messageIdRandomBytes), host: hostname });
    const { to } = destination;
    const report = makeReport({ action, host: hostname, postmaster, to, at, messageId, original, recipients });
    return {
      id: nextId(),
      at,
      content: report.bytes,
      reversePath: "",
      recipients: destination.recipients,
      smtpUtf8: report.utf8Header,
      reportOn: about.id,
      ...(about.requireTls === true && { requireTls: true }),
      ...(about.traceparent !== undefined && { traceparent: about.traceparent }),
    };
  }
}

function needsOf({ message, attempts }: ReportsInput): readonly Needed[] {
  return attempts.map((attempt) => ({ attempt, need: reportNeed(message, attempt) }));
}

function warnedOf(needs: readonly Needed[]): readonly number[] {
  return needs.flatMap(({ attempt, need }) =>
    need.kind !== "none" && need.action === "delayed" ? [attempt.recipient.index] : [],
  );
}

/** What of a stored message a report needs later. */
function reportedOn({ id, reversePath, traceparent, requireTls }: StoredMessage): ReportedOn {
  return {
    id,
    reversePath,
    ...(traceparent !== undefined && { traceparent }),
    ...(requireTls === true && { requireTls }),
  };
}

type KnownDestination = Extract<ReportDestination, { readonly kind: "known" }>;

const nobody: ReportDestination = { kind: "nobody" };

/** The reverse-path, which was a mailbox when it was accepted. */
function itself(address: string): ReportDestination {
  const domain = parseMailbox(address)?.domainKey ?? asciiLowerCase(address.slice(address.lastIndexOf("@") + 1));
  return { kind: "known", to: address, recipients: [{ address, domain }] };
}

function reportedRecipient(attempt: ReportableAttempt, at: number): ReportedRecipient {
  const { recipient, outcome, expired, willRetryUntil } = attempt;
  const lastAttemptAt = "attemptedAt" in attempt ? attempt.attemptedAt : at;
  const { address, acceptedAs, originalRecipient } = recipient;
  return {
    address,
    ...(acceptedAs !== undefined && { acceptedAs }),
    ...(originalRecipient !== undefined && { originalRecipient }),
    ...whatHappened(outcome),
    ...(lastAttemptAt !== undefined && { lastAttemptAt }),
    ...(willRetryUntil !== undefined && { willRetryUntil }),
    ...(expired === true && { expired }),
  };
}

function whatHappened(outcome: DeliveryOutcome) {
  const { status } = outcome;
  const said = outcome.diagnostic === undefined ? undefined : { diagnostic: publicDiagnostic(outcome.diagnostic) };
  if (outcome.kind !== "deferred" && outcome.kind !== "bounced") return { status, ...said };
  const { owner: fault } = outcome;
  // What fails within this server names its files and programs: that is for its log, not for the world.
  if (fault === "local-trouble" && outcome.diagnostic?.type !== "smtp") {
    return { status, fault, reason: "This server has an internal problem; its log has the details" };
  }
  // Of an expired recipient too the status is the last one: why it failed says more than that it took too long.
  return { status, fault, reason: outcome.reason, ...said };
}

/** Without the path of a unix socket. */
function publicDiagnostic({ remoteHost, remoteAddress, ...diagnostic }: Diagnostic): Diagnostic {
  return {
    ...diagnostic,
    ...(isPublic(remoteHost) && { remoteHost }),
    ...(isPublic(remoteAddress) && { remoteAddress }),
  };
}

function isPublic(host: string | undefined): host is string {
  return host !== undefined && !host.startsWith("unix:") && !host.startsWith("/");
}
