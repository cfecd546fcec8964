/**
 * The message that `posthaste send` sends: a file as it is, or one made from a subject, a text and attachments. Lines end
 * in CRLF, because files on disk usually do not (RFC 5321 §2.3.8).
 */
import { isAscii } from "node:buffer";
import { basename } from "node:path";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { formatDate } from "../../message/date.ts";
import { encodeWords } from "../../message/encoded-word.ts";
import { makeMessageId, messageIdRandomBytes } from "../../message/message-id.ts";
import type { CliContext } from "../context.ts";
import { CliError, ExitCode, usageError } from "../exit-code.ts";
import type { GivenArguments } from "../given-arguments.ts";
import { readFileOf, type SendPlan } from "./send-plan.ts";

/** All of it is held in memory while it is sent. */
const messageBytesMax = 512 * 1024 * 1024;

export interface OutgoingContent {
  readonly bytes: Buffer;
  readonly eightBit: boolean;
}

/** Gives the content of each message in turn; a made one gets a Message-ID of its own each time. */
export async function contentMaker(
  given: GivenArguments,
  plan: SendPlan,
  context: CliContext,
): Promise<() => OutgoingContent> {
  const extra = given.texts("header").map(checkedHeader);
  const [file] = given.positionals;
  if (file !== undefined) {
    for (const name of ["subject", "body", "attach"]) {
      if (given.text(name) !== undefined)
        throw usageError(`--${name} composes a message and cannot be used with a FILE`);
    }
    const top = Buffer.from(extra.map((line) => `${line}\r\n`).join(""));
    const content = withCrlf(Buffer.from(await readFileOf(file, messageBytesMax, context)));
    if (content.length === 0) throw new CliError(ExitCode.data, `${file === "-" ? "standard input" : file} is empty`);
    const ready = contentOf(Buffer.concat([top, content]));
    return () => ready;
  }
  const made = extra.map(fieldName).find(describesBody);
  if (made !== undefined) throw usageError(`--header cannot set ${made}: it follows from the body and the attachments`);
  const attachments: Attachment[] = [];
  for (const name of given.texts("attach")) {
    attachments.push({ name: basename(name), bytes: Buffer.from(await readFileOf(name, messageBytesMax, context)) });
  }
  const parts = {
    subject: given.text("subject") ?? `Test from posthaste send, ${formatDate(context.clock.now())}`,
    text: given.text("body") ?? "This is a test message, sent by `posthaste send`.\n",
    extra,
    attachments,
  };
  return () => contentOf(makeMessage(parts, plan, context));
}

export interface Attachment {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface MessageParts {
  readonly subject: string;
  readonly text: string;
  readonly extra: readonly string[];
  readonly attachments: readonly Attachment[];
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

export function makeMessage(
  parts: MessageParts,
  plan: Pick<SendPlan, "from" | "to" | "heloName">,
  { clock, random }: Pick<CliContext, "clock" | "random">,
): Buffer {
  const at = clock.now();
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

function fieldName(line: string): string {
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
  const safe = name.replaceAll(/["\\\r\n\u0000-\u001f]/g, "_");
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

function checkedHeader(line: string): string {
  if (/^[\x21-\x39\x3b-\x7e]+:[^\r\n]*$/.test(line)) return line;
  throw usageError(`--header takes "Name: value" on one line, not "${line.slice(0, 60)}"`);
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

function contentOf(bytes: Buffer): OutgoingContent {
  return { bytes, eightBit: !isAscii(bytes) };
}
