/**
 * One pass over arriving content that finds out what a next hop must be able to carry: octets above 127, NUL, lines
 * over 998 octets, bare CR or LF, and UTF-8 in the headers of nested parts.
 *
 * It keeps nothing of the content, gives equal results for any split of it, and costs well under a nanosecond per octet
 * of ordinary mail: everything is searched with the runtime's own byte searches, and octets are looked at one by one
 * only where a line begins with two hyphens in a multipart message.
 */
import { isAscii, isUtf8 } from "node:buffer";
import type { HeaderSection } from "./header-section.ts";
import { NestedHeaders } from "./nested-headers.ts";

/** Without its CRLF (RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6). */
export const lineLengthMax = 998;

const lf = 10;
const cr = 13;

export interface ContentFindings {
  readonly eightBit: boolean;
  readonly nul: boolean;
  readonly longLine: boolean;
  /** Bare CR or bare LF; always false unless asked for. */
  readonly bareLineEnd: boolean;
  /** UTF-8 beyond ASCII (RFC 6532) in a header section: the message's own or that of a nested part. */
  readonly utf8Header: boolean;
}

export interface ContentScannerOptions {
  /** For content that did not come through DATA, whose decoder has already seen to line ends (RFC 3030 §3). */
  readonly checkLineEnds?: boolean;
}

export class ContentScanner {
  readonly #checkLineEnds: boolean;
  readonly #nested: NestedHeaders | undefined;
  readonly #utf8OwnHeader: boolean;
  #eightBit = false;
  #nul = false;
  #longLine = false;
  #bareLineEnd = false;
  /** Octets of the line that the last slice ended in. */
  #lineLength = 0;
  #endedInCr = false;

  /** Looks at the header section at once; {@link push} then gets all that follows it. */
  constructor(header: HeaderSection, options: ContentScannerOptions = {}) {
    this.#checkLineEnds = options.checkLineEnds ?? false;
    this.#nested = NestedHeaders.of(header);
    this.#scan(header.bytes);
    // Octets of another character set are not what RFC 6532 allows: they never need SMTPUTF8, declared or not.
    this.#utf8OwnHeader = this.#eightBit && isUtf8(header.bytes);
  }

  push(bytes: Buffer): void {
    this.#scan(bytes);
    this.#nested?.push(bytes);
  }

  end(): ContentFindings {
    return {
      eightBit: this.#eightBit,
      nul: this.#nul,
      longLine: this.#longLine || this.#lineLength > lineLengthMax,
      bareLineEnd: this.#bareLineEnd || (this.#checkLineEnds && this.#endedInCr),
      utf8Header: this.#utf8OwnHeader || (this.#nested?.found ?? false),
    };
  }

  #scan(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (!this.#eightBit) this.#eightBit = !isAscii(bytes);
    if (!this.#nul) this.#nul = bytes.includes(0);
    if (!this.#longLine) this.#findLongLine(bytes);
    if (this.#checkLineEnds && !this.#bareLineEnd) this.#findBareLineEnd(bytes);
    this.#endedInCr = bytes[bytes.length - 1] === cr;
  }

  /**
   * Goes on by the last line end within reach of the longest line allowed, so it makes one search for about a thousand
   * octets instead of one for each line. Nothing is missed: a long line is one that has no line end within that reach.
   */
  #findLongLine(bytes: Buffer): void {
    const reach = lineLengthMax + 2;
    let lineStart = -this.#lineLength;
    while (lineStart + reach <= bytes.length) {
      const found = bytes.lastIndexOf(lf, lineStart + reach - 1);
      if (found < Math.max(lineStart, 0)) {
        this.#longLine = true;
        return;
      }
      lineStart = found + 1;
    }
    const last = bytes.lastIndexOf(lf);
    this.#lineLength = bytes.length - (last === -1 ? lineStart : last + 1);
  }

  /** Every LF must follow a CR and every CR must precede an LF: from line end to line end, both searches must agree. */
  #findBareLineEnd(bytes: Buffer): void {
    const continues = this.#endedInCr && bytes[0] === lf;
    if (this.#endedInCr !== continues) this.#bareLineEnd = true;
    let at = continues ? 1 : 0;
    while (!this.#bareLineEnd && at < bytes.length) {
      const foundCr = bytes.indexOf(cr, at);
      const foundLf = bytes.indexOf(lf, at);
      if (foundCr === -1 && foundLf === -1) return;
      // The pair may be cut in two by the end of the slice.
      const pair = foundLf === foundCr + 1 && foundCr !== -1;
      if (!pair && !(foundLf === -1 && foundCr === bytes.length - 1)) this.#bareLineEnd = true;
      at = foundCr + 2;
    }
  }
}
