/**
 * Writes replies (RFC 5321 §4.2.1, RFC 2034 §4): every line with the same code and enhanced status, a hyphen behind the
 * code on all but the last, nothing but printable ASCII, no line over the limit. Whatever text a caller passes in,
 * nothing of it can become a line of its own.
 */
import type { Reply } from "./reply.ts";

/** Octets of a reply line with CRLF (RFC 5321 §4.5.3.1.5). */
const replyLineBytesMax = 512;

export function formatReply(reply: Reply): string {
  const { code, status, lines } = reply;
  const prefix = status === undefined ? "" : `${status} `;
  // The usual reply: one short, clean line.
  const [only] = lines;
  if (lines.length === 1 && only !== undefined && only.length <= 400 && isPrintable(only)) {
    return `${code} ${prefix}${only}\r\n`;
  }
  return formatLines(code, prefix, lines);
}

function formatLines(code: number, prefix: string, lines: readonly string[]): string {
  const room = replyLineBytesMax - 2 - 4 - prefix.length;
  const pieces = (lines.length === 0 ? [""] : lines).flatMap((line) => splitLine(printable(line), room));
  return pieces
    .map((piece, index) => `${code}${index === pieces.length - 1 ? " " : "-"}${prefix}${piece}\r\n`)
    .join("");
}

/** Pieces of at most `room` characters, cut behind a space where there is one not too far back. */
function splitLine(line: string, room: number): string[] {
  const pieces: string[] = [];
  let rest = line;
  while (rest.length > room) {
    const space = rest.lastIndexOf(" ", room - 1);
    const cut = space > room / 2 ? space + 1 : room;
    pieces.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut);
  }
  pieces.push(rest);
  return pieces;
}

function isPrintable(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/** Every character that is not printable ASCII becomes "?"; one each, so that the text keeps its look. */
function printable(text: string): string {
  return isPrintable(text) ? text : text.replace(/[^\x20-\x7e]/gu, "?");
}
