/** How work on the spool that failed is told: a disk that refuses is trouble to expect, anything else a fault of ours. */
import type { Log, LogFields } from "../ports/log.ts";
import { SpoolError } from "./spool.ts";

export function logTrouble(log: Log, where: string, error: unknown, fields: LogFields = {}): void {
  const isDamage = error instanceof SpoolError && error.code === "damaged";
  log.event(isDamage ? "spool-damaged" : error instanceof SpoolError ? "spool-failed" : "internal-error", {
    ...fields,
    where,
    error: error instanceof Error ? error.message : String(error),
  });
}
