/**
 * The part of a report that people read (RFC 6522 §3): first what happened, to whom, and what they can do, in words that
 * need no knowledge of mail; then which message; then, word for word, what the other servers said.
 */
import type { Instant } from "../lib/instant.ts";
import { formatDate } from "../message/date.ts";
import { explainFault } from "./advice.ts";
import { paragraph, visible } from "./plain-text.ts";
import type { ReportAction, ReportedRecipient, ReportInput } from "./report.ts";

/** Nobody reads more addresses than this; the part for programs lists all of them. */
const recipientsListedMax = 20;
/** As much of a server's words as helps to understand them. */
const wordsLengthMax = 1500;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

const subjectBeginnings = {
  failed: "Not delivered",
  delayed: "Delivery delayed",
  relayed: "Relayed",
  delivered: "Delivered",
  expanded: "Sent to several people",
} as const satisfies Record<ReportAction, string>;

export function makeSubject({ action, recipients }: ReportInput): string {
  // The address that the sender knows.
  const first = visible(recipients[0]?.acceptedAs ?? recipients[0]?.address ?? "");
  const others = recipients.length - 1;
  return `${subjectBeginnings[action]}: ${first}${others < 1 ? "" : others === 1 ? " and 1 other" : ` and ${others} others`}`;
}

/** `wholeReturned`: what the end says of the last part. */
export function makeExplanation(input: ReportInput, wholeReturned: boolean): string {
  return [
    ...opening(input),
    ...aboutMessage(input),
    ...wordsOfServers(input),
    "-- \r\n" +
      paragraph(`The mail server ${input.host} sent this report.`) +
      paragraph(`If you need help, forward this whole report to ${input.postmaster}.`) +
      paragraph(`Technical details and ${wholeReturned ? "your message" : "the header of your message"} follow.`),
  ].join("\r\n");
}

function opening(input: ReportInput): readonly string[] {
  const { action, recipients } = input;
  const several = recipients.length > 1;
  const plural = several ? "these addresses" : "this address";
  switch (action) {
    case "failed":
      return [
        paragraph(`Your message could not be delivered to ${plural}:`),
        ...groups(input, (recipient) => {
          const long = recipient.expired === true ? triedFor(input) : "";
          return `${explainFault(recipient, input.host)}${long}`;
        }),
        paragraph(`This server will not try again. Once the problem is fixed, you can send the message again.`),
      ];
    case "delayed":
      return [
        paragraph(`Your message has not been delivered to ${plural} yet:`),
        ...groups(input, (recipient) => explainFault(recipient, input.host)),
        paragraph(
          `You do not need to do anything, and you do not need to send the message again. This server will keep trying${until(recipients)}. ` +
            `If it does not succeed, you will receive another report.`,
        ),
      ];
    case "relayed":
      return [
        paragraph(`You asked for a delivery receipt. This server passed your message to the next mail server for:`),
        ...groups(input, () => ""),
        paragraph(
          `That server accepted the message but does not send delivery receipts. You will receive another report only if the delivery fails.`,
        ),
      ];
    case "delivered":
      return [
        paragraph(`You asked for a delivery receipt. Your message was delivered to:`),
        ...groups(input, () => ""),
      ];
    case "expanded":
      return [
        paragraph(
          `You asked for a delivery receipt. Your message was accepted for ${plural}, which ${several ? "forward" : "forwards"} mail to several people:`,
        ),
        ...groups(input, () => ""),
        paragraph(
          `This server is sending the message to each of them. You will not receive a separate receipt for each person.`,
        ),
      ];
    default:
      return action satisfies never;
  }
}

/** Addresses that share an explanation stand together, so that it is said once. */
function groups(input: ReportInput, explain: (recipient: ReportedRecipient) => string): readonly string[] {
  const listed = input.recipients.slice(0, recipientsListedMax);
  const byExplanation = Map.groupBy(listed, explain);
  const blocks = [...byExplanation].map(([explanation, recipients]) => {
    const addresses = recipients.map((recipient) => paragraph(addressLine(recipient), "    ")).join("");
    return explanation === "" ? addresses : `${addresses}\r\n${paragraph(explanation)}`;
  });
  const more = input.recipients.length - listed.length;
  if (more > 0) blocks.push(paragraph(`and ${more} more, listed in the technical details.`, "    "));
  return blocks;
}

function addressLine({ address, acceptedAs }: ReportedRecipient): string {
  return acceptedAs === undefined || acceptedAs === address ? address : `${acceptedAs} (forwarded to ${address})`;
}

function triedFor({ at, original }: ReportInput): string {
  return ` This server kept trying for ${duration(at - original.receivedAt)}.`;
}

function duration(ms: number): string {
  const [count, unit] =
    ms >= 2 * dayMs ? [Math.round(ms / dayMs), "day"] : [Math.max(1, Math.round(ms / hourMs)), "hour"];
  return count === 1 ? `1 ${unit}` : `${count} ${unit}s`;
}

function until(recipients: readonly ReportedRecipient[]): string {
  const times = recipients.flatMap(({ willRetryUntil }) => willRetryUntil ?? []);
  const last: Instant | undefined = times.length === 0 ? undefined : Math.max(...times);
  return last === undefined ? "" : ` until ${formatDate(last)}`;
}

function aboutMessage({ original }: ReportInput): readonly string[] {
  const subject = original.subject === undefined ? "" : paragraph(`Subject: ${original.subject}`, "    ");
  return [
    "Your message:\r\n",
    `${subject}${paragraph(`Sent: ${formatDate(original.receivedAt)}`, "    ")}${paragraph(`Queue ID: ${original.id}`, "    ")}`,
  ];
}

/** The replies of other servers, or what went wrong before one replied. A success needs none. */
function wordsOfServers({ action, recipients }: ReportInput): readonly string[] {
  if (action !== "failed" && action !== "delayed") return [];
  const blocks = [
    ...Map.groupBy(recipients.slice(0, recipientsListedMax), words)
      .entries()
      .flatMap(([said, those]) => {
        if (said === "") return [];
        return [`${those.map(({ address }) => paragraph(`For ${address}:`, "  ")).join("")}${said}`];
      }),
  ];
  return blocks.length === 0 ? [] : ["Error messages:\r\n", ...blocks];
}

function words({ diagnostic, reason }: ReportedRecipient): string {
  const text = diagnostic?.text ?? reason;
  if (text === undefined) return "";
  const quoted = paragraph(text.slice(0, wordsLengthMax), "    ");
  if (diagnostic?.type !== "smtp") return quoted;
  const { remoteHost, remoteAddress, command } = diagnostic;
  const address = remoteAddress === undefined || remoteAddress === remoteHost ? "" : ` (${remoteAddress})`;
  const asked = command === undefined ? " replied" : ` replied to ${command}`;
  return `${paragraph(`${remoteHost ?? "The next server"}${address}${asked}:`, "  ")}${quoted}`;
}
