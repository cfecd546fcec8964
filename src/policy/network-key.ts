/** Under which key a client is counted. Loopback and unix sockets are this machine, and no client to be limited. */
import { clientNetwork } from "../accounts/client-network.ts";
import { isLoopback, parseIpAddress } from "../address/ip-address.ts";

/** `undefined`: not limited. */
export function networkKey(address: string): string | undefined {
  const parsed = parseIpAddress(address);
  return parsed === undefined || isLoopback(parsed) ? undefined : clientNetwork(address);
}
