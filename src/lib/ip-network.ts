/**
 * IP addresses and networks as octets, for settings such as `relay.networks`. Parsing is strict: what is not exactly an
 * address (leading zeros, zone ids, missing parts) is refused, since a lenient reader of addresses grants permissions.
 */

const ipv4LengthMax = "255.255.255.255".length;
const dot = 0x2e;
const digit0 = 0x30;
const digit9 = 0x39;

/** Networks in CIDR form. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) counts as the IPv4 address it maps. */
export interface IpNetworkList {
  /** As written in the settings. */
  readonly texts: readonly string[];
  /** false for anything that is no IP address, "" of a unix socket included. */
  contains(address: string): boolean;
}

export interface IpNetwork {
  readonly octets: Uint8Array;
  readonly prefixLength: number;
}

/** 4 or 16 octets; undefined when `text` is not an IP address. IPv4-mapped IPv6 gives 4. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  if (!text.includes(":")) return parseIpv4(text);
  const octets = parseIpv6(text);
  return octets && isIpv4Mapped(octets) ? octets.subarray(12) : octets;
}

/** `192.0.2.0/24`, `2001:db8::/32`, or an address alone. The bits behind the prefix must be zero. */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const [address = "", prefix, ...rest] = text.split("/");
  if (rest.length > 0 || (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix))) return undefined;
  const written = address.includes(":") ? parseIpv6(address) : parseIpv4(address);
  if (!written) return undefined;
  const writtenLength = prefix === undefined ? written.length * 8 : Number(prefix);
  if (writtenLength > written.length * 8) return undefined;
  // ::ffff:192.0.2.0/120 names 192.0.2.0/24.
  const mapped = isIpv4Mapped(written) && writtenLength >= 96;
  const octets = mapped ? written.subarray(12) : written;
  const prefixLength = mapped ? writtenLength - 96 : writtenLength;
  return hasBitsBehind(octets, prefixLength) ? undefined : { octets, prefixLength };
}

/** Every text must be a network; see {@link parseIpNetwork}. */
export function ipNetworkList(texts: readonly string[]): IpNetworkList {
  const networks = texts.flatMap((text) => parseIpNetwork(text) ?? []);
  if (networks.length !== texts.length) throw new TypeError("not a list of networks");
  return {
    texts,
    contains: (address) => {
      if (networks.length === 0) return false;
      const octets = parseIpAddress(address);
      return octets !== undefined && networks.some((network) => covers(network, octets));
    },
  };
}

/** Whether the networks hold at least half of all IPv4 addresses, or of the IPv6 addresses in use (2000::/3). */
export function coversMostAddresses(texts: readonly string[]): boolean {
  const networks = texts.flatMap((text) => parseIpNetwork(text) ?? []);
  const shares = { 4: 0, 16: 0 };
  for (const [index, network] of networks.entries()) {
    // Of two that are equal the first counts.
    const isWithin = networks.some(
      (other, at) =>
        at !== index &&
        covers(other, network.octets) &&
        (other.prefixLength < network.prefixLength || (other.prefixLength === network.prefixLength && at < index)),
    );
    if (!isWithin) shares[network.octets.length === 4 ? 4 : 16] += shareOf(network);
  }
  return shares[4] >= 0.5 || shares[16] >= 0.5;
}

function shareOf(network: IpNetwork): number {
  if (network.octets.length === 4) return 2 ** -network.prefixLength;
  if (covers(network, globalUnicast.octets))
    return Math.min(1, 2 ** (globalUnicast.prefixLength - network.prefixLength));
  return covers(globalUnicast, network.octets) ? 2 ** (globalUnicast.prefixLength - network.prefixLength) : 0;
}

/** RFC 4291 §2.4, and what IANA has given out of it. */
const globalUnicast: IpNetwork = { octets: Uint8Array.from([0x20, ...Array<number>(15).fill(0)]), prefixLength: 3 };

const loopbackNetworks = ipNetworkList(["127.0.0.0/8", "::1"]);

export function isLoopback(address: string): boolean {
  return loopbackNetworks.contains(address);
}

function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length > ipv4LengthMax) return undefined;
  const octets = new Uint8Array(4);
  let part = 0;
  let value = 0;
  let digits = 0;
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? dot : text.charCodeAt(at);
    if (code === dot) {
      if (digits === 0 || value > 255 || part > 3) return undefined;
      octets[part++] = value;
      value = 0;
      digits = 0;
    } else {
      // A zero that more digits follow is read as octal by some.
      if (code < digit0 || code > digit9 || (digits > 0 && value === 0)) return undefined;
      value = value * 10 + code - digit0;
      digits++;
    }
  }
  return part === 4 ? octets : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "", halves.length === 1);
  const tail = groups(halves[1] ?? "", true);
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  // "::" stands for at least one group (RFC 4291 §2.2).
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...Array<number>(missing).fill(0), ...tail]);
}

/** The octets of groups between colons; only the last group of an address may be in dotted form. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const octets: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const dotted = last && index === parts.length - 1 && part.includes(".") ? parseIpv4(part) : undefined;
    if (dotted) octets.push(...dotted);
    else if (/^[0-9a-f]{1,4}$/i.test(part))
      octets.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 255);
    else return undefined;
  }
  return octets;
}

function isIpv4Mapped(octets: Uint8Array): boolean {
  return (
    octets.length === 16 &&
    octets.subarray(0, 10).every((octet) => octet === 0) &&
    octets[10] === 255 &&
    octets[11] === 255
  );
}

function covers(network: IpNetwork, octets: Uint8Array): boolean {
  if (network.octets.length !== octets.length) return false;
  return network.octets.every((octet, index) => {
    const mask = maskOf(network.prefixLength, index);
    return (octet & mask) === ((octets[index] ?? 0) & mask);
  });
}

function hasBitsBehind(octets: Uint8Array, prefixLength: number): boolean {
  return octets.some((octet, index) => (octet & ~maskOf(prefixLength, index) & 255) !== 0);
}

function maskOf(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
  return (0xff00 >> bits) & 255;
}
