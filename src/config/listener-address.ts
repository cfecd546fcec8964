/** Where a listener listens when the file does not say. */
import type { Endpoint } from "../lib/endpoint.ts";
import type { ListenerSettings } from "./listener-settings.ts";

const usualPorts = { mx: 25, submission: 587, submissions: 465, lmtp: undefined } as const;

/** Undefined for an lmtp listener without an address: there is no usual one. */
export function listenAddressOf({ kind, listen }: ListenerSettings): Endpoint | undefined {
  if (listen) return listen;
  const port = usualPorts[kind];
  return port === undefined ? undefined : { kind: "ip", address: "::", port };
}
