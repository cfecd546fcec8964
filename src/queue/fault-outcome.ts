/**
 * What an attempt that failed here means for its recipients: damaged content waits for a person, a disk that refuses and
 * a bug are tried again. The log says which it was, with its cause.
 */
import type { DeliveryOutcome } from "../events/delivery-outcome.ts";
import { errorText } from "../lib/error-text.ts";
import { FileError } from "../ports/files.ts";
import type { Log } from "../ports/log.ts";
import { SpoolError } from "../spool/spool.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

export function outcomeOfFault(error: unknown): DeliveryOutcome & { readonly kind: "deferred" } {
  const text = errorText(error);
  const temporary = { kind: "deferred", status: "4.3.0", owner: "local-trouble" } as const;
  if (error instanceof SpoolError) {
    if (error.code === "damaged") return { ...temporary, reason: text, hold: true };
    return { ...temporary, reason: `the spool could not be read: ${text}` };
  }
  // A path is nobody's business but the operator's.
  if (error instanceof FileError) return { ...temporary, reason: `this server could not use a file (${error.code})` };
  return { ...temporary, reason: `the attempt failed because of an internal error: ${text}` };
}

export function logFault(log: Log, where: string, message: string, error: unknown): void {
  if (error instanceof FileError) log.event("local-delivery-failed", { message, where, error: error.message });
  else logTrouble(log, where, error, message);
}
