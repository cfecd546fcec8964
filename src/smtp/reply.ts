/** An SMTP reply as a value (RFC 5321 §4.2). Writing and reading it are elsewhere in this folder. */
import type { EnhancedStatus } from "./enhanced-status.ts";

export interface Reply {
  /** 200 to 559. */
  readonly code: number;
  /** Absent on greetings, on HELO/EHLO answers and on 3yz (RFC 2034 §4). Its class equals the code's first digit. */
  readonly status?: EnhancedStatus;
  /** One line each, without the code; the writer splits what is too long and replaces what is not printable ASCII. */
  readonly lines: readonly string[];
}

export function reply(code: number, status: EnhancedStatus | undefined, ...lines: readonly string[]): Reply {
  return status === undefined ? { code, lines } : { code, status, lines };
}
