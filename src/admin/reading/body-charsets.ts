/**
 * Translates the names of character sets in a message's parts for the MIME parser: `charset='UTF8'`, `x-sjis`, `cp-1252`.
 * The right name is put before the one that is there, because the first one counts. Most messages come back unchanged.
 */
import { isUtf8 } from "node:buffer";
import { asBuffer } from "../../lib/as-buffer.ts";
import { asciiLowerCase } from "../../lib/ascii-case.ts";
import { charsetLabel } from "../../message/charset.ts";
import { parseContentType } from "../../message/content-type.ts";

/** A Content-Type field is rarely longer than 200 octets; anything beyond this is ignored. */
const fieldBytesMax = 16_384;
/** The MIME parser takes at most 256 levels; a boundary beyond them opens no part. */
const boundariesMax = 256;

/** Octets to insert. */
interface Insertion {
  readonly at: number;
  readonly text: string;
}

export function withKnownCharsets(raw: Uint8Array): Uint8Array {
  const bytes = asBuffer(raw);
  const insertions: Insertion[] = [];
  const boundaries = new Set<string>();
  let utf8: boolean | undefined;
  // A name that says nothing (`unknown-8bit`) usually stands for UTF-8 if the message is valid UTF-8. Checked once.
  const guess = () => {
    utf8 ??= isUtf8(bytes);
    return utf8 ? "utf-8" : undefined;
  };
  for (let section: number | undefined = 0; section !== undefined;) {
    const { end, isMessage } = readSection(bytes, section, boundaries, insertions, guess);
    section = isMessage ? end : nextPart(bytes, end, boundaries);
  }
  if (insertions.length === 0) return raw;
  let done = 0;
  const pieces: Buffer[] = [];
  for (const { at, text } of insertions) {
    pieces.push(bytes.subarray(done, at), Buffer.from(text, "latin1"));
    done = at;
  }
  return Buffer.concat([...pieces, bytes.subarray(done)]);
}

/** Reads one header section; its end is the first octet after the empty line. */
function readSection(
  bytes: Buffer,
  start: number,
  boundaries: Set<string>,
  insertions: Insertion[],
  guess: () => string | undefined,
): { readonly end: number; readonly isMessage: boolean } {
  let isMessage = false;
  let at = start;
  while (at < bytes.length) {
    const end = endOfField(bytes, at);
    if (isEmptyLine(bytes, at)) return { end: endOfLine(bytes, at), isMessage };
    const field = bytes.subarray(at, Math.min(end, at + fieldBytesMax)).toString("latin1");
    if (/^content-type[ \t]*:/i.test(field)) {
      const { type, subtype, parameters } = parseContentType(field.slice(field.indexOf(":") + 1));
      isMessage = type === "message" && subtype === "rfc822";
      const boundary = parameters.get("boundary");
      if (boundary !== undefined && boundaries.size < boundariesMax) boundaries.add(boundary);
      const insertion = insertionFor(field, parameters.get("charset"), guess);
      if (insertion !== undefined) insertions.push({ ...insertion, at: at + insertion.at });
    }
    at = end;
  }
  return { end: bytes.length, isMessage: false };
}

function insertionFor(
  field: string,
  charset: string | undefined,
  guess: () => string | undefined,
): Insertion | undefined {
  if (charset === undefined) return undefined;
  const label = charsetLabel(charset) ?? guess();
  if (label === undefined || label === asciiLowerCase(charset)) return undefined;
  const type = /^[^:]+:\s*[\w.+-]+\/[\w.+-]+(?=[\s;]|$)/.exec(field);
  return type === null ? undefined : { at: type[0].length, text: `; charset=${label};` };
}

/** Where the header section of the next part begins. */
function nextPart(bytes: Buffer, from: number, boundaries: ReadonlySet<string>): number | undefined {
  for (let at = bytes.indexOf("\n--", Math.max(0, from - 1)); at !== -1; at = bytes.indexOf("\n--", at + 3)) {
    const end = endOfLine(bytes, at + 1);
    const line = bytes.subarray(at + 3, Math.min(end, at + 200));
    const delimiter = line.toString("latin1").trimEnd();
    if (boundaries.has(delimiter)) return end;
  }
  return undefined;
}

function endOfField(bytes: Buffer, from: number): number {
  let end = endOfLine(bytes, from);
  while (bytes[end] === 0x20 || bytes[end] === 0x09) end = endOfLine(bytes, end);
  return end;
}

function endOfLine(bytes: Buffer, from: number): number {
  const feed = bytes.indexOf(0x0a, from);
  return feed === -1 ? bytes.length : feed + 1;
}

function isEmptyLine(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x0a || (bytes[at] === 0x0d && bytes[at + 1] === 0x0a);
}
