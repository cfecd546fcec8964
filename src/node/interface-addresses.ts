/** The addresses of this machine, as they are now. */
import { networkInterfaces } from "node:os";

/** Loopback and link-local ones included, without zones. */
export function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
