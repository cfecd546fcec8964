/** Who watches one connection to another server while it is made and used: `posthaste check delivery`. */
import type { TlsFacts } from "../ports/network.ts";
import type { Setback } from "./delivery-verdict.ts";
import type { DialogueLine } from "./smtp-client-connection.ts";

/** Each call comes when the thing happens; passwords and content are never told. */
export interface ConnectionObserver {
  /** `tls`: where TLS begins with the first octet. */
  connected(tls: TlsFacts | undefined): void;
  /** Last: there is no connection. `reason` in the network's words. */
  connectFailed(reason: string): void;
  dialogue(line: DialogueLine): void;
  /** STARTTLS was followed by a handshake that gave what was demanded. */
  secured(tls: TlsFacts): void;
  /** The session could not be opened; the connection is closed, or told QUIT. */
  failed(setback: Setback): void;
}
