/** Writes header fields of our own: folded, and without anything that could end them early. */
import { withoutControls } from "../lib/printable-text.ts";

/** RFC 5322 §2.1.1: lines should have at most 78 characters and must have at most 998. */
const lineLength = 78;
const wordLengthMax = 900;

/**
 * `Name: value` with CRLF. Folds before white space, which stays, so that unfolding gives back the value. A word that no
 * line could hold is cut, since a line over 998 octets is refused by strict peers. Control characters become spaces.
 */
export function foldField(name: string, value: string): string {
  const text = ` ${withoutControls(value, " ").trim()}`;
  let field = `${name}:`;
  let used = field.length;
  // Nothing but the name on a line would be legal, and is a stumbling block to some.
  let foldable = used + 1;
  for (const [word] of text.matchAll(/ +[^ ]*/g)) {
    for (const piece of pieces(word)) {
      const size = Buffer.byteLength(piece);
      if (used + size > lineLength && used >= foldable) {
        field += "\r\n";
        used = 0;
        foldable = 1;
      }
      field += piece;
      used += size;
    }
  }
  return `${field}\r\n`;
}

/** A word with the white space before it, cut where it is too long for any line. */
function pieces(word: string): readonly string[] {
  if (word.length <= wordLengthMax / 4 || Buffer.byteLength(word) <= wordLengthMax) return [word];
  const cut: string[] = [];
  let piece = "";
  let octets = 0;
  for (const character of word) {
    const size = Buffer.byteLength(character);
    if (octets + size > wordLengthMax) {
      cut.push(piece);
      piece = " ";
      octets = 1;
    }
    piece += character;
    octets += size;
  }
  return [...cut, piece];
}
