/**
 * How long a client waits for its server, one time for each command (RFC 5321 §4.5.3.2; the standard's minimum is the
 * default). Milliseconds; every reply, and every block of content taken over, begins the next wait.
 */
export interface ClientTimeouts {
  /** RFC 5321 §4.5.3.2.1. */
  readonly greetingMs: number;
  readonly helloMs: number;
  /** The reply to STARTTLS; the handshake itself belongs to the driver. */
  readonly startTlsMs: number;
  readonly authenticationMs: number;
  readonly mailMs: number;
  readonly recipientMs: number;
  readonly dataInitiationMs: number;
  readonly dataBlockMs: number;
  /** From the last octet of content to the reply. Short ones cause duplicates (RFC 5321 §4.5.3.2.6). */
  readonly dataTerminationMs: number;
  readonly quitMs: number;
  /** A whole transaction, whatever progress it makes: one that trickles forever ends too. */
  readonly transactionMs: number;
}

const secondMs = 1000;
const minuteMs = 60 * secondMs;

export const standardTimeouts: ClientTimeouts = {
  greetingMs: 5 * minuteMs,
  helloMs: 5 * minuteMs,
  startTlsMs: 2 * minuteMs,
  authenticationMs: 2 * minuteMs,
  mailMs: 5 * minuteMs,
  recipientMs: 5 * minuteMs,
  dataInitiationMs: 2 * minuteMs,
  dataBlockMs: 3 * minuteMs,
  dataTerminationMs: 10 * minuteMs,
  quitMs: 5 * secondMs,
  // 50 MB at about 7 KB a second, the slowest line that is worth holding a connection for.
  transactionMs: 120 * minuteMs,
};
