/**
 * A message made from a subject, a text and attachments (RFC 5322, RFC 2045), as `posthaste send` and programs send them.
 * Text from files usually has bare line feeds: lines end in CRLF here (RFC 5321 §2.3.8).
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { Instant } from "../lib/instant.ts";
import { withoutControls } from "../lib/printable-text.ts";
import { formatDate } from "./date.ts";
import { encodeWords } from "./encoded-word.ts";
import { makeMessageId, messageIdRandomBytes } from "./message-id.ts";

/** A file that goes with a message. */
export interface Attachment {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A message to be made. */
export interface MessageParts {
  readonly subject: string;
  readonly text: string;
  /** Fields that stand above all others, each `Name: value` without its CRLF. */
  readonly extra: readonly string[];
  readonly attachments: readonly Attachment[];
}

/** From whom to whom, for fields that are not given. */
export interface MessagePlan {
  /** "": the postmaster of `heloName`. */
  readonly from: string;
  readonly to: readonly string[];
  /** The host in its Message-ID. */
  readonly heloName: string;
}

/** When it is made, and by which chance its Message-ID and its boundary are. */
export interface Circumstances {
  readonly at: Instant;
  readonly random: { bytes(count: number): Uint8Array };
}

/** Whether a field says how the body is to be read: {@link makeMessage} writes it, and it may be there only once. */
export function describesBody(name: string): boolean {
  return ["mime-version", "content-type", "content-transfer-encoding"].includes(asciiLowerCase(name));
}

/** Folded between the encoded words, because a line with one has at most 76 characters (RFC 2047 §2). */
export function unstructuredField(name: string, text: string): string {
  const words = encodeWords(text).replaceAll("?= =?", "?=\r\n =?");
  return `${name}:${words !== text && name.length > 10 ? "\r\n" : ""} ${words}`;
}

/** Fields that `extra` has are not written again. Lines end in CRLF. */
export function makeMessage(parts: MessageParts, plan: MessagePlan, { at, random }: Circumstances): Buffer {
  const id = makeMessageId({ at, random: random.bytes(messageIdRandomBytes), host: plan.heloName });
  const given = new Set(parts.extra.map((line) => asciiLowerCase(fieldName(line))));
  const standard = [
    `From: <${plan.from === "" ? `postmaster@${plan.heloName}` : plan.from}>`,
    `To: ${plan.to.map((address) => `<${address}>`).join(",\r\n ")}`,
    unstructuredField("Subject", parts.subject.replaceAll(/[\r\n]+/g, " ")),
    `Date: ${formatDate(at)}`,
    `Message-ID: ${id}`,
  ].filter((line) => !given.has(asciiLowerCase(fieldName(line))));
  const header = [...parts.extra, ...standard, "MIME-Version: 1.0"];
  const text = textPart(parts.text);
  if (parts.attachments.length === 0) return Buffer.from([...header, ...text].join("\r\n"));
  const boundary = `part-${Buffer.from(random.bytes(12)).toString("hex")}`;
  const sections = [text, ...parts.attachments.map(attachmentPart)].map((lines) => lines.join("\r\n"));
  const body = sections.map((section) => `--${boundary}\r\n${section}\r\n`).join("");
  header.push(`Content-Type: multipart/mixed; boundary="${boundary}"`, "", "");
  return Buffer.from(`${header.join("\r\n")}${body}--${boundary}--\r\n`);
}

/** Of a field on one line, without its colon. */
export function fieldName(line: string): string {
  return line.slice(0, line.indexOf(":"));
}

/** ASCII with lines that fit goes as it is, everything else in base 64. */
function textPart(text: string): string[] {
  const body = withCrlf(Buffer.from(text.endsWith("\n") ? text : `${text}\n`));
  const plain = /^[\t\r\n\x20-\x7e]*$/.test(text) && text.split("\n").every((line) => line.length < 998);
  return [
    "Content-Type: text/plain; charset=utf-8",
    `Content-Transfer-Encoding: ${plain ? "7bit" : "base64"}`,
    "",
    plain ? body.toString("latin1") : base64Lines(body),
  ];
}

function attachmentPart({ name, bytes }: Attachment): string[] {
  const safe = withoutControls(name, "_").replaceAll(/["\\]/g, "_");
  // RFC 2231 §4 for names beyond ASCII.
  const filename = /^[\x20-\x7e]*$/.test(safe) ? `filename="${safe}"` : `filename*=utf-8''${encodeURIComponent(safe)}`;
  return [
    "Content-Type: application/octet-stream",
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment; ${filename}`,
    "",
    base64Lines(bytes),
  ];
}

function base64Lines(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("base64").replaceAll(/.{76}(?=.)/g, "$&\r\n");
}

/** A lone LF becomes CRLF; a lone CR stays, and the transaction refuses it. */
export function withCrlf(bytes: Buffer): Buffer {
  let lone = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) if (bytes[at - 1] !== 13) lone++;
  if (lone === 0) return bytes;
  const result = Buffer.alloc(bytes.length + lone);
  let from = 0;
  let to = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at - 1] === 13) continue;
    to += bytes.copy(result, to, from, at);
    result[to++] = 13;
    from = at;
  }
  bytes.copy(result, to, from);
  return result;
}
