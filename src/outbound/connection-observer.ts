/** Who watches one connection to another server while it is made and used: `check delivery`, and who counts for reports. */
import type { TlsFacts } from "../ports/network.ts";
import type { Setback } from "./delivery-verdict.ts";
import type { DialogueLine, SmtpClientConnection } from "./smtp-client-connection.ts";

/** Each call comes when the thing happens; passwords and content are never told. */
export interface ConnectionObserver {
  /** Under TLS already where that begins with the first octet. */
  connected(connection: Pick<SmtpClientConnection, "local" | "tls">): void;
  /** Last: there is no connection. `reason` in the network's words. */
  connectFailed(reason: string): void;
  /** Absent: nobody wants to know, and it costs nothing. */
  dialogue?(line: DialogueLine): void;
  /** STARTTLS was followed by a handshake that gave what was demanded. */
  secured(tls: TlsFacts): void;
  /** The session is open: a transaction can begin. */
  ready(connection: SmtpClientConnection): void;
  /** The session could not be opened; the connection is closed, or told QUIT. */
  failed(setback: Setback): void;
}
