/**
 * Finds out whether text needs any change to be relaxed (RFC 6376 §3.4.4), four octets at a time: in most mail words are
 * short and single spaces are all there is, so that a search for each of them, or a copy, takes longer than the hash.
 */

const space = 0x20;
const cr = 0x0d;
const spaces = 0x20202020;
const crs = 0x0d0d0d0d;
const lowBits = 0x7f7f7f7f;

/** The order of octets in a word decides what "followed by" means; on other machines all text is copied. */
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** True: no space is followed by another or by a CR. The text has no tabs. False may be said of short texts, too. */
export function hasSingleSpacesOnly(bytes: Buffer): boolean {
  const end = bytes.length;
  // The octets before the first whole word, and that word's first one, which the loop only sees as a second.
  const start = Math.min(end, (4 - (bytes.byteOffset & 3)) & 3);
  const words = littleEndian ? (end - start) >> 2 : 0;
  if (hasPair(bytes, 0, start + 1) || hasPair(bytes, Math.max(0, start + words * 4 - 1), end)) return false;
  const view = new Int32Array(bytes.buffer, words === 0 ? 0 : bytes.byteOffset + start, words);
  let pairs = 0;
  let before = 0;
  for (let at = 0; at < words; at++) {
    const word = view[at] ?? 0;
    const isSpace = zeroOctets(word ^ spaces);
    pairs |= ((isSpace << 8) | before) & (isSpace | zeroOctets(word ^ crs));
    before = isSpace >>> 24;
  }
  return pairs === 0;
}

/** The highest bit of each octet that is zero. */
function zeroOctets(word: number): number {
  return ~(((word & lowBits) + lowBits) | word | lowBits);
}

function hasPair(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start + 1; at < end; at++) {
    if (bytes[at - 1] === space && (bytes[at] === space || bytes[at] === cr)) return true;
  }
  return false;
}
