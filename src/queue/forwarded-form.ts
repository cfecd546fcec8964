/**
 * A message as it leaves for recipients to whom one of our addresses led: from a reverse-path of ours, under the fields
 * made for it. Only on the way to other servers, captured or not; final delivery, and every report of ours, know the
 * message as it came.
 */
import type { NextHop } from "../route/next-hop.ts";
import type { StoredMessage, StoredRecipient } from "../spool/spool.ts";
import type { Claim } from "./claim.ts";

export function leavesForwarded(recipient: StoredRecipient, { message }: Claim, hop: NextHop): boolean {
  const leaves = hop.kind === "smtp" || hop.kind === "capture";
  return leaves && recipient.forwarded === true && message.forwarded !== undefined;
}

export function forwardedForm(message: StoredMessage): StoredMessage {
  const { forwarded } = message;
  if (forwarded === undefined) return message;
  const { reversePath, headerBlock } = forwarded;
  return { ...message, reversePath, headerBlock: headerBlock + message.headerBlock };
}
