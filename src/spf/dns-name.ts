/**
 * Names that SPF asks the DNS for: what a domain or an expanded domain-spec is as a query name (RFC 7208 §4.3, §4.8), and
 * the subdomain relation. Names of SPF may hold any visible character: `_spf`, `%{l}` of odd local-parts.
 */
import { domainKeyOf } from "../address/domain.ts";
import { asciiLowerCase, hasNonAscii } from "../lib/ascii-case.ts";

/** Characters of a name in presentation form without the final dot (RFC 7208 §7.3). */
export const nameLengthMax = 253;
const labelLengthMax = 63;

/** Without its final dot; undefined for what no query can be made of: empty or long labels, control or non-ASCII characters. */
export function queryNameOf(text: string): string | undefined {
  const end = text.endsWith(".") ? text.length - 1 : text.length;
  if (end === 0 || end > nameLengthMax) return undefined;
  let labelStart = 0;
  for (let index = 0; index <= end; index++) {
    const code = index === end ? dot : text.charCodeAt(index);
    if (code === dot) {
      const length = index - labelStart;
      if (length === 0 || length > labelLengthMax) return undefined;
      labelStart = index + 1;
    } else if (code < 0x20 || code > 0x7e) {
      return undefined;
    }
  }
  return end === text.length ? text : text.slice(0, end);
}

/**
 * The domain of an identity as a name to look up: lower case, U-labels as A-labels (RFC 8616 §4). Undefined where RFC 7208
 * §4.3 gives "none" unasked: malformed, a single label, or an address literal.
 */
export function identityDomainOf(domain: string): string | undefined {
  // Never longer than this in octets, so never longer in characters; bounds the conversion.
  if (domain.length > nameLengthMax + 1 || domain.startsWith("[")) return undefined;
  const name = queryNameOf(hasNonAscii(domain) ? asciiOf(domain) : domain);
  if (name === undefined) return undefined;
  const lastDot = name.lastIndexOf(".");
  // No top-level domain is a number: this is an IPv4 address.
  return lastDot === -1 || isNumber(name, lastDot + 1) ? undefined : asciiLowerCase(name);
}

/** Whether `name` is `domain` or below it. Any case. */
export function isWithin(name: string, domain: string): boolean {
  const [inner, outer] = [asciiLowerCase(name), asciiLowerCase(domain)];
  return inner === outer || inner.endsWith(`.${outer}`);
}

/** "" where a label has no A-label. */
function asciiOf(domain: string): string {
  const labels = domain.split(".").map((label) => (hasNonAscii(label) ? domainKeyOf(label) : label));
  return labels.includes(undefined) ? "" : labels.join(".");
}

function isNumber(text: string, from: number): boolean {
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

const dot = 0x2e;
