/**
 * The header section of a message (RFC 5322 §2.2): found at the front of arriving content, and divided into fields.
 *
 * Owns where the header section ends and where each field begins: a line begins a field where a name is followed by a
 * colon, with or without white space between them (RFC 5322 §4.5), and this is the only place that says so. Promises that
 * any split of the input gives equal results, that no octet is lost (`header` followed by `rest` is the input), and that
 * memory is bounded. What a field means is for those who ask for it.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import { GrowingBytes } from "../lib/growing-bytes.ts";

/** Real header sections stay below 100 KB even with a dozen hops that sign; ten times that is generous. */
export const headerBytesMaxDefault = 1024 * 1024;
/** Real messages have below 200; each field costs an object of about 100 octets when it is parsed. */
const fieldsMax = 10_000;
/** A line that goes on so far without its colon is no field (RFC 5322 §2.1.1 limits whole lines to 998). */
const nameLengthMax = 998;

/** Octets of a line (RFC 5322 §2.1.1). */
const lineLengthMax = 998;

const mboxWord = Buffer.from("From ");
const lf = 10;
const cr = 13;

export type HeaderResult =
  /**
   * `header` holds whole fields only; `rest` begins with the empty line, or with the line that could not be a field,
   * and ends where the input so far ends. A CR at its beginning is the last octet of the content, or the next one follows.
   */
  | {
      readonly kind: "complete";
      readonly header: Buffer;
      readonly rest: Buffer;
      /** Octets of the mbox line ahead of the header section that were left out; 0: there was none. */
      readonly mboxLineBytes: number;
    }
  /** More octets than `headerBytesMax`, or more than 10,000 fields, before the end of the header section. */
  | { readonly kind: "too-large" };

export type HeaderProgress = HeaderResult | { readonly kind: "need-more" };

/**
 * Collects slices of content until its header section is there. A result ends it: the slices that follow are body.
 * The first slice is kept as it is, not copied, so that the usual header that arrives in one piece costs nothing.
 */
export class HeaderCollector {
  readonly #bytesMax: number;
  readonly #bytes = new GrowingBytes();
  readonly #dropsMboxLine: boolean;
  #mboxLineBytes = 0;
  /** Where the line now looked at begins. */
  #lineStart = 0;
  /** Its end is searched from here; 0 while it is not yet known to belong to the header section. */
  #searchFrom = 0;
  #fields = 0;

  /** `dropMboxLine`: leaves out an mbox line ahead of the first field. */
  constructor(options: { readonly headerBytesMax?: number; readonly dropMboxLine?: boolean } = {}) {
    this.#bytesMax = options.headerBytesMax ?? headerBytesMaxDefault;
    this.#dropsMboxLine = options.dropMboxLine ?? false;
  }

  push(bytes: Buffer): HeaderProgress {
    this.#bytes.append(bytes);
    const received = this.#bytes.view;
    for (;;) {
      if (this.#searchFrom === 0) {
        const line = classifyLine(received, this.#lineStart);
        if (line === "other" && this.#lineStart === 0 && this.#dropsMboxLine) {
          const mboxLine = findMboxLine(received);
          if (mboxLine === "undecided") return needMore;
          this.#mboxLineBytes = mboxLine;
          this.#lineStart = mboxLine;
          if (mboxLine > 0) continue;
        }
        if (line === "other") return this.#complete(received);
        if (line === "undecided") return this.#lineStart > this.#bytesMax ? tooLarge : needMore;
        if (line === "field" && ++this.#fields > fieldsMax) return tooLarge;
        this.#searchFrom = this.#lineStart + 1;
      }
      const lineEnd = endOfLine(received, this.#searchFrom);
      if (lineEnd === -1) {
        // One step back, since the CR may be there already.
        this.#searchFrom = Math.max(this.#searchFrom, received.length - 1);
        return received.length > this.#bytesMax ? tooLarge : needMore;
      }
      this.#lineStart = lineEnd;
      this.#searchFrom = 0;
    }
  }

  /** The content is over: what has come is all there is. */
  end(): HeaderResult {
    const received = this.#bytes.view;
    // A last field without CRLF (possible with BDAT) is still a field.
    if (this.#searchFrom !== 0) this.#lineStart = received.length;
    return this.#complete(received);
  }

  #complete(received: Buffer): HeaderResult {
    if (this.#lineStart > this.#bytesMax) return tooLarge;
    return {
      kind: "complete",
      header: received.subarray(this.#mboxLineBytes, this.#lineStart),
      rest: received.subarray(this.#lineStart),
      mboxLineBytes: this.#mboxLineBytes,
    };
  }
}

const needMore = { kind: "need-more" } as const;
const tooLarge = { kind: "too-large" } as const;

/** One field, as a slice of its header section. */
export class HeaderField {
  /** Lower case. */
  readonly name: string;
  readonly start: number;
  /** Behind its CRLF. */
  readonly end: number;
  readonly #section: Buffer;
  readonly #valueStart: number;

  constructor(section: Buffer, start: number, colon: number, end: number) {
    this.#section = section;
    this.start = start;
    this.end = end;
    this.#valueStart = colon + 1;
    // White space before the colon is obsolete syntax, not part of the name (RFC 5322 §4.5).
    this.name = asciiLowerCase(section.toString("latin1", start, colon).trimEnd());
  }

  /** The whole field as it arrived, folding and CRLF included. */
  get raw(): Buffer {
    return this.#section.subarray(this.start, this.end);
  }

  /** Unfolded, without white space at its ends; as UTF-8, or octet for character where it is not UTF-8. */
  get value(): string {
    let start = this.#valueStart;
    let end = this.end;
    // What JavaScript trims besides (U+00A0, form feed) is text to others, and so it is here.
    while (start < end && isFolding(this.#section[start])) start++;
    while (end > start && isFolding(this.#section[end - 1])) end--;
    return unfold(decodeText(this.#section.subarray(start, end)));
  }
}

/** A header section divided into its fields, in their order. */
export class HeaderSection {
  readonly bytes: Buffer;
  readonly fields: readonly HeaderField[];

  constructor(bytes: Buffer, fields: readonly HeaderField[]) {
    this.bytes = bytes;
    this.fields = fields;
  }

  /** `name` in lower case. */
  first(name: string): HeaderField | undefined {
    return this.fields.find((field) => field.name === name);
  }

  /** `name` in lower case. */
  all(name: string): readonly HeaderField[] {
    return this.fields.filter((field) => field.name === name);
  }
}

/** Divides a header section, as {@link HeaderCollector} gives it. Stops at a line that is no field. */
export function parseHeaderFields(bytes: Buffer): HeaderSection {
  const fields: HeaderField[] = [];
  let start = 0;
  while (start < bytes.length && classifyLine(bytes, start) === "field") {
    let end = start;
    do {
      end = endOfLine(bytes, end + 1);
      if (end === -1) end = bytes.length;
    } while (isBlank(bytes[end]));
    fields.push(new HeaderField(bytes, start, bytes.indexOf(0x3a, start), end));
    start = end;
  }
  return new HeaderSection(bytes, fields);
}

/** Removes the line ends of folding (RFC 5322 §2.2.3). */
export function unfold(text: string): string {
  return text.includes("\n") ? text.replaceAll(/\r?\n(?=[ \t])/g, "") : text;
}

/** Header octets as text: UTF-8 (RFC 6532) where it is that, otherwise one character for each octet. */
export function decodeText(bytes: Buffer): string {
  if (isAscii(bytes) || !isUtf8(bytes)) return bytes.toString("latin1");
  return bytes.toString("utf8");
}

/** 1 for what may stand in a field name: printable ASCII but the colon (RFC 5322 §2.2). */
const nameOctets = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet > 0x20 && octet < 0x7f && octet !== 0x3a ? 1 : 0,
);

/**
 * What begins at `start`. Decided by the line's own octets only, so that it does not matter how much of what follows
 * has come already; `undecided` while those do not suffice.
 */
function classifyLine(bytes: Buffer, start: number): "field" | "continuation" | "other" | "undecided" {
  const length = bytes.length;
  if (start >= length) return "undecided";
  if (isBlank(bytes[start])) return start === 0 ? "other" : "continuation";
  // Whether it is the empty line, the next octet tells.
  if (bytes[start] === cr) return start + 1 < length ? "other" : "undecided";
  let at = start;
  while (at < length && nameOctets[bytes[at] ?? 0] === 1) at++;
  const nameEnd = at;
  while (at < length && isBlank(bytes[at])) at++;
  if (at - start > nameLengthMax) return "other";
  if (at < length) return bytes[at] === 0x3a && nameEnd > start ? "field" : "other";
  return "undecided";
}

/**
 * Octets of the mbox line that `bytes` begins with: `From root Fri Feb 14 08:55:52 2014`, which scripts that mail an mbox,
 * or what a local program gave to sendmail, send ahead of the header. 0 where no field follows it: then nobody knows what
 * it is.
 */
function findMboxLine(bytes: Buffer): number | "undecided" {
  const from = bytes[0] === 0x3e ? 1 : 0;
  if (!mboxWord.subarray(0, bytes.length - from).equals(bytes.subarray(from, from + mboxWord.length))) return 0;
  const searched = Math.min(bytes.length, lineLengthMax);
  let at = from;
  while (at < searched && isLineText(bytes[at] ?? 0)) at++;
  if (at === lineLengthMax) return 0;
  // The CR, its LF, and the beginning of the line behind them.
  if (at + 1 >= bytes.length) return "undecided";
  if (bytes[at] !== cr || bytes[at + 1] !== lf) return 0;
  const next = classifyLine(bytes, at + 2);
  return next === "undecided" ? next : next === "field" ? at + 2 : 0;
}

function isLineText(octet: number): boolean {
  return octet !== cr && octet !== lf && octet !== 0;
}

/** Index behind the next CRLF whose LF is at or after `from`; -1 when there is none. */
function endOfLine(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(lf, from);
  while (at !== -1 && bytes[at - 1] !== cr) at = bytes.indexOf(lf, at + 1);
  return at === -1 ? -1 : at + 1;
}

function isFolding(octet: number | undefined): boolean {
  return isBlank(octet) || octet === cr || octet === lf;
}

/** SP or HTAB. */
export function isBlank(octet: number | undefined): boolean {
  return octet === 0x20 || octet === 0x09;
}
