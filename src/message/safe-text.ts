/**
 * Text that strangers chose, made fit for our own header fields: it can end no line, no comment and no quoted string
 * (RFC 5322 §3.2).
 */
import { printable } from "../lib/printable-text.ts";

/** A path has at most 320 characters (RFC 5321 §4.5.3.1); in UTF-8 and quoted it still fits a line of 998 octets. */
const textLengthMax = 320;

/** One line of printable characters, blanks single, at most 320; only ASCII (RFC 8616 §4). */
export function printableText(text: string): string {
  if (text.length <= textLengthMax && isPlain(text)) return text;
  const cut = text.slice(0, textLengthMax).toWellFormed();
  const line = printable(cut.replaceAll(/[ \t\r\n]+/g, " "), "?");
  return line.replaceAll(/[^\u0020-\u007e]/g, "?");
}

/** Printable ASCII without blanks in a row, as nearly all texts are: nothing would be changed. */
function isPlain(text: string): boolean {
  let before = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < space || code > tilde || (code === space && before === space)) return false;
    before = code;
  }
  return true;
}

const space = 0x20;
const tilde = 0x7e;

/** As a quoted string. */
export function quotedText(text: string): string {
  return `"${printableText(text).replaceAll(/[\\"]/g, String.raw`\$&`)}"`;
}

/** As a comment. Readers that stumble over `\(` are common, so brackets stand for parentheses. */
export function commentText(text: string): string {
  const plain = printableText(text).replaceAll("(", "[").replaceAll(")", "]").replaceAll("\\", "/");
  return `(${plain.trim()})`;
}
