/**
 * Where a header section ends for everybody who will ever read the message. Our own fields go on top of it, so whatever a
 * reader takes for part of the header is read as if we had let it through.
 *
 * Readers agree where a section consists of fields that begin with a name, lines that end in CRLF, and an empty line. What
 * lacks the empty line is given one (as Postfix does), before the first line that is no field: what stands behind it is body,
 * for us and for all others. What no empty line can make clear is refused.
 */
import { isBlank } from "./header-section.ts";

const lf = 10;
const cr = 13;

export type HeaderEnd =
  /** An empty line follows, or nothing at all. */
  | { readonly kind: "separated" }
  /** What follows is neither field nor empty line: an empty line belongs before it. */
  | { readonly kind: "unseparated" }
  | { readonly kind: "ambiguous"; readonly fault: HeaderFault; readonly place?: string };

export type HeaderFault =
  /** White space where the first field begins: the line would continue the last of our own fields (RFC 5322 §2.2.3). */
  | "begins-with-white-space"
  /** CR, LF or NUL by itself: some readers begin a new line there, or end one (RFC 5322 §2.2, RFC 5321 §2.3.8). */
  | "stray-octets";

/** For replies and for people. */
export const headerFaultWords: Readonly<Record<HeaderFault, string>> = {
  "begins-with-white-space":
    "The message begins with white space, as if a header field went on (RFC 5322, section 2.2.3)",
  "stray-octets": "The header section has a NUL, or a CR or LF that ends no line (RFC 5322, section 2.2)",
};

/** `header` and `rest` as {@link HeaderCollector} gives them for the whole of a message's beginning. */
export function judgeHeaderEnd(header: Buffer, rest: Buffer): HeaderEnd {
  if (header.length === 0 && isBlank(rest[0])) return beginsWithWhiteSpace;
  const stray = strayOctetIn(header);
  if (stray !== -1) return { ...strayOctets, place: placeInHeader(header, stray) };
  const [first, second] = rest;
  if (first === undefined || (first === cr && second === lf)) return separated;
  return first === cr || first === lf ? strayOctets : unseparated;
}

/** CR, LF or NUL by itself in a header section: programs disagree on what that means, and where its fields end. */
export function hasStrayOctets(header: Buffer): boolean {
  return strayOctetIn(header) !== -1;
}

/** Index of the first one; -1: none. */
function strayOctetIn(header: Buffer): number {
  for (let at = 0; at < header.length; at++) {
    const octet = header[at] ?? 0;
    if (octet > cr) continue;
    if (octet === cr && header[at + 1] === lf) at++;
    else if (octet === 0 || octet === lf || octet === cr) return at;
  }
  return -1;
}

/** For replies: `CR in the field "Subject", character 12`. Characters are octets of the field, its name included. */
export function placeInHeader(header: Buffer, index: number): string {
  let start = 0;
  let end = header.indexOf(crlf);
  while (end !== -1 && end + crlf.length <= index) {
    if (!isBlank(header[end + crlf.length])) start = end + crlf.length;
    end = header.indexOf(crlf, end + crlf.length);
  }
  const name = /^[!-9;-~]{1,40}(?=[ \t]*:)/.exec(header.toString("latin1", start, start + shownMax))?.[0];
  const octet = header[index];
  const what = octet === cr ? "CR" : octet === lf ? "LF" : "NUL";
  return name === undefined
    ? `${what} in its octet ${index + 1}`
    : `${what} in the field "${name}", character ${index - start + 1}`;
}

/** Octets of a line in which the field's name is looked for. */
const shownMax = 80;
const crlf = Buffer.from("\r\n");

const separated: HeaderEnd = { kind: "separated" };
const unseparated: HeaderEnd = { kind: "unseparated" };
const beginsWithWhiteSpace: HeaderEnd = { kind: "ambiguous", fault: "begins-with-white-space" };
const strayOctets = { kind: "ambiguous", fault: "stray-octets" } as const satisfies HeaderEnd;
