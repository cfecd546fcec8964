/**
 * A delivery status notification as a whole message (RFC 3461 §6, RFC 3464, RFC 6522, RFC 6533): header, words for
 * people, fields for programs, and the message it is about or its header. Bytes in, bytes out; nothing is looked up.
 */
import { createHash } from "node:crypto";
import { isAscii } from "node:buffer";
import { hasNonAscii } from "../lib/ascii-case.ts";
import { formatDate } from "../message/date.ts";
import { encodeWords } from "../message/encoded-word.ts";
import { foldField } from "../message/fold.ts";
import { isValidMessageId } from "../message/message-id.ts";
import { makeDeliveryStatus } from "./delivery-status.ts";
import { makeExplanation, makeSubject } from "./explanation.ts";
import { encodeQuotedPrintable } from "../message/seven-bit/transfer-encoders.ts";
import type { Report, ReportInput } from "./report.ts";
import { makeReturnedPart } from "./returned-message.ts";

/** A longer one is a curiosity, and would only make a line that someone refuses. */
const threadIdLengthMax = 250;

interface Part {
  readonly contentType: string;
  readonly transferEncoding: "7bit" | "8bit" | "quoted-printable";
  readonly bytes: Buffer;
}

export function makeReport(input: ReportInput): Report {
  // Only an address beyond ASCII shows that SMTPUTF8 is spoken all the way back; else 7 bits must do (RFC 6533 §4.5).
  const utf8Path = hasNonAscii(input.to);
  const returned = makeReturnedPart(input.original, utf8Path);
  const parts = [textPart(makeExplanation(input, returned.whole)), statusPart(input, utf8Path), returned];
  const boundary = makeBoundary(input.messageId, parts);
  const from = `Mail Delivery System <mailer-daemon@${input.host}>`;
  const subject = makeSubject(input);
  const header = makeHeader(input, { from, subject, boundary, eightBit: parts.some(isEightBit) });
  const bytes = Buffer.concat([
    Buffer.from(header),
    ...parts.flatMap((part) => [Buffer.from(partHeader(boundary, part)), part.bytes, crlf]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return { bytes, subject, from, eightBit: !isAscii(bytes), utf8Header: utf8Path };
}

const crlf = Buffer.from("\r\n");

interface HeaderParts {
  readonly from: string;
  readonly subject: string;
  readonly boundary: string;
  readonly eightBit: boolean;
}

/** RFC 3461 §6.2, RFC 3834 §3.1. */
function makeHeader(input: ReportInput, { from, subject, boundary, eightBit }: HeaderParts): string {
  const { original } = input;
  const thread = original.messageId;
  const answered = thread !== undefined && isThreadId(thread);
  return (
    foldField("From", from) +
    foldField("To", `<${input.to}>`) +
    foldField("Subject", encodeWords(subject)) +
    foldField("Date", formatDate(input.at)) +
    foldField("Message-ID", input.messageId) +
    (answered ? foldField("In-Reply-To", thread) + foldField("References", thread) : "") +
    foldField("Auto-Submitted", "auto-replied") +
    foldField("MIME-Version", "1.0") +
    foldField("Content-Type", `multipart/report; report-type=delivery-status; boundary="${boundary}"`) +
    (eightBit ? foldField("Content-Transfer-Encoding", "8bit") : "") +
    "\r\n"
  );
}

/** Programs show a report beside the message it is about, where that has a sound identifier. */
function isThreadId(messageId: string): boolean {
  return messageId.length <= threadIdLengthMax && !hasNonAscii(messageId) && isValidMessageId(messageId);
}

function textPart(text: string): Part {
  const bytes = Buffer.from(text);
  const contentType = "text/plain; charset=utf-8";
  return isAscii(bytes)
    ? { contentType, transferEncoding: "7bit", bytes }
    : { contentType, transferEncoding: "quoted-printable", bytes: encodeQuotedPrintable(bytes) };
}

function statusPart(input: ReportInput, utf8Path: boolean): Part {
  const { text, global } = makeDeliveryStatus(input);
  const bytes = Buffer.from(text);
  if (!global) return { contentType: "message/delivery-status", transferEncoding: "7bit", bytes };
  const contentType = "message/global-delivery-status";
  return utf8Path
    ? { contentType, transferEncoding: "8bit", bytes }
    : { contentType, transferEncoding: "quoted-printable", bytes: encodeQuotedPrintable(bytes) };
}

function isEightBit(part: Part): boolean {
  return part.transferEncoding === "8bit";
}

function partHeader(boundary: string, { contentType, transferEncoding }: Part): string {
  return (
    `--${boundary}\r\n` +
    foldField("Content-Type", contentType) +
    foldField("Content-Transfer-Encoding", transferEncoding) +
    "\r\n"
  );
}

/** Stands in no part, so that nothing quoted can end one. `=_` cannot come from quoted-printable (RFC 2045 §6.7). */
function makeBoundary(seed: string, parts: readonly Part[]): string {
  for (let attempt = 0; ; attempt++) {
    const boundary = `=_${createHash("sha256").update(`${seed} ${attempt}`).digest("hex").slice(0, 32)}`;
    if (!parts.some(({ bytes }) => bytes.includes(boundary))) return boundary;
  }
}
