/**
 * Follows the MIME structure of content as it arrives, only to see whether the header of a nested part has UTF-8
 * beyond ASCII: declared SMTPUTF8, such a message needs it although its own header does not (RFC 6531 §3.4, RFC 6532 §3).
 *
 * Bodies of parts are passed over by searching for a line that begins with two hyphens. Everything kept is bounded:
 * boundaries by depth, a part's header by size, the whole work by a number of parts. Beyond a bound, what lies deeper
 * is not looked at.
 */
import { isAscii, isUtf8 } from "node:buffer";
import { parseContentType } from "./content-type.ts";
import { HeaderCollector, type HeaderSection, parseHeaderFields } from "./header-section.ts";

/** Real mail nests four or five deep, forwarded threads ten. */
const depthMax = 32;
/** A part's own header has a few hundred octets; that of an attached message is an ordinary one. */
const nestedHeaderBytesMax = 128 * 1024;
/** RFC 2046 §5.1.1 allows 70 octets; some programs make longer ones. */
const boundaryBytesMax = 250;
/** Digests have hundreds of parts. Bounds the work for content made of nothing but delimiters to some milliseconds. */
const partsMax = 2000;
/** Lines beginning with two hyphens that are no delimiter (signed text, diffs) cost a comparison each. */
const candidatesMax = 200_000;

/** `--`, boundary, `--` and padding; a longer line is none of ours. */
const delimiterLineBytesMax = 1000;

const lf = 10;
const cr = 13;
const hyphen = 0x2d;
const delimiterStart = Buffer.from("\n--");

interface Level {
  readonly boundary: Buffer;
  /** What a part without Content-Type is: in a digest, a message (RFC 2046 §5.1.5). */
  readonly digest: boolean;
}

type State =
  | { readonly kind: "header"; readonly collector: HeaderCollector }
  /** The empty line between a part's header and the message that is its body; `matched` octets of it have come. */
  | { readonly kind: "separator"; readonly matched: number }
  /** Within a body, looking for `\n--`; `matched` octets of it were the end of the last slice. */
  | { readonly kind: "body"; readonly matched: number }
  /** Behind `\n--`; `line` is what has come of the rest of that line. */
  | { readonly kind: "candidate"; readonly line: Buffer }
  | { readonly kind: "done" };

const done: State = { kind: "done" };
/** A body at the beginning of a line, as if the LF before had just been seen. */
const bodyAtLineStart: State = { kind: "body", matched: 1 };
const bodyWithinLine: State = { kind: "body", matched: 0 };

export class NestedHeaders {
  #found = false;
  #state: State = done;
  readonly #levels: Level[] = [];
  #parts = 0;
  #candidates = 0;

  private constructor() {}

  /** undefined for a message without nested headers: then there is nothing to follow. */
  static of(header: HeaderSection): NestedHeaders | undefined {
    const nested = new NestedHeaders();
    nested.#enterBody(header, false);
    return nested.#state === done ? undefined : nested;
  }

  /** A nested header with UTF-8 beyond ASCII was seen. */
  get found(): boolean {
    return this.#found;
  }

  /** Takes what follows the header section given to {@link of}, its empty line included. */
  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && this.#state !== done) rest = this.#step(this.#state, rest);
  }

  /** Goes on in the present state; returns what the next one is to look at. */
  #step(state: State, bytes: Buffer): Buffer {
    switch (state.kind) {
      case "header":
        return this.#collectHeader(state.collector, bytes);
      case "separator":
        return this.#passSeparator(state.matched, bytes);
      case "body":
        return this.#searchDelimiter(state.matched, bytes);
      case "candidate":
        return this.#readCandidate(state.line, bytes);
      case "done":
        return nothing;
      default:
        return state satisfies never;
    }
  }

  #collectHeader(collector: HeaderCollector, bytes: Buffer): Buffer {
    const progress = collector.push(bytes);
    switch (progress.kind) {
      case "need-more":
        return nothing;
      case "too-large":
        this.#state = done;
        return nothing;
      case "complete":
        this.#found = !isAscii(progress.header) && isUtf8(progress.header);
        if (this.#found) this.#state = done;
        else this.#enterBody(parseHeaderFields(progress.header), this.#levels.at(-1)?.digest ?? false);
        return progress.rest;
      default:
        return progress satisfies never;
    }
  }

  /** Decides by a header how what follows it is read. */
  #enterBody(header: HeaderSection, withinDigest: boolean): void {
    const field = header.first("content-type");
    const { type, subtype, parameters } = parseContentType(
      field?.value ?? (withinDigest ? "message/rfc822" : "text/plain"),
    );
    if (type === "multipart") {
      const boundary = Buffer.from(parameters.get("boundary") ?? "");
      if (boundary.length > 0 && boundary.length <= boundaryBytesMax && this.#levels.length < depthMax) {
        this.#levels.push({ boundary, digest: subtype === "digest" });
      }
    } else if (type === "message" && messageSubtypes.has(subtype) && !isEncoded(header) && this.#countPart()) {
      this.#state = { kind: "separator", matched: 0 };
      return;
    }
    this.#state = this.#levels.length > 0 ? bodyAtLineStart : done;
  }

  #passSeparator(matched: number, bytes: Buffer): Buffer {
    if (bytes[0] !== (matched === 0 ? cr : lf)) {
      // No empty line, so no message begins here; after a CR alone this is not the beginning of a line either.
      this.#state = matched === 0 ? bodyAtLineStart : bodyWithinLine;
      return bytes;
    }
    this.#state = matched === 0 ? { kind: "separator", matched: 1 } : newHeader();
    return bytes.subarray(1);
  }

  #searchDelimiter(matched: number, bytes: Buffer): Buffer {
    let at = 0;
    while (matched > 0 && matched < delimiterStart.length && at < bytes.length) {
      if (bytes[at] === delimiterStart[matched]) {
        matched++;
        at++;
      } else {
        matched = 0;
      }
    }
    if (matched === 0) {
      const found = bytes.indexOf(delimiterStart, at);
      at = found === -1 ? bytes.length : found + delimiterStart.length;
      matched = found === -1 ? trailingMatch(bytes) : delimiterStart.length;
    }
    this.#state = matched === delimiterStart.length ? newCandidate : { kind: "body", matched };
    return bytes.subarray(at);
  }

  #readCandidate(before: Buffer, bytes: Buffer): Buffer {
    const lineEnd = bytes.indexOf(lf);
    const piece = lineEnd === -1 ? bytes : bytes.subarray(0, lineEnd);
    const tooLong = before.length + piece.length > delimiterLineBytesMax;
    if (tooLong) {
      this.#state = bodyWithinLine;
      return bytes.subarray(piece.length);
    }
    const line = before.length === 0 ? piece : Buffer.concat([before, piece]);
    if (lineEnd === -1) {
      // A copy, since the slice it is part of may be large.
      this.#state = { kind: "candidate", line: Buffer.from(line) };
      return nothing;
    }
    this.#state = this.#afterDelimiterLine(trimEnd(line));
    return bytes.subarray(lineEnd + 1);
  }

  /** What follows a line that began with two hyphens; `line` is what came behind them. */
  #afterDelimiterLine(line: Buffer): State {
    if (++this.#candidates > candidatesMax) return done;
    // A delimiter of an outer multipart also ends all the inner ones (RFC 2046 §5.1.2).
    for (let depth = this.#levels.length; depth > 0; depth--) {
      const boundary = this.#levels[depth - 1]?.boundary ?? nothing;
      if (line.equals(boundary)) {
        this.#levels.length = depth;
        return this.#countPart() ? newHeader() : done;
      }
      if (line.length === boundary.length + 2 && line.subarray(0, -2).equals(boundary) && endsInHyphens(line)) {
        this.#levels.length = depth - 1;
        return depth === 1 ? done : bodyAtLineStart;
      }
    }
    return bodyAtLineStart;
  }

  #countPart(): boolean {
    return ++this.#parts <= partsMax;
  }
}

const nothing = Buffer.alloc(0);
const newCandidate: State = { kind: "candidate", line: nothing };

function newHeader(): State {
  return { kind: "header", collector: new HeaderCollector({ headerBytesMax: nestedHeaderBytesMax }) };
}

/** Those whose body begins with a header section (RFC 2046 §5.2.1, RFC 6532 §3.7, RFC 6533 §4.3). */
const messageSubtypes: ReadonlySet<string> = new Set(["rfc822", "global", "global-headers"]);

/** Encoded content is ASCII, whatever it stands for. */
function isEncoded(header: HeaderSection): boolean {
  return /^(?:base64|quoted-printable)/i.test(header.first("content-transfer-encoding")?.value ?? "");
}

/** How many octets of `\n--` the end of `bytes` is. */
function trailingMatch(bytes: Buffer): number {
  if (bytes[bytes.length - 1] === lf) return 1;
  return bytes[bytes.length - 1] === hyphen && bytes[bytes.length - 2] === lf ? 2 : 0;
}

function endsInHyphens(line: Buffer): boolean {
  return line[line.length - 1] === hyphen && line[line.length - 2] === hyphen;
}

/** Without CR and transport padding (RFC 2046 §5.1.1). */
function trimEnd(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && (line[end - 1] === cr || line[end - 1] === 0x20 || line[end - 1] === 0x09)) end--;
  return line.subarray(0, end);
}
