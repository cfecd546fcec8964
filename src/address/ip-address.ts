/**
 * IP addresses as values: one normal form, and the kinds of address that mail must treat apart. Parsing is that of
 * lib/ip-network.ts, which also has networks.
 * IPv4-mapped IPv6 addresses become the IPv4 address they stand for, since a dual-stack socket reports IPv4 peers so.
 */
import { parseIpAddress as parseOctets } from "../lib/ip-network.ts";

export interface IpAddress {
  readonly family: 4 | 6;
  /** 4 or 16 octets. */
  readonly octets: Uint8Array;
  /** The normal form: dotted decimal, or RFC 5952. */
  readonly text: string;
}

/** Dotted decimal without leading zeros (which some read as octal), or RFC 4291 §2.2 without a zone. */
export function parseIpAddress(text: string): IpAddress | undefined {
  // The longest form is 8 groups of 4 with the last two in decimal: 45 characters.
  const octets = text.length > 45 ? undefined : parseOctets(text);
  return octets && ipAddressOf(octets);
}

/** The value for 4 or 16 octets in network order. */
export function ipAddressOf(octets: Uint8Array): IpAddress {
  if (octets.length === 16 && isMapped(octets)) return ipAddressOf(octets.subarray(12));
  return octets.length === 4
    ? { family: 4, octets, text: octets.join(".") }
    : { family: 6, octets, text: formatIpv6(octets) };
}

/** 127.0.0.0/8 or ::1, also inside an address of translation. */
export function isLoopback(address: IpAddress): boolean {
  const { octets } = unwrapped(address);
  return octets.length === 4 ? octets[0] === 127 : octets[15] === 1 && octets.subarray(0, 15).every(isZero);
}

/**
 * Not reachable over the public internet, loopback apart: unspecified, private, shared (RFC 6598), link-local, site-local,
 * unique local, multicast, reserved. Documentation ranges are not in it: examples and tests use them as the public's.
 */
export function isPrivate(address: IpAddress): boolean {
  const { octets } = unwrapped(address);
  const [first = 0, second = 0] = octets;
  if (octets.length === 4) {
    return (
      first === 0 ||
      first === 10 ||
      (first === 100 && (second & 0xc0) === 64) ||
      (first === 169 && second === 254) ||
      (first === 172 && (second & 0xf0) === 16) ||
      (first === 192 && second === 168) ||
      first >= 224
    );
  }
  return (
    octets.every(isZero) ||
    (first & 0xfe) === 0xfc ||
    (first === 0xfe && (second & 0x80) === 0x80) || // fe80::/10 and fec0::/10
    first === 0xff
  );
}

/** The IPv4 address inside NAT64's well-known prefix (RFC 6052 §2.1) or the old `::a.b.c.d`: it is what gets reached. */
function unwrapped(address: IpAddress): IpAddress {
  const { octets } = address;
  if (octets.length !== 16) return address;
  const nat64 = octets[0] === 0 && octets[1] === 0x64 && octets[2] === 0xff && octets[3] === 0x9b;
  if (nat64 && octets.subarray(4, 12).every(isZero)) return ipAddressOf(octets.subarray(12));
  const compatible = octets.subarray(0, 12).every(isZero) && (octets[12] !== 0 || octets[13] !== 0);
  return compatible ? ipAddressOf(octets.subarray(12)) : address;
}

function isMapped(octets: Uint8Array): boolean {
  return octets[10] === 0xff && octets[11] === 0xff && octets.subarray(0, 10).every(isZero);
}

function isZero(octet: number): boolean {
  return octet === 0;
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as "::". */
function formatIpv6(octets: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((octets[2 * index] ?? 0) << 8) | (octets[2 * index + 1] ?? 0),
  );
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
    start += length;
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (best.length === 1) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}
