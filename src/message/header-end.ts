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
  | { readonly kind: "ambiguous"; readonly fault: HeaderFault };

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
  if (hasStrayOctets(header)) return strayOctets;
  const [first, second] = rest;
  if (first === undefined || (first === cr && second === lf)) return separated;
  return first === cr || first === lf ? strayOctets : unseparated;
}

/** CR, LF or NUL by itself in a header section: programs disagree on what that means, and where its fields end. */
export function hasStrayOctets(header: Buffer): boolean {
  for (let at = 0; at < header.length; at++) {
    const octet = header[at] ?? 0;
    if (octet > cr) continue;
    if (octet === cr && header[at + 1] === lf) at++;
    else if (octet === 0 || octet === lf || octet === cr) return true;
  }
  return false;
}

const separated: HeaderEnd = { kind: "separated" };
const unseparated: HeaderEnd = { kind: "unseparated" };
const beginsWithWhiteSpace: HeaderEnd = { kind: "ambiguous", fault: "begins-with-white-space" };
const strayOctets: HeaderEnd = { kind: "ambiguous", fault: "stray-octets" };
