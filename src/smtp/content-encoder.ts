/**
 * Makes the octets that follow a 354: the only place where dots are doubled and the end of data is written
 * (RFC 5321 §4.5.2). Content goes in by pieces of any size and comes out as slices of the same memory, with a dot put
 * between them where a line starts with one.
 *
 * Promises that what it wrote has CRLF as its only line end. Content with a bare CR or LF is not for DATA (RFC 5321
 * §2.3.8): the message's facts say so long before, and if one arrives nevertheless, {@link BareLineEndError} is thrown
 * before it goes out, so it cannot be read by another server as an end of data.
 */
export class BareLineEndError extends Error {
  override readonly name = "BareLineEndError";
}

/** What the last octet was; a new message starts as if after a line end. */
type Position = typeof lineStart | typeof withinLine | typeof afterCr;
const lineStart = 0;
const withinLine = 1;
const afterCr = 2;

const lf = 0x0a;
const cr = 0x0d;
const dot = 0x2e;
const oneDot = Uint8Array.of(dot);
const endOfData = Uint8Array.of(dot, cr, lf);
const lineEndAndEndOfData = Uint8Array.of(cr, lf, dot, cr, lf);

export class ContentEncoder {
  #position: Position = lineStart;

  /** Appends `bytes`, encoded, to `output`. The slices share memory with `bytes`. */
  encode(bytes: Uint8Array, output: Uint8Array[]): void {
    let position = this.#position;
    let start = 0;
    for (let index = 0; index < bytes.length; index++) {
      const octet = bytes[index] as number;
      // Almost every octet is inside a line and above CR; the state machine below is for the rest.
      if (octet > cr && position === withinLine) continue;
      if (octet === lf) {
        if (position !== afterCr) throw new BareLineEndError("bare LF in content");
        position = lineStart;
      } else if (position === afterCr) {
        throw new BareLineEndError("bare CR in content");
      } else if (octet === cr) {
        position = afterCr;
      } else {
        if (octet === dot && position === lineStart) {
          if (index > start) output.push(bytes.subarray(start, index));
          output.push(oneDot);
          start = index;
        }
        position = withinLine;
      }
    }
    this.#position = position;
    if (bytes.length > start) output.push(start === 0 ? bytes : bytes.subarray(start));
  }

  /** Appends the end of data; CRLF is added only where the content does not end with one. */
  finish(output: Uint8Array[]): void {
    if (this.#position === afterCr) throw new BareLineEndError("bare CR at the end of content");
    output.push(this.#position === lineStart ? endOfData : lineEndAndEndOfData);
    this.#position = lineStart;
  }
}
