/**
 * Domains as SMTP writes them (RFC 5321 §4.1.2, RFC 6531 §3.3): names in A- or U-labels and address literals, with the
 * one key by which they are compared and routed.
 *
 * IDNA conversion is Node's `domainToASCII`, which is made for URLs: it decodes percent signs, cuts at "/", reads "0x7f.1"
 * as an IPv4 address and maps look-alikes to ASCII. So it only ever sees a single label with an octet above 127, and its
 * answer counts only if it leads back to the very label given.
 */
import { domainToASCII, domainToUnicode } from "node:url";
import { parseIpAddress } from "./ip-address.ts";
import { asciiLowerCase, hasNonAscii } from "../lib/ascii-case.ts";

/** Octets of a whole domain (RFC 5321 §4.5.3.1.2). */
export const domainBytesMax = 255;
/** Octets of one label in its ASCII form (RFC 1035 §2.3.4). */
const labelBytesMax = 63;

/**
 * Key of a name or of an address literal in brackets: lower case, A-labels, literals normalised. Undefined if it is
 * neither. A trailing dot is not part of SMTP's grammar.
 */
export function domainKeyOf(domain: string): string | undefined {
  // A character of UTF-16 is at least one octet of UTF-8, so this bounds the work before any conversion.
  if (domain.length > domainBytesMax) return undefined;
  if (domain.startsWith("[")) return literalKeyOf(domain);
  return nameKeyOf(domain);
}

/**
 * Key of a name under which records may be found: as {@link domainKeyOf} for a name, but labels may hold underscores and
 * begin or end with hyphens, the final dot is left out, and the length is that of DNS: 253 octets in text (RFC 1035
 * §2.3.4). Undefined for all else, address literals among it.
 */
export function dnsNameKeyOf(name: string): string | undefined {
  const text = name.endsWith(".") ? name.slice(0, -1) : name;
  if (text.length > dnsNameBytesMax) return undefined;
  const key = dnsNamePattern.test(text) ? asciiLowerCase(text) : nameKeyOf(text);
  return key === undefined || key.length > dnsNameBytesMax ? undefined : key;
}

/** Octets of a name as text; the wire form has two more (RFC 1035 §2.3.4). */
const dnsNameBytesMax = 253;
const dnsNamePattern = /^[\w-]{1,63}(?:\.[\w-]{1,63})*$/;

/** Name or literal in ASCII only and without underscores, as HELO wants it (RFC 5321 §4.1.1.1). */
export function isAsciiDomain(domain: string): boolean {
  return !hasNonAscii(domain) && !domain.includes("_") && domainKeyOf(domain) !== undefined;
}

function literalKeyOf(literal: string): string | undefined {
  if (!literal.endsWith("]")) return undefined;
  const inner = literal.slice(1, -1);
  const tagged = /^ipv6:/i.test(inner);
  const text = tagged ? inner.slice(5) : inner;
  const address = parseIpAddress(text);
  // RFC 5321 §4.1.3: an IPv6 address needs its tag, an IPv4 one has none. No other tag is registered.
  if (address === undefined || tagged !== text.includes(":")) return undefined;
  return address.family === 4 ? `[${address.text}]` : `[IPv6:${address.text}]`;
}

function nameKeyOf(name: string): string | undefined {
  let labelStart = 0;
  let plain = true;
  for (let index = 0; index <= name.length; index++) {
    const code = index === name.length ? dot : name.charCodeAt(index);
    if (code === dot) {
      const length = index - labelStart;
      if (length === 0 || length > labelBytesMax) return undefined;
      if (name.charCodeAt(labelStart) === hyphen || name.charCodeAt(index - 1) === hyphen) return undefined;
      // "xn--": only then can an ASCII label be more than what it looks like.
      if (name.charCodeAt(labelStart + 2) === hyphen && name.charCodeAt(labelStart + 3) === hyphen) plain = false;
      labelStart = index + 1;
    } else if (code > 127) {
      plain = false;
    } else if (!isNameCharacter(code)) {
      return undefined;
    }
  }
  return plain ? asciiLowerCase(name) : internationalKeyOf(name);
}

function internationalKeyOf(name: string): string | undefined {
  const labels: string[] = [];
  for (const label of name.split(".")) {
    const key = labelKeyOf(label);
    if (key === undefined || key.length > labelBytesMax) return undefined;
    labels.push(key);
  }
  const key = labels.join(".");
  return key.length <= domainBytesMax ? key : undefined;
}

function labelKeyOf(label: string): string | undefined {
  if (!hasNonAscii(label)) {
    const key = asciiLowerCase(label);
    if (!key.startsWith("xn--")) return key;
    if (key.includes("_")) return undefined;
    // A-labels must be what their own U-label turns into (RFC 5890 §2.3.2.1); "xn--a" is nobody's.
    const unicode = domainToUnicode(key);
    return hasNonAscii(unicode) && domainToASCII(unicode) === key ? key : undefined;
  }
  if (!label.isWellFormed() || label.includes("_")) return undefined;
  const key = domainToASCII(label);
  if (!key.startsWith("xn--")) return undefined;
  // Letter by letter: lower-casing a whole word would turn a last Σ into ς, which IDNA keeps apart.
  const folded = Array.from(label.normalize("NFC"), (character) => character.toLowerCase()).join("");
  return domainToUnicode(key) === folded.normalize("NFC") ? key : undefined;
}

/** Deviation: underscores, which SMTP's grammar lacks, stand in the names of containers and of internal networks. */
function isNameCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === hyphen ||
    code === underscore
  );
}

const dot = 0x2e;
const hyphen = 0x2d;
const underscore = 0x5f;
