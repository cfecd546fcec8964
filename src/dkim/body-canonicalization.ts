/**
 * The two canonical forms of a body (RFC 6376 §3.4.3, §3.4.4), made while it arrives.
 *
 * Promises that any split of the body gives the same octets. What needs no change is passed on as it lies; the rest
 * is copied once, into a buffer that is used again. What is held back
 * between slices is a count: line ends, a space and a CR whose meaning depends on what follows.
 */
import type { Canonicalization } from "./canonicalization.ts";
import { hasSingleSpacesOnly } from "./white-space-scan.ts";

const tab = 0x09;
const lf = 0x0a;
const cr = 0x0d;
const space = 0x20;
const oneSpace = Buffer.from(" ", "latin1");
/** Held line ends are written from here. */
const lineEnds = Buffer.from("\r\n".repeat(1024), "latin1");

/** In a slice with white space each such part is looked at by itself, since a copy takes longer than the hash. */
const partBytes = 16 * 1024;
/** For all canonicalizers: used and passed on before another can be. A part cannot grow. */
const copy = Buffer.alloc(partBytes);

export class BodyCanonicalizer {
  readonly #relaxed: boolean;
  readonly #emit: (bytes: Buffer) => void;
  #empty = true;
  /** CRLFs that count only when something else follows. Held before the space, and that before the CR. */
  #lineEndsHeld = 0;
  /** Only in the relaxed form: white space that counts unless it ends its line. */
  #spaceHeld = false;
  /** Ends a line if LF follows. */
  #crHeld = false;

  /** What is passed to `emit` is to be used before it returns. */
  constructor(form: Canonicalization, emit: (bytes: Buffer) => void) {
    this.#relaxed = form === "relaxed";
    this.#emit = emit;
  }

  push(bytes: Buffer): void {
    if (!this.#relaxed) {
      this.#pass(bytes);
      return;
    }
    if (bytes.includes(space) || bytes.includes(tab)) {
      for (let at = 0; at < bytes.length; at += partBytes) this.#pushPart(bytes.subarray(at, at + partBytes));
    } else {
      this.#pass(this.#settle(bytes));
    }
  }

  /** The body is over. */
  end(): void {
    // A CR that nothing follows is an octet of the last line.
    if (this.#crHeld) this.#release();
    // RFC 6376 §3.4.3: an empty body is one CRLF; §3.4.4: here it is nothing. Any other ends with exactly one.
    if (!this.#relaxed || !this.#empty) this.#emit(lineEnds.subarray(0, 2));
  }

  #pushPart(part: Buffer): void {
    const open = this.#settle(part);
    if (open.includes(tab) || !hasSingleSpacesOnly(open)) {
      this.#rewrite(open);
      return;
    }
    if (open[open.length - 1] !== space) {
      this.#pass(open);
      return;
    }
    this.#pass(open.subarray(0, -1));
    // It is no line end that the last space follows.
    if (this.#crHeld) this.#release();
    this.#spaceHeld = true;
  }

  /** Octets of which only what is a line end at the end of all can be other than canonical. */
  #pass(bytes: Buffer): void {
    let start = 0;
    if (this.#crHeld && bytes.length > 0) {
      if (bytes[0] === lf) {
        this.#endLine();
        start = 1;
      } else {
        this.#release();
      }
    }
    let end = bytes.length;
    const crLast = end > start && bytes[end - 1] === cr;
    if (crLast) end--;
    const contentEnd = endOfContent(bytes, start, end);
    if (contentEnd > start) {
      this.#release();
      this.#emit(start === 0 && contentEnd === bytes.length ? bytes : bytes.subarray(start, contentEnd));
    }
    this.#lineEndsHeld += (end - contentEnd) / 2;
    if (crLast) this.#crHeld = true;
  }

  /** Decides octet by octet what space and CR held from the last slice mean. What remains of `bytes`. */
  #settle(bytes: Buffer): Buffer {
    let at = 0;
    for (; at < bytes.length && (this.#spaceHeld || this.#crHeld); at++) {
      const octet = bytes[at];
      if (this.#crHeld) {
        if (octet === lf) {
          this.#endLine();
          continue;
        }
        this.#release();
      }
      if (octet === cr) {
        this.#crHeld = true;
      } else if (octet === space || octet === tab) {
        this.#spaceHeld = true;
      } else {
        this.#release();
        break;
      }
    }
    return at === 0 ? bytes : bytes.subarray(at);
  }

  /** Copies a part into its relaxed form, with neither space nor CR held. */
  #rewrite(bytes: Buffer): void {
    const end = bytes.length;
    let lineEndsHeld = this.#lineEndsHeld;
    let spaceHeld = false;
    let written = 0;
    let at = 0;
    while (at < end) {
      let octet = bytes[at++] ?? 0;
      if (octet === space || octet === tab) {
        spaceHeld = true;
        continue;
      }
      if (octet === cr) {
        if (at === end) {
          this.#crHeld = true;
          break;
        }
        if (bytes[at] === lf) {
          at++;
          spaceHeld = false;
          lineEndsHeld++;
          continue;
        }
      }
      if (lineEndsHeld > 0) {
        if (written === 0) {
          this.#lineEndsHeld = lineEndsHeld;
          this.#releaseLineEnds();
        } else {
          for (let count = 0; count < lineEndsHeld; count++) {
            copy[written++] = cr;
            copy[written++] = lf;
          }
        }
        lineEndsHeld = 0;
      }
      if (spaceHeld) {
        copy[written++] = space;
        spaceHeld = false;
      }
      copy[written++] = octet;
      while (at < end && (octet = bytes[at] ?? 0) > space) {
        copy[written++] = octet;
        at++;
      }
    }
    if (written > 0) {
      this.#empty = false;
      this.#emit(copy.subarray(0, written));
    }
    this.#lineEndsHeld = lineEndsHeld;
    this.#spaceHeld = spaceHeld;
  }

  #endLine(): void {
    this.#crHeld = false;
    this.#spaceHeld = false;
    this.#lineEndsHeld++;
  }

  /** Something follows: what is held is content. */
  #release(): void {
    this.#empty = false;
    this.#releaseLineEnds();
    if (this.#spaceHeld) this.#emit(oneSpace);
    if (this.#crHeld) this.#emit(lineEnds.subarray(0, 1));
    this.#spaceHeld = false;
    this.#crHeld = false;
  }

  #releaseLineEnds(): void {
    for (let octets = this.#lineEndsHeld * 2; octets > 0; octets -= lineEnds.length) {
      this.#emit(octets >= lineEnds.length ? lineEnds : lineEnds.subarray(0, octets));
    }
    this.#lineEndsHeld = 0;
  }
}

/** Index after the last octet that does not belong to a final run of CRLFs. */
function endOfContent(bytes: Buffer, start: number, from: number): number {
  let end = from;
  while (end - 2 >= start && bytes[end - 1] === lf && bytes[end - 2] === cr) end -= 2;
  return end;
}
