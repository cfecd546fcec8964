/** The entry of a message in the list of captured mail: made when it is captured, and again where more of it is. */
import type { Instant } from "../lib/instant.ts";
import type { CapturedEntry } from "./captured-mail.ts";
import type { NewRecipient, StoredMessage } from "./spool.ts";

/** The entry of a message for these of its recipients. */
export function entryOf(message: StoredMessage, recipients: readonly NewRecipient[], now: Instant): CapturedEntry {
  const { id, facts, junk, authors, forwarded: form } = message;
  // In two forms at once the message is shown as it came.
  const forwarded = form !== undefined && recipients.every((recipient) => recipient.forwarded) ? form : undefined;
  const headerBytes = Buffer.byteLength(message.headerBlock) + Buffer.byteLength(forwarded?.headerBlock ?? "");
  return {
    id,
    from: forwarded?.reversePath ?? message.reversePath,
    to: recipients.map(capturedAs),
    subject: facts.subject ?? "",
    received_at: new Date(now).toISOString(),
    size: message.size + headerBytes,
    ...(junk !== undefined && { junk }),
    ...(authors !== undefined && { authors }),
    ...(forwarded !== undefined && { forwarded: true }),
  };
}

/** Recipients that were captured later join the others; the message is then listed anew. */
export function mergedEntry(earlier: CapturedEntry, later: CapturedEntry): CapturedEntry {
  return {
    ...(earlier.forwarded ? later : earlier),
    to: [...new Set([...earlier.to, ...later.to])],
    received_at: later.received_at,
  };
}

function capturedAs({ address, acceptedAs, forwarded }: NewRecipient): string {
  return forwarded ? address : (acceptedAs ?? address);
}
