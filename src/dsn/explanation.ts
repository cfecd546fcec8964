/**
 * The part of a report that people read (RFC 6522 §3): first what happened, to whom, and what they can do, in words that
 * need no knowledge of mail; then which message; then, word for word, what the other servers said.
 */
import type { Instant } from "../lib/instant.ts";
import { formatDate } from "../message/date.ts";
import { explainFault } from "./advice.ts";
import { paragraph, visible } from "./plain-text.ts";
import type { ReportAction, ReportedRecipient, ReportInput } from "./report.ts";

/** More addresses than that nobody reads; all of them are in the part for programs. */
const recipientsToldMax = 20;
/** As much of a server's words as helps to understand them. */
const wordsLengthMax = 1500;
const dayMs = 86_400_000;
const hourMs = 3_600_000;

const subjectBeginnings = {
  failed: "Not delivered",
  delayed: "Delivery delayed",
  relayed: "Handed on",
  delivered: "Delivered",
  expanded: "Sent on to several people",
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
      paragraph(`This report was made by the mail server ${input.host}.`) +
      paragraph(`If it leaves questions, ${input.postmaster} can help; please send the whole report along.`) +
      paragraph(`Technical details and ${wholeReturned ? "your message" : "the header of your message"} follow below.`),
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
        paragraph(
          `Nothing more will be tried for ${several ? "them" : "it"}. When the cause is gone, you can send the message again.`,
        ),
      ];
    case "delayed":
      return [
        paragraph(`Your message has not reached ${plural} yet:`),
        ...groups(input, (recipient) => explainFault(recipient, input.host)),
        paragraph(
          `You need not do anything, and need not send it again: this server keeps trying${until(recipients)}. ` +
            `If it does not succeed, you will get another report.`,
        ),
      ];
    case "relayed":
      return [
        paragraph(`Your message was handed on for ${plural}:`),
        ...groups(input, () => ""),
        paragraph(
          `The next mail server took it, but does not send confirmations. So you will hear no more, unless something goes wrong.`,
        ),
      ];
    case "delivered":
      return [
        paragraph(`Your message was delivered, as you asked to be told. It is in the mailbox of:`),
        ...groups(input, () => ""),
      ];
    case "expanded":
      return [
        paragraph(
          `Your message has arrived. ${several ? "These addresses stand" : "This address stands"} for several people:`,
        ),
        ...groups(input, () => ""),
        paragraph(`It goes on to each of them. You will not get a confirmation for each one.`),
      ];
    default:
      return action satisfies never;
  }
}

/** Addresses that share an explanation stand together, so that it is said once. */
function groups(input: ReportInput, explain: (recipient: ReportedRecipient) => string): readonly string[] {
  const told = input.recipients.slice(0, recipientsToldMax);
  const byExplanation = Map.groupBy(told, explain);
  const blocks = [...byExplanation].map(([explanation, recipients]) => {
    const addresses = recipients.map((recipient) => paragraph(toldAddress(recipient), "    ")).join("");
    return explanation === "" ? addresses : `${addresses}\r\n${paragraph(explanation)}`;
  });
  const more = input.recipients.length - told.length;
  if (more > 0) blocks.push(paragraph(`and ${more} more, listed in the technical details.`, "    "));
  return blocks;
}

function toldAddress({ address, acceptedAs }: ReportedRecipient): string {
  return acceptedAs === undefined || acceptedAs === address ? address : `${acceptedAs} (sent on to ${address})`;
}

function triedFor({ at, original }: ReportInput): string {
  return ` This server has tried again and again for ${duration(at - original.receivedAt)}.`;
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
    `${subject}${paragraph(`Sent: ${formatDate(original.receivedAt)}`, "    ")}${paragraph(`Number: ${original.id}`, "    ")}`,
  ];
}

/** The remote's own words. Success needs none. */
function wordsOfServers({ action, recipients }: ReportInput): readonly string[] {
  if (action !== "failed" && action !== "delayed") return [];
  const blocks = [
    ...Map.groupBy(recipients.slice(0, recipientsToldMax), words)
      .entries()
      .flatMap(([said, those]) => {
        if (said === "") return [];
        return [`${those.map(({ address }) => paragraph(`For ${address}:`, "  ")).join("")}${said}`];
      }),
  ];
  return blocks.length === 0 ? [] : ["What was said, word for word:\r\n", ...blocks];
}

function words({ diagnostic, reason }: ReportedRecipient): string {
  const text = diagnostic?.text ?? reason;
  if (text === undefined) return "";
  const quoted = paragraph(text.slice(0, wordsLengthMax), "    ");
  if (diagnostic?.type !== "smtp") return quoted;
  const { remoteHost, remoteAddress, command } = diagnostic;
  const address = remoteAddress === undefined || remoteAddress === remoteHost ? "" : ` (${remoteAddress})`;
  const asked = command === undefined ? "" : ` answered ${command} with`;
  return `${paragraph(`${remoteHost ?? "The next server"}${address}${asked}:`, "  ")}${quoted}`;
}
