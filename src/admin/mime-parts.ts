/**
 * Where the parts of a message stand, octet by octet: what an attachment really holds, and how many parts there are,
 * before a parser makes objects of them. One pass in linear time; what nests deeper, or has more parts, ends the scan.
 */
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { parseContentType } from "../message/content-type.ts";

export interface MimePart {
  /** `text/plain`, in lower case. */
  readonly type: string;
  /** `attachment`, `inline`, …, in lower case; "" where nothing is said. */
  readonly disposition: string;
  /** `base64`, `quoted-printable`, …, in lower case. */
  readonly encoding: string;
  /** The body, as it stands, without the line end that belongs to the delimiter. */
  readonly body: Buffer;
}

export interface MimeParts {
  /** Those that have no parts of their own, in order. */
  readonly leaves: readonly MimePart[];
  /** Where the scan ended, if not at the end: the octets before it have no more than the parts allowed. */
  readonly cutAt: number | undefined;
}

/** Mail nests four or five levels deep. */
const levelsMax = 20;
/** A digest of a busy list has some hundred. */
export const partsMax = 500;
/** A delimiter has at most 70 characters (RFC 2046 §5.1.1); some programs write longer ones. */
const delimiterBytesMax = 1_000;
/** The header section of a part; what is beyond this says nothing about it. */
const partHeaderBytesMax = 65_536;

interface Multipart {
  readonly boundary: string;
  /** Its parts are messages where they do not say otherwise (RFC 2046 §5.1.5). */
  readonly isDigest: boolean;
}

interface Delimiter {
  /** Of the line, without the line end before it. */
  readonly start: number;
  readonly end: number;
  /** Which of the open multiparts it belongs to. */
  readonly level: number;
  readonly closes: boolean;
}

export function scanParts(raw: Buffer): MimeParts {
  const open: Multipart[] = [];
  const leaves: MimePart[] = [];
  let at: number | undefined = 0;
  while (at !== undefined) {
    const start: number = at;
    const header = readPartHeader(raw, start, open.at(-1)?.isDigest ?? false);
    const { multipart } = header;
    if (multipart !== undefined) open.push(multipart);
    if (open.length > levelsMax || leaves.length >= partsMax) return { leaves, cutAt: start };
    let delimiter = nextDelimiter(raw, header.end, open);
    if (header.type !== undefined) {
      const { type, disposition, encoding } = header;
      leaves.push({ type, disposition, encoding, body: raw.subarray(header.end, delimiter?.start ?? raw.length) });
    }
    while (delimiter?.closes) {
      open.length = delimiter.level;
      delimiter = nextDelimiter(raw, delimiter.end, open);
    }
    if (delimiter !== undefined) open.length = delimiter.level + 1;
    at = delimiter?.end;
  }
  return { leaves, cutAt: undefined };
}

/** The content as it was before it was encoded for the way. */
export function decodedBody({ encoding, body }: MimePart): Buffer {
  if (encoding === "quoted-printable") return decodeQuotedPrintable(body);
  return encoding === "base64" ? Buffer.from(body.toString("latin1"), "base64") : body;
}

type PartHeader = { readonly end: number } & (
  | { readonly multipart: Multipart; readonly type?: undefined }
  | { readonly multipart?: undefined; readonly type: string; readonly disposition: string; readonly encoding: string }
);

function readPartHeader(raw: Buffer, start: number, inDigest: boolean): PartHeader {
  const { text, end } = headerText(raw, start);
  const fields = new Map<string, string>();
  for (const field of text.replaceAll(/\r?\n(?=[ \t])/g, " ").split(/\r?\n/)) {
    const colon = field.indexOf(":");
    const name = asciiLowerCase(field.slice(0, colon).trim());
    // Of several the first counts, as with the parser that shows the message.
    if (colon > 0 && name.startsWith("content-") && !fields.has(name)) fields.set(name, field.slice(colon + 1).trim());
  }
  const given = fields.get("content-type");
  const { type, subtype, parameters } = parseContentType(given ?? (inDigest ? "message/rfc822" : "text/plain"));
  const boundary = parameters.get("boundary");
  if (type === "multipart" && boundary !== undefined) {
    return { end, multipart: { boundary, isDigest: subtype === "digest" } };
  }
  return {
    end,
    type: `${type}/${subtype}`,
    disposition: firstWord(fields.get("content-disposition")),
    encoding: firstWord(fields.get("content-transfer-encoding")),
  };
}

/** The header section that begins at `start`. `end` is after the empty line; a delimiter in between is not looked for. */
export function headerText(raw: Buffer, start: number): { readonly text: string; readonly end: number } {
  for (let at = start; at < raw.length;) {
    const lineEnd = raw.indexOf(10, at);
    const next = lineEnd === -1 ? raw.length : lineEnd + 1;
    const isEmpty = next - at === 1 ? lineEnd !== -1 : next - at === 2 && raw[at] === 13 && lineEnd !== -1;
    if (isEmpty) return { text: raw.toString("latin1", start, Math.min(at, start + partHeaderBytesMax)), end: next };
    at = next;
  }
  return { text: raw.toString("latin1", start, Math.min(raw.length, start + partHeaderBytesMax)), end: raw.length };
}

function firstWord(value = ""): string {
  return asciiLowerCase(/^[^\s;()]{1,100}/.exec(value)?.[0] ?? "");
}

function nextDelimiter(raw: Buffer, from: number, open: readonly Multipart[]): Delimiter | undefined {
  if (open.length === 0) return undefined;
  // An inner multipart with the boundary of an outer one hides it.
  const levels = new Map(open.map(({ boundary }, level) => [boundary, level]));
  for (let at = lineWithHyphens(raw, from); at !== undefined; at = lineWithHyphens(raw, at + 1)) {
    const lineEnd = raw.indexOf(10, at);
    const end = lineEnd === -1 ? raw.length : lineEnd + 1;
    if (end - at > delimiterBytesMax) continue;
    const text = raw.toString("latin1", at + 2, end).trimEnd();
    const closing = text.endsWith("--") ? levels.get(text.slice(0, -2)) : undefined;
    const level = levels.get(text) ?? closing;
    if (level === undefined) continue;
    const before = raw[at - 1] === 10 ? (raw[at - 2] === 13 ? 2 : 1) : 0;
    return { start: Math.max(from, at - before), end, level, closes: levels.get(text) === undefined };
  }
  return undefined;
}

/** The first line at or after `from` that begins with two hyphens. */
function lineWithHyphens(raw: Buffer, from: number): number | undefined {
  for (let at = raw.indexOf("--", from); at !== -1; at = raw.indexOf("\n--", at) + 1 || -1) {
    if (at === 0 || raw[at - 1] === 10) return at;
  }
  return undefined;
}

/** RFC 2045 §6.7. Line ends stay as they came; what is no escape stands for itself. */
function decodeQuotedPrintable(body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(body.length);
  let length = 0;
  for (let at = 0; at < body.length;) {
    const octet = body[at] ?? 0;
    if (octet !== 0x3d) {
      out[length++] = octet;
      at++;
      continue;
    }
    const softEnd = endOfSoftBreak(body, at + 1);
    const value = softEnd === undefined ? hexValue(body, at + 1) : undefined;
    if (value !== undefined) out[length++] = value;
    else if (softEnd === undefined) out[length++] = octet;
    at = softEnd ?? at + (value === undefined ? 1 : 3);
  }
  return out.subarray(0, length);
}

function endOfSoftBreak(body: Buffer, start: number): number | undefined {
  let at = start;
  // White space at the end of a line may have been added on the way.
  while (at - start < delimiterBytesMax && (body[at] === 32 || body[at] === 9)) at++;
  if (body[at] === 13 && body[at + 1] === 10) return at + 2;
  if (body[at] === 10) return at + 1;
  return at >= body.length ? body.length : undefined;
}

function hexValue(body: Buffer, at: number): number | undefined {
  const digits = body.toString("latin1", at, at + 2);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : undefined;
}
