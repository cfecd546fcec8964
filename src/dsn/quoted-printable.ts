/** Quoted-printable (RFC 2045 §6.7) for octets whose CRLF are line ends; everything comes back as it was. */
import { asciiUpperCase } from "../lib/ascii-case.ts";

/** RFC 2045 §6.7 rule 5, with room for the soft line break. */
const lineLengthMax = 75;

export function encodeQuotedPrintable(bytes: Uint8Array): Buffer {
  const pieces: string[] = [];
  let line = "";
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] ?? 0;
    if (octet === 0x0d && bytes[at + 1] === 0x0a) {
      pieces.push(line, "\r\n");
      line = "";
      at++;
      continue;
    }
    const piece =
      isPlain(octet) || (isBlank(octet) && !endsLine(bytes, at)) ? String.fromCharCode(octet) : escape(octet);
    if (line.length + piece.length > lineLengthMax) {
      pieces.push(line, "=\r\n");
      line = "";
    }
    line += piece;
  }
  pieces.push(line);
  return Buffer.from(pieces.join(""), "latin1");
}

/** Printable ASCII but `=`. */
function isPlain(octet: number): boolean {
  return octet > 0x20 && octet < 0x7f && octet !== 0x3d;
}

function isBlank(octet: number): boolean {
  return octet === 0x20 || octet === 0x09;
}

/** White space at the end of a line is lost on the way. */
function endsLine(bytes: Uint8Array, at: number): boolean {
  return at + 1 >= bytes.length || (bytes[at + 1] === 0x0d && bytes[at + 2] === 0x0a);
}

function escape(octet: number): string {
  return `=${asciiUpperCase(octet.toString(16)).padStart(2, "0")}`;
}
