/** What counts as one client: an IPv4 address, or an IPv6 /64, since a single host has the whole of that (RFC 6177 §2). */
import { parseIpAddress } from "../address/ip-address.ts";

/** Anything that is no IP address (a unix socket's "") stands for itself. */
export function clientNetwork(address: string): string {
  const parsed = parseIpAddress(address);
  if (parsed === undefined) return address;
  return parsed.family === 4 ? parsed.text : `${Buffer.from(parsed.octets.subarray(0, 8)).toString("hex")}/64`;
}
