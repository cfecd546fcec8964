/**
 * Finds CR without LF and LF without CR in content that comes in pieces (RFC 5321 §2.3.8). It looks and changes nothing.
 */
export type BareLineEnd = "CR" | "LF";

const CR = 0x0d;
const LF = 0x0a;

export class BareLineEndFinder {
  #first: BareLineEnd | undefined;
  /** The last octet of the piece before was CR, and what follows it is not known yet. */
  #afterCr = false;

  /** Kind of the first one so far. */
  get first(): BareLineEnd | undefined {
    return this.#first;
  }

  /** Looks at `bytes` from `start` to `end`, which follows what was scanned before; true if it completes or has one. */
  scan(bytes: Buffer, start: number, end: number): boolean {
    if (start >= end) return false;
    let from = start;
    let found: BareLineEnd | undefined;
    if (this.#afterCr) {
      if (bytes[start] === LF) from++;
      else found = "CR";
    }
    this.#afterCr = bytes[end - 1] === CR;
    found ??= firstBareLineEnd(bytes, from, this.#afterCr ? end - 1 : end);
    this.#first ??= found;
    return found !== undefined;
  }

  /** No more content follows: a last CR is bare. */
  end(): void {
    if (this.#afterCr) this.#first ??= "CR";
    this.#afterCr = false;
  }
}

/**
 * Two searches, one per octet: `indexOf` reads several gigabytes a second, where a loop over the octets reads below one.
 * What is before `start` is a line end or no part of one, and the last octet is not CR.
 */
function firstBareLineEnd(bytes: Buffer, start: number, end: number): BareLineEnd | undefined {
  let lf = bytes.indexOf(LF, start);
  while (lf !== -1 && lf < end && lf > start && bytes[lf - 1] === CR) lf = bytes.indexOf(LF, lf + 1);
  const bareLf = lf === -1 ? end : Math.min(lf, end);
  let cr = bytes.indexOf(CR, start);
  while (cr !== -1 && cr < bareLf && bytes[cr + 1] === LF) cr = bytes.indexOf(CR, cr + 2);
  if (cr !== -1 && cr < bareLf) return "CR";
  return bareLf < end ? "LF" : undefined;
}
