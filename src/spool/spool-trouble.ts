/** How work on the spool that failed is told: a disk that refuses is trouble to expect, anything else a bug. */
import type { Log } from "../ports/log.ts";
import type { QueueId } from "./queue-id.ts";
import { SpoolError } from "./spool.ts";

/** `where`: what the server was doing. `message`: the message that it did it for, if there is one. */
export function logTrouble(log: Log, where: string, cause: unknown, message?: QueueId): void {
  // Of a bug the log tells the stack, too.
  if (!(cause instanceof SpoolError)) log.event("internal-error", { where, message, error: cause });
  else if (cause.code === "damaged") log.event("spool-damaged", { where, message, error: cause.message });
  else log.event("spool-failed", { where, message, code: cause.code, error: cause.message });
}
