/** What is done about a message after its commit, before the reply to its client and right behind it. */
import type { Log } from "../ports/log.ts";
import type { QueueId } from "../spool/queue-id.ts";
import { logTrouble } from "../spool/spool-trouble.ts";

/**
 * Never throws: the message is durable, and a client that heard of a failure would send it again. An internal error is
 * logged; where the log itself fails, nobody can be told.
 */
export function afterCommit(log: Log, message: QueueId, act: () => void): void {
  try {
    act();
  } catch (error) {
    try {
      logTrouble(log, "noting what became of an accepted message", error, message);
    } catch {
      return;
    }
  }
}
