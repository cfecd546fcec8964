/** Undoes a Content-Transfer-Encoding (RFC 2045 §6) in linear time. Damaged encodings give what can be read of them. */
import { asciiLowerCase } from "../lib/ascii-case.ts";

/** `encoding`: the field's value; one that is not known leaves the octets as they are. */
export function decodeTransferEncoding(bytes: Buffer, encoding: string): Buffer {
  const name = asciiLowerCase(/^[\w-]{1,20}/.exec(encoding.trimStart())?.[0] ?? "");
  if (name === "base64") return decodeBase64(bytes);
  return name === "quoted-printable" ? decodeQuotedPrintable(bytes) : bytes;
}

/** RFC 2045 §6.8: what is not in the alphabet is passed over, and padding ends the data. */
function decodeBase64(bytes: Buffer): Buffer {
  const letters = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (const octet of bytes) {
    if (octet === equals) break;
    if (base64Octets[octet] === 1) letters[length++] = octet;
  }
  return Buffer.from(letters.toString("latin1", 0, length), "base64");
}

const [lf, cr, equals] = [10, 13, 0x3d];
const base64Octets = Uint8Array.from({ length: 256 }, (_, octet) =>
  /[A-Za-z0-9+/]/.test(String.fromCharCode(octet)) ? 1 : 0,
);

/** RFC 2045 §6.7: a soft line break may have white space behind its sign; a sign that begins no code stays. */
function decodeQuotedPrintable(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const octet = bytes[at] ?? 0;
    if (octet !== equals) {
      out[length++] = octet;
      continue;
    }
    const code = (hexValues[bytes[at + 1] ?? 0] ?? -1) * 16 + (hexValues[bytes[at + 2] ?? 0] ?? -1);
    const isCode = hexValues[bytes[at + 1] ?? 0] !== -1 && hexValues[bytes[at + 2] ?? 0] !== -1;
    const breakEnd = isCode ? -1 : softBreakEnd(bytes, at + 1);
    if (isCode) {
      out[length++] = code;
      at += 2;
    } else if (breakEnd === -1) {
      out[length++] = octet;
    } else {
      at = breakEnd - 1;
    }
  }
  return out.subarray(0, length);
}

/** RFC 2045 §6.7 (5): a line has at most 76 octets, so white space before its end is no longer than that. */
const paddingMax = 76;

/** Behind the line end, or -1. */
function softBreakEnd(bytes: Buffer, from: number): number {
  let at = from;
  while (at < from + paddingMax && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  if (bytes[at] === cr && bytes[at + 1] === lf) return at + 2;
  if (bytes[at] === lf) return at + 1;
  return at === bytes.length ? at : -1;
}

const hexValues = Int8Array.from({ length: 256 }, (_, octet) => {
  const char = String.fromCharCode(octet);
  return /[0-9A-Fa-f]/.test(char) ? Number.parseInt(char, 16) : -1;
});
