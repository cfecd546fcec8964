/**
 * The parts of a message that hold something themselves (RFC 2046): found by one scan for delimiters per level, decoded, and
 * each with the header section of the message it stands in. Attached messages are entered, encoded ones too.
 *
 * Made for mail from strangers. Levels, parts and header octets are bounded; octets are scanned or decoded at most once per
 * level, so the work is linear. What lies beyond a bound is left out and noted, never searched.
 */
import { parseContentType } from "./content-type.ts";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "./header-section.ts";
import { decodeTransferEncoding } from "./transfer-encoding.ts";

export interface MimeLimits {
  /** Multiparts and attached messages inside each other. */
  readonly levelsMax: number;
  /** Parts of any kind, the message itself included. */
  readonly partsMax: number;
  /** Of any one header section. */
  readonly headerBytesMax: number;
}

export interface MimeLeaf {
  readonly header: HeaderSection;
  /** Of the message that the part belongs to: the attached one, where it is in one. */
  readonly message: HeaderSection;
  readonly content: Buffer;
}

export interface MimeLeaves {
  readonly leaves: readonly MimeLeaf[];
  /** What was left out, once each: phrases without a capital or full stop. */
  readonly notes: readonly string[];
}

export function mimeLeaves(raw: Buffer, limits: MimeLimits): MimeLeaves {
  const scan = new Scan(limits);
  scan.message(raw, 0);
  return { leaves: scan.leaves, notes: [...scan.notes] };
}

/** RFC 2046 §5.1.1 allows 70 octets; some programs make longer ones. */
const boundaryBytesMax = 250;
const delimiterStart = Buffer.from("\n--");
const lf = 10;
const nothing = parseHeaderFields(Buffer.alloc(0));

class Scan {
  readonly leaves: MimeLeaf[] = [];
  readonly notes = new Set<string>();
  readonly #limits: MimeLimits;
  #parts = 0;

  constructor(limits: MimeLimits) {
    this.#limits = limits;
  }

  message(raw: Buffer, level: number): void {
    this.#entity(withLineEnds(raw), { level, type: "text/plain" });
  }

  /** `message` absent: the entity is one itself. */
  #entity(raw: Buffer, at: { readonly level: number; readonly type: string; readonly message?: HeaderSection }): void {
    const { levelsMax, partsMax } = this.#limits;
    if (++this.#parts > partsMax)
      return void this.notes.add(`only the first ${partsMax} parts of the message are read`);
    const { header, body } = this.#divide(raw);
    const message = at.message ?? header;
    const { type, subtype, parameters } = parseContentType(header.first("content-type")?.value ?? at.type);
    const nested = type === "multipart" || (type === "message" && messageSubtypes.has(subtype));
    if (nested && at.level === levelsMax) {
      return void this.notes.add(`parts nested deeper than ${levelsMax} levels are not read`);
    }
    const boundary = Buffer.from(parameters.get("boundary") ?? "");
    if (type === "multipart" && boundary.length > 0 && boundary.length <= boundaryBytesMax) {
      const inner = { level: at.level + 1, type: subtype === "digest" ? "message/rfc822" : "text/plain", message };
      // An encoded multipart is against RFC 2045 §6.4, and nobody makes one.
      for (const part of this.#split(body, boundary)) this.#entity(part, inner);
      return undefined;
    }
    const content = decodeTransferEncoding(body, header.first("content-transfer-encoding")?.value ?? "");
    if (nested && type === "message") return this.message(content, at.level + 1);
    this.leaves.push({ header, message, content });
    return undefined;
  }

  #divide(raw: Buffer): { readonly header: HeaderSection; readonly body: Buffer } {
    const collector = new HeaderCollector({ headerBytesMax: this.#limits.headerBytesMax });
    // The collector looks no further than a header section may reach.
    const reach = raw.subarray(0, this.#limits.headerBytesMax + 1);
    const pushed = collector.push(reach);
    const found = pushed.kind === "need-more" ? collector.end() : pushed;
    if (found.kind === "too-large" || found.header.length > this.#limits.headerBytesMax) {
      this.notes.add("a part whose header section is too large is not read");
      return { header: nothing, body: Buffer.alloc(0) };
    }
    const rest = raw.subarray(found.header.length);
    const blank = rest[0] === 13 && rest[1] === lf ? 2 : 0;
    return { header: parseHeaderFields(found.header), body: rest.subarray(blank) };
  }

  /** What stands between delimiter lines; the last part may lack its own end. */
  *#split(body: Buffer, boundary: Buffer): Generator<Buffer> {
    let start = -1;
    let lineStart = isDelimiterStart(body) ? 0 : afterLineEnd(body.indexOf(delimiterStart));
    while (lineStart > 0 || (lineStart === 0 && isDelimiterStart(body))) {
      const lineEnd = body.indexOf(lf, lineStart);
      const kind = delimiterKind(body, lineStart + 2, lineEnd === -1 ? body.length : lineEnd, boundary);
      if (kind !== "none") {
        if (start !== -1) yield body.subarray(start, endBefore(body, lineStart));
        if (kind === "close" || lineEnd === -1 || this.#parts > this.#limits.partsMax) return;
        start = lineEnd + 1;
      }
      // The LF that ends this line may begin the next delimiter.
      lineStart = lineEnd === -1 ? -1 : afterLineEnd(body.indexOf(delimiterStart, lineEnd));
    }
    if (start !== -1) yield body.subarray(start);
  }
}

/** Those whose body is a message or its header section (RFC 2046 §5.2.1, RFC 6532 §3.7). */
const messageSubtypes: ReadonlySet<string> = new Set(["rfc822", "global"]);

/** Files of other systems, attached encoded, end their lines with LF alone. */
function withLineEnds(raw: Buffer): Buffer {
  const first = raw.indexOf(lf);
  if (first === -1 || raw[first - 1] === 13) return raw;
  return Buffer.from(raw.toString("latin1").replaceAll(/\r?\n/g, "\r\n"), "latin1");
}

function isDelimiterStart(body: Buffer): boolean {
  return body[0] === 0x2d && body[1] === 0x2d;
}

function afterLineEnd(found: number): number {
  return found === -1 ? -1 : found + 1;
}

/** The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1). */
function endBefore(body: Buffer, lineStart: number): number {
  return Math.max(0, body[lineStart - 2] === 13 ? lineStart - 2 : lineStart - 1);
}

/** What the octets after two hyphens make of the line: the boundary, perhaps two hyphens, then white space only. */
function delimiterKind(body: Buffer, from: number, to: number, boundary: Buffer): "open" | "close" | "none" {
  const end = from + boundary.length;
  if (end > to || !body.subarray(from, end).equals(boundary)) return "none";
  const closes = body[end] === 0x2d && body[end + 1] === 0x2d;
  // A real line has no more padding than fits into it; a longer one is text.
  const tail = body
    .subarray(end, Math.min(to, end + 1000))
    .toString("latin1")
    .trimEnd();
  if (tail === "" && to - end <= 1000) return "open";
  // What follows a closing delimiter is epilogue, whatever it is.
  return closes ? "close" : "none";
}
