/**
 * A captured message taken apart for people and tests: header, text, HTML, attachments. Mail is hostile, so what the MIME
 * parser gets is bounded in octets, levels and parts; what is beyond is said to be left out, and never refused.
 */
import { errorText } from "../lib/error-text.ts";
import PostalMime, { type Address, type Attachment, type Email } from "postal-mime";
import { decodeEncodedWords } from "../message/encoded-word.ts";
import { withKnownCharsets } from "./reading/body-charsets.ts";
import { decodedBody, headerText, type MimePart, partsMax, scanParts } from "./mime-parts.ts";

/** Larger messages are shown by their first part only: showing is no reason to take the memory of the server. */
const parsedBytesMax = 25_000_000;
/** The scan allows fewer; this is for what the two read differently. */
const nestingMax = 30;
const headerBytesMax = 1_000_000;
/** Of one field. */
const addressesMax = 1_000;

export interface NamedAddress {
  /** Decoded; "" where there is none. */
  readonly name: string;
  readonly address: string;
}

export interface MessageHeader {
  /** All fields in their order, unfolded and otherwise as they came. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly header_from: readonly NamedAddress[];
  readonly header_to: readonly NamedAddress[];
  readonly sender: readonly NamedAddress[];
  readonly cc: readonly NamedAddress[];
  readonly bcc: readonly NamedAddress[];
  readonly reply_to: readonly NamedAddress[];
  readonly message_id: string | null;
  /** ISO 8601 where the field can be read, otherwise as it came. */
  readonly date: string | null;
}

export interface MessageAttachment {
  readonly filename: string;
  readonly type: string;
  readonly disposition: string | null;
  /** Without angle brackets. */
  readonly content_id: string | null;
  /** As it was before it was encoded for the way. */
  readonly content: Uint8Array;
}

export interface ParsedMessage {
  readonly header: MessageHeader;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly attachments: readonly MessageAttachment[];
  /** What is not shown, and why; undefined: everything is. */
  readonly omission: string | undefined;
}

export async function parseMessage(raw: Uint8Array): Promise<ParsedMessage> {
  const whole = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.length, parsedBytesMax));
  const { leaves, cutAt } = scanParts(whole);
  const bytes = cutAt === undefined ? whole : whole.subarray(0, cutAt);
  const { email, problem } = await parse(bytes);
  const tooMany = cutAt === undefined ? undefined : `only ${partsMax} parts, or as many levels as are read, are shown`;
  const tooLarge = raw.length > whole.length ? `only the first ${parsedBytesMax} octets are shown` : undefined;
  return parsed(email, leaves, problem ?? tooMany ?? tooLarge);
}

/** `problem`: why the parts are left out. */
export async function parseHeaderOf(raw: Uint8Array, problem: string): Promise<ParsedMessage> {
  const start = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.length, headerBytesMax));
  return parsed(await parseHeaderOnly(start), [], problem);
}

function parsed(email: Email, leaves: readonly MimePart[], omission: string | undefined): ParsedMessage {
  const { headers, text = "", html = "", attachments } = email;
  const subject = decodeEncodedWords(headers.find(({ key }) => key === "subject")?.value ?? "");
  return {
    header: headerOf(email),
    subject,
    text,
    html,
    attachments: attachmentsOf(attachments, leaves),
    omission,
  };
}

/** Where the parser gives up on the parts, the header is shown nevertheless. */
async function parse(bytes: Buffer): Promise<{ readonly email: Email; readonly problem?: string }> {
  try {
    return { email: await parseMime(bytes) };
  } catch (error) {
    const reason = errorText(error);
    return { email: await parseHeaderOnly(bytes), problem: `the parts of this message cannot be shown: ${reason}` };
  }
}

async function parseHeaderOnly(bytes: Buffer): Promise<Email> {
  try {
    return await parseMime(bytes.subarray(0, headerText(bytes, 0).end));
  } catch {
    return { headers: [], headerLines: [], attachments: [] };
  }
}

function parseMime(bytes: Buffer): Promise<Email> {
  return PostalMime.parse(withKnownCharsets(bytes), {
    forceRfc822Attachments: true,
    attachmentEncoding: "arraybuffer",
    maxNestingDepth: nestingMax,
    maxHeadersSize: headerBytesMax,
  });
}

function headerOf(email: Email): MessageHeader {
  const { headers, from, sender, to, cc, bcc, replyTo, messageId, date } = email;
  return {
    headers: headers.map(({ originalKey, value }) => ({ name: originalKey, value })),
    header_from: flat(from === undefined ? [] : [from]),
    header_to: flat(to),
    sender: flat(sender === undefined ? [] : [sender]),
    cc: flat(cc),
    bcc: flat(bcc),
    reply_to: flat(replyTo),
    message_id: messageId ?? null,
    date: date ?? null,
  };
}

/** Members of groups stand for themselves. */
function flat(addresses: readonly Address[] = []): readonly NamedAddress[] {
  return addresses
    .flatMap((entry) => entry.group ?? [entry])
    .slice(0, addressesMax)
    .map(({ name, address }) => ({ name, address }));
}

/**
 * The parser turns the line ends of what is not in base64 into its own, so the octets are taken from where they stand in the
 * message, if it and the scan found the same attachments.
 */
function attachmentsOf(found: readonly Attachment[], leaves: readonly MimePart[]): readonly MessageAttachment[] {
  const parts = leaves.filter(isAttachment);
  const agree =
    parts.length === found.length &&
    parts.every(({ disposition }, place) => (found[place]?.disposition ?? "") === disposition);
  return found.map(({ filename, mimeType, disposition, contentId, content }, place) => {
    const part = agree ? parts[place] : undefined;
    return {
      filename: filename ?? "",
      type: mimeType,
      disposition,
      content_id: contentId?.replace(/^<(.*)>$/s, "$1") ?? null,
      content: part === undefined || part.encoding === "base64" ? octets(content) : decodedBody(part),
    };
  });
}

/** Everything but the text that is shown. */
function isAttachment({ type, disposition }: MimePart): boolean {
  if (type.startsWith("multipart/")) return false;
  return disposition === "attachment" || (type !== "text/plain" && type !== "text/html");
}

function octets(content: Attachment["content"]): Uint8Array {
  return typeof content === "string" ? Buffer.from(content) : new Uint8Array(content);
}
