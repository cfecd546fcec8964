/** Where a listener listens or a client connects: an IP address with a port, or a unix socket's path. */
import { parseIpAddress } from "./ip-network.ts";

export type Endpoint =
  | { readonly kind: "ip"; readonly address: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Of `127.0.0.1:25`, `[::]:25` or `unix:/path`; undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { kind: "unix", path: text.slice(5) } : undefined;
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  if (!match || port > 65_535 || (match[1] !== undefined) !== address.includes(":")) return undefined;
  return parseIpAddress(address) ? { kind: "ip", address, port } : undefined;
}

/** As `parseEndpoint` reads it. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return `unix:${endpoint.path}`;
  return endpoint.address.includes(":")
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`;
}
