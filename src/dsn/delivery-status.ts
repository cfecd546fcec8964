/**
 * The part of a report that programs read: message/delivery-status (RFC 3464 §2), or its internationalised form
 * message/global-delivery-status (RFC 6533 §4.1) where an address is beyond ASCII.
 */
import { hasNonAscii } from "../lib/ascii-case.ts";
import { formatDate } from "../message/date.ts";
import { foldField } from "../message/fold.ts";
import { decodeAsciiXtext, originalRecipientField } from "./original-recipient.ts";
import type { ReportedRecipient, ReportInput } from "./report.ts";

/** A reply has at most 512 octets a line; what goes on for pages helps nobody and only makes the report grow. */
const diagnosticLengthMax = 4000;

export interface DeliveryStatus {
  /** Groups of fields, an empty line between them. */
  readonly text: string;
  /** Beyond ASCII: the global form is needed. */
  readonly global: boolean;
}

export function makeDeliveryStatus(input: ReportInput): DeliveryStatus {
  const global = input.recipients.some(
    ({ address, originalRecipient = "" }) =>
      hasNonAscii(address) || hasNonAscii(originalRecipientField(originalRecipient)),
  );
  const groups = input.recipients.map((recipient) => recipientFields(input, recipient, global));
  return { text: [messageFields(input), ...groups].join("\r\n"), global };
}

/** RFC 3464 §2.2. */
function messageFields({ host, original }: ReportInput): string {
  const envelopeId = original.envelopeId === undefined ? undefined : decodeAsciiXtext(original.envelopeId);
  return (
    foldField("Reporting-MTA", `dns; ${host}`) +
    (envelopeId === undefined ? "" : foldField("Original-Envelope-Id", envelopeId)) +
    foldField("Arrival-Date", formatDate(original.receivedAt))
  );
}

/** RFC 3464 §2.3, in its order. */
function recipientFields(input: ReportInput, recipient: ReportedRecipient, global: boolean): string {
  const { address, originalRecipient, status, diagnostic, lastAttemptAt, willRetryUntil } = recipient;
  const remote = diagnostic?.remoteHost === undefined ? undefined : remoteName(diagnostic.remoteHost);
  const finding = diagnosticCode(recipient);
  let fields = "";
  if (originalRecipient !== undefined) {
    fields += foldField("Original-Recipient", originalRecipientField(originalRecipient));
  }
  fields += foldField("Final-Recipient", `${hasNonAscii(address) ? "utf-8" : "rfc822"}; ${address}`);
  fields += foldField("Action", input.action);
  fields += foldField("Status", status);
  if (remote !== undefined) fields += foldField("Remote-MTA", `dns; ${remote}`);
  if (finding !== undefined) fields += foldField("Diagnostic-Code", global ? finding : asciiOnly(finding));
  if (lastAttemptAt !== undefined) fields += foldField("Last-Attempt-Date", formatDate(lastAttemptAt));
  fields += foldField("Final-Log-ID", input.original.id);
  if (input.action === "delayed" && willRetryUntil !== undefined) {
    fields += foldField("Will-Retry-Until", formatDate(willRetryUntil));
  }
  return fields;
}

/** Our own words only where something went wrong; how a local mailbox was written is nobody else's business. */
function diagnosticCode({ diagnostic, reason, fault }: ReportedRecipient): string | undefined {
  if (diagnostic?.type === "smtp") return `smtp; ${diagnostic.text.slice(0, diagnosticLengthMax)}`;
  const words = fault === undefined ? undefined : (diagnostic?.text ?? reason);
  return words === undefined ? undefined : `x-posthaste; ${words.slice(0, diagnosticLengthMax)}`;
}

/** A name or an address literal; undefined for what is neither. */
function remoteName(host: string): string | undefined {
  if (/^[0-9.]+$/.test(host)) return `[${host}]`;
  if (/^[0-9a-f.]*:[0-9a-f:.]*$/i.test(host)) return `[IPv6:${host}]`;
  return /^[\w.:[\]-]+$/.test(host) ? host : undefined;
}

/** message/delivery-status is 7-bit only; the text for people has the words as they were. */
function asciiOnly(text: string): string {
  return text.replaceAll(/[^\x00-\x7f]+/g, "?");
}
