/**
 * The last part of a report: the message that it is about, or its header section (RFC 6522 §3, RFC 6533 §4).
 *
 * What is returned must not make the report itself undeliverable. So content that DATA cannot carry is not returned whole
 * and a header that is not clean 7-bit text is encoded; only message/rfc822 must stay as it is, since MIME allows it no
 * encoding (RFC 2046 §5.2.1).
 */
import { isAscii, isUtf8 } from "node:buffer";
import { lineLengthMax } from "../message/content-scanner.ts";
import { encodeQuotedPrintable } from "../message/seven-bit/transfer-encoders.ts";
import type { ReportedMessage } from "./report.ts";

export interface ReturnedPart {
  readonly contentType: string;
  readonly transferEncoding: "7bit" | "8bit" | "quoted-printable";
  readonly bytes: Buffer;
  /** The whole message, not its header section alone. */
  readonly whole: boolean;
}

/** `eightBitPath`: where the report goes, 8 bits and SMTPUTF8 are needed anyway, so nothing has to be encoded. */
export function makeReturnedPart(original: ReportedMessage, eightBitPath: boolean): ReturnedPart {
  return returnedWhole(original, eightBitPath) ?? returnedHeader(original, eightBitPath);
}

function returnedWhole(original: ReportedMessage, eightBitPath: boolean): ReturnedPart | undefined {
  const { header, body, utf8Header, eightBit, binary } = original;
  if (body === undefined || binary || !isUtf8(header)) return undefined;
  const bytes = Buffer.concat([header, body]);
  // Whoever fills in the facts, a report with a NUL or an endless line in it would never arrive.
  if (!isClean(bytes)) return undefined;
  if (utf8Header || !isAscii(header)) {
    return encodedUnless(eightBitPath, { contentType: "message/global", bytes, whole: true });
  }
  const transferEncoding = eightBit || !isAscii(bytes) ? "8bit" : "7bit";
  return { contentType: "message/rfc822", transferEncoding, bytes, whole: true };
}

function returnedHeader({ header }: ReportedMessage, eightBitPath: boolean): ReturnedPart {
  const clean = isClean(header);
  if (isAscii(header)) {
    const contentType = "text/rfc822-headers";
    return clean
      ? { contentType, transferEncoding: "7bit", bytes: header, whole: false }
      : encodedUnless(false, { contentType, bytes: header, whole: false });
  }
  const contentType = isUtf8(header) ? "message/global-headers" : "text/rfc822-headers";
  return encodedUnless(eightBitPath && clean && isUtf8(header), { contentType, bytes: header, whole: false });
}

function encodedUnless(asItIs: boolean, part: Omit<ReturnedPart, "transferEncoding">): ReturnedPart {
  if (asItIs) return { ...part, transferEncoding: "8bit" };
  return { ...part, transferEncoding: "quoted-printable", bytes: encodeQuotedPrintable(part.bytes) };
}

/** Lines of at most 998 octets, each ended by CRLF; no NUL and no bare CR or LF. */
function isClean(bytes: Buffer): boolean {
  let start = 0;
  while (start < bytes.length) {
    const cr = bytes.indexOf(0x0d, start);
    const end = cr === -1 ? bytes.length : cr;
    if (end - start > lineLengthMax || (cr !== -1 && bytes[cr + 1] !== 0x0a)) return false;
    const bareLf = bytes.indexOf(0x0a, start);
    if (bareLf !== -1 && bareLf < end) return false;
    start = end + 2;
  }
  return !bytes.includes(0);
}
