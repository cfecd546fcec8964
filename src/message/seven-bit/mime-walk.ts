/**
 * Walks the MIME structure of content as it arrives (RFC 2045, RFC 2046) and tells a visitor of every octet once and in
 * order: header sections, bodies that are no structure ("leaves"), and what lies between.
 *
 * Any split of the content gives equal calls but for the cuts within a body. Kept are one header section, one line that may
 * be a delimiter, and the boundaries of the enclosing parts; each has a bound, and beyond it the walk ends with a problem.
 */
import { asBuffer } from "../../lib/as-buffer.ts";
import { parseContentType } from "../content-type.ts";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "../header-section.ts";

/** `message`: a whole message follows as the body. `opaque`: a leaf that may not be encoded (RFC 2046 §5.2). */
export type PartKind = "leaf" | "opaque" | "multipart" | "message";

export interface PartHeader {
  readonly kind: PartKind;
  readonly header: HeaderSection;
  /** The header of a message, ours or an enclosed one, not of a part of a multipart. */
  readonly isMessage: boolean;
}

export interface MimeVisitor {
  /** `hasSeparator`: the empty line follows in the content; the visitor writes it. */
  header(part: PartHeader, hasSeparator: boolean): void;
  /** Of the leaf whose header came last. */
  body(bytes: Buffer): void;
  /** Delimiters, line ends before them, preambles and epilogues. */
  between(bytes: Buffer): void;
  /** The leaf is complete. */
  bodyEnd(): void;
}

export type WalkProblem = "signed" | "header-too-large" | "too-complex";

/** Real mail nests four or five deep, forwarded threads ten. */
const depthMax = 32;
/** Digests have hundreds of parts. */
const partsMax = 2000;
const headerBytesMax = 1024 * 1024;
/** RFC 2046 §5.1.1 allows boundaries of 70 octets; some programs make longer ones. */
const delimiterLineBytesMax = 1000;

const lf = 0x0a;
const cr = 0x0d;
const nothing = Buffer.alloc(0);

type State = "header" | "separator" | "body" | "between";

export class MimeWalk {
  readonly #visitor: MimeVisitor;
  readonly #boundaries: string[] = [];
  #collector = newCollector();
  #state: State = "header";
  #isMessage = true;
  #pending: PartHeader | undefined;
  /** What has come of a line that cannot be decided yet. */
  #rest: Buffer = nothing;
  #atLineStart = true;
  /** The line end that a delimiter would own (RFC 2046 §5.1.1). */
  #heldLineEnd: Buffer = nothing;
  #parts = 0;
  #problem: WalkProblem | undefined;

  constructor(visitor: MimeVisitor) {
    this.#visitor = visitor;
  }

  get problem(): WalkProblem | undefined {
    return this.#problem;
  }

  push(bytes: Uint8Array): void {
    let left = this.#rest.length === 0 ? asBuffer(bytes) : Buffer.concat([this.#rest, bytes]);
    this.#rest = nothing;
    while (left.length > 0 && this.#problem === undefined) left = this.#step(left);
  }

  end(): void {
    if (this.#problem !== undefined) return;
    if (this.#state === "header") {
      const result = this.#collector.end();
      if (result.kind === "too-large") return this.#fail("header-too-large");
      this.#enter(parseHeaderFields(result.header));
      this.#rest = result.rest;
    }
    const rest = this.#rest;
    this.#rest = nothing;
    if (this.#state === "separator") this.#leaveSeparator(false);
    if (rest.length > 0) this.#line(rest);
    this.#flushLineEnd(this.#state === "body");
    this.#endBody();
  }

  #step(bytes: Buffer): Buffer {
    switch (this.#state) {
      case "header":
        return this.#collect(bytes);
      case "separator":
        return this.#separate(bytes);
      case "body":
      case "between":
        return this.#takeLine(bytes);
      default:
        return this.#state satisfies never;
    }
  }

  #collect(bytes: Buffer): Buffer {
    const progress = this.#collector.push(bytes);
    if (progress.kind === "need-more") return nothing;
    if (progress.kind === "too-large") {
      this.#fail("header-too-large");
      return nothing;
    }
    this.#enter(parseHeaderFields(progress.header));
    return progress.rest;
  }

  /** Decides by its header how what follows is read. */
  #enter(header: HeaderSection): void {
    if (++this.#parts > partsMax) return this.#fail("too-complex");
    const { type, subtype, parameters } = parseContentType(header.first("content-type")?.value ?? "text/plain");
    const plain = isIdentity(header);
    let kind: PartKind = "leaf";
    if (type === "multipart" && plain) {
      const boundary = parameters.get("boundary") ?? "";
      if (subtype === "signed") return this.#fail("signed");
      if (boundary === "" || boundary.length > delimiterLineBytesMax / 2) return this.#fail("too-complex");
      if (this.#boundaries.length >= depthMax) return this.#fail("too-complex");
      this.#boundaries.push(boundary);
      kind = "multipart";
    } else if (type === "message") {
      kind = plain && (subtype === "rfc822" || subtype === "global") ? "message" : "opaque";
    } else if (!plain) {
      kind = "opaque";
    }
    this.#pending = { kind, header, isMessage: this.#isMessage };
    this.#state = "separator";
  }

  #separate(bytes: Buffer): Buffer {
    if (bytes[0] === cr && bytes.length === 1) {
      this.#rest = bytes;
      return nothing;
    }
    const found = bytes[0] === cr && bytes[1] === lf;
    this.#leaveSeparator(found);
    return found ? bytes.subarray(2) : bytes;
  }

  #leaveSeparator(found: boolean): void {
    const part = this.#pending;
    if (part === undefined) throw new Error("no header came before its body");
    this.#visitor.header(part, found);
    this.#atLineStart = true;
    this.#heldLineEnd = nothing;
    if (part.kind === "message") {
      this.#isMessage = true;
      this.#collector = newCollector();
      this.#state = "header";
    } else {
      this.#state = part.kind === "multipart" ? "between" : "body";
    }
  }

  #takeLine(bytes: Buffer): Buffer {
    const lineEnd = bytes.indexOf(lf);
    if (this.#atLineStart && this.#boundaries.length > 0 && mayBeDelimiter(bytes)) {
      if (lineEnd === -1 && bytes.length <= delimiterLineBytesMax) {
        this.#rest = bytes;
        return nothing;
      }
      if (lineEnd !== -1 && lineEnd <= delimiterLineBytesMax && this.#delimiter(bytes.subarray(0, lineEnd + 1))) {
        return bytes.subarray(lineEnd + 1);
      }
    }
    // Half of a line end: the other half decides whose it is.
    if (this.#boundaries.length > 0 && lineEnd === -1 && bytes[bytes.length - 1] === cr) {
      this.#rest = bytes.subarray(bytes.length - 1);
      if (bytes.length > 1) this.#give(bytes.subarray(0, -1));
      return nothing;
    }
    // Without an enclosing multipart nothing can end the body, so it needs no lines.
    const end = this.#boundaries.length === 0 ? bytes.length : lineEnd === -1 ? bytes.length : lineEnd + 1;
    this.#give(bytes.subarray(0, end));
    return bytes.subarray(end);
  }

  /** The last line of the content, which has no line end. */
  #line(bytes: Buffer): void {
    if (this.#atLineStart && this.#delimiter(bytes)) return;
    this.#give(bytes);
  }

  #give(bytes: Buffer): void {
    this.#flushLineEnd(this.#state === "body");
    if (this.#state === "between" || this.#boundaries.length === 0) {
      this.#atLineStart = bytes[bytes.length - 1] === lf;
      return this.#state === "body" ? this.#visitor.body(bytes) : this.#visitor.between(bytes);
    }
    let length = bytes.length;
    if (bytes[length - 1] === lf) length -= bytes[length - 2] === cr ? 2 : 1;
    this.#heldLineEnd = bytes.subarray(length);
    this.#atLineStart = bytes[bytes.length - 1] === lf;
    if (length > 0) this.#visitor.body(bytes.subarray(0, length));
  }

  #flushLineEnd(isBody: boolean): void {
    const held = this.#heldLineEnd;
    this.#heldLineEnd = nothing;
    if (held.length === 0) return;
    if (isBody) this.#visitor.body(Buffer.from(held));
    else this.#visitor.between(Buffer.from(held));
  }

  /** A delimiter of an outer multipart also ends all the inner ones (RFC 2046 §5.1.2). */
  #delimiter(line: Buffer): boolean {
    const text = line.toString("latin1", 0, paddingStart(line));
    for (let depth = this.#boundaries.length; depth > 0; depth--) {
      const opening = `--${latin1(this.#boundaries[depth - 1] ?? "")}`;
      if (text !== opening && text !== `${opening}--`) continue;
      this.#endBody();
      this.#flushLineEnd(false);
      this.#visitor.between(line);
      this.#atLineStart = true;
      this.#isMessage = false;
      if (text === opening) {
        this.#boundaries.length = depth;
        this.#collector = newCollector();
        this.#state = "header";
      } else {
        this.#boundaries.length = depth - 1;
        this.#state = "between";
      }
      return true;
    }
    return false;
  }

  #endBody(): void {
    if (this.#state !== "body") return;
    this.#state = "between";
    this.#visitor.bodyEnd();
  }

  #fail(problem: WalkProblem): void {
    this.#problem = problem;
  }
}

/** Whether the body is there as it is: no encoding, or one that only says so (RFC 2045 §6.2). */
export function isIdentity(header: HeaderSection): boolean {
  const encoding = header.first("content-transfer-encoding")?.value.trim() ?? "";
  return encoding === "" || /^(?:7bit|8bit|binary)$/i.test(encoding);
}

function newCollector(): HeaderCollector {
  return new HeaderCollector({ headerBytesMax });
}

/** Begins with two hyphens, as far as it has come. */
function mayBeDelimiter(bytes: Buffer): boolean {
  return bytes[0] === 0x2d && (bytes.length === 1 || bytes[1] === 0x2d);
}

/** As the octets of the delimiter line are read. */
function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Where line end and transport padding (RFC 2046 §5.1.1) begin. */
function paddingStart(line: Buffer): number {
  let end = line.length;
  while (end > 0 && [cr, lf, 0x20, 0x09].includes(line[end - 1] ?? 0)) end--;
  return end;
}
