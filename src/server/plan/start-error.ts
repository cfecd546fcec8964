/** What the network says when an address cannot be had, as a sentence for the person who starts the server. */
import { StartError } from "../../cli/running-server.ts";
import { formatEndpoint } from "../../lib/endpoint.ts";
import type { Endpoint } from "../../lib/endpoint.ts";
import { NetworkError } from "../../ports/network.ts";

/** Anything else stays what it is. */
export function startError(error: unknown, part: string, endpoint: Endpoint): unknown {
  if (!(error instanceof NetworkError)) return error;
  const place = formatEndpoint(endpoint);
  if (error.code === "EADDRINUSE") {
    return new StartError("start-address-in-use", part, `${place} is taken (${part})`, { cause: error });
  }
  const why =
    error.code === "EACCES" ? "this user may not listen there; ports below 1024 need a capability" : error.message;
  return new StartError("start-address-refused", part, `${place} cannot be listened on (${part}): ${why}`, {
    cause: error,
  });
}
