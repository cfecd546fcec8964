/**
 * Makes the octets that follow a 354: the only place where dots are doubled and the end of data is written
 * (RFC 5321 §4.5.2). Content goes in by pieces of any size and comes out as slices of the same memory, with a dot put
 * between them where a line starts with one.
 *
 * Promises that what it wrote has CRLF as its only line end. Content with a bare CR or LF is not for DATA (RFC 5321
 * §2.3.8): the message's facts say so long before, and if one arrives all the same, {@link BareLineEndError} is thrown
 * before it goes out, so it cannot be read by another server as an end of data.
 */
export class BareLineEndError extends Error {
  override readonly name = "BareLineEndError";
}

/** What the last octet was; a new message starts as if after a line end. */
type Position = typeof LINE_START | typeof WITHIN_LINE | typeof AFTER_CR;
const LINE_START = 0;
const WITHIN_LINE = 1;
const AFTER_CR = 2;

const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
const ONE_DOT = Uint8Array.of(DOT);
const END_OF_DATA = Uint8Array.of(DOT, CR, LF);
const LINE_END_AND_END_OF_DATA = Uint8Array.of(CR, LF, DOT, CR, LF);

export class ContentEncoder {
  #position: Position = LINE_START;

  /** Appends `bytes`, encoded, to `output`. The slices share memory with `bytes`. */
  encode(bytes: Uint8Array, output: Uint8Array[]): void {
    let position = this.#position;
    let start = 0;
    for (let index = 0; index < bytes.length; index++) {
      const octet = bytes[index] as number;
      // Almost every octet is inside a line and above CR; the state machine below is for the rest.
      if (octet > CR && position === WITHIN_LINE) continue;
      if (octet === LF) {
        if (position !== AFTER_CR) throw new BareLineEndError("bare LF in content");
        position = LINE_START;
      } else if (position === AFTER_CR) {
        throw new BareLineEndError("bare CR in content");
      } else if (octet === CR) {
        position = AFTER_CR;
      } else {
        if (octet === DOT && position === LINE_START) {
          if (index > start) output.push(bytes.subarray(start, index));
          output.push(ONE_DOT);
          start = index;
        }
        position = WITHIN_LINE;
      }
    }
    this.#position = position;
    if (bytes.length > start) output.push(start === 0 ? bytes : bytes.subarray(start));
  }

  /** Appends the end of data; CRLF is added only where the content does not end with one. */
  finish(output: Uint8Array[]): void {
    if (this.#position === AFTER_CR) throw new BareLineEndError("bare CR at the end of content");
    output.push(this.#position === LINE_START ? END_OF_DATA : LINE_END_AND_END_OF_DATA);
    this.#position = LINE_START;
  }
}
