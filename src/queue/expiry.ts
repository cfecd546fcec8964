/** Age: when the sender is told of a delay, and when a recipient is given up. Both count from acceptance. */
import type { Instant } from "../lib/instant.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { QueueSettings } from "./settings.ts";

export function expireAt(message: Pick<StoredMessage, "receivedAt">, settings: Pick<QueueSettings, "expire">): Instant {
  return message.receivedAt + settings.expire;
}

/**
 * Asked after a failed attempt only: mail that waited out a long stop of the server still gets one attempt before it
 * is given up.
 */
export function hasExpired(
  message: Pick<StoredMessage, "receivedAt">,
  settings: Pick<QueueSettings, "expire">,
  now: Instant,
): boolean {
  return now >= expireAt(message, settings);
}

/** Once per recipient (RFC 3461 §5.2.5); a `warn_after` of 0 turns warnings off. */
export function warningDue(
  message: Pick<StoredMessage, "receivedAt">,
  recipient: Pick<StoredRecipient, "warned">,
  settings: Pick<QueueSettings, "warn_after">,
  now: Instant,
): boolean {
  return !recipient.warned && settings.warn_after > 0 && now >= message.receivedAt + settings.warn_after;
}
