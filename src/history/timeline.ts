/** Tells each event of a message's history in a sentence, in the order in which it happened. */
import { sentence as ended } from "../lib/sentence.ts";
import type { DeliveryOutcome, Diagnostic } from "../events/delivery-outcome.ts";
import type { ContentRepair } from "../events/content-repair.ts";
import type { AttemptFacts, HistoryEvent, RecordedDecision } from "../events/history-event.ts";
import { type Instant, isoTime } from "../lib/instant.ts";
import { acceptances } from "../policy/acceptances.ts";
import { authenticationSentences } from "./authentication-words.ts";
import { durationWords, pathWords, plain, quoted, sizeWords, timeWords, signInWords } from "./words.ts";

export interface TimelineEntry {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly event: HistoryEvent["kind"];
  /** The recipient's address, where the event is about one. */
  readonly recipient?: string;
  readonly text: string;
  /** More about it, a sentence each: what the checks of the sender found, which keys signed it. */
  readonly details?: readonly string[];
}

export function timeline(events: readonly HistoryEvent[]): readonly TimelineEntry[] {
  return events
    .toSorted((a, b) => a.at - b.at)
    .map((event) => ({
      at: isoTime(event.at),
      event: event.kind,
      ...("address" in event && { recipient: plain(event.address) }),
      text: sentence(event),
      ...detailsOf(event),
    }));
}

function detailsOf(event: HistoryEvent): Pick<TimelineEntry, "details"> {
  if (event.kind !== "message-accepted") return {};
  const { authentication, signedWith, repairs = [], decisions = [] } = event;
  const details = [
    ...decisions.slice(0, decisionsTold).map(decisionSentence),
    ...repairs.map((repair) => repairWords[repair]),
    ...(authentication === undefined ? [] : authenticationSentences(authentication)),
    ...(event.requireTls === true ? ["The sender requires TLS all the way (REQUIRETLS)."] : []),
    ...(signedWith === undefined ? [] : [`Signed with ${list(signedWith)}.`]),
  ];
  return details.length === 0 ? {} : { details };
}

/** Recipients of one message whose acceptance is shown; `--json` has all of them. */
const decisionsTold = 5;

/** Why a recipient was taken, as it was recorded; reasons of other versions are shown by name. */
function decisionSentence({ address, reason, setting, settingAt, rule }: RecordedDecision): string {
  const words: Readonly<Record<string, string>> = acceptances;
  const places = [setting, settingAt].filter((part) => part !== undefined).map(plain);
  const decided = [rule === undefined ? "" : `policy ${plain(rule)}`, places.join(", ")].filter((part) => part !== "");
  const by = decided.length === 0 ? "" : ` (${decided.join("; ")})`;
  return ended(`${plain(address)} was accepted because ${words[reason] ?? plain(reason)}${by}`);
}

const repairWords: Readonly<Record<ContentRepair, string>> = {
  "bare-lf": "The client sent lines that end in LF alone; they were given CRLF.",
  "bare-cr": "The client sent lines that end in CR alone; they were given CRLF.",
  "mbox-line": 'The line "From …" of a mailbox file, ahead of the header, was left out.',
};

function sentence(event: HistoryEvent): string {
  switch (event.kind) {
    case "message-accepted": {
      const how = event.signedIn === undefined ? "" : ` by ${signInWords(event.signedIn)}`;
      const login = event.login === undefined ? "" : `, logged in as ${plain(event.login)}${how},`;
      const subject = event.subject === undefined ? "" : `, subject ${quoted(event.subject)}`;
      const report = event.reportOn === undefined ? "" : `; it is a report on ${event.reportOn}`;
      return (
        `Accepted from ${plain(event.client)}${login} over ${plain(event.protocol)}: ` +
        `from ${pathWords(event.from)} to ${list(event.recipients)}, ${sizeWords(event.size)}${subject}${report}.`
      );
    }
    case "recipient-delivered":
      return ended(`${attemptWords(event.attempt)} put it into the mailbox: ${answerWords(event.attempt)}`);
    case "recipient-relayed":
      return ended(`${attemptWords(event.attempt)} handed it over: ${answerWords(event.attempt)}`);
    case "recipient-deferred":
      if (event.attempt.outcome.kind === "deferred" && event.attempt.outcome.notTried === true) {
        const { route } = event.attempt;
        return `${ended(`It was deferred without an attempt (${plain(route)}): ${answerWords(event.attempt)}`)} ${nextWords(event.due, event.at)}`;
      }
      return `${ended(`${attemptWords(event.attempt)} was deferred: ${answerWords(event.attempt)}`)} ${nextWords(event.due, event.at)}`;
    case "recipient-failed":
      return ended(`${attemptWords(event.attempt)} failed permanently: ${answerWords(event.attempt)}`);
    case "recipient-expired":
      return ended(
        `${attemptWords(event.attempt)} was the last, because its time in the queue has expired: ${answerWords(event.attempt)}`,
      );
    case "recipient-held":
      return ended(`Held by ${plain(event.by)}: ${plain(event.reason)}`);
    case "recipient-released":
      return `Released by ${plain(event.by)}.`;
    case "recipient-retried":
      return `${plain(event.by)} asked for an attempt now.`;
    case "recipient-removed":
      return `Removed by ${plain(event.by)}; it will not be delivered, and the sender will get no report.`;
    case "report-queued":
      return `Report ${event.report} tells the sender that ${list(event.recipients)} ${actionWords[event.action]}.`;
    case "report-withheld":
      return ended(`No report about ${list(event.recipients)} was made: ${plain(event.reason)}`);
    default:
      return event satisfies never;
  }
}

const actionWords = {
  failed: "failed",
  delayed: "is delayed",
  relayed: "was handed to a server that sends no reports",
  delivered: "was delivered",
  expanded: "was expanded to several addresses",
} as const;

function attemptWords({ number, route, durationMs }: AttemptFacts): string {
  const took = durationMs > 0 ? `, ${durationWords(durationMs)}` : "";
  return `Attempt ${number} (${plain(route)}${took})`;
}

/** Who answered, over what, and in which words. */
function answerWords({ outcome }: AttemptFacts): string {
  const { diagnostic } = outcome;
  if (diagnostic === undefined) return "reason" in outcome ? plain(outcome.reason) : outcome.status;
  const host = [diagnostic.remoteHost, diagnostic.remoteAddress && `[${diagnostic.remoteAddress}]`]
    .filter((part) => part !== undefined && part !== "")
    .map((part) => plain(part ?? ""))
    .join(" ");
  if (diagnostic.type !== "smtp") {
    const reason = "reason" in outcome ? outcome.reason : diagnostic.text;
    return `${plain(reason)}${isAboutTls(outcome) ? demandWords(diagnostic) : ""}`;
  }
  const tls = `${diagnostic.tls === undefined ? "in clear" : `under ${plain(diagnostic.tls)}`}${demandWords(diagnostic)}`;
  const command = diagnostic.command === undefined ? "" : ` to ${plain(diagnostic.command)}`;
  const reply = quoted(diagnostic.text);
  return host === "" ? `the reply${command} was ${reply}` : `${host} answered${command} ${tls} with ${reply}`;
}

/** The statuses of a demand of TLS that was not met: no STARTTLS, or a handshake that failed. */
function isAboutTls({ status }: DeliveryOutcome): boolean {
  return status === "4.7.4" || status === "4.7.5";
}

function demandWords({ tlsDemand }: Diagnostic): string {
  return tlsDemand === undefined ? "" : ` (TLS demanded: ${plain(tlsDemand)})`;
}

function nextWords(due: Instant, at: Instant): string {
  if (due <= at) return "It is tried again at once.";
  return `The next attempt is due at ${timeWords(due)}, after ${durationWords(due - at)}.`;
}

/** The first few of a long list. */
function list(addresses: readonly string[]): string {
  const shown = addresses.slice(0, 5).map(plain).join(", ");
  return addresses.length > 5 ? `${shown} and ${addresses.length - 5} more` : shown;
}
