/** What counts as one client: an IPv4 address, or an IPv6 /64, since a single host has the whole of that (RFC 6177 §2). */
import { parseIpAddress } from "../address/ip-address.ts";

/** `192.0.2.1` or `2001:db8:0:1::/64`. Anything that is no IP address (a unix socket's "") stands for itself. */
export function clientNetwork(address: string): string {
  const parsed = parseIpAddress(address);
  if (parsed === undefined) return address;
  if (parsed.family === 4) return parsed.text;
  const { octets } = parsed;
  const group = (at: number) => (((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0)).toString(16);
  return `${group(0)}:${group(2)}:${group(4)}:${group(6)}::/64`;
}
