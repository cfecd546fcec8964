/** Which DNS servers to ask: those configured, or the system's. */
import { isLoopback, parseIpAddress } from "../../address/ip-address.ts";
import { parseEndpoint } from "../../lib/endpoint.ts";
import type { Files } from "../../ports/files.ts";
import type { DnsServer } from "./dns-exchange.ts";

const dnsPort = 53;
/** As many as the C library takes (resolv.conf(5)). */
const systemServersMax = 3;

/** `127.0.0.1:53`, `[::1]:53`; a bare address means port 53. Undefined where it is neither. */
export function parseDnsServer(text: string): DnsServer | undefined {
  if (parseIpAddress(text) !== undefined) return { address: text, port: dnsPort };
  const endpoint = parseEndpoint(text);
  return endpoint?.kind === "ip" ? { address: endpoint.address, port: endpoint.port } : undefined;
}

/** The `nameserver` lines of resolv.conf; without any the server on this machine (resolv.conf(5)). */
export async function systemDnsServers(files: Files, path = "/etc/resolv.conf"): Promise<DnsServer[]> {
  const text = await files.readFile(path).then(
    (bytes) => Buffer.from(bytes).toString("utf8"),
    () => "",
  );
  const servers = text.split("\n").flatMap((line) => {
    const address = /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
    // A link-local server carries the interface: fe80::1%eth0.
    const known = address !== undefined && parseIpAddress(address.split("%", 1)[0] ?? "") !== undefined;
    return known ? [{ address, port: dnsPort }] : [];
  });
  return servers.length === 0 ? [{ address: "127.0.0.1", port: dnsPort }] : servers.slice(0, systemServersMax);
}

/** Nobody between us and it: what it says of DNSSEC may be believed (RFC 4035 §4.9.3). */
export function isOnThisMachine(server: DnsServer): boolean {
  const address = parseIpAddress(server.address);
  return address !== undefined && isLoopback(address);
}
