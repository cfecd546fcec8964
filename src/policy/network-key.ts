/** Under which key a client is counted. Loopback and unix sockets are this machine, and no client to be limited. */
import { clientNetwork } from "../accounts/client-network.ts";
import { isLoopback, parseIpAddress } from "../address/ip-address.ts";

/** `undefined`: not limited. An address that we cannot read is limited as it stands. */
export function networkKey(address: string): string | undefined {
  const parsed = parseIpAddress(address);
  if (address === "" || (parsed !== undefined && isLoopback(parsed))) return undefined;
  return clientNetwork(address);
}
