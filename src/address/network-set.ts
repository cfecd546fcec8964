/** Networks in CIDR notation and sets of them: who may relay, whom to trust, whom to refuse. */
import { parseIpAddress, type IpAddress } from "./ip-address.ts";

export interface Network {
  readonly base: IpAddress;
  /** Bits, 0 to 32 or 128. */
  readonly prefixLength: number;
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. Undefined if it is neither, or has bits set behind its prefix. */
export function parseNetwork(text: string): Network | undefined {
  const [addressText = "", prefixText, ...rest] = text.split("/", 3);
  const base = parseIpAddress(addressText);
  if (base === undefined || rest.length > 0) return undefined;
  const bits = base.octets.length * 8;
  if (prefixText === undefined) return { base, prefixLength: bits };
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefixText)) return undefined;
  // A mapped network is written with 96 bits more than the IPv4 network it stands for.
  const prefixLength = Number(prefixText) - (base.family === 4 && addressText.includes(":") ? 96 : 0);
  if (prefixLength < 0 || prefixLength > bits) return undefined;
  const clean = base.octets.every((octet, index) => (octet & ~maskOctet(prefixLength, index)) === 0);
  return clean ? { base, prefixLength } : undefined;
}

/** A fixed set of networks; IPv4-mapped addresses count as IPv4. */
export class NetworkSet {
  readonly #networks: readonly Network[];

  constructor(networks: Iterable<Network>) {
    this.#networks = [...networks];
  }

  /** Whether an address, as a value or as a socket reports it (a zone such as `%eth0` is ignored), is in the set. */
  has(address: IpAddress | string): boolean {
    if (this.#networks.length === 0) return false;
    const value = typeof address === "string" ? parseIpAddress(address.split("%", 1)[0] ?? "") : address;
    return value !== undefined && this.#networks.some((network) => contains(network, value));
  }
}

function contains({ base, prefixLength }: Network, { family, octets }: IpAddress): boolean {
  if (family !== base.family) return false;
  const whole = Math.ceil(prefixLength / 8);
  for (let index = 0; index < whole; index++) {
    const difference = (octets[index] ?? 0) ^ (base.octets[index] ?? 0);
    if ((difference & maskOctet(prefixLength, index)) !== 0) return false;
  }
  return true;
}

/** The part of a network mask that falls on one octet. */
function maskOctet(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}
