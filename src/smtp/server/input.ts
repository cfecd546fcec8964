/**
 * What a peer sent and the core has not consumed: command lines are cut out of it whole, content is read piece by piece.
 * A line that is too long is dropped while it arrives, so what is kept is at most one line and what one `push` brought.
 */
import { isUtf8 } from "node:buffer";
import { asBuffer } from "../../lib/as-buffer.ts";
import { hasNonAscii } from "../../lib/ascii-case.ts";
import { announcedContent } from "../command-parser.ts";
import { GrowingBytes } from "../../lib/growing-bytes.ts";

const cr = 0x0d;
const lf = 0x0a;
const empty = Buffer.alloc(0);

/** No limit is below this (RFC 5321 §4.5.3.1.4), so shorter lines need no second look. */
const limitMin = 512;

export type LineFault = "too-long" | "bare-line-end" | "not-utf8";

/** This many octets after a bare LF show whether they announce content. */
const announcementMax = 16;

/** A line that is none; told apart from text by being an object. */
export interface BadLine {
  readonly fault: LineFault;
  readonly announces: ReturnType<typeof announcedContent>;
}

export class ServerInput {
  #chunk: Buffer = empty;
  /** First octet of `#chunk` not consumed, and first not yet searched for a line end. */
  #offset = 0;
  #searched = 0;
  /** What `#chunk` is the view of, where a line came in several chunks. */
  #growing: GrowingBytes | undefined;
  /** Chunks after `#chunk`. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /**
   * The rest of a bad line is being dropped. A line that is too long is reported at its end, any other was already. Behind
   * an LF a client may take what comes next for a line of its own: a chunk that it announces is reported at the next LF,
   * and `rest` is what announces nothing.
   */
  #dropping: "behind-lf" | "rest" | BadLine | undefined;

  get length(): number {
    return this.#chunk.length - this.#offset + this.#queuedBytes;
  }

  push(bytes: Uint8Array): void {
    const chunk = asBuffer(bytes);
    if (chunk.length === 0) return;
    if (this.#offset === this.#chunk.length) {
      this.#start(chunk);
      return;
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.length;
  }

  clear(): void {
    this.#start(empty);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#dropping = undefined;
  }

  /**
   * The next line without its CRLF, once it is whole. Only CRLF ends a line (RFC 5321 §2.3.8); an LF alone is reported at
   * once, since a peer that sends lines so would wait forever, and the rest up to CRLF is then dropped; what is dropped is
   * reported where it announces a chunk. `limitOf` gives the limit in octets, CRLF included, for a line that starts with
   * these octets.
   */
  readLine(limitOf: (line: Buffer) => number): string | BadLine | undefined {
    for (;;) {
      const chunk = this.#chunk;
      const start = this.#offset;
      const lfAt = chunk.indexOf(lf, this.#searched);
      if (lfAt === -1) {
        this.#searched = chunk.length;
        this.#dropExcess(limitOf);
        if (this.#searched < this.#chunk.length || this.#mergeQueue()) continue;
        return undefined;
      }
      const genuine = lfAt > start && chunk[lfAt - 1] === cr;
      const dropping = this.#dropping;
      this.consume(lfAt + 1);
      if (genuine) {
        this.#dropping = undefined;
        if (dropping === undefined) return lineBetween(chunk, start, lfAt, limitOf);
        if (typeof dropping === "object") return dropping;
      } else if (dropping === undefined) {
        const excess = isOver(limitOf, chunk, start, lfAt - 1);
        this.#dropping = excess ? badLine("too-long", chunk, start) : "behind-lf";
        if (!excess) return brokenLine(chunk, start, Math.min(lfAt, start + limitMin));
      } else if (dropping === "rest") {
        this.#dropping = "behind-lf";
      } else if (typeof dropping === "object" && dropping.fault === "bare-line-end") {
        this.#dropping = "behind-lf";
        return dropping;
      }
      if (dropping !== "behind-lf") continue;
      const broken = brokenLine(chunk, start, Math.min(lfAt, start + announcementMax));
      if (broken.announces === "chunk") return broken;
    }
  }

  /** The octets at hand in one piece, for content; undefined when there are none. They stay until `consume`. */
  peek(): { readonly chunk: Buffer; readonly offset: number } | undefined {
    if (this.#offset === this.#chunk.length) return undefined;
    return { chunk: this.#chunk, offset: this.#offset };
  }

  /** Everything before this index of the peeked chunk is consumed. */
  consume(end: number): void {
    this.#offset = end;
    this.#searched = end;
    if (end === this.#chunk.length) this.#startNext();
  }

  /** One of the first two octets. */
  octetAt(index: 0 | 1): number | undefined {
    const here = this.#chunk.length - this.#offset;
    return index < here ? this.#chunk[this.#offset + index] : this.#queue[0]?.[index - here];
  }

  #startNext(): void {
    const next = this.#queue.shift() ?? empty;
    this.#queuedBytes -= next.length;
    this.#start(next);
  }

  #start(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#offset = 0;
    this.#searched = 0;
    this.#growing = undefined;
  }

  /** Appends all other chunks to the line that has begun; false when there are none. */
  #mergeQueue(): boolean {
    if (this.#queue.length === 0) return false;
    const searched = this.#searched - this.#offset;
    const growing = this.#growing ?? new GrowingBytes();
    if (this.#growing === undefined) growing.append(this.#chunk.subarray(this.#offset));
    else growing.dropFirst(this.#offset);
    for (const chunk of this.#queue) growing.append(chunk);
    this.#start(growing.view);
    this.#growing = growing;
    this.#searched = searched;
    this.#queue = [];
    this.#queuedBytes = 0;
    return true;
  }

  /** Lets go of what can only be part of a bad line; a last CR stays, it may be half of the line's end. */
  #dropExcess(limitOf: (line: Buffer) => number): void {
    const end = this.#chunk.length;
    if (this.#dropping === undefined) {
      if (!isOver(limitOf, this.#chunk, this.#offset, end - 1)) return;
      this.#dropping = badLine("too-long", this.#chunk, this.#offset);
    }
    if (this.#dropping === "behind-lf") {
      if (end - this.#offset < announcementMax) return;
      const broken = brokenLine(this.#chunk, this.#offset, this.#offset + announcementMax);
      this.#dropping = broken.announces === "chunk" ? broken : "rest";
    }
    if (this.#chunk.at(-1) === cr) this.#offset = end - 1;
    else this.consume(end);
  }
}

function lineBetween(chunk: Buffer, start: number, lfAt: number, limitOf: (line: Buffer) => number): string | BadLine {
  if (isOver(limitOf, chunk, start, lfAt)) return badLine("too-long", chunk, start);
  const line = chunk.toString("latin1", start, lfAt - 1);
  if (line.includes("\r")) return brokenLine(chunk, start, Math.min(lfAt, start + limitMin));
  if (!hasNonAscii(line)) return line;
  const bytes = chunk.subarray(start, lfAt - 1);
  if (isUtf8(bytes)) return bytes.toString("utf8");
  // The name of a machine in another character set is no reason to refuse its mail (RFC 5321 §4.1.4).
  return /^(?:ehlo|helo|lhlo) /i.test(line) ? line : badLine("not-utf8", chunk, start);
}

/** With a bare CR or LF. A chunk may also be announced after the CR, for a client that takes it for the end of a line. */
function brokenLine(chunk: Buffer, start: number, end: number): BadLine {
  const text = chunk.toString("latin1", start, end);
  return { fault: "bare-line-end", announces: announcedContent(text.slice(text.search(/\r[ \t]*BDAT/i) + 1)) };
}

function badLine(fault: LineFault, chunk: Buffer, start: number): BadLine {
  return { fault, announces: announcedContent(chunk.toString("latin1", start, start + limitMin)) };
}

/** Whether the octets from `start` to `last`, that one included, are over the limit of the line that they begin. */
function isOver(limitOf: (line: Buffer) => number, chunk: Buffer, start: number, last: number): boolean {
  const length = last + 1 - start;
  return length > limitMin && length > limitOf(chunk.subarray(start, last + 1));
}
