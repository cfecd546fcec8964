/** The SMTP client's address in the forms that SPF compares and expands (RFC 7208 §5, §7.3). IPv4-mapped IPv6 is IPv4. */
import { parseIpAddress } from "../address/ip-address.ts";
import { asciiUpperCase } from "../lib/ascii-case.ts";

export interface SpfClient {
  readonly family: 4 | 6;
  readonly octets: Uint8Array;
  /** The IPv4 address as an unsigned number; 0 for IPv6. */
  readonly number: number;
  /** For people: `%{c}`. */
  readonly text: string;
}

/** Undefined for what is no IP address: the client of a unix socket. */
export function parseClient(address: string): SpfClient | undefined {
  const parsed = parseIpAddress(address);
  if (parsed === undefined) return undefined;
  const { family, octets, text } = parsed;
  return { family, octets, text, number: family === 4 ? numberOf(octets) : 0 };
}

/** `192.0.2.1`, or the 32 nibbles of an IPv6 address between dots: `%{i}`. */
export function dottedForm(client: SpfClient): string {
  return client.family === 4 ? client.text : nibblesOf(client.octets).join(".");
}

/** Where the client's PTR records are. */
export function reverseName(client: SpfClient): string {
  return client.family === 4
    ? `${client.text.split(".").toReversed().join(".")}.in-addr.arpa`
    : `${nibblesOf(client.octets).toReversed().join(".")}.ip6.arpa`;
}

/** Whether the first `prefixLength` bits of the client and of `address` (from an A or AAAA record) agree. */
export function sharesPrefix(client: SpfClient, address: string, prefixLength: number): boolean {
  const other = parseIpAddress(address);
  return other?.family === client.family && prefixEquals(client.octets, other.octets, prefixLength);
}

export function prefixEquals(left: Uint8Array, right: Uint8Array, prefixLength: number): boolean {
  const whole = prefixLength >> 3;
  for (let index = 0; index < whole; index++) if (left[index] !== right[index]) return false;
  const bits = prefixLength & 7;
  return bits === 0 || (((left[whole] ?? 0) ^ (right[whole] ?? 0)) & (0xff00 >> bits) & 0xff) === 0;
}

/** Four octets as an unsigned number. */
export function numberOf(octets: Uint8Array): number {
  const [first = 0, second = 0, third = 0, fourth = 0] = octets;
  return ((first << 24) | (second << 16) | (third << 8) | fourth) >>> 0;
}

function nibblesOf(octets: Uint8Array): string[] {
  // Upper case, as the published tests of RFC 7208 have it; the DNS does not mind.
  return [...asciiUpperCase(Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join(""))];
}
